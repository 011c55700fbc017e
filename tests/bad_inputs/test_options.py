"""Every option of every command refuses what cannot be meant, in one line."""

from __future__ import annotations

from pathlib import Path

import pytest
from bad_options import BASES, BadOption, bad_options

from se_nas import materialize, save
from se_nas.cli import COMMANDS

OPTIONS = list(bad_options())


@pytest.mark.parametrize(
    "bad", OPTIONS, ids=[f"{b.arguments[0]}{b.option}-{b.kind}" for b in OPTIONS]
)
def test_a_bad_value_of_an_option_is_one_line(bad: BadOption, command, tmp_path: Path) -> None:
    if "good.safetensors" in bad.arguments:
        save(materialize("resnet8_small"), tmp_path / "good.safetensors")
    line = command(*bad.arguments)
    words = bad.option.strip("-").replace("-", "_")
    assert words in line.replace("-", "_") or words.partition("_")[2] in line.replace("-", "_"), (
        line
    )


def test_the_options_of_every_command_are_tried() -> None:
    assert set(BASES) == set(COMMANDS)
    assert len(OPTIONS) > 300
