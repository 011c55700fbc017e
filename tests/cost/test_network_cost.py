"""Cost by arithmetic equals, as an integer, what is counted on the built model."""

from __future__ import annotations

import weakref
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from se_nas import SE, Architecture, InputError, materialize, trunk
from se_nas.cost.network_cost import Cost, cost
from se_nas.gates import GATES
from se_nas.nn.model import Model
from se_nas.nn.squeeze_excitation import load_function
from se_nas.squeezes import SQUEEZES

# Every family, placement, squeeze and gate at least once.
VARIED = [
    "resnet18",
    "se_resnet50_r16",
    "se_resnet50_tv_r8_pre_max_nobias",
    "se_resnet34_r16_post_avgmax",
    "se_resnet50_s23_r8_identity_tanh_s5_r4_conv3x3",
    "se_resnet50_r16_nosqueeze_nobias",
    "se_resnet50_r2_post_nosqueeze_2sigmoid",
    "se_resnet18-width4-stem.small_r1_identity_nosqueeze_2sigmoid",
    "se_resnet8_small_r1.5_pre_nosqueeze",
    "se_resnext50_32x4d_r16_conv3x3_nosqueeze",
    "se_senet154_trunk-depths1.2.1.1_r16",
    "se_senet154_tv_trunk-depths1.1.1.1_r16_post_relu",
    "mobilenet_v1",
    "se_mobilenet_v1-width0.5_r4_round8_conv3x3_hsigmoid",
    "se_mobilenet_v1_s1_r1_nosqueeze_2sigmoid_s35_r8_pre_max",
    "mobilenet_v2",
    "se_mobilenet_v2-stem.small_s23_r2_post_s7_r4_avgmax",
    "mobilenet_v3_large",
    "mobilenet_v3_small",
    "se_mobilenet_v3_small_trunk_r3_in",
    "shufflenet_v1_g1",
    "se_shufflenet_v1_g3_r4_identity",
    "se_shufflenet_v1_g8-scale0.5_r2_post_nosqueeze",
    "shufflenet_v2_x0_5",
    "se_shufflenet_v2_x1_0_s2_r2_identity_nosqueeze_s3_r4_pre_s4_r8_conv3x3",
    "se_shufflenet_v2_x1_5_r16_post_avgmax_tanh",
    "vgg16_bn",
    "se_vgg16_bn-depths1.1.1.1.1-width8-hidden64_s13_r4_s5_r2_pre_max",
    "se_vgg16_bn-depths3.1.1.1.2-width4-stem.small_r2_nosqueeze",
    "bn_inception",
    "se_bn_inception-width0.5_s34_r16_s5_r4_pre_avgmax",
    "se_bn_inception-stem.small_r4_nosqueeze",
    "inception_resnet_v2-depths1.1.1-stem.small",
    "se_resnet110_preact-depths2.2.1_r4_nobias",
    "se_resnet110_preact-depths2.1.1-shortcut.conv_s2_r2_pre_s3_r4_post_s4_r2_identity",
    "se_resnet164_preact-depths2.2.1_s23_r4_conv3x3_nosqueeze_s4_r4_avgmax_2sigmoid",
    "se_wrn16_8_r16",
    "shake_shake_26_2x96d-depths2.1.2",
    "se_shake_shake_26_2x96d-depths1.2.1_s2_r2_pre_s3_r2_s4_r4_post_nosqueeze",
    "shake_even_29_2x4x64d-depths2.1.1",
    "se_shake_even_29_2x4x64d-depths1.2.1_s2_r2_identity_s3_r2_conv3x3_s4_r4",
    "wide_resnet50_2_tv",
]


# At the sizes below their maps would be empty.
LARGE = [
    "se_inception_resnet_v2-depths1.2.2_r16",
    "se_inception_resnet_v2-depths1.1.1-width0.5_s1_r4_pre_s2_r8_post_nosqueeze_s3_r8_identity",
]


