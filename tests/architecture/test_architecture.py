"""``SE`` and ``Architecture``: validation, squeeze widths, ids, JSON."""

from __future__ import annotations

import copy
import json
import math
import pickle
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from timm.layers import helpers as timm_helpers
from torchvision.models._utils import _make_divisible as torchvision_make_divisible

from se_nas import SE, Architecture, InputError, Space, choice, optional, per_stage, trunk
from se_nas.layers import Residual, SEBlock, make_divisible
from se_nas.se import squeeze_width
from se_nas.trunks import named, trunk_from_dict
from se_nas.trunks.resnet import ResNet

timm_make_divisible: Any = timm_helpers.make_divisible
INPUT = settings(max_examples=300, deadline=None)


def line(error: pytest.ExceptionInfo[InputError]) -> str:
    """The message, which is one line."""
    text = str(error.value)
    assert text
    assert "\n" not in text
    return text


@pytest.mark.parametrize(
    ("field", "wrong", "nearest"),
    [
        ("placement", "standart", "standard"),
        ("squeeze", "average", "avg"),
        ("gate", "sigmiod", "sigmoid"),
        ("gate", "hard-sigmoid", "hard_sigmoid"),
        ("rounding", "round", "round8"),
        ("counted_from", "channel", "channels"),
    ],
)
def test_wrong_option_names_field_value_and_nearest(field: str, wrong: str, nearest: str) -> None:
    settings_: dict[str, Any] = {field: wrong}
    with pytest.raises(InputError) as error:
        SE(**settings_)
    text = line(error)
    assert field in text
    assert repr(wrong) in text
    assert f"did you mean {nearest!r}" in text


@pytest.mark.parametrize("field", ["placement", "squeeze", "gate", "rounding", "counted_from"])
@pytest.mark.parametrize("wrong", [None, True, 1, "", ["avg"]])
def test_options_are_texts(field: str, wrong: object) -> None:
    settings_: dict[str, Any] = {field: wrong}
    with pytest.raises(InputError, match=field):
        SE(**settings_)


@pytest.mark.parametrize("wrong", [1, 0, None, "yes", 1.0])
def test_bias_is_a_bool(wrong: Any) -> None:
    with pytest.raises(InputError, match="bias"):
        SE(bias=wrong)


@pytest.mark.parametrize(
    "wrong", [0.5, 0, -16, True, math.nan, math.inf, -math.inf, "16", None, 65537, [16]]
)
def test_ratio_is_a_number_from_1(wrong: Any) -> None:
    with pytest.raises(InputError, match="reduction") as error:
        SE(reduction=wrong)
    assert repr(wrong) in line(error)


def test_ratio_that_is_whole_is_an_int() -> None:
    assert type(SE(reduction=16.0).reduction) is int
    assert repr(SE(reduction=16.0)) == repr(SE(reduction=16))
    assert SE(reduction=1.5).reduction == 1.5
    assert SE(reduction=1) != SE(reduction=65536)


def test_template_with_a_wrong_option_is_refused() -> None:
    with pytest.raises(InputError, match="'sigmiod'"):
        SE(gate=choice("tanh", "sigmiod"))  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"0\.5"):
        SE(reduction=choice(2, 0.5))
    with pytest.raises(InputError, match="reduction"):
        SE(reduction=per_stage(4))


# SPEC 5: where timm's rounding to 8 moves C / 16.
@pytest.mark.parametrize(
    ("channels", "width"),
    [
        (64, 8),
        (216, 16),
        (240, 16),
        (320, 24),
        (480, 32),
        (576, 40),
        (608, 40),
        (960, 64),
        (1056, 64),
        (1088, 72),
        (2080, 128),
        (256, 16),
        (2048, 128),
    ],
)
def test_round8_is_timms_figures(channels: int, width: int) -> None:
    assert squeeze_width(channels, 16, "round8") == width
    assert squeeze_width(channels, 16) == channels // 16


# Expanded width and squeeze width of every SE block of torchvision's MobileNetV3 large and small.
@pytest.mark.parametrize(
    ("channels", "width"),
    [
        (72, 24),
        (120, 32),
        (480, 120),
        (672, 168),
        (960, 240),
        (16, 8),
        (96, 24),
        (240, 64),
        (144, 40),
        (288, 72),
        (576, 144),
    ],
)
def test_mobile8_is_torchvisions_figures(channels: int, width: int) -> None:
    assert squeeze_width(channels, 4, "mobile8") == width


