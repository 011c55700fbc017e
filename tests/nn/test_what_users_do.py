"""What users do with a module, done with a network of each family, every placement and squeeze.

The SE blocks rotate through the gates; all of them with everything are the slow tests.
"""

from __future__ import annotations

import copy
import itertools
import pickle
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap
from torch.nn.utils import parametrize, prune
from torch.optim.swa_utils import AveragedModel, update_bn
from torch.utils.checkpoint import checkpoint
from torchvision.models.feature_extraction import create_feature_extractor

from se_nas import (
    SE,
    Architecture,
    SqueezeExcitation,
    load,
    materialize,
    optimize_for_inference,
    save,
)
from se_nas.gates import GATES
from se_nas.nn.model import Model
from se_nas.squeezes import SQUEEZES

# Torch's own words on what users do, and that shake-shake's graphs differ in training.
pytestmark = [
    pytest.mark.filterwarnings("ignore:torch.ao.quantization is deprecated:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:.*torch.quantize_per_tensor:UserWarning"),
    pytest.mark.filterwarnings("ignore:.torch.jit.trace:FutureWarning"),
    pytest.mark.filterwarnings("ignore:NOTE. The nodes obtained by tracing:UserWarning"),
]

TRUNKS = (
    "resnet8_small-width4",
    "resnet50_tv-depths1.1-width4-stem.small",
    "resnext50_32x4d-depths1.1-width4-stem.small",
    "mobilenet_v1-width0.25-depths1.1.1.1.1-stem.small",
    "mobilenet_v2-width0.25-depths1.2.1.1.1.1.1-stem.small",
    "mobilenet_v3_small_trunk-depths1.2.2.1.1-width0.25-stem.small",
    "shufflenet_v1_g2-scale0.25-depths2.1.1-stem.small",
    "shufflenet_v2_x0_5-depths2.1.1-stem.small",
    "resnet110_preact-depths1.1.1-stem_width4-width4",
    "shake_shake_26_2x96d-depths1.1.1-width4",
    "shake_even_29_2x4x64d-depths1.1.1-width4-groups2",
    "vgg16_bn-depths1.1.1.1.1-width4-stem.small",
    "bn_inception-width0.25-stem.small",
    "inception_resnet_v2-depths1.1.1-width0.25-stem.small",
)
Case = tuple[str, SE]
X = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))


def cases() -> Iterator[Case]:
    """Every placement with every squeeze, the gates in turn."""
    gates = itertools.cycle(GATES)
    for trunk in TRUNKS:
        for placement in Architecture.parse(trunk).trunk.placements:
            for squeeze in SQUEEZES:
                yield trunk, SE(2, placement, squeeze, next(gates))  # type: ignore[arg-type]


EVERY = list(cases())


def rest_slow(cases: list[Case], quick: Callable[[int, Case], bool]) -> list[Any]:
    return [
        case if quick(i, case) else pytest.param(case, marks=pytest.mark.slow)
        for i, case in enumerate(cases)
    ]


# Of each family each placement once, and of each family one: the squeezes and gates in turn.
SOME = [case for i, case in enumerate(EVERY) if i % len(SQUEEZES) == i // len(SQUEEZES) % 4]
FEW = [
    next(case for case in SOME[i:] + SOME if case[0] == trunk)
    for i, trunk in enumerate(TRUNKS)
    if any(case[0] == trunk for case in SOME)
]
HALF = rest_slow(SOME, lambda i, case: i % 3 == 0 or (case in FEW and "inception" not in case[0]))
NAMES: dict[str, Any] = {
    "ids": lambda case: str(Architecture(Architecture.parse(case[0]).trunk, case[1]))
}


def network(case: Case) -> Model:
    torch.manual_seed(0)
    trunk, se = case
    model = materialize(Architecture(Architecture.parse(trunk).trunk, se), num_classes=3)
    for block in blocks(model).values():  # gates that are not all alike
        nn.init.normal_(block.fc1.weight, std=0.03)
        nn.init.normal_(block.fc2.weight, std=0.03)
        nn.init.constant_(block.fc2.bias, 0.5)
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:  # maps of the order of 1, as in a trained network
        nn.init.normal_(norm.bias, std=0.3)
        norm.momentum = 1.0
    if not next(model.parameters()).is_meta:
        with torch.no_grad():
            model(torch.randn(8, 3, 32, 32))
    for norm in norms:
        norm.momentum = 0.1
    return model.eval()


def blocks(model: nn.Module) -> dict[str, SqueezeExcitation]:
    found = {n: m for n, m in model.named_modules() if isinstance(m, SqueezeExcitation)}
    assert found
    return found


def put(model: nn.Module, change: Callable[[SqueezeExcitation], nn.Module]) -> None:
    for path, block in blocks(model).items():
        parent, _, name = path.rpartition(".")
        setattr(model.get_submodule(parent), name, change(block))


class Wrapped(nn.Module):
    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, u: Tensor) -> Tensor:
        out: Tensor = self.inner(u)
        return out


