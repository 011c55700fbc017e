"""The SE block against its equations, in every precision, and its identity initialisation."""

from __future__ import annotations

import itertools
import re
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from se_nas import SE, Architecture, SqueezeExcitation, materialize
from se_nas.gates import GATES
from se_nas.nn.identity_init import init_identity
from se_nas.nn.model import Model
from se_nas.nn.neighbours import neighbours
from se_nas.nn.squeeze_excitation import load_function
from se_nas.se import SE_TOKEN
from se_nas.squeezes import SQUEEZES

GATE_NAMES = ("sigmoid", "tanh", "relu", "hard_sigmoid", "two_sigmoid")
SQUEEZE_NAMES = ("avg", "max", "avgmax", "none")
ALL = list(itertools.product(SQUEEZE_NAMES, GATE_NAMES, (True, False)))


def block(squeeze: Any = "avg", gate: Any = "sigmoid", bias: bool = True) -> SqueezeExcitation:
    torch.manual_seed(0)
    se = SqueezeExcitation(6, 3, squeeze, gate, bias).double()
    for parameter in se.parameters():
        nn.init.normal_(parameter)
    return se


def images(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


GATE_FORMULAS: dict[str, Any] = {
    "sigmoid": sigmoid,
    "tanh": lambda x: (np.exp(x) - np.exp(-x)) / (np.exp(x) + np.exp(-x)),
    "relu": lambda x: x * (x > 0),
    "hard_sigmoid": lambda x: np.minimum(np.maximum(x + 3, 0), 6) / 6,
    "two_sigmoid": lambda x: 2 * sigmoid(x),
}


def equations(se: SqueezeExcitation, u_nchw: Any) -> Any:
    """Equations 2, 3 and 4, channel by channel and without PyTorch."""
    w1, w2 = (fc.weight.detach().numpy() for fc in (se.fc1, se.fc2))
    b1, b2 = (0.0 if fc.bias is None else fc.bias.detach().numpy() for fc in (se.fc1, se.fc2))
    gate = GATE_FORMULAS[se.gate]
    out = np.empty_like(u_nchw)
    count, channels, height, width = u_nchw.shape
    for n, c in itertools.product(range(count), range(channels)):
        if se.squeeze == "none":
            for i, j in itertools.product(range(height), range(width)):
                hidden = w1 @ u_nchw[n, :, i, j] + b1
                s = gate(w2 @ (hidden * (hidden > 0)) + b2)
                out[n, c, i, j] = s[c] * u_nchw[n, c, i, j]
            continue
        mean = [u_nchw[n, k].sum() / (height * width) for k in range(channels)]  # eq. 2
        largest = [u_nchw[n, k].max() for k in range(channels)]
        z = {"avg": mean, "max": largest, "avgmax": np.add(mean, largest)}[se.squeeze]
        hidden = w1 @ np.asarray(z) + b1
        s = gate(w2 @ (hidden * (hidden > 0)) + b2)  # eq. 3
        out[n, c] = s[c] * u_nchw[n, c]  # eq. 4
    return out


@pytest.mark.parametrize(("squeeze", "gate", "bias"), ALL)
@pytest.mark.parametrize("shape", [(2, 6, 5, 3), (1, 6, 1, 1), (3, 6, 1, 7)])
def test_equals_the_equations(squeeze: str, gate: str, bias: bool, shape: tuple[int, ...]) -> None:
    se, u_nchw = block(squeeze, gate, bias), images(*shape)
    kept = u_nchw.clone()
    np.testing.assert_allclose(
        se(u_nchw).detach().numpy(), equations(se, u_nchw.numpy()), rtol=1e-12, atol=1e-14
    )
    assert torch.equal(u_nchw, kept), "the map is not overwritten"


def test_every_squeeze_and_gate_is_tested() -> None:
    assert set(GATE_NAMES) == set(GATES)
    assert set(SQUEEZE_NAMES) == set(SQUEEZES)


def test_every_squeeze_and_gate_has_a_token_of_its_own_but_the_defaults() -> None:
    tokens = [squeeze.token for squeeze in SQUEEZES.values()]
    tokens += [gate.token for gate in GATES.values()]
    words = [token for token in tokens if token]
    assert (SQUEEZES["avg"].token, GATES["sigmoid"].token) == ("", "")
    assert len(set(words)) == len(words) == len(tokens) - 2
    assert all(re.fullmatch("[a-z0-9]+", word) and not SE_TOKEN.match(word) for word in words)


@pytest.mark.parametrize("name", GATES)
def test_a_gate_is_neutral_and_nearly_open_where_its_entry_says(name: str) -> None:
    gate = GATES[name]
    opens = load_function(gate.function)
    if gate.neutral is not None:
        gain, logit = gate.neutral
        assert float(opens(torch.tensor(logit, dtype=torch.float64))) * gain == pytest.approx(
            1, abs=1e-12
        )
    if gate.nearly_open is not None:
        assert float(opens(torch.tensor(gate.nearly_open))) == pytest.approx(0.95, abs=1e-3)


def test_parameters() -> None:
    assert {n: tuple(p.shape) for n, p in SqueezeExcitation(6, 3).named_parameters()} == {
        "fc1.weight": (3, 6),
        "fc1.bias": (3,),
        "fc2.weight": (6, 3),
        "fc2.bias": (6,),
    }
    assert [n for n, _ in SqueezeExcitation(6, 3, bias=False).named_parameters()] == [
        "fc1.weight",
        "fc2.weight",
    ]


@pytest.mark.parametrize("bias", [True, False])
def test_nosqueeze_is_two_1x1_convolutions(bias: bool) -> None:
    se, u_nchw = block("none", "sigmoid", bias), images(2, 6, 4, 5)
    first, second = nn.Conv2d(6, 3, 1, bias=bias).double(), nn.Conv2d(3, 6, 1, bias=bias).double()
    for conv, fc in ((first, se.fc1), (second, se.fc2)):
        conv.load_state_dict(
            {k: v[:, :, None, None] if v.ndim == 2 else v for k, v in fc.state_dict().items()}
        )
    expected = u_nchw * torch.sigmoid(second(torch.relu(first(u_nchw))))
    torch.testing.assert_close(se(u_nchw), expected, rtol=1e-12, atol=0)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("squeeze", ["avg", "avgmax"])
def test_half_precision_does_not_overflow(dtype: torch.dtype, squeeze: str) -> None:
    # The sum over 224 × 224 pixels of 3.0 is 150 528, the largest float16 is 65 504.
    u_nchw = torch.full((1, 2, 224, 224), 3.0, dtype=dtype)
    z_nc = load_function(SQUEEZES[squeeze].function)(u_nchw)
    assert z_nc.dtype == dtype
    assert z_nc.tolist() == [[3.0 if squeeze == "avg" else 6.0] * 2]


@pytest.mark.parametrize("squeeze", SQUEEZE_NAMES)
def test_half_precision_block(squeeze: str) -> None:
    se = block(squeeze)
    u_nchw = images(2, 6, 5, 3)
    out = se.to(torch.bfloat16)(u_nchw.to(torch.bfloat16))
    assert out.dtype == torch.bfloat16
    torch.testing.assert_close(out.double(), block(squeeze)(u_nchw), rtol=0.1, atol=0.05)


SE_RESNETS = [
    f"se_resnet{body}_r2_{place}{squeeze}"
    for body, place in (
        ("8_small-width4", "standard"),
        ("8_small-width4", "pre"),
        ("8_small-width4", "post"),
        ("8_small-width4", "identity"),
        ("50-depths2.1-width4-stem.small", "conv3x3"),
    )
    for squeeze in ("", "_max", "_nosqueeze")
]
NETWORKS = [
    *(name.replace("_standard", "") for name in SE_RESNETS),
    "se_mobilenet_v1-depths1.1.1.1.1-width0.25_r2",
    "se_mobilenet_v2-depths1.2.1.1.1.1.1-width0.25_r2_post",
    "se_shufflenet_v1_g3-depths2.1.1-scale0.5_r2",
    "se_shufflenet_v2_x0_5-depths2.1.1_r2_identity",
]


@pytest.mark.parametrize("name", NETWORKS)
def test_autocast(name: str) -> None:
    torch.manual_seed(0)
    model = materialize(name, num_classes=3)
    x_nchw = torch.randn(2, 3, 32, 32)
    with torch.autocast("cpu", torch.bfloat16):
        out = model(x_nchw)
    out.float().sum().backward()
    assert torch.isfinite(out).all()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in model.parameters())