@INPUT
@given(st.integers(1, 4096), st.one_of(st.integers(1, 64), st.floats(1, 64)))
def test_round8_is_timms_make_divisible(channels: int, reduction: float) -> None:
    ratio = 1.0 / reduction
    expected = timm_make_divisible(channels * ratio, 8, round_limit=0.0)
    near_a_step = abs((channels / reduction + 4) % 8 - 4) > 4 - 1e-6
    ours = squeeze_width(channels, reduction, "round8")
    assert ours == expected or (near_a_step and abs(ours - expected) == 8)


@INPUT
@given(st.integers(1, 4096), st.integers(1, 64))
def test_mobile8_is_torchvisions_make_divisible(channels: int, reduction: int) -> None:
    floor = max(1, channels // reduction)
    assert squeeze_width(channels, reduction, "mobile8") == torchvision_make_divisible(floor, 8)


@INPUT
@given(st.floats(1, 4096), st.sampled_from([1, 2, 4, 8, 12, 16]))
def test_make_divisible_is_theirs(value: float, divisor: int) -> None:
    assert make_divisible(value, divisor) == torchvision_make_divisible(value, divisor)
    assert make_divisible(value, divisor) == timm_make_divisible(value, divisor)


@INPUT
@given(
    st.integers(1, 4096),
    st.floats(1, 65536),
    st.sampled_from(["floor", "round8", "mobile8"]),
)
def test_squeeze_width_is_at_least_1(channels: int, reduction: float, rounding: Any) -> None:
    width = squeeze_width(channels, reduction, rounding)
    assert type(width) is int
    assert width >= (1 if rounding == "floor" else 8)
    assert rounding == "floor" or width % 8 == 0


def test_regnet_counts_from_the_blocks_input() -> None:
    # RegNetY-400MF, stage 2, first block: 48 channels in, 104 out, a quarter of 48 is 12.
    assert SE(4, counted_from="block_input").block(104, 48) == SEBlock(104, 12)
    assert SE(4).block(104, 48) == SEBlock(104, 26)
    a = Architecture("resnet50", SE(4, counted_from="block_input"))
    blocks = [block for _, block in a.network().stages[1][1] if isinstance(block, Residual)]
    assert [dict(block.branch)["se"] for block in blocks[:2]] == [
        SEBlock(512, 64),
        SEBlock(512, 128),
    ]


def test_one_se_for_all_stages() -> None:
    assert Architecture("resnet18", SE(8)).se == (SE(8),) * 4
    assert Architecture("resnet18").se == (None,) * 4
    assert Architecture("resnet18", [None, SE(8), None, None]).stages == {
        2: None,
        3: SE(8),
        4: None,
        5: None,
    }


def test_unknown_trunk() -> None:
    with pytest.raises(InputError, match="did you mean 'resnet50'") as error:
        Architecture("resnet5")
    line(error)


def test_wrong_number_of_stages() -> None:
    with pytest.raises(InputError, match=r"se has 3 entries; the trunk has stages \[2, 3, 4, 5\]"):
        Architecture("resnet18", (None, SE(), None))


@pytest.mark.parametrize(
    ("name", "placement"),
    [("resnet18", "conv3x3"), ("mobilenet_v1", "post"), ("mobilenet_v2", "identity")],
)
def test_placement_that_the_trunk_lacks(name: str, placement: Any) -> None:
    with pytest.raises(InputError, match=f"placement '{placement}' in stage ") as error:
        Architecture(name, SE(placement=placement))
    assert ", ".join(named()[name].placements) in line(error)


def test_templates_belong_into_a_space() -> None:
    with pytest.raises(InputError, match="Space"):
        Architecture("resnet18", SE(reduction=choice(2, 4)))
    with pytest.raises(InputError, match="Space"):
        Architecture(trunk("resnet18", width=choice(16, 32)))


@pytest.mark.parametrize(
    "wrong",
    [
        {"depths": ()},
        {"depths": (0, 1)},
        {"depths": (1.0,)},
        {"depths": (True,)},
        {"depths": "123"},
        {"depths": 3},
        {"depths": (1,) * 8},
        {"block": "botleneck"},
        {"width": 0},
        {"width": 16.0},
        {"width": True},
        {"groups": 0},
        {"groups": 48},
        {"group_width": -1},
        {"lineage": "torchvision"},
        {"stem": "tiny"},
        {"squeeze_first": 1},
        {"squeeze_first": True, "groups": 64},
        {"squeeze_first": True, "width": 1},
        {"projection": 2},
        {"dropout": 1.0},
        {"dropout": math.nan},
        {"dropout": "0.2"},
        {"block": "basic", "groups": 2},
    ],
)
def test_settings_of_a_resnet(wrong: dict[str, Any]) -> None:
    with pytest.raises(InputError) as error:
        ResNet(**wrong)
    assert any(field in line(error) for field in wrong)


# Ratios that round to one width (in narrow stages), fields of an absent SE, places that are one
# place in some blocks, trunks whose lineage or widths make no difference.
SMALL = Space(
    "small",
    trunk=choice(
        trunk(
            "resnet8_small",
            lineage=choice("paper", "tv"),
            depths=choice((1, 1, 1), (1, 2, 1)),
            width=choice(4, 8),
        ),
        trunk("resnext50_32x4d", depths=(1, 1), width=8, groups=2, group_width=choice(0, 4)),
        trunk("mobilenet_v2", width=choice(0.1, 0.11), depths=(1,) * 7, expansions=(1,) * 7),
        trunk("mobilenet_v3_small_trunk", width=0.25, depths=(1,) * 5),
        trunk("shufflenet_v2_x0_5", depths=(1, 1, 1)),
    ),
    se=per_stage(
        optional(
            SE(
                reduction=choice(2, 2.1, 16, 17),
                placement=choice("standard", "post"),
                rounding=choice("floor", "mobile8"),
                counted_from=choice("channels", "block_input"),
            )
        )
    ),
)


def layers_of(architecture: Architecture) -> object:
    """What the id has to tell apart: the layers, without the names of stages and settings."""
    network = architecture.network()
    return network.stem, tuple(blocks for _, blocks in network.stages), network.head


@st.composite
def pairs(draw: st.DrawFn) -> tuple[Architecture, Architecture]:
    """Two architectures of ``SMALL`` that often differ in one setting only."""
    first = SMALL.sample(random.Random(draw(st.integers(0, 10_000))))
    second = SMALL.sample(random.Random(draw(st.integers(0, 10_000))))
    if draw(st.booleans()):
        return first, second
    decisions = SMALL.decisions(first)
    assert decisions is not None
    change = draw(st.sampled_from(sorted(decisions)))
    number = draw(st.integers(0, 1000))

    def ask(path: str, options: tuple[Any, ...]) -> Any:
        if path == change or decisions.get(path) not in options:
            return options[number % len(options)]
        return decisions[path]

    return first, SMALL.draw(ask)


@settings(max_examples=1500, deadline=None)
@given(pairs())
def test_ids_are_equal_exactly_when_the_networks_are(
    pair: tuple[Architecture, Architecture],
) -> None:
    first, second = pair
    assert (first.id == second.id) == (layers_of(first) == layers_of(second))


def test_id_of_the_same_layers_by_other_settings() -> None:
    # Lineages differ in the stem's pool and the bottleneck's stride: here there is neither.
    assert Architecture("resnet8_small").id == Architecture(trunk("resnet8_small", lineage="tv")).id
    assert Architecture("resnet18").id != Architecture("resnet18_tv").id
    width4 = trunk("resnet8_small", width=4)
    assert Architecture(width4, SE(5)).id != Architecture(width4, SE(16)).id
    assert Architecture(width4, SE(17)).id == Architecture(width4, SE(16.5)).id
    # Behind the projection's norm of a block without a shortcut post and standard are one place.
    narrow = trunk("mobilenet_v2", depths=(1,) * 7)
    assert (
        Architecture(narrow, (SE(), *(None,) * 6)).id
        == Architecture(narrow, (SE(placement="post"), *(None,) * 6)).id
    )


def test_id_is_the_same_in_every_process() -> None:
    # A change of the layers' text changes the ids of every published study.
    assert Architecture("resnet50", SE()).id == "18981aa7abc4af9e"


def stage_ids(name: str, number: int, **fixed: Any) -> tuple[int, int]:
    """(raw settings, distinct networks) of one stage: on or off × 5 × 4 × 3 × 3."""
    base = named()[name]
    places = [p for p in ("standard", "pre", "post", "identity", "conv3x3") if p in base.placements]
    ids = {Architecture(base).id}
    raw = 0
    for reduction in (2, 4, 8, 16, 32):
        for placement in places[:4]:
            for squeeze in ("avg", "max", "avgmax"):
                for gate in ("sigmoid", "hard_sigmoid", "tanh"):
                    se = SE(reduction, placement, squeeze, gate, **fixed)
                    stages = tuple(se if n == number else None for n in base.stages)
                    ids.add(Architecture(base, stages).id)
                    raw += 1
    return 2 * raw, len(ids)


def test_collapse_of_resnet50() -> None:
    """15.6 raw points for each network (DESIGN 3): stages are independent, so ratios multiply."""
    ratio = 1.0
    for number in (2, 3, 4, 5):
        raw, distinct = stage_ids("resnet50", number)
        assert (raw, distinct) == (360, 181)
        ratio *= raw / distinct
    assert ratio == pytest.approx(15.6, abs=0.06)


def test_json_keeps_every_setting() -> None:
    data = json.loads(Architecture.parse("mobilenet_v3_large").to_json())
    assert data["name"] == "mobilenet_v3_large"
    assert data["trunk"]["family"] == "mobilenet_v3"
    assert data["se"][2] == {
        "reduction": 4,
        "placement": "conv3x3",
        "squeeze": "avg",
        "gate": "hard_sigmoid",
        "bias": True,
        "rounding": "mobile8",
        "counted_from": "channels",
    }


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 100_000))
def test_json_round_trip(seed: int) -> None:
    architecture = SMALL.sample(seed)
    again = Architecture.from_json(architecture.to_json())
    assert again == architecture
    assert hash(again) == hash(architecture)
    assert again.id == architecture.id


