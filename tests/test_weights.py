"""Weights in: round trips are equal; everything that does not fit is said in one line."""

from __future__ import annotations

import pickle
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from se_nas import InputError, materialize
from se_nas.modules import Model
from se_nas.weights import load_weights, read_state_dict

NAME = "se_resnet8_small_r4"


def model(name: str = NAME, **arguments: Any) -> Model:
    """A model whose every tensor, batch-norm statistics included, is random."""
    built = materialize(name, **{"num_classes": 10, **arguments})
    with torch.no_grad():
        for tensor in built.state_dict().values():
            if tensor.is_floating_point():
                tensor.uniform_(0.5, 1.5)
            else:
                tensor.fill_(7)
    return built


def refused(weights: Any, name: str = NAME, **arguments: Any) -> str:
    """The message of the error, which is one line; the model must not have changed."""
    target = model(name, **arguments)
    before = {key: value.clone() for key, value in target.state_dict().items()}
    with pytest.raises(InputError) as error:
        load_weights(target, weights)
    assert all(torch.equal(before[key], value) for key, value in target.state_dict().items())
    assert "\n" not in str(error.value)
    return str(error.value)


def save_pth(state: dict[str, Tensor], path: Path) -> None:
    torch.save(state, path)


@pytest.mark.parametrize(
    ("suffix", "save"), [(".safetensors", save_file), (".pth", save_pth), (".pt", save_pth)]
)
@pytest.mark.parametrize("as_text", [True, False])
def test_round_trip(
    tmp_path: Path, suffix: str, save: Callable[[Any, Path], None], as_text: bool
) -> None:
    source = model()
    path = tmp_path / f"weights{suffix}"
    save(source.state_dict(), path)
    torch.manual_seed(1)
    target = materialize(NAME, num_classes=10, weights=str(path) if as_text else path)
    wanted = source.state_dict()
    assert target.state_dict().keys() == wanted.keys()
    assert all(torch.equal(value, wanted[key]) for key, value in target.state_dict().items())


def test_state_dict_is_copied() -> None:
    source = model()
    target = materialize(NAME, num_classes=10, weights=source.state_dict())
    with torch.no_grad():
        source.state_dict()["fc.bias"].zero_()
    assert float(target.state_dict()["fc.bias"].min()) >= 0.5


@pytest.mark.parametrize("wrapper", ["state_dict", "model"])
def test_wrapped(tmp_path: Path, wrapper: str) -> None:
    source = model()
    path = tmp_path / "checkpoint.pth"
    torch.save({wrapper: source.state_dict(), "epoch": 3}, path)
    assert read_state_dict(path).keys() == source.state_dict().keys()
    load_weights(model(), path)


def test_counters_may_be_missing() -> None:
    source = model()
    state = {k: v for k, v in source.state_dict().items() if not k.endswith("batches_tracked")}
    target = model()
    load_weights(target, state)
    assert torch.equal(target.state_dict()["conv1.weight"], state["conv1.weight"])


class Code:
    """Runs when it is unpickled by a reader that allows it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.path,))


def test_code_in_a_pickle_is_refused_and_not_run(tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    path = tmp_path / "weights.pth"
    torch.save({**model().state_dict(), "payload": Code(ran)}, path)
    assert "holds code or objects" in refused(path)
    assert not ran.exists()
    plain = tmp_path / "plain.pth"
    plain.write_bytes(pickle.dumps(Code(ran)))
    refused(plain)
    assert not ran.exists()
    pickle.loads(plain.read_bytes())
    assert ran.exists(), "the payload works where it is let"


@pytest.mark.parametrize(("suffix", "save"), [(".safetensors", save_file), (".pth", save_pth)])
def test_truncated_file(tmp_path: Path, suffix: str, save: Callable[[Any, Path], None]) -> None:
    path = tmp_path / f"weights{suffix}"
    save(model().state_dict(), path)
    path.write_bytes(path.read_bytes()[:-1000])
    assert path.name in refused(path)
    path.write_bytes(b"")
    assert path.name in refused(path)
    path.write_bytes(b"\x00garbage" * 9)
    assert path.name in refused(path)


def test_no_such_file(tmp_path: Path) -> None:
    assert "there is no file" in refused(tmp_path / "none.pth")
    assert "there is no file" in refused(str(tmp_path / "none.safetensors"))
    assert "there is no file" in refused(tmp_path)


@pytest.mark.parametrize(
    "content", [[1, 2], {"epoch": 3}, torch.zeros(3), {"state_dict": {"a": 1}}, "text"]
)
def test_not_a_state_dict(tmp_path: Path, content: Any) -> None:
    path = tmp_path / "weights.pth"
    torch.save(content, path)
    assert "no state dict of tensors" in refused(path)


def test_wrong_number_of_classes() -> None:
    text = refused(model(num_classes=7).state_dict())
    assert "with 10 classes" in text
    assert "fc.weight (7, 64) instead of (10, 64)" in text


def test_wrong_number_of_input_channels() -> None:
    assert "3 input channels" in refused(model(in_channels=1).state_dict())


def test_missing_and_left_over_keys_are_listed() -> None:
    state = dict(model().state_dict())
    del state["stage2.0.conv1.weight"]
    state["surplus.weight"] = torch.zeros(1)
    text = refused(state)
    assert NAME in text
    assert "1 missing (stage2.0.conv1.weight)" in text
    assert "1 left over (surplus.weight)" in text


def test_many_keys_are_cut_short() -> None:
    text = refused({})
    assert re.search(r"\d\d missing \(.*, …\)", text)
    assert len(text) < 500


def test_trunk_without_se_is_not_the_network_with_se() -> None:
    assert "12 missing" in refused(model("resnet8_small").state_dict())
    assert "12 left over" in refused(model().state_dict(), "resnet8_small")


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("se_resnet50_r16", "se_resnet50_tv_r16"),
        ("se_resnet50_tv_r16", "se_resnet50_r16"),
        ("resnext50_32x4d", "resnext50_32x4d_tv"),
        ("resnext50_32x4d_tv", "resnext50_32x4d"),
    ],
)
def test_other_lineage_names_the_right_model(ours: str, theirs: str) -> None:
    depth = "-depths1.1.1.1"
    name, other = (re.sub(r"(_r16)?$", depth + r"\1", text, count=1) for text in (ours, theirs))
    text = refused(materialize(other, num_classes=10).state_dict(), name)
    assert "lineage" in text
    assert f"Use {other!r}" in text
    load_weights(model(other), materialize(other, num_classes=10).state_dict())


def test_materialize_refuses_wrong_sizes() -> None:
    for wrong in (0, -1, 2.0, "10", None):
        with pytest.raises(InputError, match="num_classes"):
            materialize(NAME, num_classes=wrong)  # type: ignore[arg-type]
        with pytest.raises(InputError, match="in_channels"):
            materialize(NAME, in_channels=wrong)  # type: ignore[arg-type]