class LiveElements(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Elements of the floating-point tensors that operators made and that are still alive."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.alive = self.peak = 0
        self._known: set[int] = set()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        outputs = func(*args, **(kwargs or {}))
        made = outputs if isinstance(outputs, (tuple, list)) else (outputs,)
        if "batch_norm" in func.name():
            # Saved statistics: empty after the CPU's kernel, but not after the meta device's.
            made = made[:1]
        for output in made:
            if isinstance(output, Tensor) and output.is_floating_point():
                self.hold(output)
        return outputs

    def hold(self, tensor: Tensor) -> None:
        storage = tensor.untyped_storage()
        if storage._cdata in self._known:
            return
        elements = storage.nbytes() // tensor.element_size()
        self._known.add(storage._cdata)
        self.alive += elements
        self.peak = max(self.peak, self.alive)
        weakref.finalize(storage, self._release, storage._cdata, elements)

    def _release(self, key: int, elements: int) -> None:
        self._known.remove(key)
        self.alive -= elements


def measure_peak(model: Model, image: Tensor) -> int:
    live = LiveElements()
    for parameter in (*model.parameters(), *model.buffers()):
        live._known.add(parameter.untyped_storage()._cdata)
    live.hold(image)
    with torch.no_grad(), live:
        output = model(image)
    assert live.alive == image.numel() + output.numel(), "everything else was released"
    return live.peak


def measure(architecture: Architecture, size: tuple[int, int], channels: int, classes: int) -> Cost:
    with torch.device("meta"):
        model = materialize(architecture, num_classes=classes, in_channels=channels).eval()
        image = torch.empty(1, channels, *size)
    with FlopCounterMode(display=False) as counter:
        model(image)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    assert counter.get_total_flops() % 2 == 0
    return Cost(parameters, counter.get_total_flops() // 2, measure_peak(model, image))


@pytest.mark.parametrize("name", VARIED)
@pytest.mark.parametrize(
    ("size", "channels", "classes"), [((97, 65), 1, 10), ((64, 130), 3, 1000)], ids=["odd", "even"]
)
def test_equals_what_is_counted(
    name: str, size: tuple[int, int], channels: int, classes: int
) -> None:
    architecture = Architecture.parse(name)
    expected = measure(architecture, size, channels, classes)
    arguments = {"input_size": size, "in_channels": channels, "num_classes": classes}
    assert cost(architecture, **arguments) == expected  # type: ignore[arg-type]
    assert cost(name, **arguments) == expected  # type: ignore[arg-type]


@pytest.mark.parametrize("name", LARGE)
def test_large_inputs(name: str) -> None:
    architecture = Architecture.parse(name)
    expected = measure(architecture, (97, 118), 1, 10)
    assert cost(name, input_size=(97, 118), in_channels=1, num_classes=10) == expected


@pytest.mark.parametrize(
    "name",
    [
        f"se_{trunk}_r2{placement}{squeeze}{gate}"
        for trunk, placements in (
            ("resnet8_small-width8", ("", "_pre", "_post", "_identity")),
            ("resnet50-depths2.2-width8-stem.small", ("", "_pre", "_conv3x3")),
            ("mobilenet_v1-depths1.1.1.1.1-width0.25", ("", "_pre", "_conv3x3")),
            ("shufflenet_v2_x0_5-depths2.1.1", ("", "_pre", "_post", "_identity")),
            ("bn_inception-width0.25-stem.small", ("", "_pre")),
            ("bn_inception-width0.25", ("",)),
            ("inception_resnet_v2-depths1.1.1-width0.25-stem.small", ("", "_post")),
            ("resnet110_preact-depths2.1.1", ("", "_pre", "_identity")),
            ("shake_shake_26_2x96d-depths2.1.1-width8", ("", "_pre", "_post", "_identity")),
            ("shake_even_29_2x4x64d-depths1.2.1-width4", ("", "_conv3x3")),
        )
        for placement in placements
        for squeeze in ("", "_avgmax", "_nosqueeze")
        for gate in ("", "_2sigmoid")
    ],
)
@pytest.mark.parametrize("side", [32, 9])
def test_peak_equals_the_measured_one(name: str, side: int) -> None:
    # At 9 px the last maps are tiny: the vectors of an SE block and the head count as well.
    architecture = Architecture.parse(name)
    expected = measure(architecture, (side, side), 3, 300)
    assert cost(architecture, input_size=side, num_classes=300) == expected


@pytest.mark.parametrize("name", ["se_resnet8_small_r2_avgmax", "se_shufflenet_v1_g3_r2_post"])
def test_peak_on_a_cpu_is_that_of_the_meta_device(name: str) -> None:
    model = materialize(name, num_classes=10).eval()
    assert measure_peak(model, torch.zeros(1, 3, 33, 49)) == (
        cost(name, input_size=(33, 49), num_classes=10).peak_activations
    )


def test_default_input_size_is_the_familys() -> None:
    assert cost("resnet50") == cost("resnet50", input_size=224)
    assert cost("resnet8_small") == cost("resnet8_small", input_size=(32, 32))


def test_height_and_width_are_not_swapped() -> None:
    wide = cost("mobilenet_v2", input_size=(33, 97))
    assert wide != cost("mobilenet_v2", input_size=(32, 97))
    assert wide != cost("mobilenet_v2", input_size=(33, 96))


@pytest.mark.parametrize(
    ("name", "too_small", "enough"),
    [
        ("resnet50", 2, 3),
        ("senet154", 2, 3),
        ("resnet50_tv", None, 1),
        ("shufflenet_v1_g3", None, 1),
    ],
)
def test_input_that_is_too_small(name: str, too_small: int | None, enough: int) -> None:
    architecture = Architecture.parse(name)
    with torch.device("meta"):
        model = materialize(architecture, num_classes=2).eval()
        model(torch.empty(1, 3, enough, enough))
        assert cost(architecture, input_size=enough).macs > 0
        if too_small is not None:
            with pytest.raises(RuntimeError):
                model(torch.empty(1, 3, too_small, too_small))
            with pytest.raises(InputError, match="too small") as error:
                cost(architecture, input_size=too_small)
            assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "wrong", [{"input_size": 0}, {"input_size": (8, -1)}, {"in_channels": 0}, {"num_classes": 0}]
)
def test_arguments_below_one(wrong: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=next(iter(wrong))):
        cost("resnet18", **wrong)


def test_wrong_name() -> None:
    with pytest.raises(InputError, match="did you mean 'resnet50'"):
        cost("resnet5O")


def test_caches_do_not_mix_architectures_up() -> None:
    base = trunk("resnet8_small")
    asked = [
        (Architecture(base, stages), {"input_size": side, "in_channels": channels})
        for stages in (None, (None, SE(4), None), (SE(4), None, None))
        for side in (32, 17)
        for channels in (1, 3)
    ]
    first = [cost(architecture, **arguments) for architecture, arguments in asked]
    assert len(set(first)) == len(asked)
    backwards = [cost(architecture, **arguments) for architecture, arguments in asked[::-1]]
    assert backwards[::-1] == first


@pytest.mark.parametrize("name", GATES)
def test_a_gate_holds_what_its_entry_says(name: str) -> None:
    gate, logits = load_function(GATES[name].function), torch.randn(1, 7)
    with torch.no_grad(), LiveElements() as live:
        gate(logits)
    assert live.peak == 7 * GATES[name].held


@pytest.mark.parametrize("name", [name for name in SQUEEZES if name != "none"])
def test_a_squeeze_holds_what_its_entry_says(name: str) -> None:
    squeeze, maps = load_function(SQUEEZES[name].function), torch.randn(1, 7, 3, 5)
    with torch.no_grad(), LiveElements() as live:
        squeeze(maps)
    assert live.peak == 7 * SQUEEZES[name].held
