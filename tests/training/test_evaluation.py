"""Evaluation: means over images, whatever the batches are."""

from __future__ import annotations

import math

import pytest
import torch
from sklearn.metrics import f1_score, recall_score
from torch import Tensor, nn

from se_nas.errors import InputError
from se_nas.training.evaluation import Metrics, default_device, evaluate


class Fixed(nn.Module):
    """Logits 0 and 1, whatever the image."""

    def forward(self, x_nchw: Tensor) -> Tensor:
        assert not self.training
        return torch.tensor([[0.0, 1.0]]).expand(len(x_nchw), 2)


def test_evaluate_is_a_mean_over_images_not_over_batches() -> None:
    x = torch.zeros(4, 1, 2, 2)
    model = Fixed()
    batches = [(x[:3], torch.tensor([1, 1, 1])), (x[:1], torch.tensor([0]))]
    metrics = evaluate(model, batches, "cpu")
    wrong, right = math.log(1 + math.e), math.log(1 + math.exp(-1))
    assert metrics == Metrics(
        0.75, pytest.approx((3 * right + wrong) / 4), 4, 0.5, pytest.approx((0 + 6 / 7) / 2)
    )
    assert model.training
    with pytest.raises(InputError, match="no images"):
        evaluate(model, [], "cpu")


def test_default_device() -> None:
    assert default_device().type == ("cuda" if torch.cuda.is_available() else "cpu")


def test_metrics_of_classes_are_scikit_learns() -> None:
    random = torch.Generator().manual_seed(0)
    logits, labels = torch.randn(300, 5, generator=random), torch.zeros(300, dtype=torch.int64)
    labels[:40], labels[40:60], labels[60:63] = 1, 2, 3  # and none of class 4
    batches = list(zip(logits.split(70), labels.split(70), strict=True))
    found = evaluate(nn.Flatten(), [(x[..., None, None], y) for x, y in batches], "cpu")
    told = logits.argmax(1)
    assert found.balanced_accuracy == pytest.approx(
        recall_score(labels, told, average="macro", labels=range(4))
    )
    f1 = f1_score(labels, told, average="macro", labels=range(4), zero_division=0)
    assert found.macro_f1 == pytest.approx(f1)
    assert Metrics(0.5, 0.1, 2).shares() == {}