class Recomputed(Wrapped):
    def forward(self, u: Tensor) -> Tensor:
        out: Tensor = checkpoint(self.inner, u, use_reentrant=False)
        return out


class Adapted(nn.Module):
    """A layer of rank one beside an FC layer, without its attributes."""

    def __init__(self, inner: nn.Linear) -> None:
        super().__init__()
        self.inner = inner
        self.down = nn.Linear(inner.in_features, 1, bias=False)
        self.up = nn.Linear(1, inner.out_features, bias=False)
        nn.init.zeros_(self.up.weight)

    def forward(self, z: Tensor) -> Tensor:
        out: Tensor = self.inner(z) + self.up(self.down(z))
        return out


class Halved(nn.Module):
    def forward(self, weight: Tensor) -> Tensor:
        return weight / 2


def close(a: Tensor, b: Tensor) -> None:
    torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)


def gradients(model: nn.Module, x: Tensor = X) -> dict[str, Tensor]:
    model.zero_grad()
    model(x).square().sum().backward()
    return {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("case", rest_slow(EVERY, lambda _, case: case in SOME), **NAMES)
def test_forward_hooks_and_blocks_in_other_places(case: Case) -> None:
    check_hooks(case)


@pytest.mark.slow
@pytest.mark.parametrize("trunk", TRUNKS)
def test_everything_with_every_gate(trunk: str) -> None:
    for placement in Architecture.parse(trunk).trunk.placements:
        for squeeze, gate in itertools.product(SQUEEZES, GATES):
            case = (trunk, SE(2, placement, squeeze, gate))  # type: ignore[arg-type]
            for check in (check_hooks, check_traces, check_gradients, check_layers):
                check(case)


def check_hooks(case: Case) -> None:
    model = network(case)
    expected = model(X)
    with torch.no_grad():
        assert torch.equal(model(X), expected), "one computation with and without gradients"
    for mode in (True, False):
        seen: dict[str, tuple[Tensor, Tensor]] = {}

        def keep(name: str, seen: dict[str, tuple[Tensor, Tensor]] = seen) -> Any:
            def hook(_: nn.Module, __: Any, out: Tensor) -> None:
                seen[name] = out, out.clone()

            return hook

        handles = [b.register_forward_hook(keep(n)) for n, b in blocks(model).items()]
        with torch.set_grad_enabled(mode):
            assert torch.equal(model(X), expected)
        assert seen.keys() == blocks(model).keys()
        assert all(torch.equal(kept, copied) for kept, copied in seen.values())
        for handle in handles:
            handle.remove()
    without = copy.deepcopy(model)
    put(without, lambda _: nn.Identity())
    hooked = copy.deepcopy(model)
    for block in blocks(hooked).values():
        block.register_forward_hook(lambda _, inputs, __: inputs[0])
    put(model, Wrapped)
    with torch.no_grad():
        assert torch.equal(model(X), expected)
        assert torch.equal(hooked(X), without(X)), "what a hook returns is taken"
        assert not torch.equal(without(X), expected)


@pytest.mark.parametrize("case", SOME, **NAMES)
def test_traces_of_torch_fx_and_copies(case: Case) -> None:
    check_traces(case)


def check_traces(case: Case) -> None:
    model = network(case)
    expected = model(X)
    traced = torch.fx.symbolic_trace(model)
    close(traced(X), expected)
    close(traced(X[:1].tile(3, 1, 1, 2)), model(X[:1].tile(3, 1, 1, 2)))
    features = create_feature_extractor(model, {model.stage_names[-1]: "map"})(X)
    close(features["map"], model.forward_features(X))
    for again in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert torch.equal(again(X), expected)


@pytest.mark.parametrize("trunk", [trunk for trunk in TRUNKS if "shake" in trunk])
def test_a_trace_of_a_training_network_stays_random(trunk: str) -> None:
    traced = torch.fx.symbolic_trace(network((trunk, SE(2))).train())
    outs = [traced(X[:1].tile(4, 1, 1, 1)) for _ in range(2)]
    assert outs[0].shape == (4, 3)
    assert not torch.allclose(outs[0], outs[1])


@pytest.mark.parametrize("case", HALF, **NAMES)
def test_backward_hooks_and_recomputed_blocks(case: Case) -> None:
    check_gradients(case)


def check_gradients(case: Case) -> None:
    model = network(case)
    expected = gradients(model)
    assert len(expected) == len(list(model.parameters()))
    seen: set[str] = set()

    def note(name: str) -> Any:
        return lambda *_: seen.add(name)

    handles = [b.register_full_backward_hook(note(n)) for n, b in blocks(model).items()]
    handles += [
        b.fc1.register_full_backward_hook(note(f"{n}.fc1")) for n, b in blocks(model).items()
    ]
    handles += [getattr(model, n).register_full_backward_hook(note(n)) for n in model.stage_names]
    found = gradients(model)
    assert len(seen) == 2 * len(blocks(model)) + len(model.stage_names)
    for handle in handles:
        handle.remove()
    put(model, Recomputed)
    recomputed = {n.replace("inner.", ""): g for n, g in gradients(model).items()}
    x = checkpoint(model.forward_stages, X, use_reentrant=False)[-1]
    model.zero_grad()
    model.forward_head(x).square().sum().backward()
    whole = {n.replace("inner.", ""): p.grad for n, p in model.named_parameters()}
    for name, want in expected.items():
        for got in (found, recomputed, whole):
            torch.testing.assert_close(got[name], want, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("case", HALF, **NAMES)
def test_other_fc_layers_and_weights(case: Case) -> None:
    check_layers(case)


def check_layers(case: Case) -> None:
    model = network(case)
    expected = model(X)
    adapted, pruned, zeroed, halved = (copy.deepcopy(model) for _ in range(4))
    for block in blocks(adapted).values():
        block.fc1 = Adapted(block.fc1)  # type: ignore[assignment]
    assert torch.equal(adapted(X), expected)
    assert gradients(adapted).keys() == {name for name, _ in adapted.named_parameters()}
    for each in (pruned, zeroed):
        for block in blocks(each).values():
            if each is zeroed:
                nn.init.zeros_(block.fc1.weight)
            else:
                prune.l1_unstructured(block.fc1, "weight", amount=1.0)
    trained = gradients(pruned), gradients(pruned)  # the mask is put on at each call
    assert any(name.endswith("fc1.weight_orig") for name in trained[1])
    assert torch.equal(pruned(X), zeroed(X))
    for block in blocks(halved).values():
        parametrize.register_parametrization(block.fc2, "weight", Halved())
    by_hand = copy.deepcopy(model)
    for block in blocks(by_hand).values():
        block.fc2.weight.data /= 2
    assert torch.equal(halved(X), by_hand(X))
    if torch.backends.quantized.engine != "none":
        small = torch.ao.quantization.quantize_dynamic(copy.deepcopy(model), {nn.Linear})
        with torch.no_grad():
            assert small(X).isfinite().all()
            assert type(next(iter(blocks(small).values())).fc1) is not nn.Linear


@pytest.mark.parametrize("case", HALF, **NAMES)
def test_types_layouts_and_sizes(case: Case) -> None:
    model = network(case)
    single = [X, X[:1], torch.randn(3, 3, 39, 45)]
    if "inception" in case[0]:  # unpadded beside padded: an odd side parts them
        single[-1] = torch.randn(3, 3, 40, 48)
    with torch.no_grad():
        expected = [model(x) for x in single]
        close(expected[0][:1], expected[1])
        for x, want in zip(single, expected, strict=True):
            last = copy.deepcopy(model).to(memory_format=torch.channels_last)
            close(last(x.to(memory_format=torch.channels_last)), want)
            for dtype, tolerance in (
                (torch.double, 1e-4),
                (torch.bfloat16, 1.0),
                (torch.half, 0.2),
            ):
                out = copy.deepcopy(model).to(dtype)(x.to(dtype))
                assert out.dtype == dtype
                gap = (out.double() - want.double()).abs().max() / want.abs().max()
                assert gap < tolerance, dtype
    with torch.device("meta"):
        made = network(case)
        assert made(torch.empty(2, 3, 32, 32)).shape == (2, 3)


@pytest.mark.parametrize("case", FEW, **NAMES)
def test_gradients_of_each_image_with_torch_func(case: Case) -> None:
    model, x = network(case).double(), X.double()
    state = {n: p.detach() for n, p in model.named_parameters()}

    def loss(state: dict[str, Tensor], x: Tensor) -> Tensor:
        out: Tensor = functional_call(model, state, (x[None],))
        return out.square().sum()

    each = vmap(grad(loss), (None, 0))(state, x)
    for i in range(len(x)):
        for name, want in gradients(model, x[i : i + 1]).items():
            torch.testing.assert_close(each[name][i], want, rtol=1e-3, atol=1e-4)
    model.train()  # the random mixture of shake-shake too

    def whole(state: dict[str, Tensor]) -> Tensor:
        out: Tensor = functional_call(model, (state, dict(model.named_buffers())), (x,))
        return out.square().sum()

    for norm in (m for m in model.modules() if isinstance(m, nn.BatchNorm2d)):
        norm.eval()  # its statistics cannot be updated inside ``grad``
    assert grad(whole)(state).keys() == state.keys()


@pytest.mark.parametrize("case", FEW, **NAMES)
def test_jit_trace_with_another_batch_size(case: Case) -> None:
    model = network(case)
    traced = torch.jit.trace(model, (X,))
    other = torch.cat([X, X.flip(3)])[:3]
    close(traced(other), model(other))
    fast = optimize_for_inference(model, 32)
    close(torch.jit.trace(fast, (X,))(other), model(other))


@pytest.mark.parametrize(
    "case",
    rest_slow(FEW, lambda i, _: i % 4 == 0),
    **NAMES,
)
def test_export_with_gradients_on_and_a_free_batch_size(case: Case) -> None:
    model = network(case)
    free = ({0: torch.export.Dim("batch", min=1)},)
    program = torch.export.export(model, (X,), dynamic_shapes=free).module()
    other = torch.cat([X, X.flip(3)])[:3].requires_grad_()
    close(program(other), model(other))
    program(other).sum().backward()


@pytest.mark.parametrize("trunk", [TRUNKS[0], TRUNKS[7]])
def test_compile_in_one_graph(trunk: str) -> None:
    model = network((trunk, SE(2, squeeze="none")))
    compiled = torch.compile(model, backend="eager", fullgraph=True)
    close(compiled(X), model(X))
    torch.compiler.reset()


@pytest.mark.parametrize("case", FEW, **NAMES)
def test_other_heads_and_averages_of_weights(case: Case) -> None:
    model = network(case)
    features = model.num_features
    setattr(model, model.head_names[-1], nn.Identity())
    assert model(X).shape == (2, features)
    setattr(model, model.head_names[-1], nn.Sequential(nn.Dropout(0.1), nn.Linear(features, 7)))
    assert model(X).shape == (2, 7)
    average = AveragedModel(model.train())
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    for _ in range(2):
        gradients(model)
        optimizer.step()
        average.update_parameters(model)
    update_bn([X, X.flip(0)], average)
    assert average.eval()(X).isfinite().all()


def test_a_file_of_weights_with_wrapped_blocks() -> None:
    model, other = (network((TRUNKS[0], SE(2))) for _ in range(2))
    for each in (model, other):
        put(each, Wrapped)
    for parameter in other.parameters():
        nn.init.normal_(parameter)
    other.load_state_dict(model.state_dict())
    assert torch.equal(other(X), model(X))
    assert any(".se.inner.fc1." in key for key in model.state_dict())


def test_a_saved_network_is_the_same(tmp_path: Path) -> None:
    model = network((TRUNKS[0], SE(2)))
    save(model, tmp_path / "m.safetensors")
    assert torch.equal(load(tmp_path / "m.safetensors").eval()(X), model(X))


@pytest.mark.parametrize("case", FEW[::5], **NAMES)
def test_distributed_data_parallel(case: Case, tmp_path: Path) -> None:
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{tmp_path}/store", rank=0, world_size=1
    )
    try:
        model = network(case)
        expected = gradients(model)
        found = gradients(nn.parallel.DistributedDataParallel(model))
        for name, want in expected.items():
            close(found[f"module.{name}"], want)
    finally:
        torch.distributed.destroy_process_group()
