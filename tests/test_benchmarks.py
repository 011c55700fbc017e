"""What the benchmarks count with."""

from __future__ import annotations

import doctest
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

COMMON = Path(__file__).resolve().parents[1] / "benchmarks" / "search_common.py"


def test_the_examples_of_what_the_benchmarks_share_are_so() -> None:
    spec = spec_from_file_location("search_common", COMMON)
    assert spec is not None
    assert spec.loader is not None
    found = module_from_spec(spec)
    spec.loader.exec_module(found)
    done = doctest.testmod(found)
    assert (done.failed, done.attempted >= 2) == (0, True)
