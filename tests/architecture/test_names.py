"""Names of architectures are readable, safe as file names, and a bijection with the value."""

from __future__ import annotations

import re
from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from se_nas import SE, Architecture, InputError, trunk
from se_nas.architecture.names import parse_trunk, trunk_name
from se_nas.se import tokens
from se_nas.trunks import Trunk, aliases, families, named
from se_nas.zoo import zoo

PROPERTY = settings(max_examples=400, deadline=None)

# Values of the settings, by field; what a family or the other settings refuse is not kept.
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "block": st.sampled_from(["basic", "bottleneck"]),
    "lineage": st.sampled_from(["paper", "tv", "timm"]),
    "stem": st.sampled_from(["imagenet", "deep", "small"]),
    "squeeze_first": st.booleans(),
    "projection": st.sampled_from([1, 3]),
    "dropout": st.floats(0, 1, exclude_max=True),
    "group_width": st.integers(0, 8),
    "variant": st.sampled_from(["large", "small"]),
    "hidden": st.integers(1, 8192),
    "stem_width": st.integers(1, 96),
    "shortcut": st.sampled_from(["pad", "conv"]),
    "backward": st.sampled_from(["shake", "even"]),
}
WIDTHS = st.one_of(st.integers(1, 96), st.floats(0.1, 8), st.sampled_from([0.35, 0.5, 1.25]))
GROUPS = st.integers(1, 8)
SCALES = st.one_of(st.sampled_from([0.5, 1.0, 1.5, 2.0, 1]), st.floats(0.1, 8))


def per_stage(like: tuple[int, ...], values: st.SearchStrategy[int]) -> st.SearchStrategy[Any]:
    return st.lists(values, min_size=len(like), max_size=len(like)).map(tuple)


def values(trunk: Trunk, field: str) -> st.SearchStrategy[Any]:
    """Values for one setting of a trunk."""
    current = getattr(trunk, field)
    if field in VALUES:
        return VALUES[field]
    if field == "depths" and trunk.family == "resnet":
        return st.lists(st.integers(1, 40), min_size=1, max_size=7).map(tuple)
    if field == "kernels":
        return per_stage(current, st.sampled_from([1, 3, 5, 7, 9]))
    if isinstance(current, tuple):
        return per_stage(current, st.integers(1, 12))
    return {"width": WIDTHS, "groups": GROUPS, "scale": SCALES}[field]


@st.composite
def trunks(draw: st.DrawFn) -> Trunk:
    """Any trunk: a named one with some of its settings changed, one after the other."""
    value = draw(st.sampled_from(list(named().values())))
    names = [field.name for field in fields(value)]
    for field in draw(st.lists(st.sampled_from(names), max_size=len(names), unique=True)):
        try:
            value = replace(value, **{field: draw(values(value, field))})
        except InputError:
            continue
    return value


def ses(placements: tuple[str, ...]) -> st.SearchStrategy[SE]:
    ratios = st.one_of(st.integers(1, 65536), st.floats(1, 65536), st.sampled_from([2, 16, 1.5]))
    return st.builds(
        SE,
        reduction=ratios,
        placement=st.sampled_from(placements),
        squeeze=st.sampled_from(["avg", "max", "avgmax", "none"]),
        gate=st.sampled_from(["sigmoid", "tanh", "relu", "hard_sigmoid", "two_sigmoid"]),
        bias=st.booleans(),
        rounding=st.sampled_from(["floor", "round8", "mobile8"]),
        counted_from=st.sampled_from(["channels", "block_input"]),
    )


@st.composite
def architectures(draw: st.DrawFn) -> Architecture:
    """Any architecture; few different SE values, so that stages often share theirs."""
    value = draw(trunks())
    pool = [None, *draw(st.lists(ses(value.placements), min_size=1, max_size=3))]
    stages = [draw(st.sampled_from(pool)) for _ in value.stages]
    return Architecture(value, draw(st.sampled_from([tuple(stages), (stages[0],) * len(stages)])))


@PROPERTY
@given(architectures())
def test_parse_is_the_inverse_of_str(architecture: Architecture) -> None:
    name = str(architecture)
    again = Architecture.parse(name)
    assert again == architecture
    assert str(again) == name
    assert again.id == architecture.id


