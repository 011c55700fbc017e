"""The answer in ten lines: the page's figures, at every width."""

from __future__ import annotations

from pathlib import Path

import pytest
from made_runs import made

from se_nas.search.report.contents import Contents, read
from se_nas.search.report.short_answer import short_answer


@pytest.fixture(scope="module")
def contents(tmp_path_factory: pytest.TempPathFactory) -> Contents:
    return read(made(tmp_path_factory.mktemp("runs")))


def test_ten_lines_say_it(contents: Contents) -> None:
    lines = short_answer(contents, 110)
    assert len(lines) <= 12
    told = "\n".join(lines)
    # The made-up trainings: 70, 71, 72 % for the winner, ten and five points less for the others.
    assert "test     71.00 ± 1.00 % (3 seeds)" in told
    assert "no SE: +10.00 ± " in told
    assert "SE r16: +5.00 ± " in told
    assert told.count("points, better") == 2
    assert str(contents.winner) in told
    assert contents.call in told
    assert contents.advice.splitlines()[0][:60] in told
    assert "30 trials, 1 min 15 s of workers" in told


@pytest.mark.parametrize("width", [10, 40, 80, 200])
def test_what_can_be_broken_fits_and_the_rest_is_whole(contents: Contents, width: int) -> None:
    lines = short_answer(contents, width)
    words = {word for line in lines for word in line.split()}
    assert {str(contents.winner), *contents.call.split()} <= words
    for line in lines:
        assert len(line) < max(width, 24) or len(line.split()) <= 2  # a name that is longer


def test_without_a_difference_there_is_no_word_for_it(tmp_path: Path) -> None:
    from dataclasses import replace

    told = read(made(tmp_path))
    finals = tuple(
        f if f.lead is None else replace(f, lead=lead, half=half)
        for f, (lead, half) in zip(
            told.finals, [(None, None), (0.5, 0.7), (-2.0, 1.0)], strict=True
        )
    )
    lines = "\n".join(short_answer(replace(told, finals=finals), 100))
    assert "no SE: +0.50 ± 0.70 points, not to be told apart" in lines
    assert "SE r16: -2.00 ± 1.00 points, worse" in lines


def test_a_run_that_goes_on_has_no_answer(tmp_path: Path) -> None:
    assert short_answer(read(made(tmp_path, finished=False)), 80) == ["the answer"]
