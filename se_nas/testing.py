"""Conformance checks for a family of trunks, ours or another package's.

A test in the package that offers the family as an entry point, in any test framework::

    def test_the_family() -> None:
        check_family(FAMILY, tiny=[PlainNet(width=4)])

Every check raises an ``AssertionError`` that says what is wrong. The parts can be called on their
own, as ``tests/test_conformance.py`` of this package does:

>>> from se_nas.trunks.resnet import ResNet
>>> tiny = ResNet((1, 1), "basic", width=8, stem="small")
>>> check_trunk(tiny)
>>> check_blocks_are_used(tiny, "standard")
('stage2.0.se', 'stage3.0.se')
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import fields, is_dataclass

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from se_nas import trunks
from se_nas.architecture.architecture import Architecture
from se_nas.cost.network_cost import cost
from se_nas.dsl import choice, optional, per_stage
from se_nas.errors import InputError
from se_nas.models.materialize import materialize
from se_nas.nn.model import Model
from se_nas.nn.squeeze_excitation import SqueezeExcitation
from se_nas.se import SE
from se_nas.space.space import Space
from se_nas.texts import first_line
from se_nas.trunks import PLACEMENTS, Family, Trunk, trunk_from_dict, trunk_to_dict

CLASSES, CHANNELS = 10, 1  # unusual, so that a hard-coded 1000 or 3 shows


def check_family(family: Family, tiny: Iterable[Trunk] = ()) -> None:
    """Check all named trunks and aliases of a family that is installed.

    Args:
        tiny: trunks of the family that a CPU runs in moments on images of 32 px, with every kind of
            unit in them: they are computed too, the named ones are only built and counted.

    Raises:
        AssertionError: the family is not installed, or some trunk of it fails a check.
    """
    _require(
        trunks.families().get(family.name) == family,
        f"family {family.name!r} is not among the installed ones, {', '.join(trunks.families())}: "
        "offer it as an entry point of the group se_nas.trunks, and install its package",
    )
    _require(bool(family.named), f"family {family.name!r} has no named trunk")
    names: dict[str, str] = {}
    for name, trunk in family.named.items():
        _require(isinstance(trunk, family.trunk), f"{name!r} is no {family.trunk.__name__}")
        check_trunk(trunk)
        other = names.setdefault(Architecture(trunk).id, name)
        _require(other == name, f"{other!r} and {name!r} are the same network")
    for alias, long in family.aliases.items():
        with _naming(f"the alias {alias!r} of {long!r}"):
            known = str(Architecture.parse(alias))
        _require(known == alias, f"the alias {alias!r} is written as {known!r}")
    for trunk in tiny:
        check_trunk(trunk)
        for placement in trunk.placements:
            check_blocks_are_used(trunk, placement)


def check_trunk(trunk: Trunk) -> None:
    """Check one trunk: settings, stages, spaces over it, and the network of every placement."""
    check_settings(trunk)
    check_stages(trunk)
    check_network(Architecture(trunk))
    for placement in trunk.placements:
        check_placement(trunk, placement)
    check_space(trunk)


def check_settings(trunk: Trunk) -> None:
    """Check that the settings can be hashed, and written into names and JSON and read again."""
    _require(is_dataclass(trunk), f"a {type(trunk).__name__} is no dataclass")
    for field in fields(trunk):
        value, setting = getattr(trunk, field.name), f"setting {field.name!r} of {trunk!r}"
        _require(
            not field.name[-1].isdigit(),
            f"{setting} ends in a digit: in a name its value begins with one",
        )
        _require(
            isinstance(value, (bool, int, float, str, tuple)),
            f"{setting} is {value!r}: names have bool, int, float, str and tuples of int",
        )
        if isinstance(value, tuple):
            whole = bool(value) and all(type(item) is int for item in value)
            _require(whole, f"{setting} is {value!r}: in names a tuple has one int or more")
    with _naming(f"hashing {trunk!r}"):
        hash(trunk)
    with _naming(f"{trunk!r} as JSON"):
        again = trunk_from_dict(trunk_to_dict(trunk))
    _require(again == trunk, f"{trunk!r} comes back from JSON as {again!r}")


def check_stages(trunk: Trunk) -> None:
    """Check the numbers and names of the stages, and the placements that are not offered."""
    numbers = list(trunk.stages)
    _require(bool(numbers), f"{trunk!r} has no stages")
    _require(
        numbers == sorted(set(numbers)) and all(0 <= number <= 9 for number in numbers),
        f"{trunk!r} has stages {numbers}: give ascending numbers of one digit each",
    )
    strange = set(trunk.placements) - set(PLACEMENTS)
    _require(not strange, f"{trunk!r} offers {sorted(strange)}, which are no placements")
    with _naming(f"the layers of {trunk!r}"):
        network = Architecture(trunk).network()
    names = [name for part in (network.stem, network.stages, network.head) for name, _ in part]
    twice = sorted({name for name in names if names.count(name) > 1 or "." in name})
    _require(not twice, f"{trunk!r}: stem, stages and head have the names {twice} twice or dotted")
    for placement in set(PLACEMENTS) - set(trunk.placements):
        try:
            Architecture(trunk, _se(placement))
        except InputError:
            continue
        raise AssertionError(f"{trunk!r} takes the placement {placement!r}, which it has not")


def check_placement(trunk: Trunk, placement: str) -> None:
    """Check the network with SE in all stages, and with SE in the last one alone."""
    se = _se(placement)
    check_network(Architecture(trunk, se))
    check_network(Architecture(trunk, (None,) * (len(trunk.stages) - 1) + (se,)))


def check_network(architecture: Architecture) -> None:
    """Check that an architecture is built as it is counted, and can be written and read.

    The model is built and run without numbers, on images of the trunk's own size.
    """
    with _naming(f"{architecture!r} as a name and as JSON"):
        name = str(architecture)
        read = Architecture.parse(name)
        loaded = Architecture.from_json(architecture.to_json())
    _require(read == architecture, f"{name}: the name is read as {read!r}")
    _require(loaded == architecture, f"{name}: comes back from JSON as {loaded!r}")
    with _naming(f"the cost of {name}"):
        expected = cost(architecture, num_classes=CLASSES, in_channels=CHANNELS)
    size = architecture.trunk.input_size
    with _naming(f"building and running {name}"), torch.device("meta"):
        model = materialize(architecture, num_classes=CLASSES, in_channels=CHANNELS).eval()
        with FlopCounterMode(display=False) as counter:
            out = model(torch.empty(2, CHANNELS, size, size))
    shape = tuple(out.shape)
    _require(shape == (2, CLASSES), f"{name} gives {shape} for 2 images of {CLASSES} classes")
    params = sum(parameter.numel() for parameter in model.parameters())
    _require(params == expected.params, f"{name}: {params} parameters, the cost has {expected}")
    macs = counter.get_total_flops() // 4  # of two images, a multiplication and an addition each
    _require(macs == expected.macs, f"{name}: {macs} multiply-adds, the cost has {expected}")
    blocks = _se_blocks(model)
    for number, se in architecture.stages.items():
        stage = architecture.trunk.stage_name(number)
        found = [block for block in blocks if block.startswith(f"{stage}.")]
        _require(
            bool(found) == (se is not None),
            f"{name}: stage {number} ({stage}) has the SE blocks {found}, its setting is {se!r}",
        )


def check_space(trunk: Trunk) -> None:
    """Check a space with every placement in every stage: drawn, priced, found and written."""
    with _naming(f"a space over {trunk!r}"):
        se = SE(reduction=choice(4, 16), placement=choice(*trunk.placements))  # type: ignore[arg-type]
        space = Space("any", trunk=trunk, se=per_stage(optional(se)))
        again = Space.from_json(space.to_json())
        drawn = {space.sample(seed) for seed in range(20)}
        least = cost(Architecture(trunk)).params
        cheaper = [value for value in drawn if cost(value).params < least]
    _require(again == space, f"a space over {trunk!r} comes back from JSON as {again!r}")
    _require(len(drawn) > 1, f"a space over {trunk!r} draws one architecture only")
    for value in drawn:
        _require(value.trunk == trunk and value in space, f"{value} is not found in its own space")
    _require(not cheaper, f"{trunk!r} has fewer parameters with SE than without: {cheaper[:1]}")


def check_blocks_are_used(trunk: Trunk, placement: str, image_size: int = 32) -> tuple[str, ...]:
    """Check that opening one gate from ½ to 1 changes the output: of each SE block in turn.

    In double precision, because an early block of a narrow network moves the output by 1e-7.

    Returns:
        The names of the SE blocks.
    """
    torch.manual_seed(0)
    architecture = Architecture(trunk, SE(reduction=4, placement=placement))  # type: ignore[arg-type]
    with _naming(f"running {architecture}"), torch.no_grad():
        model = materialize(architecture, num_classes=CLASSES).double().eval()
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                nn.init.uniform_(module.bias, 0.1, 0.5)  # no map that is zero all over
        blocks = _se_blocks(model)
        for block in blocks.values():
            block.fc2.weight.zero_()
        images = torch.randn(2, 3, image_size, image_size, dtype=torch.float64)
        before = model(images)
        changes: dict[str, float] = {}
        for name, block in blocks.items():
            block.fc2.bias.fill_(30.0)
            changes[name] = float((model(images) - before).abs().max() / before.abs().max())
            block.fc2.bias.zero_()
        again = model(images)
    _require(torch.equal(again, before), f"{architecture} gives two outputs for the same images")
    idle = [name for name, change in changes.items() if not change > 1e-9]
    _require(not idle, f"{architecture}: what the SE blocks {idle} do has no part in the output")
    return tuple(blocks)


def _se(placement: str) -> SE:
    return SE(reduction=8, placement=placement)  # type: ignore[arg-type]


def _se_blocks(model: Model) -> dict[str, SqueezeExcitation]:
    return {
        name: module
        for name, module in model.named_modules()
        if isinstance(module, SqueezeExcitation)
    }


def _require(holds: bool, message: str) -> None:
    # Not an assert: those go with python -O, and pytest rewrites only tests.
    if not holds:
        raise AssertionError(message)


@contextmanager
def _naming(what: str) -> Iterator[None]:
    """Raise an AssertionError that says where, in place of whatever a broken trunk raises."""
    try:
        yield
    except Exception as error:
        raise AssertionError(f"{what}: {type(error).__name__}: {first_line(error)}") from error
