"""What TensorBoard is given: a run for every trial, by the epochs that it trained."""

from __future__ import annotations

import struct
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tensorboardX.proto.event_pb2 import Event

from se_nas.errors import InputError
from se_nas.search.tuning.tensorboard import TensorBoardCallback


def trial(number: int) -> Any:
    return SimpleNamespace(trial_id=f"t{number}", config={"number": number, "name": "resnet8"})


def scalars(folder: Path) -> dict[tuple[str, int], float]:
    """By tag and step; TFRecord frames are length, its sum, data, its sum."""
    found: dict[tuple[str, int], float] = {}
    (file,) = folder.iterdir()
    content, at = file.read_bytes(), 0
    while at < len(content):
        (length,) = struct.unpack_from("<Q", content, at)
        event: Any = Event()
        event.ParseFromString(content[at + 12 : at + 12 + length])
        for value in event.summary.value:
            found[value.tag, event.step] = value.simple_value
        at += 12 + length + 4
    return found


def test_every_trial_is_a_run_with_what_its_epochs_gave(tmp_path: Path) -> None:
    board = TensorBoardCallback(tmp_path)
    ready = {"ready": True, "epoch": 0, "val_acc": 0.0, "val_loss": 1e9, "end": ""}
    first = {"epoch": 1, "val_acc": 0.25, "val_loss": 2.0, "end": ""}
    second = {"epoch": 2, "val_acc": 0.5, "val_loss": float("inf"), "end": ""}
    failed = {"epoch": 2, "val_acc": 0.0, "val_loss": 1e9, "end": "error"}
    for result in (ready, first, second, failed):
        board.on_trial_result(0, [], trial(3), result)
    board.on_trial_result(0, [], trial(4), first)
    board.on_trial_complete(0, [], trial(3))
    board.on_trial_complete(0, [], trial(5))  # it never reported
    assert list(board.open) == ["t4"]
    board.on_experiment_end([])
    assert not board.open
    assert sorted(folder.name for folder in tmp_path.iterdir()) == [
        "00003-resnet8",
        "00004-resnet8",
    ]
    assert scalars(tmp_path / "00003-resnet8") == {
        ("val_acc", 1): 0.25,
        ("val_loss", 1): 2.0,
        ("val_acc", 2): 0.5,
    }


def test_a_missing_package_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    with pytest.raises(InputError, match="pip install tensorboardX"):
        TensorBoardCallback(tmp_path)
