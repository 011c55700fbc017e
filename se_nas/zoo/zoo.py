"""The named models: every trunk plain and with SE at r = 16, and the paper's tables of them.

A name is enough to build a model; this file says which names are listed, tested against the
golden figures and shown to users. ``table`` sets the paper's figures (``paper.json``) beside ours.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from se_nas import trunks
from se_nas.architecture.architecture import Architecture
from se_nas.cost.network_cost import cost
from se_nas.errors import InputError

# Section 6 and 7.1 of the paper, all on ResNet-50 without FC biases (Tables 10–16).
ABLATIONS: tuple[str, ...] = (
    "se_resnet50_r2_nobias",
    "se_resnet50_r4_nobias",
    "se_resnet50_r8_nobias",
    "se_resnet50_r16_nobias",
    "se_resnet50_r32_nobias",
    "se_resnet50_r16_max_nobias",
    "se_resnet50_r16_relu_nobias",
    "se_resnet50_r16_tanh_nobias",
    "se_resnet50_s2_r16_nobias",
    "se_resnet50_s3_r16_nobias",
    "se_resnet50_s4_r16_nobias",
    "se_resnet50_s234_r16_nobias",
    "se_resnet50_r16_pre_nobias",
    "se_resnet50_r16_post_nobias",
    "se_resnet50_r16_identity_nobias",
    "se_resnet50_r16_conv3x3_nobias",
    "se_resnet50_r16_nosqueeze_nobias",
)


def names() -> list[str]:
    """List all names except the aliases, which stand for the trunks in ``_trunk`` with SE."""
    plain = list(trunks.named())
    with_se = [f"se_{name}_r16" for name in plain if not name.endswith("_trunk")]
    return [*plain, *with_se, *ABLATIONS]


@dataclass(frozen=True)
class PaperRow:
    """A line of one of the paper's tables: a model of ours beside what is printed.

    Attributes:
        name: the architecture's name.
        input_size, num_classes: what ``params`` and ``macs`` are for.
        params, macs: ours, exact.
        printed_params, printed_macs: the paper's, as rounded there; None where it prints none.
        top1_pct, top5_pct: the errors that the paper measured, in percent. CIFAR has top-1 alone.
        original_top1_pct, original_top5_pct: those that it quotes from the network's own paper
            beside them (Tables 2 and 3), else None.
        note: why ours differ by more than 0.1 M parameters or 0.3 % of the multiply-adds.
    """

    name: str
    input_size: int
    num_classes: int
    params: int
    macs: int
    printed_params: float | None
    printed_macs: float | None
    top1_pct: float | None
    top5_pct: float | None
    original_top1_pct: float | None = None
    original_top5_pct: float | None = None
    note: str = ""

    @property
    def params_difference(self) -> float | None:
        """Our parameters less the printed ones; None where none are printed."""
        return None if self.printed_params is None else self.params - self.printed_params

    @property
    def macs_difference(self) -> float | None:
        """Our multiply-adds less the printed ones, as a share of the latter, or None."""
        return None if self.printed_macs is None else self.macs / self.printed_macs - 1


_RESNET50 = "se_resnet50_r16_nobias"
_TABLE_2 = (
    "resnet50",
    "resnet101",
    "resnet152",
    "resnext50_32x4d",
    "resnext101_32x4d",
    "vgg16_bn",
    "bn_inception",
    "inception_resnet_v2",
)
_CIFAR = (
    ("resnet110", "resnet110_preact"),
    ("resnet164", "resnet164_preact"),
    ("wrn_16_8", "wrn16_8"),
)


def _pairs(rows: tuple[tuple[str, str], ...], plain: str = "reimpl") -> list[tuple[str, str, str]]:
    """Pair each network without SE with the one with it, as two columns of a row."""
    columns = ((plain, "{}"), ("se", "se_{}_r16"))
    return [(row, column, name.format(ours)) for row, ours in rows for column, name in columns]


# (row of paper.json, column in it or "", our name), in the paper's order.
TABLES: dict[int, list[tuple[str, str, str]]] = {
    2: _pairs(tuple((name, name) for name in _TABLE_2)),
    3: _pairs(
        (
            ("mobilenet_v1_1.0_224", "mobilenet_v1"),
            ("shufflenet_v1_1x_g3", "shufflenet_v1_g3"),
        )
    ),
    4: _pairs((*_CIFAR, ("shake_shake_26_2x96d_cutout", "shake_shake_26_2x96d")), "original"),
    5: _pairs((*_CIFAR, ("shake_even_29_2x4x64d_cutout", "shake_even_29_2x4x64d")), "original"),
    6: [("resnet152", "", "resnet152"), ("se_resnet152", "", "se_resnet152_r16")],
    8: [
        ("resnet152", "crop224", "resnet152"),
        ("resnet152", "crop320_299", "resnet152"),
        ("inception_resnet_v2", "crop320_299", "inception_resnet_v2"),
        ("resnext101_64x4d", "crop224", "resnext101_64x4d"),
        ("resnext101_64x4d", "crop320_299", "resnext101_64x4d"),
        ("senet154", "crop224", "senet154"),
        ("senet154", "crop320_299", "senet154"),
    ],
    9: [("senet154_trained_320", "", "senet154")],
    10: [
        *((f"r{ratio}", "", f"se_resnet50_r{ratio}_nobias") for ratio in (2, 4, 8, 16, 32)),
        ("original", "", "resnet50"),
    ],
    11: [("max", "", "se_resnet50_r16_max_nobias"), ("avg", "", _RESNET50)],
    12: [
        ("relu", "", "se_resnet50_r16_relu_nobias"),
        ("tanh", "", "se_resnet50_r16_tanh_nobias"),
        ("sigmoid", "", _RESNET50),
    ],
    13: [
        ("resnet50", "", "resnet50"),
        *((f"se_stage{number}", "", f"se_resnet50_s{number}_r16_nobias") for number in (2, 3, 4)),
        ("se_all", "", _RESNET50),
    ],
    14: [
        ("se", "", _RESNET50),
        *(
            (f"se_{placement}", "", f"se_resnet50_r16_{placement}_nobias")
            for placement in ("pre", "post", "identity")
        ),
    ],
    15: [("se", "", _RESNET50), ("se_3x3", "", "se_resnet50_r16_conv3x3_nobias")],
    16: [
        ("resnet50", "", "resnet50"),
        ("nosqueeze", "", "se_resnet50_r16_nosqueeze_nobias"),
        ("se", "", _RESNET50),
    ],
}
CLASSES = {4: 10, 5: 100, 6: 365}

_POOLING = (
    "the paper's figure has the pooled and the scaled elements in it, which are no multiply-adds"
)
_INCEPTION = (
    "no published graph has 11.75 G: the released one, this, has 13.16 G, the figures of its paper "
    "9.26 G with 5, 10, 5 blocks and 14.14 G with 10, 20, 10"
)
_SHUFFLENET = "ShuffleNet's own authors count 137 M; what else is in the paper's 140 M is not known"
NOTES: dict[tuple[int, str], str] = {
    (2, "se_resnet101_r16"): _POOLING,
    (2, "se_resnext50_32x4d_r16"): _POOLING,
    (2, "se_resnext101_32x4d_r16"): _POOLING,
    (2, "se_bn_inception_r16"): _POOLING,
    (2, "inception_resnet_v2"): _INCEPTION,
    (2, "se_inception_resnet_v2_r16"): _INCEPTION,
    (3, "se_mobilenet_v1_r16"): (
        "the paper's figure has the pooled elements in it (2.7 M), which are no multiply-adds"
    ),
    (3, "shufflenet_v1_g3"): _SHUFFLENET,
    (3, "se_shufflenet_v1_g3_r16"): _SHUFFLENET,
    (10, "se_resnet50_r8_nobias"): (
        "the paper's figure has the 53,120 running statistics of the batch norms in it, which are "
        "not trained"
    ),
}


def table(number: int) -> tuple[PaperRow, ...]:
    """Return the rows of a table of the paper, as far as they are networks of ours.

    Raises:
        InputError: no such table, or one without our networks.

    >>> row = table(10)[3]
    >>> row.name, row.params, row.printed_params, row.top1_pct
    ('se_resnet50_r16_nobias', 28071976, 28100000.0, 22.28)
    """
    if number not in TABLES:
        known = ", ".join(map(str, TABLES))
        hint = "; Table 7 is of detectors, which se_nas.faster_rcnn builds" if number == 7 else ""
        raise InputError(
            f"there is no Table {number!r}: those with networks of ours are {known}{hint}"
        )
    rows: list[PaperRow] = []
    for row, column, name in TABLES[number]:
        line: Any = _paper()["tables"][str(number)]["rows"][row]
        printed = line[column] if column else line
        if not isinstance(printed, dict):
            printed = {"top1_err": printed}
        original = line["original"] if column == "reimpl" else {}
        size = Architecture.parse(name).trunk.input_size
        if size != 299:  # "320 × 320 / 299 × 299": the latter for networks of that size
            size = 320 if column == "crop320_299" else printed.get("crop", size)
        classes = CLASSES.get(number, 1000)
        ours = cost(name, input_size=size, num_classes=classes)
        rows.append(
            PaperRow(
                name=name,
                input_size=size,
                num_classes=classes,
                params=ours.params,
                macs=ours.macs,
                printed_params=_times(printed.get("params_m"), 10**6),
                printed_macs=_times(printed.get("gflops"), 10**9)
                or _times(printed.get("mflops"), 10**6),
                top1_pct=printed["top1_err"],
                top5_pct=printed.get("top5_err"),
                original_top1_pct=original.get("top1_err"),
                original_top5_pct=original.get("top5_err"),
                note=NOTES.get((number, name), ""),
            )
        )
    return tuple(rows)


def _times(value: float | None, unit: int) -> float | None:
    return None if value is None else float(round(value * unit))


@lru_cache(maxsize=1)
def _paper() -> dict[str, Any]:
    path = Path(__file__).parent / "paper.json"
    data: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return data
