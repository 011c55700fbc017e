"""torchvision's and timm's names for the parameters of a MobileNet v3, and its two lineages."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from se_nas.trunks.base import Layout
from se_nas.trunks.checks import by_module

if TYPE_CHECKING:
    from se_nas.trunks.mobilenet_v3 import MobileNetV3


def layouts(trunk: MobileNetV3) -> tuple[Layout, ...]:
    """Return the layouts of known checkpoints.

    torchvision numbers blocks and layers through (SE counts), timm by stage and by name.
    """
    torchvision, timm = _torchvision(trunk), _timm(trunk)
    tv, of_timm = replace(trunk, lineage="tv"), replace(trunk, lineage="timm")
    why_tv, why_timm = "its batch norms have an eps of 1e-3", "its batch norms have an eps of 1e-5"
    stem = ", and its stem has stride 2" if trunk.stem == "small" else ""
    published = {"se_placement": "conv3x3", "se_gate": "hard_sigmoid"}
    return (
        Layout(
            "torchvision's",
            r"^features\.1\.block\.",
            by_module(torchvision),
            replace(tv, stem="imagenet"),
            why_tv + stem,
            **published,
        ),
        Layout(
            "timm's",
            r"^blocks\.0\.0\.",
            by_module(timm),
            replace(of_timm, stem="imagenet"),
            why_timm + stem,
            **published,
        ),
        Layout("our own torchvision-lineage", r"^stage1\.0\.", lambda key: key, tv, why_tv),
        Layout("our own timm-lineage", r"^blocks0\.0\.", lambda key: key, of_timm, why_timm),
    )


def _torchvision(trunk: MobileNetV3) -> dict[str, str]:
    """Return their modules → ours; an SE block moves the projection one further."""
    last = 1 + sum(trunk.depths)
    prefixes = {
        "features.0.0": "conv_stem",
        "features.0.1": "bn_stem",
        f"features.{last}.0": "conv_head",
        f"features.{last}.1": "bn_head",
        "classifier.0": "fc_hidden",
        "classifier.3": "fc",
    }
    count = 0
    for number, depth in zip(trunk.stages, trunk.depths, strict=True):
        for i in range(depth):
            count += 1
            ours, theirs = f"{trunk.stage_name(number)}.{i}", f"features.{count}.block"
            c_in, c_expanded, _ = trunk.widths(number, i)
            depthwise = 0 if c_expanded == c_in else 1
            if depthwise:
                prefixes[f"{theirs}.0.0"] = f"{ours}.conv_pw"
                prefixes[f"{theirs}.0.1"] = f"{ours}.bn1"
            prefixes[f"{theirs}.{depthwise}.0"] = f"{ours}.conv_dw"
            prefixes[f"{theirs}.{depthwise}.1"] = f"{ours}.bn2"
            for fc in ("fc1", "fc2"):
                prefixes[f"{theirs}.{depthwise + 1}.{fc}"] = f"{ours}.se.{fc}"
            for projection in (depthwise + 1, depthwise + 2):
                prefixes[f"{theirs}.{projection}.0"] = f"{ours}.conv_pwl"
                prefixes[f"{theirs}.{projection}.1"] = f"{ours}.bn3"
    return prefixes


def _timm(trunk: MobileNetV3) -> dict[str, str]:
    """Return their modules → ours.

    A block without an expansion numbers its norms from the depthwise convolution's.
    """
    last = f"blocks.{len(trunk.stages)}.0"
    prefixes = {
        "conv_stem": "conv_stem",
        "bn1": "bn_stem",
        f"{last}.conv": "conv_head",
        f"{last}.bn1": "bn_head",
        "conv_head": "fc_hidden",
        "classifier": "fc",
    }
    wide = {name: name for name in ("conv_pw", "bn1", "conv_dw", "bn2", "conv_pwl", "bn3")}
    narrow = {"conv_dw": "conv_dw", "bn1": "bn2", "conv_pw": "conv_pwl", "bn2": "bn3"}
    se = {"se.conv_reduce": "se.fc1", "se.conv_expand": "se.fc2"}
    for number, depth in zip(trunk.stages, trunk.depths, strict=True):
        for i in range(depth):
            c_in, c_expanded, _ = trunk.widths(number, i)
            for theirs, ours in ((narrow if c_expanded == c_in else wide) | se).items():
                at = f"{trunk.stage_name(number)}.{i}.{ours}"
                prefixes[f"blocks.{number - 1}.{i}.{theirs}"] = at
    return prefixes
