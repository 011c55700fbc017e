"""The paper's tables: every row is a network of ours, and every difference has its reason."""

from __future__ import annotations

import pytest
import torch

import se_nas
from se_nas import Architecture, InputError, zoo
from se_nas.cost import cost

ROWS = [(number, row) for number in zoo.TABLES for row in zoo.table(number)]


def test_the_tables_are_the_papers() -> None:
    lengths = {number: len(zoo.table(number)) for number in zoo.TABLES}
    assert lengths == {
        2: 16, 3: 4, 4: 8, 5: 8, 6: 2, 8: 2, 10: 6, 11: 2, 12: 3, 13: 5, 14: 4, 15: 2, 16: 3
    }  # fmt: skip


def test_every_name_materializes() -> None:
    for name, classes in {(row.name, row.num_classes) for _, row in ROWS}:
        with torch.device("meta"):
            model = se_nas.materialize(name, num_classes=classes)
        parameters = sum(parameter.numel() for parameter in model.parameters())
        assert parameters == cost(name, num_classes=classes).params
        assert str(Architecture.parse(name)) == name


@pytest.mark.parametrize(("number", "row"), ROWS)
def test_a_row_agrees_or_says_why_not(number: int, row: zoo.Row) -> None:
    assert row.agrees == (not row.note)
    ours = cost(row.name, input_size=row.input_size, num_classes=row.num_classes)
    assert (row.params, row.macs) == (ours.params, ours.macs)


def test_no_note_is_left_over() -> None:
    assert {(number, row.name) for number, row in ROWS if row.note} == set(zoo.NOTES)


@pytest.mark.parametrize(
    ("number", "name", "size", "classes", "printed", "errors"),
    [
        (2, "se_vgg16_bn_r16", 224, 1000, (None, 15.48e9), (25.22, 7.70)),
        (2, "inception_resnet_v2", 299, 1000, (None, 11.75e9), (20.37, 5.21)),
        (3, "se_mobilenet_v1_r16", 224, 1000, (4.7e6, 572e6), (25.3, 7.7)),
        (4, "se_shake_shake_26_2x96d_r16", 32, 10, (None, None), (2.12, None)),
        (5, "resnet110_preact", 32, 100, (None, None), (26.88, None)),
        (6, "se_resnet152_r16", 224, 365, (None, None), (40.37, 11.01)),
        (10, "se_resnet50_r8_nobias", 224, 1000, (30.7e6, None), (22.26, 5.99)),
        (16, "se_resnet50_r16_nosqueeze_nobias", 224, 1000, (28.1e6, 4.27e9), (22.93, 6.39)),
    ],
)
def test_rows_hold_what_is_printed(
    number: int,
    name: str,
    size: int,
    classes: int,
    printed: tuple[float | None, float | None],
    errors: tuple[float, float | None],
) -> None:
    (row,) = (row for row in zoo.table(number) if row.name == name)
    assert (row.input_size, row.num_classes) == (size, classes)
    assert (row.printed_params, row.printed_macs) == printed
    assert (row.top1_pct, row.top5_pct) == errors


def test_table_8_has_both_crops() -> None:
    at_224, at_320 = zoo.table(8)
    assert (at_224.input_size, at_224.top1_pct) == (224, 18.68)
    assert (at_320.input_size, at_320.top1_pct, at_320.macs) == (320, 17.28, 42_212_171_776)


@pytest.mark.parametrize("number", [1, 7, 9, 17])
def test_other_tables_are_refused(number: int) -> None:
    with pytest.raises(InputError, match=f"no Table {number}: .* are 2, 3, 4"):
        zoo.table(number)
