"""The model's own methods, and the sums of its residual blocks."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from se_nas import InputError, layers, materialize
from se_nas.nn.blocks import Residual

NAME = "se_resnet8_small_r4"


def test_forward_stages_ends_in_forward_features() -> None:
    model = materialize(NAME).eval()
    images = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        maps = model.forward_stages(images)
        assert [tuple(m.shape[1:]) for m in maps] == [(16, 32, 32), (32, 16, 16), (64, 8, 8)]
        assert torch.equal(maps[-1], model.forward_features(images))
        pooled = model.forward_head(maps[-1], pre_logits=True)
        assert torch.equal(model.get_classifier()(pooled), model(images))
    assert pooled.shape == (2, model.num_features) == (2, 64)


def test_reset_classifier() -> None:
    model = materialize(NAME, num_classes=10).double()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    model.reset_classifier(3)
    assert model.num_classes == 3
    assert model(torch.zeros(2, 3, 32, 32, dtype=torch.float64)).shape == (2, 3)
    for key, value in model.state_dict().items():
        assert key.startswith("fc.") != (value.shape == before[key].shape), key
    for wrong in (0, -1, 2.0, None):
        with pytest.raises(InputError, match="num_classes"):
            model.reset_classifier(wrong)  # type: ignore[arg-type]


SCALED = "se_inception_resnet_v2-depths1.2.2-width0.25-stem.small_r4"


@pytest.mark.parametrize(
    "name", [NAME, "resnet8_small", f"{NAME}_post", f"{NAME}_identity", SCALED]
)
def test_outputs_are_equal_with_and_without_gradients(name: str) -> None:
    model = materialize(name).eval()
    images = torch.randn(2, 3, 32, 32)
    copy = images.clone()
    with torch.no_grad():
        without = model(images)
    assert torch.equal(images, copy)
    assert torch.equal(model(images), without)


@pytest.mark.parametrize("with_se", [True, False])
def test_a_branch_that_passes_its_input_on_does_not_change_it(with_se: bool) -> None:
    branch: layers.Chain = (("drop", layers.Dropout(0.5)),)
    if with_se:
        branch += (("se", layers.SEBlock(4, 2)),)
    block = Residual(layers.Residual(branch)).eval()
    x = torch.randn(1, 4, 3, 3)
    copy = x.clone()
    with torch.no_grad():
        out = block(x)
    assert torch.equal(x, copy)
    assert torch.equal(out, block(x))
    assert not torch.equal(out, x)


def test_the_classifier_is_a_linear_layer() -> None:
    assert isinstance(materialize("mobilenet_v2").get_classifier(), nn.Linear)
