"""What searches leave: found by our mark, removed, and never of a session in use."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from se_nas.cli import main
from se_nas.errors import InputError
from se_nas.search.cluster import connection, leftovers
from se_nas.search.cluster.connection import connected
from se_nas.search.cluster.leftovers import MARK
from se_nas.search.cluster.ray_environment import configure_ray
from se_nas.search.config import SearchConfig

# Ray reads its token once in a process: a cluster of another home would refuse this one.
HOME = os.environ.get("HOME", "")


@pytest.fixture(autouse=True)
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A temporary folder, a cache and a home of this test alone."""
    for name in ("t", "c", "h"):
        (tmp_path / name).mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "t"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "c"))
    monkeypatch.setenv("HOME", str(tmp_path / "h"))
    monkeypatch.setattr(leftovers, "ray_folders", lambda: iter([tmp_path / "t" / "ray"]))
    return tmp_path


def dead_pid() -> int:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    return ended.pid


def make_session(places: Path, name: str = "session_1", pid: int | None = None) -> Path:
    session = places / "t" / "ray" / name
    (session / "logs").mkdir(parents=True)
    (session / "sockets").mkdir()
    (session / "logs" / "worker-1.err").write_text("Killed")
    (session / "logs" / "worker-2.err").write_text("")
    (session / MARK).write_text(json.dumps({"pid": dead_pid() if pid is None else pid}))
    return session


def clean(capsys: pytest.CaptureFixture[str], *options: str) -> str:
    with pytest.raises(SystemExit) as end:
        main(["clean", *options])
    assert end.value.code == 0
    return capsys.readouterr().out


def test_it_is_shown_and_only_removed_when_asked(
    places: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    session = make_session(places)
    (session.parent / "session_latest").symlink_to(session)
    (places / "c" / "se-nas" / "latency").mkdir(parents=True)
    (places / "c" / "se-nas" / "latency" / "a.json").write_bytes(bytes(2_000_000))
    shown = clean(capsys)
    assert f"0.00 MB  {session}" in shown
    assert f"2.00 MB  {places / 'c' / 'se-nas'}" in shown
    assert "se-nas clean --yes" in shown
    assert session.is_dir()
    clean(capsys, "--yes")
    assert not [*(places / "t").iterdir(), *(places / "c").iterdir()]
    assert clean(capsys, "--yes") == "nothing to remove\n"


def test_what_is_not_ours_stays(places: Path, capsys: pytest.CaptureFixture[str]) -> None:
    session = make_session(places)
    other = make_session(places, "session_2")
    (other / MARK).unlink()
    (session.parent / "session_latest").symlink_to(other)
    (places / "t" / "pymp-x").mkdir()
    (places / "c" / "other").mkdir()
    (places / "h" / "runs").mkdir()
    clean(capsys, "--yes")
    assert sorted(p.name for p in (places / "t" / "ray").iterdir()) == [
        "session_2",
        "session_latest",
    ]
    assert (places / "t" / "pymp-x").is_dir()
    assert (places / "c" / "other").is_dir()
    assert (places / "h" / "runs").is_dir()


def test_the_session_of_a_living_driver_stays_and_the_cache_with_it(
    places: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    session = make_session(places, pid=os.getpid())
    (places / "c" / "se-nas").mkdir()
    shown = clean(capsys, "--yes")
    assert shown.count("in use, it stays") == 2
    assert session.is_dir()
    assert (places / "c" / "se-nas").is_dir()


def test_a_socket_that_answers_keeps_a_session(places: Path) -> None:
    session = make_session(places)
    assert not leftovers.is_live(session)
    with socket.socket(socket.AF_UNIX) as server:
        os.chdir(session)  # the path of a test is longer than that of a socket can be
        server.bind("sockets/raylet")
        server.listen()
        os.chdir("/")
        assert leftovers.is_live(session)


def test_a_token_is_removed_only_by_its_option(
    places: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    token = places / "h" / ".ray" / "auth_token"
    token.parent.mkdir()
    token.write_text("x")
    clean(capsys, "--yes")
    assert token.is_file()
    assert str(token) in clean(capsys, "--yes", "--token")
    assert not token.exists()


def fail_on_a_cluster(folder: Path, errors: Path) -> None:
    with connected(SearchConfig(gpus=0, dashboard=False), errors):
        [session] = (path.parent for path in folder.glob(f"ray/session_2*/{MARK}"))
        assert leftovers.is_live(session)
        raise RuntimeError("the search fails")


def test_nothing_of_a_cluster_stays_and_logs_are_kept_if_the_search_fails(
    places: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    short = Path(tempfile.mkdtemp(dir="/tmp"))  # as the path of a socket must be
    monkeypatch.setattr("tempfile.tempdir", str(short))
    monkeypatch.setenv("RAY_TMPDIR", str(short))
    monkeypatch.setenv("HOME", HOME)
    (places / "errors").mkdir()
    configure_ray(None)
    try:
        with pytest.raises(RuntimeError, match="the search fails"):
            fail_on_a_cluster(short, places / "errors")
        assert not [*short.rglob("*")]
    finally:
        shutil.rmtree(short, ignore_errors=True)
    assert (places / "errors" / "ray" / "raylet.out").read_text()


def test_the_session_of_a_start_that_failed_is_found(
    places: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(**_: object) -> None:
        make_session(places, f"session_2_{os.getpid()}")
        make_session(places, "session_3_1")
        for mark in (places / "t" / "ray").glob(f"*/{MARK}"):
            mark.unlink()
        raise OSError("no raylet")

    monkeypatch.setattr(connection.ray, "init", fail)
    monkeypatch.setattr(connection.machine, "ray_folder", lambda: places / "t" / "ray")
    with (
        pytest.raises(InputError, match=r"no raylet; its logs .*until `se-nas clean --yes`"),
        connected(SearchConfig(gpus=0, dashboard=False)),
    ):
        pass
    [found] = [each.path.name for each in leftovers.leftovers() if "session" in each.what]
    assert found == f"session_2_{os.getpid()}"


def test_logs_with_something_in_them_are_kept(places: Path) -> None:
    session = make_session(places)
    leftovers.keep_logs(session, places / "ray")
    assert [(file.name, file.read_text()) for file in (places / "ray").iterdir()] == [
        ("worker-1.err", "Killed")
    ]


def test_folders_of_processes_that_were_killed_are_removed(
    places: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leftovers, "TRIES", 1)
    before = places / "t" / "pymp-before"
    before.mkdir()
    known = leftovers.multiprocessing_folders()
    with socket.socket(socket.AF_UNIX) as server:
        for name in ("pymp-dead", "pymp-empty", "pymp-before"):
            (places / "t" / name).mkdir(exist_ok=True)
        os.chdir(places / "t" / "pymp-dead")
        server.bind("listener")
        os.chdir("/")
    leftovers.remove_multiprocessing_folders(known)
    assert {path.name for path in (places / "t").iterdir()} == {"pymp-empty", "pymp-before"}
