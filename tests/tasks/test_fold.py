"""SE folded away: exact where gates are constant, within the budget where they are not."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch

import se_nas
from se_nas import InputError
from se_nas.cli import main
from se_nas.data import Data, load
from se_nas.nn.squeeze_excitation import SqueezeExcitation
from se_nas.tasks.fold import by_stage, fold_se
from se_nas.tasks.gates import collect
from se_nas.training.recipes import RECIPES
from se_nas.training.train import Training

FOLDABLE = [
    "se_resnet8_small_r8",
    "se_resnet8_small_r8_pre",
    "se_resnet8_small_s24_r4_max_hsigmoid",
    "se_mobilenet_v1-width0.25-stem.small_r8",
    "se_resnext50_32x4d_s4_r16",
]


@pytest.fixture(scope="module")
def digits() -> Data:
    return load("digits", limit_train=300)


def constant(name: str) -> torch.nn.Module:
    """A network whose gates are constants, another one for each channel."""
    torch.manual_seed(0)
    model = se_nas.materialize(name, num_classes=10, in_channels=1)
    for module in model.modules():
        if isinstance(module, SqueezeExcitation):
            torch.nn.init.zeros_(module.fc2.weight)
            torch.nn.init.normal_(module.fc2.bias)
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.normal_(module.bias)
            torch.nn.init.uniform_(module.running_var, 0.5, 2)
    return model


@pytest.mark.parametrize("name", FOLDABLE)
def test_constant_gates_fold_exactly_in_double_precision(name: str, digits: Data) -> None:
    model = constant(name)
    found = fold_se(copy.deepcopy(model), digits, device="cpu")
    assert found.stages == tuple(s for s, se in model.architecture.stages.items() if se)
    assert not any(isinstance(m, SqueezeExcitation) for m in found.model.modules())
    assert se_nas.Architecture(found.model.architecture.trunk) == found.model.architecture
    exact = constant(name).double().eval()
    means = {g.block: g.mean for g in collect(exact.float(), digits.val, "cpu")}
    exact = exact.double()
    from se_nas.tasks.fold import _without

    blocks = by_stage(exact, means)
    with torch.no_grad():
        for gate_name, module in exact.named_modules():
            if isinstance(module, SqueezeExcitation):
                gate = module.gate_function(module.fc2.bias)
                means[gate_name] = gate.numpy()
        folded = _without(exact, blocks, means).eval()
        x_nchw = torch.randn(4, 1, 32, 32, dtype=torch.float64)
        assert torch.allclose(folded(x_nchw), exact(x_nchw), rtol=1e-10, atol=1e-12)


def test_the_given_network_stays_as_it_was(digits: Data) -> None:
    model = constant(FOLDABLE[0])
    before = {key: value.clone() for key, value in model.state_dict().items()}
    fold_se(model, digits, device="cpu")
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())
    assert model.training


@pytest.fixture(scope="module")
def trained(digits: Data) -> Training:
    recipe = RECIPES["search"]
    training = Training("se_resnet8_small_r2", digits, recipe, epochs=4, device="cpu")
    while not training.finished:
        training.epoch()
    return training


def test_nothing_is_lost_beyond_the_budget(trained: Training, digits: Data) -> None:
    for budget in (0.0, 1.0, 100.0):
        found = fold_se(trained.model, digits, budget, device="cpu")
        lost = 100 * (found.after.top1_error - found.before.top1_error)
        assert lost <= budget + 1e-6
        assert set(found.stages) | set(found.kept) == {2, 3, 4}
    assert found.stages == (2, 3, 4)


@pytest.mark.parametrize(
    ("name", "why"),
    [("se_resnet8_small_r8_post", "no single layer beside"), ("se_resnet8_small_r8_tanh", "nega")],
)
def test_what_cannot_be_folded_is_kept_and_told(name: str, why: str, digits: Data) -> None:
    found = fold_se(constant(name), digits, device="cpu")
    assert found.stages == ()
    assert all(why in each for each in found.kept.values())


def test_a_budget_that_is_none_is_one_line(trained: Training, digits: Data) -> None:
    for budget in (-1, float("nan"), "much"):
        with pytest.raises(InputError, match="budget is"):
            fold_se(trained.model, digits, budget)  # type: ignore[arg-type]


def test_the_command_writes_a_network_with_less_se(
    trained: Training, digits: Data, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    se_nas.save(trained.model, tmp_path / "m.safetensors", digits.preprocessing)
    out = tmp_path / "f.safetensors"
    with pytest.raises(SystemExit) as stop:
        main(["fold", str(tmp_path / "m.safetensors"), "--data", "digits", "--budget", "100",
              "--out", str(out)])  # fmt: skip
    assert not stop.value.code
    assert "folded: stages 2, 3, 4; resnet8_small" in capsys.readouterr().out
    assert str(se_nas.load(out).architecture) == "resnet8_small"
