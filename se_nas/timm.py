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
from collections.abc import Callable, Sequence
from typing import Any

from timm.models import build_model_with_cfg, generate_default_cfgs, register_model
from torch import Tensor, nn

from se_nas.arch import Architecture
from se_nas.cost import parts
from se_nas.errors import InputError, unknown
from se_nas.layers import Conv
from se_nas.materializer import list_models
from se_nas.modules import Model
from se_nas.parts import GlobalPool
from se_nas.weights import MissingSE, Weights, load_weights

PREFIX = "se_nas"
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
POOLS = ("avg", "")


class TimmModel(Model):
    """A ``Model`` with what timm's users call; its parameters have the same names.

    Features are counted as in timm's ResNets: 0 is the stem before its pooling, i the i-th stage.

    Args:
        architecture: a name or a value.
        num_classes: 0 leaves the classifier away.
        global_pool: ``avg``, or empty to leave the pooling away; then ``num_classes`` must be 0.
        drop_rate: of the dropout before the classifier, in networks that have one.
        weights, missing_se: as in ``se_nas.materialize``.
    """

    def __init__(
        self,
        architecture: str | Architecture = "se_resnet50_r16",
        num_classes: int = 1000,
        in_chans: int = 3,
        global_pool: str = "avg",
        drop_rate: float | None = None,
        weights: Weights | None = None,
        missing_se: MissingSE = "error",
    ) -> None:
        _check_pool(global_pool, num_classes)
        if isinstance(architecture, str):
            architecture = Architecture.parse(architecture)
        super().__init__(architecture, max(num_classes, 1), in_chans)
        if weights is not None:
            load_weights(self, weights, missing_se=missing_se, new_head=num_classes == 0)
        self.in_chans = in_chans
        self.head_hidden_size = self._features = super().num_features
        self.grad_checkpointing = False
        for name in self.head_names:
            module = getattr(self, name)
            if drop_rate is not None and isinstance(module, nn.Dropout):
                module.p = drop_rate
        self.feature_info = _feature_info(architecture)
        self.num_classes, self.global_pool = num_classes, global_pool
        if num_classes == 0:
            setattr(self, self.head_names[-1], nn.Identity())

    @property
    def num_features(self) -> int:
        return self._features

    def get_classifier(self) -> nn.Module:  # type: ignore[override]
        """The classifier; an ``Identity`` if it was left away."""
        classifier: nn.Module = getattr(self, self.head_names[-1])
        return classifier

    def reset_classifier(self, num_classes: int, global_pool: str | None = None) -> None:
        """A fresh classifier of ``num_classes`` classes; none if it is 0."""
        pool = self.global_pool if global_pool is None else global_pool
        _check_pool(pool, num_classes)
        name = self.head_names[-1]
        if num_classes == 0:
            setattr(self, name, nn.Identity())
        else:
            if not isinstance(self.get_classifier(), nn.Linear):
                like = next(self.parameters())
                setattr(self, name, nn.Linear(self._features, 1).to(like))
            super().reset_classifier(num_classes)
        self.num_classes, self.global_pool = num_classes, pool

    def forward_head(self, x_nchw: Tensor, pre_logits: bool = False) -> Tensor:
        for name in self.head_names[: -1 if pre_logits else None]:
            module = getattr(self, name)
            if isinstance(module, GlobalPool) and not self.global_pool:
                return x_nchw
            x_nchw = module(x_nchw)
        return x_nchw

    def forward_intermediates(
        self,
        x: Tensor,
        indices: int | Sequence[int] | None = None,
        norm: bool = False,
        stop_early: bool = False,
        output_fmt: str = "NCHW",
        intermediates_only: bool = False,
    ) -> list[Tensor] | tuple[Tensor, list[Tensor]]:
        """The features at ``indices``, and unless ``intermediates_only`` the last stage's map."""
        if str(getattr(output_fmt, "value", output_fmt)) != "NCHW":
            raise unknown("output_fmt", output_fmt, ("NCHW",))
        wanted = _indices(len(self.feature_info), indices)
        found: list[Tensor] = []
        ends = (_stem_end(self), *self.stage_names)
        count = 0
        for name in (*self.stem_names, *self.stage_names):
            x = getattr(self, name)(x)
            if name in ends:
                if count in wanted:
                    found.append(x)
                if stop_early and count == max(wanted):
                    break
                count += 1
        return found if intermediates_only else (x, found)

    def prune_intermediate_layers(
        self,
        indices: int | Sequence[int] = 1,
        prune_norm: bool = False,
        prune_head: bool = True,
    ) -> list[int]:
        """Drop the stages behind the last of ``indices``, and the head."""
        wanted = _indices(len(self.feature_info), indices)
        for name in self.stage_names[max(wanted) :]:
            setattr(self, name, nn.Identity())
        if prune_head:
            for name in self.head_names:
                setattr(self, name, nn.Identity())
            self.num_classes = 0
        return wanted

    def set_grad_checkpointing(self, enable: bool = True) -> None:
        if enable:
            raise InputError("gradient checkpointing is not offered by SE-NAS's models")