@PROPERTY
@given(architectures())
def test_names_are_safe_as_file_names(architecture: Architecture) -> None:
    assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", str(architecture))


@PROPERTY
@given(architectures(), architectures())
def test_different_architectures_have_different_names(a: Architecture, b: Architecture) -> None:
    assert (str(a) == str(b)) == (a == b)


@PROPERTY
@given(trunks(), st.data())
def test_one_changed_setting_changes_the_name(value: Trunk, data: st.DataObject) -> None:
    field = data.draw(st.sampled_from([field.name for field in fields(value)]))
    try:
        changed = replace(value, **{field: data.draw(values(value, field))})
    except InputError:
        return
    assert (trunk_name(changed) == trunk_name(value)) == (changed == value)
    assert parse_trunk(trunk_name(changed)) == changed


def test_every_family_is_drawn() -> None:
    # The strategies start at named trunks: every family has one.
    assert {value.family for value in named().values()} == set(families())


@pytest.mark.parametrize("name", [*zoo.names(), *named(), *aliases()])
def test_listed_names_are_canonical(name: str) -> None:
    assert str(Architecture.parse(name)) == name


@pytest.mark.parametrize(
    ("name", "architecture"),
    [
        ("resnet50", Architecture("resnet50")),
        ("se_resnet50_r16", Architecture("resnet50", SE())),
        ("senet154", Architecture("senet154_trunk", SE())),
        ("senet154_tv", Architecture("senet154_tv_trunk", SE())),
        ("se_mobilenet_v1_r16", Architecture("mobilenet_v1", SE())),
        (
            "mobilenet_v3_small",
            Architecture(
                "mobilenet_v3_small_trunk",
                tuple(
                    SE(4, "conv3x3", gate="hard_sigmoid", rounding="mobile8") if used else None
                    for used in (1, 0, 1, 1, 1)
                ),
            ),
        ),
        ("se_resnet50_s23_r16_s4_r8", Architecture("resnet50", (SE(), SE(), SE(8), None))),
        (
            "se_resnet50_s24_r2_max_s5_r2",
            Architecture("resnet50", (SE(2, squeeze="max"), None, SE(2, squeeze="max"), SE(2))),
        ),
        ("resnet18-width32-stem.small", Architecture(trunk("resnet18", width=32, stem="small"))),
        ("resnet50-dropout0.00001", Architecture(trunk("resnet50", dropout=1e-5))),
        ("resnet50-depths3", Architecture(trunk("resnet50", depths=(3,)))),
        ("se_resnet50_r1.5_pre_nobias", Architecture("resnet50", SE(1.5, "pre", bias=False))),
    ],
)
def test_examples(name: str, architecture: Architecture) -> None:
    assert str(architecture) == name
    assert Architecture.parse(name) == architecture


def test_alias_and_long_name_are_one_architecture() -> None:
    assert Architecture.parse("se_senet154_trunk_r16") == Architecture.parse("senet154")
    assert str(Architecture.parse("se_senet154_trunk_r16")) == "senet154"
    assert str(Architecture.parse("se_senet154_trunk_r8")) == "se_senet154_trunk_r8"


