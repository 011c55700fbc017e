"""The paper's tables: every row is a network of ours, and every difference has its reason."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

import se_nas
from se_nas import Architecture, InputError
from se_nas.cost.network_cost import cost
from se_nas.zoo import zoo

ROOT = Path(__file__).resolve().parents[2]
ROWS = [(number, row) for number in zoo.TABLES for row in zoo.table(number)]


def test_the_tables_are_the_papers() -> None:
    lengths = {number: len(zoo.table(number)) for number in zoo.TABLES}
    assert lengths == {
        2: 16, 3: 4, 4: 8, 5: 8, 6: 2, 8: 7, 9: 1, 10: 6, 11: 2, 12: 3, 13: 5, 14: 4, 15: 2, 16: 3
    }  # fmt: skip


def test_every_name_materializes() -> None:
    for name, classes in {(row.name, row.num_classes) for _, row in ROWS}:
        with torch.device("meta"):
            model = se_nas.materialize(name, num_classes=classes)
        parameters = sum(parameter.numel() for parameter in model.parameters())
        assert parameters == cost(name, num_classes=classes).params
        assert str(Architecture.parse(name)) == name


def agrees(row: zoo.PaperRow) -> bool:
    """Both figures, as far as any are printed."""
    off_params, off_macs = row.params_difference or 0.0, row.macs_difference or 0.0
    return abs(off_params) <= 0.1e6 and abs(off_macs) <= 0.003


@pytest.mark.parametrize(("number", "row"), ROWS)
def test_a_row_agrees_or_says_why_not(number: int, row: zoo.PaperRow) -> None:
    assert agrees(row) == (not row.note)
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
    shown = [(row.name, row.input_size, row.top1_pct, row.top5_pct) for row in zoo.table(8)]
    assert shown == [
        ("resnet152", 224, 23.0, 6.7),
        ("resnet152", 320, 21.3, 5.5),
        ("inception_resnet_v2", 299, 19.9, 4.9),
        ("resnext101_64x4d", 224, 20.4, 5.3),
        ("resnext101_64x4d", 320, 19.1, 4.4),
        ("senet154", 224, 18.68, 4.47),
        ("senet154", 320, 17.28, 3.79),
    ]
    (trained_at_320,) = zoo.table(9)
    assert (trained_at_320.input_size, trained_at_320.top1_pct) == (320, 16.88)
    assert trained_at_320.macs == zoo.table(8)[-1].macs == 42_212_171_776


def test_rows_have_the_differences() -> None:
    row = next(row for row in zoo.table(10) if row.name == "se_resnet50_r8_nobias")
    assert (row.params_difference, row.macs_difference) == (30_586_920 - 30.7e6, None)
    row = next(row for row in zoo.table(3) if row.name == "se_mobilenet_v1_r16")
    assert row.macs_difference == pytest.approx(569_220_096 / 572e6 - 1)
    assert not agrees(row)


def test_tables_2_and_3_have_the_errors_that_the_paper_quotes() -> None:
    quoted = {row.name: row.original_top1_pct for n in (2, 3) for row in zoo.table(n)}
    assert quoted["resnet50"] == 24.7
    assert quoted["mobilenet_v1"] == 29.4
    assert quoted["vgg16_bn"] is quoted["se_resnet50_r16"] is None


def test_the_package_has_the_cells_of_the_reference() -> None:
    reference = json.loads((ROOT / "docs/paper/reference.json").read_text(encoding="utf-8"))
    shipped = json.loads((ROOT / "se_nas/zoo/paper.json").read_text(encoding="utf-8"))["tables"]
    assert set(map(int, shipped)) == set(zoo.TABLES)
    for number, table in shipped.items():
        assert table["rows"] == reference["paper_tables"][f"table{number}"]["rows"], number


@pytest.mark.parametrize("number", range(10, 17))
def test_ablations_have_no_fc_biases(number: int) -> None:
    for row in zoo.table(number):
        stages = Architecture.parse(row.name).se
        assert not any(se.bias for se in stages if se is not None)
        assert row.name == "resnet50" or any(stages)


@pytest.mark.parametrize("number", [1, 7, 17])
def test_other_tables_are_refused(number: int) -> None:
    with pytest.raises(InputError, match=f"no Table {number}: .* are 2, 3, 4"):
        zoo.table(number)