GOOD = json.loads(Architecture("resnet18", SE()).to_json())


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("", "JSON"),
        ("{", "JSON"),
        ("[]", "JSON"),
        ("null", "JSON"),
        ("{}", "'trunk'"),
        (json.dumps(GOOD | {"trunk": 3}), "JSON"),
        (json.dumps(GOOD | {"trunk": {"family": "resnett"}}), "did you mean 'resnet'"),
        (json.dumps(GOOD | {"trunk": {"family": []}}), "JSON"),
        (json.dumps(GOOD | {"trunk": GOOD["trunk"] | {"widht": 3}}), "did you mean 'width'"),
        (json.dumps(GOOD | {"trunk": GOOD["trunk"] | {"depths": ["a"]}}), "depths"),
        (json.dumps(GOOD | {"se": None}), "JSON"),
        (json.dumps(GOOD | {"se": [None] * 3}), "se has 3 entries"),
        (json.dumps(GOOD | {"se": [3] * 4}), "JSON"),
        (json.dumps(GOOD | {"se": [{"reducton": 3}] * 4}), "did you mean 'reduction'"),
        (json.dumps(GOOD | {"se": [{"gate": ["tanh"]}] * 4}), "gate"),
        ('{"trunk":\n\n{', "JSON"),
    ],
)
def test_broken_json(text: str, match: str) -> None:
    with pytest.raises(InputError, match=match) as error:
        Architecture.from_json(text)
    line(error)