def test_every_token_is_one_setting_and_tells_its_default_from_it() -> None:
    known = tokens()
    assert len(set(known.values())) == len(known)
    for token, (field, value) in known.items():
        assert getattr(SE(), field) != value
        se = Architecture.parse(f"se_resnet50_r16_{token}").se[0]
        assert se is not None
        assert getattr(se, field) == value


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("resnet5", "did you mean 'resnet50'"),
        ("se_resnext50_32x4_r16", "did you mean 'se_resnext50_32x4d_r16'"),
        ("mobilnet_v2", "did you mean 'mobilenet_v2'"),
        ("senet145", "did you mean 'senet154'"),
        ("resnet50_r16", "did you mean se_resnet50_r16"),
        ("se_resnet50", "se_resnet50_r16"),
        ("se_resnet50_r16_maxx", "did you mean 'se_resnet50_r16_max'"),
        ("se_resnet50_r16_sigmoid", "allowed: round8, mobile8"),
        ("se_resnet50_16", "did you mean 'se_resnet50_r16'"),
        ("se_resnet50_r16_max_avgmax", "gives the squeeze twice"),
        ("se_resnet50_r0.5", "r ≥ 1"),
        ("se_resnet50_r70000", "give a ratio r ≥ 1, at most 65536"),
        ("se_resnet50_r16_r8", "unknown token"),
        ("se_resnet50_s7_r16", r"stage 7 is not one of \[2, 3, 4, 5\]"),
        ("se_resnet50_s23_r16_s3_r8", "gives stage 3 twice"),
        ("se_resnet50_s22_r16", "gives stage 2 twice"),
        ("se_resnet50_s2", "s2_r16"),
        ("se_resnet50_s2_max", "expected a ratio like r16"),
        ("se_resnet18_r16_conv3x3", "conv3x3"),
        ("resnet50-widht16", "did you mean 'resnet50-width16'"),
        ("se_resnt50_r16", "did you mean 'se_resnet50_r16'"),
        ("se_resnt50-width32_s23_r16_pre_s4_r8", "'se_resnet50-width32_s23_r16_pre_s4_r8'"),
        ("es_resnet50_r16", "did you mean 'se_resnet50_r16'"),
        ("resnt50_r16", "did you mean 'se_resnet50_r16'"),
        ("seresnet50", "did you mean 'se_resnet50_r16'"),
        ("SE_ResNet50_r16", "did you mean 'se_resnet50_r16'"),
        ("se-resnet50-r16", "did you mean 'se_resnet50_r16'"),
        ("se_wrn_16_8_r16_nobais", "did you mean 'se_wrn16_8_r16_nobias'"),
        ("se_resnet50_r16_noskueeze_nobias", "did you mean 'se_resnet50_r16_nosqueeze_nobias'"),
        ("se_resnet50_r16_avg", "did you mean 'se_resnet50_r16'"),
        ("se_senet154_r16", "did you mean 'senet154'"),
        ("se_senet154_r8", "did you mean 'se_senet154_trunk_r8'"),
        # The trunk is right, and has no such place: no other trunk is offered.
        ("se_resnet18_r16_conv3x33", "did you mean 'conv3x3'"),
        ("resnet50-", "unknown setting"),
        ("resnet50-width1.5", "write it as width64"),
        ("resnet50-stemsmall", "write it as stem.imagenet"),
        ("resnet50-stem.smal", "did you mean 'small'"),
        ("resnet50-squeeze_first1", "write it as squeeze_first.off"),
        ("resnet50-depths3.x", "write it as depths3.4.6.3"),
        ("resnet50-groups48", "no multiple"),
        ("mobilenet_v1-widthnan", "width"),
        ("mobilenet_v2-depths1.2", "7 numbers"),
        ("", "se_resnet50_r16"),
        ("se_", "unknown model"),
        ("_", "unknown model"),
        ("se_resnet50_r16\n", "expected a ratio"),
        ("../se_resnet50_r16", "unknown model"),
    ],
)
def test_wrong_names_say_what_would_be_right(name: str, hint: str) -> None:
    with pytest.raises(InputError, match=hint) as error:
        Architecture.parse(name)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("wrong", [None, 50, b"resnet50", ["resnet50"]])
def test_a_name_is_a_text(wrong: Any) -> None:
    with pytest.raises(InputError, match="name is a text"):
        Architecture.parse(wrong)


@PROPERTY
@given(
    st.one_of(
        st.text(max_size=30), st.from_regex(r"(se_)?resnet50[-_.a-z0-9]{0,20}", fullmatch=True)
    )
)
def test_any_text_is_a_name_or_an_input_error(text: str) -> None:
    message = ""
    try:
        architecture = Architecture.parse(text)
    except InputError as error:
        message = str(error)
    else:
        assert Architecture.parse(str(architecture)) == architecture
    assert "\n" not in message


def test_a_setting_given_twice_is_refused() -> None:
    with pytest.raises(InputError, match="setting width twice"):
        Architecture.parse("resnet18-width16-width32")
