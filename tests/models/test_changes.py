"""Models that were changed by hand: saved so that ``load`` gives the same outputs, or refused."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations, prune

import se_nas
from se_nas import InputError, materialize
from se_nas.nn.model import Model

NAME = "se_resnet8_small-width8_r4"


def model_of(name: str = NAME) -> Model:
    torch.manual_seed(0)
    return materialize(name, num_classes=3).eval()


def child(model: nn.Module, kind: type[nn.Module]) -> tuple[nn.Module, str]:
    """The first module of a kind: its parent and its name there."""
    path = next(name for name, module in model.named_modules() if type(module) is kind)
    parent, _, name = path.rpartition(".")
    return model.get_submodule(parent), name


def head(model: Model) -> None:
    model.fc = nn.Linear(model.get_classifier().in_features, 7)


def stem(model: Model) -> None:
    model.conv1 = nn.Conv2d(1, 8, 3, 1, 1, bias=False)


def tied(model: Model) -> None:
    se = [module for module in model.modules() if isinstance(module, se_nas.SqueezeExcitation)]
    assert se[0].fc1.bias is not None
    se[0].fc2.bias.data = model.state_dict()["bn1.bias"]


def momentum(model: Model) -> None:
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 0.01


def half_precision_but_for_norms(model: Model) -> None:
    model.to(torch.bfloat16)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.float()


def with_nan(model: Model) -> None:
    with torch.no_grad():
        model.get_classifier().weight[0, 0] = float("nan")


CAN: dict[str, Callable[[Model], Any]] = {
    "head": head,
    "stem": stem,
    "tied": tied,
    "momentum": momentum,
    "double": lambda model: model.double(),
    "bfloat16": lambda model: model.to(torch.bfloat16),
    "not in place": lambda model: [setattr(m, "inplace", False) for m in model.modules()],
    "with NaN": with_nan,
    "frozen": lambda model: model.requires_grad_(False),
    "channels-last": lambda model: model.to(memory_format=torch.channels_last),
}


@pytest.mark.parametrize("change", CAN.values(), ids=list(CAN))
def test_what_the_description_can_say_is_saved(
    tmp_path: Path, change: Callable[[Model], Any]
) -> None:
    model = model_of()
    change(model)
    path = tmp_path / "model.safetensors"
    se_nas.save(model, path)
    again = se_nas.load(path).eval()
    kinds = {key: value.dtype for key, value in model.state_dict().items()}
    assert {key: value.dtype for key, value in again.state_dict().items()} == kinds
    channels = 1 if change is stem else 3
    images = torch.randn(2, channels, 32, 32).to(model.get_classifier().weight.dtype)
    with torch.no_grad():
        torch.testing.assert_close(again(images), model(images), equal_nan=True)


def test_mixed_types_are_kept_by_parameter(tmp_path: Path) -> None:
    model = model_of()
    half_precision_but_for_norms(model)
    se_nas.save(model, tmp_path / "m.safetensors")
    again = se_nas.load(tmp_path / "m.safetensors").state_dict()
    assert all(
        value.dtype == again[key].dtype and torch.equal(value, again[key])
        for key, value in model.state_dict().items()
    )


class OnOneDevice(nn.DataParallel[nn.Module]):
    def __init__(self, model: nn.Module) -> None:
        nn.Module.__init__(self)
        self.module = model


WRAPPED: dict[str, Callable[[Model], nn.Module]] = {
    "averaged": torch.optim.swa_utils.AveragedModel,
    "compiled": torch.compile,  # type: ignore[dict-item]
    "parallel": OnOneDevice,
    "compiled and parallel": lambda model: OnOneDevice(torch.compile(model)),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("wrap", WRAPPED.values(), ids=list(WRAPPED))
def test_what_wraps_a_model_is_looked_into(
    tmp_path: Path, wrap: Callable[[Model], nn.Module]
) -> None:
    model = model_of()
    path = tmp_path / "model.safetensors"
    se_nas.save(wrap(model), path)
    again = se_nas.load(path).state_dict()
    assert all(torch.equal(again[key], value) for key, value in model.state_dict().items())


class Wrapped(nn.Module):
    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner, self.a = inner, nn.Parameter(torch.zeros(2, 2))

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(x)  # type: ignore[no-any-return]


def replaced(
    kind: type[nn.Module], by: Callable[[nn.Module], nn.Module]
) -> Callable[[Model], None]:
    def change(model: Model) -> None:
        parent, name = child(model, kind)
        setattr(parent, name, by(getattr(parent, name)))

    return change


def stride(model: Model) -> None:
    model.conv1.stride = (2, 2)  # type: ignore[union-attr,assignment]


def other_gate(model: Model) -> None:
    child_of, name = child(model, se_nas.SqueezeExcitation)
    getattr(child_of, name).gate_function = torch.tanh


def quantized(model: Model) -> None:
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.ao.quantization.quantize_dynamic(model, {nn.Linear}, inplace=True)


CANNOT: dict[str, tuple[Callable[[Model], Any], str]] = {
    "no head": (lambda m: setattr(m, "fc", nn.Identity()), r"fc is Identity\(.*nn.Linear\(32, cl"),
    "longer head": (
        lambda m: setattr(m, "fc", nn.Sequential(nn.Dropout(), nn.Linear(32, 3))),
        "fc is Sequential, not Linear",
    ),
    "head without bias": (
        lambda m: setattr(m, "fc", nn.Linear(32, 3, bias=False)),
        "fc.bias is missing",
    ),
    "pruned": (
        lambda m: prune.l1_unstructured(m.fc, "weight", 0.5),
        r"fc was pruned; .*prune.remove",
    ),
    "weight norm": (
        lambda m: parametrizations.weight_norm(m.fc),
        "fc is parametrized; .*remove_par",
    ),
    "adapter": (replaced(nn.Linear, Wrapped), "is Wrapped, not Linear"),
    "SE replaced": (
        replaced(se_nas.SqueezeExcitation, lambda _: nn.Identity()),
        r"se is Identity\(\), not SqueezeExcitation",
    ),
    "SE wrapped": (replaced(se_nas.SqueezeExcitation, Wrapped), "is Wrapped, not SqueezeExc"),
    "other activation": (replaced(nn.ReLU, lambda _: nn.GELU()), "is GELU.*not ReLU"),
    "other stride": (stride, r"conv1 has stride=\(2, 2\), not \(1, 1\)"),
    "buffer": (lambda m: m.register_buffer("mean", torch.zeros(3)), "mean is left over"),
    "meta": (lambda m: m.to("meta"), "is on the meta device"),
    "head gone": (lambda m: delattr(m, "fc"), "fc is missing"),
    "head None": (lambda m: setattr(m, "fc", None), "fc is missing"),
    "all of the head gone": (lambda m: setattr(m, "head_names", ()), "classifier was left away"),
    "no classes": (lambda m: setattr(m.fc, "out_features", 0), "has 0 classes"),
    "other forward": (lambda m: setattr(m, "forward", torch.relu), "forward is another function"),
    "other forward inside": (
        lambda m: setattr(m.fc, "forward", torch.relu),
        "fc has another function as its forward",
    ),
    "one layer more": (lambda m: m.stage2.append(nn.Sigmoid()), "stage2 has 1 more"),
    "other gate": (other_gate, "has gate_function=tanh, not sigmoid"),
    "quantized": (quantized, "not Linear|is quantized"),
    "complex": (lambda m: m.to(torch.complex64), "is of torch.complex64"),
}


@pytest.mark.filterwarnings("ignore:Complex modules")
@pytest.mark.parametrize(("change", "told"), CANNOT.values(), ids=list(CANNOT))
def test_what_it_cannot_say_is_refused_at_once(
    tmp_path: Path, change: Callable[[Model], Any], told: str
) -> None:
    model = model_of()
    change(model)
    path = tmp_path / "model.safetensors"
    path.write_bytes(b"the good one")
    with pytest.raises(InputError) as error:
        se_nas.save(model, path)
    assert re.search(told, str(error.value))
    assert "\n" not in str(error.value)
    assert path.read_bytes() == b"the good one"
    assert os.listdir(tmp_path) == ["model.safetensors"]


def test_a_changed_model_is_made_plain_as_the_message_says(tmp_path: Path) -> None:
    model = model_of()
    prune.l1_unstructured(model.fc, "weight", 0.5)
    prune.remove(model.fc, "weight")
    se_nas.save(model, tmp_path / "m.safetensors")
    assert (se_nas.load(tmp_path / "m.safetensors").get_classifier().weight == 0).sum() == 48


def test_one_module_in_two_places_is_saved_twice(tmp_path: Path) -> None:
    model = model_of("se_resnet8_small-depths1.2.1-width8_r4")
    model.stage3[1].bn1 = model.stage3[1].bn2  # type: ignore[index,union-attr]
    se_nas.save(model, tmp_path / "m.safetensors")
    again, images = se_nas.load(tmp_path / "m.safetensors").eval(), torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        assert torch.equal(again(images), model(images))


def test_what_is_no_preprocessing_is_named(tmp_path: Path) -> None:
    for wrong in ({"image_size": 64}, (0.5, 0.5), "imagenet"):
        with pytest.raises(InputError, match=r"preprocessing is a \w+; give data.preprocessing"):
            se_nas.save(model_of(), tmp_path / "m.safetensors", wrong)  # type: ignore[arg-type]
