"""A new gate and a new squeeze are one entry each: all else follows, in a search too.

The entries are written as in ``se_nas/gates.py`` and ``se_nas/squeezes.py``; their module also has
the squeeze's function, which would stand in ``se_nas/nn/squeeze_excitation.py``.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from driving import SMALL, end, start
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

import se_nas
from se_nas import SE, Architecture, InputError, Space, choice
from se_nas.cost.network_cost import cost
from se_nas.gates import GATES
from se_nas.latency.blocks import blocks
from se_nas.latency.settings import Signature
from se_nas.models.export import export_onnx
from se_nas.nn.identity_init import init_identity
from se_nas.nn.insertion import insert_se
from se_nas.nn.squeeze_excitation import SqueezeExcitation
from se_nas.squeezes import SQUEEZES

ROOT = Path(__file__).resolve().parents[1]
ENTRIES = """
from se_nas.gates import GATES, Gate
from se_nas.squeezes import SQUEEZES, Squeeze

GATES["softsign"] = Gate(
    "torch.nn.functional.softsign", token="ssign", held=2, neutral=(2.0, 1.0), nearly_open=19.0
)
GATES["arctan"] = Gate("torch.atan", token="atan")  # never neutral
SQUEEZES["spread"] = Squeeze("added_entries.spread", token="spread", held=3)


def spread(u_nchw):
    return u_nchw.amax((2, 3)) - u_nchw.amin((2, 3))
"""
SPACE = """
from se_nas import SE, Space, choice, maximize, trunk

SPACE = Space(
    "added",
    trunk=trunk("resnet8_small", width=8),
    se=SE(reduction=4, squeeze="spread", gate=choice("softsign", "arctan")),
    objectives=[maximize("val_acc")],
)
"""
TRUNK = "resnet8_small-width8"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The entries are there, and gone after the test."""
    (tmp_path / "added_entries.py").write_text(ENTRIES, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.import_module("added_entries")
    yield tmp_path
    for table, name in ((GATES, "softsign"), (GATES, "arctan"), (SQUEEZES, "spread")):
        table.pop(name)  # type: ignore[attr-defined]
    sys.modules.pop("added_entries")


def architecture(
    gate: str = "softsign", squeeze: str = "spread", bias: bool = True
) -> Architecture:
    trunk = Architecture.parse(TRUNK).trunk
    return Architecture(trunk, SE(4, squeeze=squeeze, gate=gate, bias=bias))


def images() -> Tensor:
    return torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))


def test_names_and_json_have_it() -> None:
    value = architecture()
    assert str(value) == f"se_{TRUNK}_r4_spread_ssign"
    assert Architecture.parse(str(value)) == value
    assert Architecture.from_json(value.to_json()) == value
    with pytest.raises(InputError, match=f"did you mean 'se_{TRUNK}_r4_spread'"):
        Architecture.parse(f"se_{TRUNK}_r4_spred")
    with pytest.raises(InputError, match="names have it; the value is 'softsign'"):
        SE(gate="ssign")
    with pytest.raises(InputError, match="did you mean 'softsign'"):
        SE(gate="softsing")


def test_a_space_draws_it() -> None:
    se = SE(reduction=4, gate=choice("softsign", "sigmoid"), squeeze=choice("spread", "avg"))
    space = Space("added", trunk=TRUNK, se=se)
    assert Space.from_json(space.to_json()) == space
    assert {str(value) for value in space} == {
        f"se_{TRUNK}_r4{end}" for end in ("", "_spread", "_ssign", "_spread_ssign")
    }


def test_ids_tell_it_from_others() -> None:
    values = [
        architecture(gate, squeeze)
        for gate in ("softsign", "arctan", "sigmoid")
        for squeeze in ("spread", "avg")
    ]
    assert len({value.id for value in values}) == 6


def test_its_cost_is_counted() -> None:
    for squeeze in ("spread", "none"):
        value = architecture("softsign", squeeze)
        model = se_nas.materialize(value, num_classes=10).eval()
        with FlopCounterMode(display=False) as counter:
            model(images()[:1])
        found = cost(value, input_size=32, num_classes=10)
        assert found.params == sum(parameter.numel() for parameter in model.parameters())
        assert found.macs == counter.get_total_flops() // 2
    # At every position of a map it holds one number more than a gate of one operation.
    sizes = {"input_size": 32, "num_classes": 10}
    one = cost(architecture("arctan", "none"), **sizes)  # type: ignore[arg-type]
    two = cost(architecture("softsign", "none"), **sizes)  # type: ignore[arg-type]
    assert (one.params, one.macs) == (two.params, two.macs)
    assert one.peak_activations < two.peak_activations


