"""Arbitrary texts and JSON: a reader gives a value, or an ``InputError`` of one line."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from conftest import check_line
from se_nas import SE, Architecture, InputError, Space, load_space
from se_nas.search.config import SearchConfig, config_from_options
from se_nas.settings import settings_of
from se_nas.texts import one_line, printable
from se_nas.trunks import named

WORDS = st.sampled_from(
    [
        *named(),
        "se",
        "r16",
        "r",
        "s2",
        "s23",
        "_",
        "-",
        "max",
        "tanh",
        "pre",
        "nobias",
        "width",
        "8",
    ]
)
NAMES = (
    st.text() | st.lists(WORDS).map("_".join) | st.lists(WORDS | st.text(max_size=2)).map("".join)
)
GOOD = [Architecture("resnet18", SE()).to_json(), load_space("digits_se").to_json()]
KEYS = st.text(max_size=5) | st.sampled_from(
    [
        *("name", "trunk", "se", "family", "choice", "per_stage", "stages", "tie", "version"),
        *("constraints", "objectives", "reduction", "depths", *settings_of(SearchConfig)),
    ]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | KEYS | st.sampled_from([*named()]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=5),
    max_leaves=12,
)


@contextlib.contextmanager
def one_line_at_most() -> Iterator[None]:
    try:
        yield
    except InputError as error:
        check_line(str(error))


@settings(deadline=None, max_examples=60)
@given(NAMES)
@example("se_resnet50_r16\n")
def test_any_text_is_a_name_or_refused(text: str) -> None:
    with one_line_at_most():
        architecture = Architecture.parse(text)
        assert Architecture.parse(str(architecture)) == architecture


@settings(deadline=None, max_examples=100)
@given(VALUES.map(json.dumps) | st.text(), st.sampled_from([Architecture, Space]))
def test_any_json_is_read_or_refused(text: str, kind: Any) -> None:
    with one_line_at_most():
        kind.from_json(text)


@settings(deadline=None, max_examples=150)
@given(st.data())
def test_a_good_json_with_anything_in_one_place(data: st.DataObject) -> None:
    text = data.draw(st.sampled_from(GOOD))
    document = json.loads(text)
    holder: Any = document
    while True:
        keys = [*holder] if isinstance(holder, dict) else [*range(len(holder))]
        key = data.draw(st.sampled_from(keys))
        if not isinstance(holder[key], (dict, list)) or not holder[key] or data.draw(st.booleans()):
            break
        holder = holder[key]
    holder[key] = data.draw(VALUES)
    read: Callable[[str], Any] = Space.from_json if text == GOOD[1] else Architecture.from_json
    with one_line_at_most():
        read(json.dumps(document))


@settings(deadline=None, max_examples=100)
@given(st.dictionaries(KEYS, VALUES, max_size=4))
def test_any_settings_are_read_or_refused(values: dict[str, Any]) -> None:
    with one_line_at_most():
        config_from_options(values)
    with one_line_at_most():
        SearchConfig.from_dict(values)


@settings(deadline=None, max_examples=100)
@given(st.text())
def test_any_message_becomes_one_printable_line(text: str) -> None:
    line = one_line(text)
    assert printable(line) == line
    assert one_line(line) == line
