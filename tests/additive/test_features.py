"""Features of networks: of what is built, shared by stages and their own."""

from __future__ import annotations

from se_nas import SE, Architecture
from se_nas.additive.features import of_architecture, of_parameters


def se_features(architecture: Architecture) -> dict[tuple[str, str], float]:
    plain = of_architecture(Architecture(architecture.trunk))
    return {f: a for f, a in of_architecture(architecture).items() if f not in plain}


def test_networks_that_are_one_have_the_same_features() -> None:
    a, b = Architecture("resnet8_small", SE(64)), Architecture("resnet8_small", SE(63))
    assert a.id == b.id
    assert of_architecture(a) == of_architecture(b)


def test_every_stage_adds_to_what_is_shared() -> None:
    found = se_features(Architecture("resnet8_small", (SE(2), None, SE(8, gate="tanh"))))
    assert found["se", ""] == 2
    assert {f for f in found if f[0] == "se by stage"} == {
        ("se by stage", "resnet stage 2"),
        ("se by stage", "resnet stage 4"),
    }
    assert found["ratio by stage", "resnet stage 2"] == 1 - 3
    assert ("ratio by stage", "resnet stage 4") in found
    assert found["ratio", ""] == -2
    assert found["gate", "tanh"] == found["gate", "sigmoid"] == 1
    assert found["gate by stage", "resnet stage 4 tanh"] == 1


def test_a_trunk_has_its_settings() -> None:
    found = of_architecture(Architecture("resnet8_small"))
    assert found["family", "resnet"] == 1
    assert ("resnet width", "16") in found
    assert not any(group.startswith("se") for group, _ in found)


def test_parameters_of_any_study() -> None:
    assert of_parameters({"a": 1}) != of_parameters({"a": True})
    assert of_parameters({"a": 1}) == {("a", "1"): 1.0}
