"""Our networks with the methods that timm's users call."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from se_nas.architecture.architecture import Architecture
from se_nas.cost.layer_cost import chain_cost
from se_nas.cost.network_cost import parts
from se_nas.errors import InputError, unknown
from se_nas.layers import Chain, Flatten, GlobalPool, Pool
from se_nas.models.checkpoint_files import Weights
from se_nas.models.saving import preprocessing_of
from se_nas.models.weights import MissingSE, load_weights
from se_nas.nn.model import Model
from se_nas.trunks import Trunk
from se_nas.values import as_python

POOLS = ("avg", "")
SETTINGS = (
    *("architecture", "num_classes", "in_chans", "global_pool", "drop_rate"),
    *("weights", "missing_se", "new_head", "features_only", "out_indices"),
)
LARGE = 1024  # side of an image on which odd sizes and paddings do not blur the strides


class TimmModel(Model):
    """A ``Model`` with what timm's users call; its parameters have the same names.

    As in timm, ``forward_features`` goes up to the pooling: a convolution or norm of the head that
    comes before it belongs to the features. ``num_features`` is the width of that map,
    ``head_hidden_size`` that of the classifier's input. Intermediate features are counted as in
    timm's ResNets: 0 is the stem before its pooling, i the i-th stage.

    Args:
        architecture: a name or a value.
        num_classes: 0 leaves the classifier away.
        global_pool: ``avg``, or empty to leave away the pooling and all behind it; then
            ``num_classes`` must be 0.
        drop_rate: of the dropout before the classifier; the network's own if not given.
        weights, missing_se, new_head: as in ``se_nas.materialize``.

    Raises:
        InputError: as ``se_nas.materialize``, or a setting of other models of timm, such as
            ``output_stride`` and ``drop_path_rate``.
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
        new_head: bool = False,
        **others: Any,
    ) -> None:
        for setting in others:  # timm hands on what it does not know
            raise unknown("setting of a timm model", setting, SETTINGS)
        _check_pool(global_pool, num_classes)
        architecture = Architecture.of(architecture)
        super().__init__(architecture, max(num_classes, 1), in_chans)
        if weights is not None:
            fresh = new_head or num_classes == 0
            load_weights(self, weights, missing_se=missing_se, new_head=fresh)
            self.preprocessing = preprocessing_of(self, weights, fresh)
        self.in_chans, self.grad_checkpointing = in_chans, False
        self.head_hidden_size = super().num_features
        stem, before_pool = _stem(architecture.trunk), _before_pool(architecture.trunk)
        self.stem_end = stem[-1][0]
        self.finish_names = tuple(name for name, _ in before_pool)
        self.feature_info = _feature_info(architecture)
        last = (self.feature_info[-1]["num_chs"], LARGE, LARGE)
        self._features = chain_cost(before_pool, last).shape[0]
        drops = [m for m in map(self.get_submodule, self.head_names) if isinstance(m, nn.Dropout)]
        self.drop_rate = drop_rate or 0.0
        self._drops_itself = bool(drops)
        if drop_rate is not None:
            for drop in drops:
                drop.p = drop_rate
        self.num_classes, self.global_pool = num_classes, global_pool
        if num_classes == 0:
            setattr(self, self.head_names[-1], nn.Identity())

    @property
    def num_features(self) -> int:
        """Channels of ``forward_features``."""
        return self._features

    def get_classifier(self) -> nn.Module:  # type: ignore[override]
        """Return the classifier; an ``Identity`` if it was left away."""
        classifier: nn.Module = getattr(self, self.head_names[-1])
        return classifier

    def reset_classifier(self, num_classes: int, global_pool: str | None = None) -> None:
        """Put in a fresh classifier of ``num_classes`` classes; none if it is 0.

        Raises:
            InputError: an unknown ``global_pool``, or none with ``num_classes`` above 0.
        """
        pool = self.global_pool if global_pool is None else global_pool
        _check_pool(pool, num_classes)
        name = self.head_names[-1]
        if num_classes == 0:
            setattr(self, name, nn.Identity())
        else:
            if not isinstance(self.get_classifier(), nn.Linear):
                like = next(self.parameters())
                setattr(self, name, nn.Linear(self.head_hidden_size, 1).to(like))
            super().reset_classifier(num_classes)
        self.num_classes, self.global_pool = num_classes, pool

    def forward_features(self, x_nchw: Tensor) -> Tensor:
        """Return the map that is pooled: (N, in_chans, H, W) → (N, num_features, h, w)."""
        for name in (*self.stem_names, *self.stage_names):
            x_nchw = self._step(name, x_nchw)
        return self._finish(x_nchw)

    def forward_head(self, x_nchw: Tensor, pre_logits: bool = False) -> Tensor:
        """Return logits (N, num_classes) of ``forward_features``, or the classifier's input."""
        if not self.global_pool:
            return x_nchw
        for name in self.head_names[len(self.finish_names) : -1]:
            x_nchw = getattr(self, name)(x_nchw)
        if self.drop_rate and not self._drops_itself:
            x_nchw = F.dropout(x_nchw, self.drop_rate, self.training)
        return x_nchw if pre_logits else self.get_classifier()(x_nchw)

    def forward_intermediates(
        self,
        x: Tensor,
        indices: int | Sequence[int] | None = None,
        norm: bool = False,
        stop_early: bool = False,
        output_fmt: str = "NCHW",
        intermediates_only: bool = False,
    ) -> list[Tensor] | tuple[Tensor, list[Tensor]]:
        """Return the features at ``indices``; unless ``intermediates_only`` the last map too."""
        if str(getattr(output_fmt, "value", output_fmt)) != "NCHW":
            raise unknown("output_fmt", output_fmt, ("NCHW",))
        wanted = _indices(len(self.feature_info), indices)
        found: list[Tensor] = []
        ends = (self.stem_end, *self.stage_names)
        for name in (*self.stem_names, *self.stage_names):
            x = self._step(name, x)
            if name in ends and ends.index(name) in wanted:
                found.append(x)
            if stop_early and name == ends[max(wanted)]:
                return found if intermediates_only else (x, found)
        return found if intermediates_only else (self._finish(x), found)

    def _step(self, name: str, x_nchw: Tensor) -> Tensor:
        """Run one layer of the stem, or one stage."""
        module = getattr(self, name)
        if name in self.stem_names or not (self.grad_checkpointing and torch.is_grad_enabled()):
            out_nchw: Tensor = module(x_nchw)
            return out_nchw
        for block in module.children():
            x_nchw = checkpoint(block, x_nchw, use_reentrant=False)
        return x_nchw

    def _finish(self, x_nchw: Tensor) -> Tensor:
        for name in self.finish_names:
            x_nchw = getattr(self, name)(x_nchw)
        return x_nchw

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
            self.num_classes, self.global_pool = 0, ""
        return wanted

    def set_grad_checkpointing(self, enable: bool = True) -> None:
        """Keep only the blocks' inputs for the backward pass, and compute the rest again."""
        self.grad_checkpointing = enable

    def group_matcher(self, coarse: bool = False) -> dict[str, Any]:
        """Return patterns that group parameters by depth: for layer-wise learning rates."""
        kind = self.stage_names[0].rstrip("0123456789")
        stem = "|".join(self.stem_names)
        return {
            "stem": rf"^(?:{stem})\.",
            "blocks": rf"^{kind}(\d+)" if coarse else rf"^{kind}(\d+)\.(\d+)",
        }


