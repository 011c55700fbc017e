"""What SE does in a network: ablations, tables and figures."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
import torch

import se_nas
from se_nas import InputError
from se_nas.cli import main
from se_nas.data import Data, load
from se_nas.nn.squeeze_excitation import SqueezeExcitation
from se_nas.tasks.explain import explain, write_figures
from se_nas.training.recipes import RECIPES
from se_nas.training.train import Training


@pytest.fixture(scope="module")
def digits() -> Data:
    return load("digits", limit_train=500)


@pytest.fixture(scope="module")
def model(digits: Data) -> torch.nn.Module:
    training = Training("se_resnet8_small_r2", digits, RECIPES["search"], epochs=4, device="cpu")
    while not training.finished:
        training.epoch()
    return training.model


def test_what_is_lost_is_counted_on_validation_images(model: torch.nn.Module, digits: Data) -> None:
    found = explain(model, digits, device="cpu")
    assert (found.images, len(found.blocks)) == (len(digits.val), 3)
    whole = Training("se_resnet8_small_r2", digits, RECIPES["search"], epochs=1, device="cpu")
    whole.model.load_state_dict(model.state_dict())
    assert found.accuracy == pytest.approx(whole._evaluate(digits.val).accuracy)
    for module in whole.model.modules():
        if isinstance(module, SqueezeExcitation):
            module.register_forward_hook(lambda _, given, out: given[0])
    left = whole._evaluate(digits.val).accuracy
    assert found.without_se == pytest.approx(100 * (found.accuracy - left))


def test_a_constant_gate_loses_nothing_when_it_is_frozen(digits: Data) -> None:
    constant = se_nas.materialize("se_resnet8_small_r8", num_classes=10, in_channels=1)
    for module in constant.modules():
        if isinstance(module, SqueezeExcitation):
            torch.nn.init.zeros_(module.fc2.weight)
    found = explain(constant, digits, device="cpu")
    assert [block.frozen for block in found.blocks] == [0, 0, 0]
    assert [block.statistics.near_constant for block in found.blocks] == [1, 1, 1]


def test_tables_and_figures_are_written(
    model: torch.nn.Module, digits: Data, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    se_nas.save(model, tmp_path / "m.safetensors", digits.preprocessing)
    with pytest.raises(SystemExit) as stop:
        main(["explain", str(tmp_path / "m.safetensors"), "--data", "digits",
              "--out", str(tmp_path / "figures")])  # fmt: skip
    assert not stop.value.code
    assert "without any SE" in capsys.readouterr().out
    with (tmp_path / "figures" / "gates.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 10 * (16 + 32 + 64)
    assert {row["block"] for row in rows} == {f"stage{i}.0.se" for i in (2, 3, 4)}
    page = (tmp_path / "figures" / "gates.html").read_text(encoding="utf-8")
    assert all(f"stage{i}.0.se" in page for i in (2, 3, 4))


def test_bad_input_is_one_line(model: torch.nn.Module, digits: Data, tmp_path: Path) -> None:
    plain = se_nas.materialize("resnet8_small", num_classes=10, in_channels=1)
    with pytest.raises(InputError, match="has no SE to explain"):
        explain(plain, digits)
    found = explain(model, digits, device="cpu")
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        found.write_csv(tmp_path / "file")
    with pytest.raises(InputError, match="cannot be written"):
        write_figures(found, tmp_path / "none" / "f.html")
