"""torchvision's and timm's names for the parameters of a ResNet, and its two lineages."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from se_nas.trunks.base import Layout

if TYPE_CHECKING:
    from se_nas.trunks.resnet import ResNet

# timm's senet154 keeps its three stem convolutions in one Sequential, the last norm outside.
DEEP_STEM = {
    "conv1.0.": "conv1.",
    "conv1.1.": "bn1.",
    "conv1.3.": "conv2.",
    "conv1.4.": "bn2.",
    "conv1.6.": "conv3.",
    "bn1.": "bn3.",
}


def layouts(trunk: ResNet) -> tuple[Layout, ...]:
    """Return the layouts of known checkpoints.

    torchvision and timm name alike; timm's legacy models are the paper's lineage (SPEC 3.2).
    """

    def modern(key: str) -> str:
        if trunk.stem == "deep":
            for theirs, ours in DEEP_STEM.items():
                if key.startswith(theirs):
                    return ours + key.removeprefix(theirs)
        return key

    def legacy(key: str) -> str:
        key = re.sub(r"^layer0\.", "", key)
        key = re.sub(r"^layer(\d)\.", lambda m: f"stage{int(m[1]) + 1}.", key)
        return key.replace(".se_module.", ".se.").replace("last_linear.", "fc.")

    paper, tv = replace(trunk, lineage="paper"), replace(trunk, lineage="tv")
    why_paper = "its stem pools with ceil mode and, in a ResNet, the first 1×1 has the stride"
    why_tv = "its stem pools with padding 1 and the 3×3 has the stride"
    why_basic = "timm's legacy_seresnet18 and 34 have a further ReLU before SE (timm#771)"
    legacy_trunk = None if trunk.block == "basic" else paper
    why_legacy = why_basic if trunk.block == "basic" else why_paper
    return (
        Layout("timm's legacy", r"^layer0\.", legacy, legacy_trunk, why_legacy),
        Layout("torchvision's or timm's", r"^layer1\.0\.", modern, tv, why_tv),
        Layout("our own paper-lineage", r"^stage2\.0\.", lambda key: key, paper, why_paper),
    )