@pytest.mark.parametrize("squeeze", SQUEEZE_NAMES)
def test_channels_last_is_kept_and_equal(squeeze: str) -> None:
    se, u_nchw = block(squeeze), images(2, 6, 4, 5)
    out = se(u_nchw.to(memory_format=torch.channels_last))
    assert out.is_contiguous(memory_format=torch.channels_last)
    assert not out.is_contiguous()
    torch.testing.assert_close(out, se(u_nchw), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("name", NETWORKS)
def test_channels_last_network(name: str) -> None:
    torch.manual_seed(0)
    model = materialize(name, num_classes=3).double().eval()
    x_nchw = images(2, 3, 33, 17)
    expected = model(x_nchw)
    model = model.to(memory_format=torch.channels_last)
    features = model.forward_features(x_nchw.to(memory_format=torch.channels_last))
    torch.testing.assert_close(model.forward_head(features), expected, rtol=1e-9, atol=1e-12)
    if "shufflenet" not in name:  # a channel shuffle makes its own layout
        assert features.is_contiguous(memory_format=torch.channels_last)


def test_compiles_in_one_graph() -> None:
    # Traced by Dynamo and AOTAutograd; Inductor would need a minute of C++ compilation.
    torch.manual_seed(0)
    model = materialize("se_resnet8_small-width4_r2_avgmax", num_classes=3)
    x_nchw = torch.randn(2, 3, 8, 8)
    compiled = torch.compile(model, backend="aot_eager", fullgraph=True)
    expected, out = model(x_nchw), compiled(x_nchw)
    torch.testing.assert_close(out, expected)
    out.sum().backward()
    assert all(p.grad is not None for p in model.parameters())
    torch.compiler.reset()


@pytest.mark.parametrize(("squeeze", "gate", "bias"), ALL)
def test_gradients(squeeze: str, gate: str, bias: bool) -> None:
    se, u_nchw = block(squeeze, gate, bias), images(2, 6, 3, 2).requires_grad_()
    # relu's and hard_sigmoid's corners are hit with probability 0.
    assert torch.autograd.gradcheck(se, (u_nchw,))
    parameters = [p.detach().clone().requires_grad_() for p in se.parameters()]
    names = [name for name, _ in se.named_parameters()]

    def of_parameters(*values: Tensor) -> Any:
        state = dict(zip(names, values, strict=True))
        return torch.func.functional_call(se, state, (u_nchw.detach(),))

    assert torch.autograd.gradcheck(of_parameters, parameters)


# Identity initialisation. Family → trunk and the placements that it has.
TRUNKS = {
    "resnet8_small-width4": ("standard", "pre", "post", "identity"),
    "resnet50-depths2.2-width4": ("standard", "pre", "post", "identity", "conv3x3"),
    "mobilenet_v1-depths1.2.1.1.1-width0.25": ("standard", "pre", "conv3x3"),
    "mobilenet_v2-depths1.2.1.1.1.1.1-width0.25": ("standard", "pre", "post", "conv3x3"),
    "mobilenet_v3_small_trunk-depths1.2.2.1.1-width0.25": ("standard", "pre", "post", "conv3x3"),
    "shufflenet_v1_g3-depths2.1.1-scale0.5": ("standard", "pre", "post", "identity", "conv3x3"),
    "shufflenet_v2_x0_5-depths2.1.1": ("standard", "pre", "post", "identity", "conv3x3"),
}
PLACES = [(trunk, place) for trunk, places in TRUNKS.items() for place in places]


def randomise(model: Model) -> None:
    torch.manual_seed(3)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.5, 0.5)
            assert module.running_mean is not None
            assert module.running_var is not None
            nn.init.uniform_(module.running_mean, -0.5, 0.5)
            nn.init.uniform_(module.running_var, 0.5, 1.5)