def test_only_a_gate_of_one_operation_shares_the_latency_of_others() -> None:
    def keys(gate: str) -> list[str]:
        return [block.key for block in blocks(architecture(gate), Signature(32))]

    assert keys("arctan") == keys("sigmoid")
    assert keys("softsign") != keys("sigmoid")


def test_the_module_computes_it() -> None:
    torch.manual_seed(0)
    se = SqueezeExcitation(6, 3, "spread", "softsign")
    u_nchw = torch.randn(2, 6, 5, 3)
    z_nc = u_nchw.amax((2, 3)) - u_nchw.amin((2, 3))
    logits_nc = se.fc2(torch.relu(se.fc1(z_nc)))
    s_nc = logits_nc / (1 + logits_nc.abs())
    torch.testing.assert_close(se(u_nchw), u_nchw * s_nc[:, :, None, None])


def pair(value: Architecture) -> tuple[Tensor, se_nas.Model, list[str]]:
    """Outputs of the trunk; the network with its weights, and its blocks that are not neutral."""
    torch.manual_seed(0)
    plain = se_nas.materialize(TRUNK, num_classes=3).eval()
    network = se_nas.materialize(value, num_classes=3).eval()
    network.load_state_dict(plain.state_dict(), strict=False)
    left = init_identity(network)
    with torch.no_grad():
        return plain(images()), network, left


def test_it_starts_as_the_identity_where_its_entry_says_how() -> None:
    expected, network, left = pair(architecture())
    assert left == []
    torch.testing.assert_close(network(images()), expected)
    # Without the bias that its logit of 1 needs it cannot.
    assert len(pair(architecture(bias=False))[2]) == 3


def test_a_gate_that_is_never_neutral_stays_as_it_was_and_is_named() -> None:
    value = architecture("arctan")
    expected, network, left = pair(value)
    assert left == ["stage2.0.se", "stage3.0.se", "stage4.0.se"]
    assert not torch.allclose(network(images()), expected, rtol=1e-3)
    state = network.state_dict()
    assert all(state[f"{name}.fc2.weight"].abs().max() > 0 for name in left)
    weights = se_nas.materialize(TRUNK, num_classes=3).state_dict()
    with pytest.raises(InputError, match="cannot start as identities: their gate cannot be 1"):
        se_nas.materialize(value, num_classes=3, weights=weights, missing_se="identity")


def test_it_is_inserted_into_other_networks() -> None:
    from torchvision.models import resnet18

    model = resnet18().eval()
    with torch.no_grad():
        expected = model(images())
        insert_se(model, SE(gate="softsign", squeeze="spread"))
        torch.testing.assert_close(model(images()), expected, rtol=1e-4, atol=1e-4)
    with pytest.raises(InputError, match="the outputs cannot stay equal in 8 blocks"):
        insert_se(resnet18(), SE(gate="arctan"))


def test_it_is_trained_saved_and_exported(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = se_nas.materialize(architecture(), num_classes=3)
    model(images()).sum().backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in model.parameters())
    se_nas.save(model, tmp_path / "model.safetensors")
    again = se_nas.load(tmp_path / "model.safetensors")
    assert torch.equal(again.eval()(images()), model.eval()(images()))
    export_onnx(model, tmp_path / "model.onnx", 32)  # it compares the outputs itself
    assert (tmp_path / "model.onnx").is_file()


def test_a_search_trains_it(folder: Path) -> None:
    """Its workers are processes of their own: each imports the entries as it starts."""
    (folder / "sitecustomize.py").write_text("import added_entries\n", encoding="utf-8")
    (folder / "added_space.py").write_text(SPACE, encoding="utf-8")
    path = [str(folder), str(ROOT), os.environ.get("PYTHONPATH", "")]
    size = ["--trials", "2", "--epochs", "1", "--top", "1", "--final-seeds", "1"]
    output = end(
        start(
            *("--space", str(folder / "added_space.py"), *SMALL, *size, "--final-epochs", "1"),
            *("--name", "added", "--out", str(folder / "runs")),
            PYTHONPATH=os.pathsep.join(filter(None, path)),
        )
    )
    results = json.loads((folder / "runs" / "added" / "results.json").read_text())
    assert {row["name"] for row in results["ranking"]} == {
        f"se_{TRUNK}_r4_spread_ssign",
        f"se_{TRUNK}_r4_spread_atan",
    }, output
    winner = se_nas.load(folder / "runs" / "added" / "winner.safetensors")
    assert str(winner.architecture) == results["winner"]