def test_trunk_settings_that_are_missing_are_the_familys_defaults() -> None:
    assert trunk_from_dict({"family": "resnet", "depths": [2, 2]}) == ResNet((2, 2))


def test_an_architecture_is_a_value() -> None:
    a, b = Architecture("resnet18", SE(8)), Architecture.parse("se_resnet18_r8")
    assert a == b
    assert len({a, b}) == 1
    with pytest.raises(AttributeError):
        a.se = (None,) * 4  # type: ignore[misc]


def test_a_wrong_field_names_the_right_one() -> None:
    with pytest.raises(InputError, match="field of an SE block 'ratio'; did you mean 'reduction'"):
        SE(ratio=4)  # type: ignore[call-arg]
    assert pickle.loads(pickle.dumps(SE(4))) == copy.deepcopy(SE(4)) == SE(reduction=4)


@pytest.mark.parametrize(
    ("fields", "value"),
    [({"gate": "2sigmoid"}, "two_sigmoid"), ({"squeeze": "nosqueeze"}, "none")],
)
def test_a_token_of_names_is_told_its_value(fields: dict[str, Any], value: str) -> None:
    with pytest.raises(InputError, match=f"as names have it; the value is '{value}'"):
        SE(16, **fields)


def test_a_name_and_an_architecture_are_taken_alike() -> None:
    value = Architecture("resnet18", SE(8))
    assert Architecture.of(value) is value
    assert Architecture.of("se_resnet18_r8") == value
    with pytest.raises(InputError, match="an architecture's name is a text"):
        Architecture.of(8)  # type: ignore[arg-type]