def pair(trunk: str, se: SE) -> tuple[Model, Model]:
    """The trunk, and the network with SE blocks that has the trunk's weights."""
    plain = materialize(trunk, num_classes=3)
    randomise(plain)
    network = materialize(Architecture(plain.architecture.trunk, se), num_classes=3)
    missing, extra = network.load_state_dict(plain.state_dict(), strict=False)
    assert not extra
    assert all(".se." in key for key in missing)
    return plain.double().eval(), network.double().eval()


def silence(network: Model, names: list[str]) -> None:
    """Take SE blocks out: what would be there without them."""
    for name in names:
        network.get_submodule(name).scale = lambda u: torch.ones_like(u[:, :, :1, :1])  # type: ignore[assignment]


@pytest.mark.parametrize(("trunk", "placement"), PLACES)
@pytest.mark.parametrize("gate", GATE_NAMES)
@pytest.mark.parametrize("squeeze", ["avg", "none"])
def test_identity_start(trunk: str, placement: Any, gate: Any, squeeze: Any) -> None:
    torch.manual_seed(0)  # few draws of weights make twice the sigmoid next to 1 everywhere
    for bias in (True, False):
        plain, network = pair(trunk, SE(2, placement, squeeze, gate, bias))
        before = {key: value.clone() for key, value in network.state_dict().items()}
        x_nchw = images(2, 3, 24, 16)
        assert not torch.allclose(network(x_nchw), plain(x_nchw), rtol=1e-3)
        left = init_identity(network)
        blocks = [n for n, m in network.named_modules() if isinstance(m, SqueezeExcitation)]
        assert set(left) <= set(blocks)
        assert len(set(left)) == len(left)
        for name in left:
            se = network.get_submodule(name)
            assert isinstance(se, SqueezeExcitation)
            if bias:
                u_nchw = images(2, se.fc1.in_features, 5, 5)
                assert se.scale(u_nchw).sub(0.95).abs().max() < 1e-3
            else:
                for key in (f"{name}.fc1.weight", f"{name}.fc2.weight"):
                    assert torch.equal(network.state_dict()[key], before[key])
        if not bias and gate in ("tanh", "relu"):
            assert sorted(left) == sorted(blocks), "their constant needs a bias"
            assert all(torch.equal(before[k], v) for k, v in network.state_dict().items())
        if gate == "two_sigmoid" or (gate == "relu" and bias):
            assert not left, "nothing has to be scaled"
        silence(network, left)
        tolerance = 1e-12 if gate != "tanh" else 1e-9
        torch.testing.assert_close(network(x_nchw), plain(x_nchw), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("gate", ["sigmoid", "hard_sigmoid", "two_sigmoid"])
@pytest.mark.parametrize("trunk", ["resnet8_small-width4", "resnet50-depths2.2-width4"])
@pytest.mark.parametrize("bias", [True, False])
def test_identity_start_of_a_resnet_is_bit_exact(trunk: str, gate: Any, bias: bool) -> None:
    plain, network = (model.float() for model in pair(trunk, SE(2, gate=gate, bias=bias)))
    assert init_identity(network) == []
    x_nchw = images(2, 3, 33, 17).float()
    assert torch.equal(network(x_nchw), plain(x_nchw))


@pytest.mark.parametrize(
    ("trunk", "placement", "kept"),
    [
        ("resnet8_small-width4", "standard", 3),
        ("resnet8_small-width4", "pre", 3),
        ("resnet8_small-width4", "post", 0),
        ("resnet8_small-width4", "identity", 2),  # the two with a projection
        ("resnet50-depths2.2-width4", "conv3x3", 4),
        ("mobilenet_v1-depths1.2.1.1.1-width0.25", "standard", 6),  # by what follows: ReLU6 before
        ("mobilenet_v1-depths1.2.1.1.1-width0.25", "conv3x3", 6),
        ("mobilenet_v2-depths1.2.1.1.1.1.1-width0.25", "post", 6),  # the two with a sum are left
        ("shufflenet_v1_g3-depths2.1.1-scale0.5", "identity", 0),
        ("shufflenet_v2_x0_5-depths2.1.1", "standard", 4),  # through the ReLU
        ("shufflenet_v2_x0_5-depths2.1.1", "identity", 3),
        ("bn_inception", "standard", 10),  # by the norms of all branches, or the next ones' convs
        ("bn_inception", "pre", 10),
        ("inception_resnet_v2-depths2.1.1", "pre", 4),
        ("shake_shake_26_2x96d-depths1.1.1-width4", "pre", 6),  # through the ReLU
        ("resnet164_preact-depths2.1.1-width4", "pre", 2),  # but where a norm follows
    ],
)
def test_which_blocks_can_start_as_the_identity(trunk: str, placement: Any, kept: int) -> None:
    _, network = pair(trunk, SE(2, placement))
    blocks = [m for m in network.modules() if isinstance(m, SqueezeExcitation)]
    assert len(blocks) - len(init_identity(network)) == kept


def test_training_moves_a_block_that_started_as_the_identity() -> None:
    _, network = pair("resnet8_small-width4", SE(2, bias=False))
    init_identity(network)
    network.train()
    network(images(4, 3, 8, 8)).sum().backward()
    assert all(
        float(m.fc2.weight.grad.abs().max()) > 0  # type: ignore[union-attr]
        for m in network.modules()
        if isinstance(m, SqueezeExcitation)
    )


@pytest.mark.parametrize(
    ("between", "passes"), [(nn.ReLU(), True), (nn.ReLU6(), False), (nn.Hardswish(), False)]
)
def test_only_a_plain_relu_lets_a_factor_through(between: nn.Module, passes: bool) -> None:
    norm = nn.BatchNorm2d(6)
    chain = nn.Sequential(norm, between, SqueezeExcitation(6, 3), nn.Identity())
    [(name, se, before, after)] = neighbours(nn.Sequential(chain))
    assert (name, se, after) == ("0.2", chain[2], ())
    assert before == ((norm,) if passes else ())
    u_nchw = images(2, 6, 3, 3).float() * 9
    expected = between(norm.eval()(u_nchw))
    assert init_identity(nn.Sequential(chain)) == ([] if passes else ["0.2"])
    if passes:
        torch.testing.assert_close(chain(u_nchw), expected)


def test_convolution_behind_is_doubled_but_not_its_bias() -> None:
    conv = nn.Conv2d(6, 4, 3)
    chain = nn.Sequential(SqueezeExcitation(6, 3), conv)
    u_nchw = images(2, 6, 5, 5).float()
    expected = conv(u_nchw)
    assert init_identity(chain) == []
    torch.testing.assert_close(chain(u_nchw), expected)


def test_norm_before_is_taken_rather_than_the_convolution_behind() -> None:
    norm, conv = nn.BatchNorm2d(6), nn.Conv2d(6, 4, 1)
    weight = conv.weight.detach().clone()
    init_identity(nn.Sequential(norm, nn.ReLU(), SqueezeExcitation(6, 3), conv))
    assert norm.weight.tolist() == [2.0] * 6
    assert torch.equal(conv.weight, weight)
