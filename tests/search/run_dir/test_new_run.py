"""The folder of a new run."""

from __future__ import annotations

import re
import subprocess
import sys
from datetime import datetime, timezone
from pathlib import Path
from types import SimpleNamespace

import pytest

from se_nas import InputError
from se_nas.search.config import DataSettings, SearchConfig
from se_nas.search.run_dir import new_run
from se_nas.search.run_dir.directory import RunDirectory
from se_nas.search.run_dir.new_run import create
from se_nas.space.space_files import load_space


@pytest.mark.parametrize("name", ["/data/my größe set.py", "my images", "a/b"])
def test_any_name_of_data_makes_a_name_of_a_run(name: str, tmp_path: Path) -> None:
    run = create(load_space("digits_se"), SearchConfig(data=DataSettings(name), out=str(tmp_path)))
    assert re.fullmatch(r"digits_se-(my-gr-e-set|my-images|a-b)-\d{8}-\d{6}", run.path.name)
    assert SearchConfig.from_dict(run.read("settings.json")).data.name == name


def test_no_folder_is_left_of_a_run_that_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(DataSettings, "title", "no name")
    with pytest.raises(InputError, match="a run's name is no path"):
        create(load_space("digits_se"), SearchConfig(out=str(tmp_path / "runs")))
    assert not list(tmp_path.iterdir())


def test_searches_of_one_second_have_each_a_folder(tmp_path: Path) -> None:
    """Also those of several processes: the folder that one makes no other gets."""
    code = (
        "import sys, time\n"
        "from se_nas.search.config import SearchConfig\n"
        "from se_nas.search.run_dir.new_run import create\n"
        "from se_nas.space.space_files import load_space\n"
        "space, config = load_space('digits_se'), SearchConfig(out=sys.argv[1])\n"
        "sys.stdin.readline()\n"
        "for _ in range(3):\n"
        "    print(create(space, config).path.name)\n"
    )
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    names = [name for process in processes for name in process.communicate()[0].split()]
    assert len(set(names)) == 6
    for name in names:
        assert RunDirectory(tmp_path / name).settings().name == name


def test_names_that_are_taken_are_counted_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    space, config = load_space("digits_se"), SearchConfig(out=str(tmp_path))
    clock = SimpleNamespace(now=lambda _: datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc))
    monkeypatch.setattr(new_run, "datetime", clock)
    names = [create(space, config).path.name for _ in range(3)]
    first = "digits_se-digits-20260102-030405"
    assert names == [first, f"{first}-2", f"{first}-3"]
    with pytest.raises(InputError, match="exists already"):
        create(space, SearchConfig(out=str(tmp_path), name=first))


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for out, reason in ((str(tmp_path / "file"), "is a file"), ("/proc/runs", "cannot be written")):
        with pytest.raises(InputError, match=reason):
            create(load_space("digits_se"), SearchConfig(out=out))
