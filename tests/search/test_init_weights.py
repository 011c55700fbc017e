"""Trainings that start from a trained trunk, SE blocks as if they were not there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import torchvision

import se_nas
from se_nas import SE, Architecture, InputError, Space, choice, data, optional, per_stage, trunk
from se_nas.data import Data, ImageShape
from se_nas.search.config import SearchConfig
from se_nas.search.config.search_config import config_from_options
from se_nas.search.init_weights import read_init
from se_nas.search.worker.shared_data import init_of, share
from se_nas.training.recipes import RECIPES
from se_nas.training.train import Training

SPACE = Space("s", trunk="resnet8_small", se=per_stage(optional(SE(choice(2, 8)))))


@pytest.fixture(scope="module")
def images() -> Data:
    return data.load("digits", limit_train=300)


@pytest.fixture(scope="module")
def trained(images: Data, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trunk that was trained for two epochs."""
    training = Training("resnet8_small", images, RECIPES["search"], epochs=2)
    while not training.finished:
        training.epoch()
    path = tmp_path_factory.mktemp("init") / "trunk.safetensors"
    se_nas.save(training.model, path)
    return path


def logits(model: torch.nn.Module, images: Data) -> torch.Tensor:
    batch = torch.stack([torch.as_tensor(images.val[i][0], dtype=torch.float32) for i in range(16)])
    return model.eval()(batch).detach()


def test_a_network_with_se_starts_as_the_trained_trunk(images: Data, trained: Path) -> None:
    init = read_init(SPACE, SearchConfig(init=str(trained)), images)
    weights = init_of(share(images, init=init))
    plain = se_nas.load(trained)
    for se in (SE(8), SE(2, placement="standard", gate="two_sigmoid"), None):
        architecture = Architecture("resnet8_small", se)
        training = Training(architecture, images, RECIPES["search"], epochs=1, init=weights)
        assert training.unpreserved == []
        assert torch.allclose(logits(training.model, images), logits(plain, images), atol=1e-4)
    fresh = Training("resnet8_small", images, RECIPES["search"], epochs=1)
    assert not torch.allclose(logits(fresh.model, images), logits(plain, images), atol=1e-2)


def test_each_training_has_weights_of_its_own(images: Data, trained: Path) -> None:
    shared = share(images, init=read_init(SPACE, SearchConfig(init=str(trained)), images))
    first, second = init_of(shared), init_of(shared)
    assert first is not None
    assert second is not None
    name = next(iter(first))
    first[name].add_(1)
    assert not torch.equal(first[name], second[name])
    assert init_of(share(images)) is None
    assert init_of(None) is None


def test_other_classes_have_a_fresh_classifier(trained: Path) -> None:
    shape = ImageShape(num_classes=3, in_channels=1, image_size=8)
    init = read_init(SPACE, SearchConfig(init=str(trained)), shape)
    assert init is not None
    assert not [name for name in init if name.startswith("fc.")]
    assert "conv1.weight" in init or len(init) > 20


def test_a_model_of_torchvision(monkeypatch: pytest.MonkeyPatch) -> None:
    model = torchvision.models.resnet18()

    class Weights:
        class DEFAULT:
            @staticmethod
            def get_state_dict(progress: bool) -> dict[str, torch.Tensor]:
                assert not progress
                return model.state_dict()

    def fail(progress: bool) -> Any:
        raise OSError("no network")

    monkeypatch.setattr(torchvision.models, "get_model_weights", lambda name: Weights)
    space = Space("s", trunk="resnet18_tv", se=per_stage(optional(SE())))
    config = config_from_options({"init": "torchvision:resnet18"})
    init = read_init(space, config, ImageShape(num_classes=10, in_channels=3, image_size=64))
    assert init is not None
    assert (init["conv1.weight"] == model.conv1.weight.detach().numpy()).all()
    Weights.DEFAULT.get_state_dict = staticmethod(fail)  # type: ignore[method-assign]
    with pytest.raises(InputError, match=r"init 'torchvision:resnet18' cannot be fetched: no netw"):
        read_init(space, config, ImageShape(num_classes=10, in_channels=3, image_size=64))


@pytest.mark.parametrize(
    ("space", "settings", "words"),
    [
        (SPACE, {"init": "torchvision:resnet81"}, r"'resnet81'; did you mean 'resnet18'\?"),
        (SPACE, {"init": "nowhere.safetensors"}, r"nowhere.safetensors"),
        (SPACE, {"init": "x", "train": "mine.py"}, r"your own train\(\) starts as it likes"),
        (
            Space("two", trunk=trunk("resnet8_small", width=choice(8, 16)), se=None),
            {"init": "x"},
            r"the space two has 2 or more, among them resnet8_small",
        ),
    ],
)
def test_what_cannot_be_is_one_line(space: Space, settings: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words) as caught:
        read_init(
            space, SearchConfig(**settings), ImageShape(num_classes=10, in_channels=3, image_size=8)
        )
    assert "\n" not in str(caught.value)


def test_weights_of_another_network_do_not_fit(images: Data, tmp_path: Path) -> None:
    path = tmp_path / "other.safetensors"
    se_nas.save(se_nas.materialize("resnet8_small-width8", num_classes=10, in_channels=1), path)
    with pytest.raises(InputError, match="resnet8_small"):
        read_init(SPACE, SearchConfig(init=str(path)), images)


def test_a_file_is_an_absolute_path() -> None:
    assert Path(str(config_from_options({"init": "trunk.pt"}).init)).is_absolute()
    assert config_from_options({"init": "torchvision:resnet18"}).init == "torchvision:resnet18"