def _check_pool(pool: str, num_classes: int) -> None:
    if pool not in POOLS:
        raise unknown("global_pool", pool, map(repr, POOLS))
    if not pool and num_classes:
        raise InputError(f"global_pool='' with num_classes={num_classes}: give num_classes=0")


def _indices(count: int, wanted: int | Sequence[int] | None) -> list[int]:
    """Count feature numbers from the start: all for None, the last n for a number."""
    if wanted is None:
        return list(range(count))
    wanted = as_python(wanted)
    if isinstance(wanted, int):
        wanted = range(-wanted, 0)
    for index in wanted:
        if not -count <= index < count:
            raise unknown("feature index", index, range(count))
    if not wanted:
        raise InputError("out_indices is empty; give at least one feature")
    return [index % count for index in wanted]


def _stem(trunk: Trunk) -> Chain:
    """Return the stem without the pooling at its end."""
    stem = trunk.stem_layers(3)
    return stem[:-1] if len(stem) > 1 and isinstance(stem[-1][1], Pool) else stem


def _before_pool(trunk: Trunk) -> Chain:
    """Return the layers of the head that still work on a map."""
    head = trunk.head_layers(1)
    kinds = [isinstance(layer, (GlobalPool, Flatten)) for _, layer in head]
    return head[: kinds.index(True)]


def pooled_side(architecture: Architecture) -> tuple[int, int]:
    """Return (h, w) of the map that is pooled, at the family's own input size."""
    trunk = architecture.trunk
    last = parts(architecture)[trunk.stage_name(trunk.stages[-1])].shape
    return chain_cost(_before_pool(trunk), last).shape[1:]


def _feature_info(architecture: Architecture) -> list[dict[str, Any]]:
    trunk = architecture.trunk
    stem = _stem(trunk)
    shapes = {stem[-1][0]: chain_cost(stem, (3, LARGE, LARGE)).shape}
    for name, part in parts(architecture, input_size=LARGE).items():
        if name not in ("stem", "head"):
            shapes[name] = part.shape
    return [
        {"num_chs": c, "reduction": 2 ** round(math.log2(LARGE / h)), "module": name}
        for name, (c, h, _) in shapes.items()
    ]
