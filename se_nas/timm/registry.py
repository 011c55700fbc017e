"""Our networks in timm: ``timm.create_model("se_nas_se_resnet50_r16")`` after importing this.

timm 1.0.31 refuses a slash in a name (``parse_model_name``: it would be a Hub repository or a
path), knows no sources but ``hf-hub:`` and ``local-dir:``, and takes what follows a dot for the tag
of pretrained weights. So every listed model is registered as ``se_nas_`` and its name, and the
model ``se_nas`` builds any other:
``timm.create_model("se_nas", architecture="resnet18-stem.small")``.

Importing this module registers; nothing else in the package does.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from timm.models import build_model_with_cfg, generate_default_cfgs, register_model
from torch import nn

from se_nas.architecture.architecture import Architecture
from se_nas.data.images import IMAGENET
from se_nas.models.materialize import list_models
from se_nas.timm.model import TimmModel, pooled_side

__all__ = ["ENTRIES", "TimmModel", "timm_name"]

PREFIX = "se_nas"


def _cfg(architecture: Architecture) -> dict[str, Any]:
    network = architecture.network()
    size = architecture.trunk.input_size
    mean, std = IMAGENET
    return {
        "url": "",
        "num_classes": 1000,
        "input_size": (3, size, size),
        "pool_size": pooled_side(architecture),
        "crop_pct": 0.875,
        "interpolation": "bilinear",
        "mean": mean,
        "std": std,
        "first_conv": network.stem[0][0],
        "classifier": network.head[-1][0],
    }


def _entry(name: str, architecture: str) -> Callable[..., nn.Module]:
    def build(pretrained: bool = False, **settings: Any) -> nn.Module:
        settings.setdefault("architecture", architecture)
        stages = len(Architecture.parse(str(settings["architecture"])).trunk.stages)
        features = {"out_indices": tuple(range(stages + 1)), "feature_cls": "getter"}
        model: nn.Module = build_model_with_cfg(
            TimmModel, name, pretrained, feature_cfg=features, **settings
        )
        return model

    build.__name__ = build.__qualname__ = name
    build.__doc__ = f"``se_nas.materialize({architecture!r})`` as a timm model."
    return build


def timm_name(name: str) -> str:
    """Return a name of ours as timm's registry has it."""
    return f"{PREFIX}_{re.sub(r'[^A-Za-z0-9_]', '_', name)}"


ENTRIES = {timm_name(name): name for name in list_models()} | {PREFIX: "se_resnet50_r16"}
default_cfgs = generate_default_cfgs(
    {name: _cfg(Architecture.parse(ours)) for name, ours in ENTRIES.items()}
)
for _name, _ours in ENTRIES.items():
    register_model(_entry(_name, _ours))
