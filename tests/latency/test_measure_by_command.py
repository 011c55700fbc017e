"""Networks timed by a tool that says how large their files are."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import pytest

from se_nas import Architecture, InputError
from se_nas.latency import pieces
from se_nas.latency.blocks import blocks
from se_nas.latency.measure_by_command import CommandMeasurer
from se_nas.latency.settings import LatencySettings, Signature

SIGNATURE = Signature(16, 3, 10)
SIZE = """
import os, sys
with open(sys.argv[2], "a") as log:
    print(os.path.basename(sys.argv[1]), file=log)
print(os.path.getsize(sys.argv[1]))
"""


def tool(log: Path) -> str:
    words = [sys.executable, "-c", SIZE, "{onnx}", str(log)]
    return " ".join(map(shlex.quote, words))


def test_blocks_and_wholes_are_files_for_the_tool(tmp_path: Path) -> None:
    log = tmp_path / "log"
    settings = LatencySettings(command=tool(log), sweeps=2)
    measurer = CommandMeasurer(SIGNATURE, settings)
    assert measurer.identity()["device"] == settings.command
    network = Architecture.parse("se_resnet8_small_r4")
    count = len(blocks(network, SIGNATURE))
    first = measurer.profile(network)
    assert len(first.blocks_ms) == count
    assert first.whole_ms is not None
    assert max(first.blocks_ms) < first.whole_ms < sum(first.blocks_ms) * 1.5
    assert len(log.read_text().splitlines()) == count + 1
    for _ in range(3):
        assert measurer.profile(network) == first
        assert measurer.measure(network).median_ms == first.whole_ms
    assert len(log.read_text().splitlines()) == 2 * (count + 1)  # twice each, for two sweeps


def test_only_the_first_networks_of_a_trunk_are_timed_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pieces, "WHOLES", 1)
    settings = LatencySettings(command=tool(tmp_path / "log"), sweeps=1)
    measurer = CommandMeasurer(SIGNATURE, settings)
    ratios = [4, 8]
    networks = [Architecture.parse(f"se_resnet8_small_r{ratio}") for ratio in ratios]
    wholes = [measurer.profile(network).whole_ms for network in networks]
    assert [whole is not None for whole in wholes] == [True, False]
    first = measurer.profile(networks[0])
    assert first.whole_ms == wholes[0]  # it stays one of them


def test_a_tool_that_fails_is_bad_input() -> None:
    measurer = CommandMeasurer(SIGNATURE, LatencySettings(command="no_such_tool {onnx}"))
    with pytest.raises(InputError, match="no_such_tool"):
        measurer.profile(Architecture("resnet8_small"))
