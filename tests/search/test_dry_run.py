"""``--dry-run`` shows a space and refuses what a search refuses, without Ray."""

from __future__ import annotations

import io
import re
from dataclasses import replace

import pytest
from rich.console import Console

from se_nas import SE, InputError, Space, choice, latency_ms, macs, optional, params, per_stage
from se_nas.search.config import SearchConfig
from se_nas.search.dry_run import SAMPLES, show
from se_nas.search.results.opening import opening
from se_nas.search.worker.data import load_data

SMALL = Space("small", trunk="resnet8_small", se=per_stage(optional(SE(reduction=choice(2, 4)))))
ONE = Space("one", trunk="resnet8_small", se=SE(reduction=4))


def shown(space: Space, **settings: object) -> str:
    console = Console(file=io.StringIO(), width=200)
    show(space, SearchConfig(**settings), console)  # type: ignore[arg-type]
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert isinstance(text, str)
    return text


def test_it_begins_as_a_search_does() -> None:
    lines = opening(SMALL, load_data(SearchConfig().data, 0))
    assert shown(SMALL).splitlines()[: len(lines)] == lines


def test_a_space_of_one_point_lists_it_once() -> None:
    text = shown(ONE)
    assert "1 point, " in text
    assert "the only architecture" in text
    assert text.count("se_resnet8_small_r4") == 1


def test_a_small_space_is_listed_whole_and_a_large_one_without_repeats() -> None:
    two = replace(ONE, se=SE(reduction=choice(4, 8)))
    text = shown(two)
    assert "all 2 architectures" in text
    assert [text.count(name) for name in ("_r4 ", "_r8 ")] == [1, 1]
    text = shown(SMALL)
    assert f"\n{SAMPLES} random architectures" in text
    ids = re.findall(r" ([0-9a-f]{8}) ", text)
    assert len(set(ids)) == len(ids) == SAMPLES


def test_a_latency_that_is_not_measured_is_unknown() -> None:
    limited = replace(SMALL, constraints=(latency_ms <= 1e-9, params >= 1))
    text = shown(limited)
    assert text.count("unknown: latency_ms <= 1e-09") == SAMPLES
    assert " yes" not in text
    assert "latency_ms is measured at the start of a search: unknown until then" in text
    assert "params >= 1: 100.0 % of random draws pass" in text
    broken = replace(SMALL, constraints=(latency_ms <= 1, params <= 78_000))
    text = shown(broken)
    assert "no: params <= 78,000" in text


def test_what_no_network_keeps_is_refused_with_the_nearest() -> None:
    with pytest.raises(InputError, match=r"no architecture keeps the constraints: macs <= 1 \("):
        shown(replace(SMALL, constraints=(macs <= 1,)))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("se_resnet8_smal_r4", "did you mean"),
        (
            "se_resnet8_small_r16",
            r"is no network of space 'one': .*nearest found: se_resnet8_small_r4",
        ),
        ('{"trunk": 3}', "unknown model"),
    ],
)
def test_enqueued_names_are_checked(name: str, words: str) -> None:
    with pytest.raises(InputError, match=words) as error:
        shown(ONE, enqueue=(name,))
    assert str(error.value).isprintable()


def test_so_are_their_costs_as_far_as_they_are_known() -> None:
    limited = replace(SMALL, constraints=(latency_ms <= 1, params <= 78_000))
    assert shown(limited, enqueue=("resnet8_small",))
    with pytest.raises(InputError, match="enqueue 'se_resnet8_small_r2' breaks a constraint"):
        shown(limited, enqueue=("se_resnet8_small_r2",))
