"""Doubts about a search that its own figures raise, each a line with what to change."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Iterator, Sequence

from se_nas.data import Data, ImageShape
from se_nas.search.finals.networks import FinalNetwork
from se_nas.search.study.records import Record

LEAST_TRIALS = 5
# Share of the variance between trials that seeds may have before a line says so.
MOST_NOISE = 0.5


def doubts(
    trials: Iterable[Record],
    rows: Sequence[FinalNetwork],
    best: FinalNetwork,
    images: ImageShape,
) -> list[str]:
    """Return what speaks against the ranking of a search.

    Args:
        trials: of its study.
        rows: the final networks.
        best: the winner among them.
    """
    complete = [
        record.outcome
        for record in trials
        if record.state == "ended" and record.outcome and record.outcome.end == "complete"
    ]
    curves = [[point["val_acc"] for point in outcome.curve if "val_acc" in point]
              for outcome in complete]  # fmt: skip
    curves = [curve for curve in curves if curve and all(map(math.isfinite, curve))]
    return [
        *at_chance(best, images),
        *still_rising(curves),
        *mostly_noise([curve[-1] for curve in curves], rows),
    ]


def at_chance(best: FinalNetwork, images: ImageShape) -> Iterator[str]:
    """Yield a line if the winner is no better than one answer for all images.

    The bound is the share of the most frequent class among the validation images, and two standard
    errors of it.
    """
    if not isinstance(images, Data):
        return
    labels = images.val.labels
    share = float(labels.bincount().max()) / len(labels)
    bound = share + 2 * math.sqrt(share * (1 - share) / len(labels))
    if best.complete and best.mean("val_acc") <= bound:
        yield (
            f"the winner is at chance: {100 * best.mean('val_acc'):.1f} % of the validation "
            f"images, where one answer for all is right in {100 * share:.1f} %; the ranking means "
            "nothing. Train longer (--epochs) or on more images, or make the space's networks "
            "smaller"
        )


def still_rising(curves: Sequence[Sequence[float]]) -> Iterator[str]:
    """Yield a line if networks gain more in the last quarter of their epochs than they differ.

    Args:
        curves: validation accuracy by epoch of the trials that were trained to their end.

    >>> list(still_rising([[0.1, 0.2, 0.3, 0.4 + i / 100] for i in range(5)]))[0][:51]
    'in the last of their 4 epochs networks gained 12.0 '
    """
    curves = [curve for curve in curves if len(curve) > 1]
    if len(curves) < LEAST_TRIALS:
        return
    epochs = max(map(len, curves))
    last = max(1, epochs // 4)
    gain = statistics.median(curve[-1] - curve[-1 - min(last, len(curve) - 1)] for curve in curves)
    spread = statistics.stdev(curve[-1] for curve in curves)
    if gain > spread:
        which = "the last" if last == 1 else f"the last {last}"
        yield (
            f"in {which} of their {epochs} epochs networks gained {100 * gain:.1f} points, and "
            f"they differ by ± {100 * spread:.1f}: they still learn, and longer trials may rank "
            f"them otherwise (--epochs {2 * epochs})"
        )


def mostly_noise(values: Sequence[float], rows: Sequence[FinalNetwork]) -> Iterator[str]:
    """Yield a line if seeds make most of the variance between the trials.

    Args:
        values: validation accuracies of the trials that were trained to their end.
        rows: the final networks, whose seeds tell the noise.
    """
    groups = [[run.val_acc for run in row.complete] for row in rows]
    groups = [group for group in groups if len(group) > 1]
    if len(values) < LEAST_TRIALS or not groups:
        return
    degrees = [len(group) - 1 for group in groups]
    weighed = [d * statistics.variance(g) for d, g in zip(degrees, groups, strict=True)]
    noise, between = sum(weighed) / sum(degrees), statistics.variance(values)
    if noise > MOST_NOISE * between:
        yield (
            f"seeds spread accuracy by ± {100 * noise**0.5:.1f} points, and the trials differ by "
            f"± {100 * between**0.5:.1f}: which of them is best is mostly chance. More validation "
            "images, longer trials (--epochs) or more of them (--trials) tell more"
        )
