"""Measurements that stay from run to run."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from se_nas import Architecture
from se_nas.files import cache_folder
from se_nas.latency.blocks import blocks
from se_nas.latency.cache import open_cache
from se_nas.latency.settings import Signature
from se_nas.latency.table import Latency, Measurements, ProfiledNetwork

IDENTITY = {"device": "a", "torch": "2", "cudnn": None, "batch": 1}


def some(ms: float = 1.0) -> Measurements:
    block = blocks(Architecture("resnet8_small"), Signature(32))[1]
    return Measurements(
        {block.key: (block, ms)},
        {"n": ProfiledNetwork(1.0, (block.key,))},
        {"n": Latency(ms, ms, ms)},
    )


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    cache = open_cache(str(tmp_path / "new"), IDENTITY)
    assert cache.load(pytest.fail) == Measurements()
    cache.save(some(), pytest.fail)
    assert open_cache(str(tmp_path / "new"), dict(IDENTITY)).load(pytest.fail) == some()
    assert [path.suffix for path in (tmp_path / "new").iterdir()] == [".json"]


@pytest.mark.parametrize("change", [{"device": "b"}, {"torch": "3"}, {"batch": 2}, {"cudnn": 9}])
def test_another_device_version_or_setting_has_another_file(
    change: dict[str, object], tmp_path: Path
) -> None:
    open_cache(str(tmp_path), IDENTITY).save(some(), pytest.fail)
    assert open_cache(str(tmp_path), IDENTITY | change).load(pytest.fail) == Measurements()


def test_what_another_process_saved_meanwhile_stays(tmp_path: Path) -> None:
    ours, theirs = (open_cache(str(tmp_path), IDENTITY) for _ in range(2))
    theirs.save(Measurements(networks={"m": Latency(2, 2, 2)}), pytest.fail)
    ours.save(some(), pytest.fail)
    assert set(ours.load(pytest.fail).networks) == {"m", "n"}


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        "null",
        "7",
        '{"identity": {}}',
        '{"identity": %s, "blocks": 3, "profiled": {}, "networks": {}}',
        '{"identity": %s, "blocks": [{"ms": 1}], "profiled": {}, "networks": {}}',
        '{"identity": %s, "blocks": [], "profiled": {"a": "b"}, "networks": {}}',
        '{"identity": %s, "blocks": [], "profiled": {}, "networks": {"a": {"x": 1}}}',
        '{"identity": %s, "blocks": [], "profiled": {}, "networks": [1]}',
        '{"identity": %s, "blocks": ["x"], "profiled": {}, "networks": {}}',
    ],
)
def test_a_broken_file_is_one_line_and_is_replaced(content: str, tmp_path: Path) -> None:
    import json

    cache = open_cache(str(tmp_path), IDENTITY)
    cache.path.write_text(content.replace("%s", json.dumps(IDENTITY)))
    notes: list[str] = []
    assert cache.load(notes.append) == Measurements()
    assert len(notes) == 1
    assert str(cache.path) in notes[0]
    assert "measuring again" in notes[0]
    assert "\n" not in notes[0]
    cache.save(some(), pytest.fail)
    assert cache.load(pytest.fail) == some()


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    cache = open_cache(str(tmp_path), IDENTITY)
    cache.path.write_bytes(b"\xff\xfe\x00")
    notes: list[str] = []
    assert cache.load(notes.append) == Measurements()
    assert len(notes) == 1


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    notes: list[str] = []
    open_cache(str(tmp_path / "file" / "below"), IDENTITY).save(some(), notes.append)
    assert len(notes) == 1
    assert "cannot be written" in notes[0]


def test_a_write_that_fails_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = open_cache(str(tmp_path), IDENTITY)
    cache.save(some(1.0), pytest.fail)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    notes: list[str] = []
    cache.save(some(2.0), notes.append)
    assert "No space left" in notes[0]
    assert cache.load(pytest.fail) == some(1.0)
    assert len(list(tmp_path.iterdir())) == 1


def test_the_users_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "se-nas"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert cache_folder() == Path.home() / ".cache" / "se-nas"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert open_cache(None, IDENTITY).path.parent == Path.home() / ".cache" / "se-nas" / "latency"
