"""Metrics of a classifier from its probabilities, with intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from se_nas.errors import InputError
from se_nas.tasks.statistics import wilson

Floats: TypeAlias = NDArray[np.float64]
Labels: TypeAlias = NDArray[np.int64]
TOP = 5
BINS = 15  # of the calibration, as in Guo et al. 2017
DRAWS = 1000  # of a bootstrap


@dataclass(frozen=True)
class ClassMetrics:
    """One class: how many images, how many of them are found, how many of the finds are right."""

    name: str
    images: int
    recall: float
    precision: float
    f1: float


@dataclass(frozen=True)
class Evaluation:
    """What a classifier does on a set of images; shares in [0, 1].

    Attributes:
        top1_error, top5_error: the second None with five classes or fewer.
        top1_interval: 95 % of the first, by the number of images (Wilson 1927).
        balanced_accuracy: mean recall of the classes.
        balanced_interval: 95 % of it, by drawing the images again.
        macro_f1: mean F1 of the classes.
        calibration_error: mean distance of confidence and accuracy, in 15 bins (ECE, Guo et al.
            2017).
        loss: mean cross-entropy.
        classes: in the order of the labels, those without an image left out of the means.
        confusion: images by [true class, found class].
    """

    images: int
    top1_error: float
    top1_interval: tuple[float, float]
    top5_error: float | None
    balanced_accuracy: float
    balanced_interval: tuple[float, float]
    macro_f1: float
    calibration_error: float
    loss: float
    classes: tuple[ClassMetrics, ...]
    confusion: tuple[tuple[int, ...], ...]

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        return asdict(self)


def evaluation(probabilities: Floats, labels: Labels, classes: Sequence[str] = ()) -> Evaluation:
    """Return the metrics of probabilities [images, classes] for labels [images].

    Raises:
        InputError: there are no images.

    >>> right = np.eye(3)[[0, 1, 2, 2]]
    >>> found = evaluation(right, np.array([0, 1, 2, 1]))
    >>> found.top1_error, round(found.balanced_accuracy, 3), found.confusion[1]
    (0.25, 0.833, (0, 1, 1))
    """
    from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

    count, width = probabilities.shape
    if count == 0:
        raise InputError("there are no images to evaluate on")
    found = probabilities.argmax(1)
    numbers = np.arange(width)
    precision, recall, f1, support = precision_recall_fscore_support(
        labels, found, labels=numbers, zero_division=0
    )
    there = support > 0
    names = classes or tuple(map(str, numbers))
    rows = zip(names, support, recall, precision, f1, strict=True)
    wrong = float((found != labels).mean())
    confidence = probabilities.max(1)
    own = probabilities[np.arange(count), labels]
    return Evaluation(
        count,
        wrong,
        wilson(wrong, count),
        top_error(probabilities, labels, TOP) if width > TOP else None,
        float(recall[there].mean()),
        _interval(found, labels, width),
        float(f1[there].mean()),
        calibration_error(confidence, found == labels),
        float(-np.log(np.maximum(own, 1e-12)).mean()),
        tuple(ClassMetrics(n, int(s), float(r), float(p), float(f)) for n, s, r, p, f in rows),
        tuple(map(tuple, confusion_matrix(labels, found, labels=numbers).tolist())),
    )


def top_error(probabilities: Floats, labels: Labels, count: int) -> float:
    """Return the share of images whose class is not among the ``count`` likeliest.

    >>> top_error(np.array([[0.5, 0.3, 0.2], [0.5, 0.3, 0.2]]), np.array([1, 2]), 2)
    0.5
    """
    likeliest = np.argsort(-probabilities, axis=1, kind="stable")[:, :count]
    return float(1 - (likeliest == labels[:, None]).any(1).mean())


def calibration_error(confidence: Floats, right: NDArray[np.bool_]) -> float:
    """Return the expected calibration error of confidences in [0, 1].

    >>> calibration_error(np.array([0.9] * 10), np.array([True] * 9 + [False]))
    0.0
    """
    bins = np.minimum((confidence * BINS).astype(int), BINS - 1)
    error = 0.0
    for number in np.unique(bins):
        inside = bins == number
        error += inside.mean() * abs(confidence[inside].mean() - right[inside].mean())
    return round(float(error), 12)


def _interval(found: Labels, labels: Labels, width: int) -> tuple[float, float]:
    """Return 95 % of the mean recall: of each class so many of its images are right by chance."""
    rng, draws = np.random.default_rng(0), []
    for number in range(width):
        own = found[labels == number] == number
        if len(own):
            draws.append(rng.binomial(len(own), own.mean(), DRAWS) / len(own))
    low, high = np.quantile(np.mean(draws, axis=0), [0.025, 0.975])
    return float(low), float(high)