def _check_pool(pool: str, num_classes: int) -> None:
    if pool not in POOLS:
        raise unknown("global_pool", pool, POOLS)
    if not pool and num_classes:
        raise InputError(f"global_pool='' with num_classes={num_classes}: give num_classes=0")


def _indices(count: int, wanted: int | Sequence[int] | None) -> list[int]:
    """Feature numbers counted from the start: all for None, the last n for a number."""
    if wanted is None:
        return list(range(count))
    if isinstance(wanted, int):
        wanted = range(-wanted, 0)
    for index in wanted:
        if not -count <= index < count:
            raise unknown("feature index", index, range(count))
    if not wanted:
        raise InputError("out_indices is empty; give at least one feature")
    return [index % count for index in wanted]


def _stem_end(model: Model) -> str:
    """The last layer of the stem that is no pooling."""
    names = model.stem_names
    pools = isinstance(getattr(model, names[-1]), (nn.MaxPool2d, nn.AvgPool2d))
    return names[-2] if pools and len(names) > 1 else names[-1]


def _feature_info(architecture: Architecture) -> list[dict[str, Any]]:
    trunk = architecture.trunk
    convs = [layer for _, layer in trunk.stem_layers(3) if isinstance(layer, Conv)]
    stride = 1
    for conv in convs:
        stride *= conv.stride
    info = [{"num_chs": convs[-1].c_out, "reduction": stride, "module": "stem"}]
    side = 1024  # large, so that odd sizes do not blur the ratio
    tallies = parts(architecture, input_size=side)
    for name, tally in tallies.items():
        if name not in ("stem", "head"):
            c, h, _ = tally.shape
            info.append({"num_chs": c, "reduction": round(side / h), "module": name})
    return info


def _cfg(architecture: Architecture) -> dict[str, Any]:
    trunk = architecture.trunk
    network = architecture.network()
    size = trunk.input_size
    return {
        "url": "",
        "num_classes": 1000,
        "input_size": (3, size, size),
        "pool_size": parts(architecture)[trunk.stage_name(trunk.stages[-1])].shape[1:],
        "crop_pct": 0.875,
        "interpolation": "bilinear",
        "mean": IMAGENET_MEAN,
        "std": IMAGENET_STD,
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
    """Our name as timm's registry has it."""
    return f"{PREFIX}_{re.sub(r'[^A-Za-z0-9_]', '_', name)}"


ENTRIES = {timm_name(name): name for name in list_models()} | {PREFIX: "se_resnet50_r16"}
default_cfgs = generate_default_cfgs(
    {name: _cfg(Architecture.parse(ours)) for name, ours in ENTRIES.items()}
)
for _name, _ours in ENTRIES.items():
    register_model(_entry(_name, _ours))
