"""What a checkpoint that does not fit is of: listed models with its parameters, by arithmetic."""

from __future__ import annotations

import pytest
import torch
import torchvision

from se_nas import InputError, materialize
from se_nas.models.diagnosis import models_of_size


@pytest.mark.parametrize(
    ("theirs", "settings", "names"),
    [
        ("resnet34", {"num_classes": 7}, ["resnet34", "resnet34_tv"]),
        ("mobilenet_v3_small", {}, ["mobilenet_v3_small", "mobilenet_v3_small_timm"]),
        ("densenet121", {}, []),
    ],
)
def test_torchvisions_models(theirs: str, settings: dict[str, int], names: list[str]) -> None:
    with torch.device("meta"):
        state = torchvision.models.get_model(theirs, **settings).state_dict()
    assert models_of_size(state) == names


def test_a_checkpoint_of_another_network_is_named() -> None:
    with torch.device("meta"):
        state = torchvision.models.mobilenet_v2().state_dict()
    with pytest.raises(InputError, match=r"as many parameters as mobilenet_v2$"):
        materialize("resnet18", weights=state)


def test_nothing_is_said_where_no_listed_model_is_as_large() -> None:
    with torch.device("meta"):
        state = torchvision.models.densenet121().state_dict()
    with pytest.raises(InputError) as caught:
        materialize("resnet18", weights=state)
    assert "as many parameters" not in str(caught.value)
