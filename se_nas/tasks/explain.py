"""Explanation of a trained network: its gates by class, and what each SE block is worth.

Figures 6 and 7 of the paper (section 7.2) are the gates of ``collect``; beside them stands what
the paper does not have: what is lost when a block passes the map as it is, or scales by its mean
gates, on validation images.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from se_nas.data import Data, eval_loader
from se_nas.errors import InputError
from se_nas.nn.model import Model
from se_nas.tasks.evaluate import evaluate, images_for
from se_nas.tasks.gates import (
    Gates,
    GateStatistics,
    collect,
    replaced,
    shares_of_time,
    statistics_of,
)
from se_nas.training.evaluation import default_device, to_device

TIMED = 64  # images in a pass that is timed


@dataclass(frozen=True)
class BlockReport:
    """One SE block.

    Attributes:
        dropped, frozen: points of accuracy that are lost in validation when the block passes the
            map as it is, and when it scales by its mean gates.
        time: the share of a forward pass that it takes: what is won without it.
    """

    statistics: GateStatistics
    dropped: float
    frozen: float
    time: float


@dataclass(frozen=True)
class Explanation:
    """What SE does in a network on a data set.

    Attributes:
        accuracy: in validation, in [0, 1].
        images: how many there are: a difference below 1 / images is nothing.
        without_se: points that are lost when all blocks pass their maps as they are.
        gates: of validation images, a ``Gates`` for each block.
    """

    architecture: str
    accuracy: float
    images: int
    without_se: float
    blocks: tuple[BlockReport, ...]
    gates: tuple[Gates, ...]
    classes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values: all but the gates of single images."""
        blocks = [
            {**asdict(each.statistics), "dropped": each.dropped, "frozen": each.frozen,
             "time": each.time} for each in self.blocks
        ]  # fmt: skip
        return {
            "architecture": self.architecture,
            "accuracy": self.accuracy,
            "images": self.images,
            "without_se": self.without_se,
            "blocks": blocks,
        }

    def write_csv(self, folder: Path) -> list[Path]:
        """Write ``blocks.csv``, and ``gates.csv``: mean and deviation by block, class, channel.

        Raises:
            InputError: the folder cannot be written.
        """
        try:
            folder.mkdir(parents=True, exist_ok=True)
            paths = [folder / "blocks.csv", folder / "gates.csv"]
            with paths[0].open("w", newline="") as file:
                rows = csv.writer(file)
                rows.writerow([*vars(self.blocks[0].statistics), "dropped", "frozen", "time"])
                for block in self.blocks:
                    told = [*vars(block.statistics).values(), block.dropped, block.frozen]
                    rows.writerow([*told, block.time])
            with paths[1].open("w", newline="") as file:
                rows = csv.writer(file)
                rows.writerow(["block", "class", "channel", "mean", "deviation"])
                for each in self.gates:
                    for label, name in enumerate(self.classes):
                        own = each.of_class(label)
                        if len(own):
                            found = zip(own.mean(0), own.std(0), strict=True)
                            for channel, (mean, std) in enumerate(found):
                                rows.writerow(
                                    [each.block, name, channel, f"{mean:.6f}", f"{std:.6f}"]
                                )
        except OSError as error:
            raise InputError(f"{str(folder)!r} cannot be written: {error.strerror}") from None
        return paths


def explain(model: Model, data: Data, *, device: torch.device | str | None = None) -> Explanation:
    """Return what SE does in a network, on the validation images of a data set.

    Raises:
        InputError: the network has no SE, or does not fit the data.
    """
    device = default_device() if device is None else torch.device(device)
    before = evaluate([model], data, part="val", device=device)
    gates = collect(model, images_for(model, data, "val"), device)
    if not gates:
        raise InputError(f"{model.architecture} has no SE to explain")

    def lost(blocks: Sequence[Gates], frozen: bool) -> float:
        constants = {each.block: each.mean if frozen else None for each in blocks}
        with replaced(model, constants):
            found = evaluate([model], data, part="val", device=device)
        return 100 * (found.top1_error - before.top1_error)

    batch, _ = next(iter(eval_loader(images_for(model, data, "val"), TIMED, device=device)))
    times = shares_of_time(model, [g.block for g in gates], to_device(batch, batch, device)[0])
    blocks = tuple(
        BlockReport(statistics_of(each), lost([each], False), lost([each], True), times[each.block])
        for each in gates
    )
    return Explanation(
        str(model.architecture),
        1 - before.top1_error,
        before.images,
        lost(gates, False),
        blocks,
        tuple(gates),
        data.classes or tuple(map(str, range(data.num_classes))),
    )


def write_figures(found: Explanation, path: Path, labels: Sequence[int] = (0, 1, 2, 3)) -> None:
    """Write a page with figures 6 and 7: mean gates by channel, of classes and of all images.

    Lines are the means of ``labels`` and of all; bands are a deviation within the class. Of each
    stage it is the last block, as in the paper.

    Raises:
        InputError: the page cannot be written.
    """
    from plotly.graph_objects import Figure, Scatter
    from plotly.subplots import make_subplots

    last = {each.block.split(".")[0]: each for each in found.gates}
    figure: Figure = make_subplots(len(last), 1, subplot_titles=[g.block for g in last.values()])
    colours = ("#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#ff7f0e", "#8c564b")
    for row, each in enumerate(last.values(), 1):
        order = np.arange(each.values.shape[1])
        for label, colour in zip(labels, colours, strict=False):
            own = each.of_class(label)
            if not len(own):
                continue
            mean, std = own.mean(0), own.std(0)
            band = np.concatenate([mean + std, (mean - std)[::-1]])
            shown = {"legendgroup": label, "showlegend": row == 1}
            name = found.classes[label]
            figure.add_trace(
                Scatter(x=order, y=mean, name=name, line={"color": colour}, **shown), row, 1
            )
            figure.add_trace(
                Scatter(x=np.concatenate([order, order[::-1]]), y=band, fill="toself",
                        fillcolor=colour, opacity=0.15, line={"width": 0}, hoverinfo="skip",
                        legendgroup=label, showlegend=False),
                row, 1,
            )  # fmt: skip
        figure.add_trace(
            Scatter(x=order, y=each.mean, name="all", line={"color": "black", "dash": "dot"},
                    legendgroup="all", showlegend=row == 1),
            row, 1,
        )  # fmt: skip
    figure.update_xaxes(title_text="channel")
    figure.update_yaxes(title_text="gate")
    figure.update_layout(height=320 * len(last), title=f"Gates of {found.architecture}")
    try:
        figure.write_html(str(path), include_plotlyjs=True)
    except OSError as error:
        raise InputError(f"{str(path)!r} cannot be written: {error.strerror}") from None
