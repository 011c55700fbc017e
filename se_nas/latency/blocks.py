"""The blocks that a network is cut into, each with the shape of its input. No torch here.

A block is a stem, a head, or what follows one another inside a stage: one residual unit, or a run
of plain layers (VGG). Two blocks with one key take the same time: names do not count, nor does
which one-pass nonlinearity gates a pooled vector of C values (``_alike``).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from typing import Any

from se_nas import layers
from se_nas.architecture.architecture import Architecture, stage_layers
from se_nas.cost.layer_cost import Shape, chain_cost
from se_nas.gates import GATES
from se_nas.latency.settings import Signature
from se_nas.layers import Chain, Layer, SEBlock
from se_nas.se import SE
from se_nas.trunks import Trunk


@dataclass(frozen=True)
class Block:
    """What tells a block's latency.

    Attributes:
        key: equal for blocks that take the same time.
        base: the key of the same block without SE.
        params, macs: its cost for one image.
    """

    key: str
    base: str
    params: int
    macs: int

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def blocks(architecture: Architecture, signature: Signature) -> tuple[Block, ...]:
    """The blocks in the order in which they run: stem, stages, head.

    Raises:
        InputError: the images are too small for the network.
    """
    trunk = architecture.trunk
    shape: Shape = (signature.in_channels, signature.image_size, signature.image_size)
    found, shape = _stem(trunk, shape)
    for number, se in zip(trunk.stages, architecture.se, strict=True):
        more, shape = stage_blocks(trunk, number, se, shape)
        found += more
    return found + _head(trunk, signature.num_classes, shape)


@lru_cache(maxsize=32768)
def stage_blocks(
    trunk: Trunk, number: int, se: SE | None, shape: Shape
) -> tuple[tuple[Block, ...], Shape]:
    """The blocks of one stage behind an input of ``shape``, and the shape that comes out."""
    found: list[Block] = []
    for piece in split(stage_layers(trunk, number, se)):
        block, shape = _block(piece, shape)
        found.append(block)
    return tuple(found), shape


@lru_cache(maxsize=4096)
def stage_shapes(trunk: Trunk, signature: Signature) -> tuple[Shape, ...]:
    """The shape that goes into each stage; SE does not change it."""
    _, shape = _stem(trunk, (signature.in_channels, signature.image_size, signature.image_size))
    shapes = [shape]
    for number in trunk.stages:
        shapes.append(stage_blocks(trunk, number, None, shapes[-1])[1])
    return tuple(shapes[:-1])


def split(stage: Chain) -> list[Chain]:
    """A stage's chain in pieces: every unit is one, and every run of plain layers."""
    pieces: list[Chain] = []
    open_run = False
    for name, layer in stage:
        unit = isinstance(layer, (layers.Group, layers.Residual, layers.Concat, layers.Shake))
        if unit or not open_run:
            pieces.append(((name, layer),))
        else:
            pieces[-1] += ((name, layer),)
        open_run = not unit
    return pieces


@lru_cache(maxsize=4096)
def _stem(trunk: Trunk, shape: Shape) -> tuple[tuple[Block, ...], Shape]:
    block, shape = _block(trunk.stem_layers(shape[0]), shape)
    return (block,), shape


@lru_cache(maxsize=4096)
def _head(trunk: Trunk, num_classes: int, shape: Shape) -> tuple[Block, ...]:
    return (_block(trunk.head_layers(num_classes), shape)[0],)


def _block(chain: Chain, shape: Shape) -> tuple[Block, Shape]:
    counted = chain_cost(chain, shape)
    key = _digest(_rewritten(chain, _alike), shape)
    base = _digest(_rewritten(chain, lambda _: None), shape)
    return Block(key, base, counted.params, counted.macs), counted.shape


def _digest(chain: Chain, shape: Shape) -> str:
    plain = [layer for _, layer in chain]  # a block's place in its stage has no part in it
    return hashlib.sha256(repr((plain, shape)).encode()).hexdigest()[:16]


def _alike(se: SEBlock) -> SEBlock:
    """Sigmoid for every gate of one operation on a pooled vector: C values beside a whole map."""
    if se.squeeze == "none" or GATES[se.gate].held > 1:
        return se
    return replace(se, gate="sigmoid")


def _rewritten(chain: Chain, change: Callable[[SEBlock], SEBlock | None]) -> Chain:
    """The chain with each SE block, however deep, changed or, for None, left out."""
    found: list[tuple[str, Layer]] = []
    for name, layer in chain:
        match layer:
            case SEBlock():
                changed = change(layer)
                if changed is None:
                    continue
                layer = changed
            case layers.Group():
                layer = layers.Group(_rewritten(layer.chain, change))
            case layers.Residual():
                layer = replace(
                    layer,
                    branch=_rewritten(layer.branch, change),
                    shortcut=_rewritten(layer.shortcut, change),
                    after=_rewritten(layer.after, change),
                )
            case layers.Concat():
                inner = tuple((n, _rewritten(c, change)) for n, c in layer.branches)
                layer = replace(layer, branches=inner)
            case layers.Shake():
                (a, first), (b, second) = layer.branches
                pair = ((a, _rewritten(first, change)), (b, _rewritten(second, change)))
                layer = replace(layer, branches=pair)
            case _:
                pass
        found.append((name, layer))
    return tuple(found)
