"""Metrics against scikit-learn's and against counts by hand."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics as reference

from se_nas import InputError
from se_nas.tasks.metrics import calibration_error, evaluation, top_error


@pytest.fixture(scope="module")
def drawn() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 7, 500)
    shares = rng.dirichlet(np.ones(7), 500) + 0.6 * np.eye(7)[labels] * rng.random((500, 1))
    return shares / shares.sum(1, keepdims=True), labels


def test_figures_are_those_of_scikit_learn(drawn: tuple[np.ndarray, np.ndarray]) -> None:
    shares, labels = drawn
    found, guess = evaluation(shares, labels), shares.argmax(1)
    assert found.top1_error == pytest.approx(1 - reference.accuracy_score(labels, guess))
    assert found.top5_error == pytest.approx(
        1 - reference.top_k_accuracy_score(labels, shares, k=5)
    )
    assert found.balanced_accuracy == pytest.approx(
        reference.balanced_accuracy_score(labels, guess)
    )
    assert found.macro_f1 == pytest.approx(reference.f1_score(labels, guess, average="macro"))
    assert found.loss == pytest.approx(reference.log_loss(labels, shares))
    assert np.array_equal(found.confusion, reference.confusion_matrix(labels, guess))
    assert sum(each.images for each in found.classes) == found.images == 500


def test_intervals_are_around_their_figures(drawn: tuple[np.ndarray, np.ndarray]) -> None:
    found = evaluation(*drawn)
    assert found.top1_interval[0] < found.top1_error < found.top1_interval[1]
    assert found.balanced_interval[0] < found.balanced_accuracy < found.balanced_interval[1]


def test_a_class_without_images_is_no_part_of_a_mean() -> None:
    found = evaluation(np.eye(3)[[0, 1]], np.array([0, 1]), ("cat", "dog", "emu"))
    assert (found.balanced_accuracy, found.macro_f1) == (1.0, 1.0)
    assert (found.classes[2].name, found.classes[2].images) == ("emu", 0)
    assert found.top5_error is None


def test_confidence_that_is_too_high_is_an_error_of_calibration() -> None:
    right = np.array([True, False] * 50)
    assert calibration_error(np.full(100, 0.95), right) == pytest.approx(0.45)
    assert calibration_error(np.full(100, 0.5), right) == pytest.approx(0.0)


def test_the_true_class_among_the_likeliest_is_right() -> None:
    shares = np.array([[0.1, 0.2, 0.3, 0.4]] * 4)
    assert top_error(shares, np.array([0, 1, 2, 3]), 2) == 0.5
    assert top_error(shares, np.array([0, 1, 2, 3]), 4) == 0.0


def test_no_images_are_an_error() -> None:
    with pytest.raises(InputError, match="no images"):
        evaluation(np.zeros((0, 3)), np.zeros(0, int))
