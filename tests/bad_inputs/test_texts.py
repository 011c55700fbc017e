"""Names of architectures, and JSON of architectures, spaces and runs, with one mistake each."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from bad_texts import bad_documents, bad_names, bad_texts, bad_values

from conftest import Refused, RefusedAll
from se_nas import SE, Architecture, Space, choice, optional, params, per_stage, trunk

ARCHITECTURE = Architecture("resnet8_small", SE(reduction=4))
SPACE = Space(
    "mine",
    trunk=trunk("resnet8_small", width=choice(8, 16)),
    se=per_stage(optional(SE(reduction=choice(2, 4))), {2: None}, tie=[(3, 4)]),
    constraints=[params <= 1e6],
)
NAMES = dict(bad_names())


def test_a_misspelt_name(refuse_all: RefusedAll) -> None:
    refuse_all(Architecture.parse, NAMES)


@pytest.mark.parametrize("why", [*NAMES][::6])
def test_a_misspelt_name_on_the_command_line(why: str, command: Refused) -> None:
    if "\0" not in NAMES[why]:
        command("materialize", "--summary", "--", NAMES[why])
        command("search", "--space", "digits_se", f"--enqueue={NAMES[why]}")


TEXTS = dict(bad_texts(ARCHITECTURE.to_json()))
S_TEXTS = dict(bad_texts(SPACE.to_json()))


def test_bytes_that_are_no_architecture(refuse_all: RefusedAll) -> None:
    texts = {why: text.decode("utf-8", errors="surrogateescape") for why, text in TEXTS.items()}
    refuse_all(Architecture.from_json, texts)


@pytest.mark.parametrize("why", S_TEXTS)
def test_a_file_that_is_no_space(why: str, command: Refused, tmp_path: Path) -> None:
    (tmp_path / "space.json").write_bytes(S_TEXTS[why])
    line = command("search", "--space", "space.json")
    assert "space.json" in line


# A name in the JSON is for people; fields that are missing have their defaults.
A_OPTIONAL = frozenset(
    {"name"} | {f for f in json.loads(ARCHITECTURE.to_json())["trunk"] if f != "family"}
) | set(json.loads(ARCHITECTURE.to_json())["se"][0])
A_ALLOWED: dict[str, set[str]] = {
    "name": {"null", "text", "negative", "fraction", "truth", "huge", "list", "object"},
    "squeeze_first": {"truth"},
    "bias": {"truth"},
    "dropout": {"fraction"},
    "0": {"null"},  # a stage without SE
}
A_DOCUMENTS = dict(bad_documents(ARCHITECTURE.to_json(), A_OPTIONAL))
A_VALUES = dict(bad_values(ARCHITECTURE.to_json(), A_ALLOWED))


def test_an_architecture_with_a_mistake(refuse_all: RefusedAll) -> None:
    refuse_all(Architecture.from_json, A_DOCUMENTS | A_VALUES)


S_DOCUMENTS = dict(bad_documents(SPACE.to_json(), A_OPTIONAL - {"name"} | {"2"}))
S_ALLOWED = A_ALLOWED | {
    "name": {"text"},
    "se": {"null"},
    "per_stage": {"null"},
    "2": {"null"},
    "limit": {"fraction", "huge"},
}
S_VALUES = dict(bad_values(SPACE.to_json(), S_ALLOWED))


def test_a_space_with_a_mistake(refuse_all: RefusedAll) -> None:
    refuse_all(Space.from_json, S_DOCUMENTS | S_VALUES)


def test_there_are_hundreds_of_them() -> None:
    assert sum(map(len, (NAMES, TEXTS, A_DOCUMENTS, A_VALUES, S_DOCUMENTS, S_VALUES))) > 600
