"""Ray's folder, token and open files where its defaults do not serve."""

from __future__ import annotations

import os
import resource
import stat
from pathlib import Path

import pytest

from se_nas import InputError
from se_nas.search.cluster import machine


@pytest.fixture
def short(tmp_path: Path) -> Path:
    """A folder with a short path."""
    link = Path("/tmp", f"s{os.getpid()}")
    link.symlink_to(tmp_path)
    try:
        yield link  # type: ignore[misc]
    finally:
        link.unlink()


def test_rays_default_is_left_where_it_serves(short: Path) -> None:
    assert machine.ray_folder({"TMPDIR": str(short)}) is None
    assert machine.ray_folder({"RAY_TMPDIR": str(short), "TMPDIR": "/no/such"}) is None


@pytest.mark.parametrize("kind", ["long", "relative", "file", "another user's"])
def test_another_folder_is_taken_where_rays_does_not_serve(
    kind: str, short: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = {"long": str(short / ("x" * 60)), "relative": "tmp", "file": str(short / "file")}
    given = folder.get(kind, str(short))
    (short / "file").touch()
    if kind == "another user's":
        (short / "ray").mkdir()
        make = machine.tempfile.NamedTemporaryFile

        def denied(dir: str) -> object:
            if dir == str(short / "ray"):
                raise PermissionError(13, "Permission denied")
            return make(dir=dir)

        monkeypatch.setattr(machine.tempfile, "NamedTemporaryFile", denied)
    chosen = machine.ray_folder({"TMPDIR": given})
    assert chosen is not None
    assert len(os.fsencode(chosen)) <= machine.LONGEST_FOLDER
    found = chosen.parent.stat()
    assert stat.S_IMODE(found.st_mode) & 0o022 == 0, "nobody else can put anything into it"
    assert found.st_uid == os.geteuid()


def test_a_folder_that_another_user_could_write_into_is_not_taken(short: Path) -> None:
    ours = short / f"ray-{os.geteuid()}"
    ours.mkdir()
    ours.chmod(0o777)
    assert ours not in machine.private_folders({"TMPDIR": str(short)})
    ours.chmod(0o700)
    assert ours in machine.private_folders({"TMPDIR": str(short)})


def test_no_folder_at_all_is_one_line_that_names_the_mend(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "private_folders", lambda _: iter(()))
    with pytest.raises(InputError, match=r"too long for its sockets.*set RAY_TMPDIR"):
        machine.ray_folder({"TMPDIR": "/" + "x" * 90})


def test_the_token_is_in_the_home_or_where_it_can_be(tmp_path: Path) -> None:
    environment = {"HOME": str(tmp_path / "home"), "TMPDIR": str(tmp_path)}
    machine.provide_token(environment)
    token = tmp_path / "home" / ".ray" / "auth_token"
    assert len(token.read_text()) == 64
    assert stat.S_IMODE(token.stat().st_mode) == 0o600
    assert machine.token_command(environment) == "ray get-auth-token"
    before = token.read_text()
    machine.provide_token(environment)
    assert token.read_text() == before


def test_a_user_whom_the_machine_does_not_know_has_a_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = {"TMPDIR": str(tmp_path)}
    machine.provide_home(environment)
    assert environment == {"TMPDIR": str(tmp_path)}, "it is known here"
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)
    machine.provide_home(environment)
    assert environment["HOME"] == str(tmp_path / f"ray-{os.geteuid()}")


@pytest.mark.parametrize("home", [None, "file", "empty"])
def test_a_home_that_takes_no_token_is_done_without(home: str | None, tmp_path: Path) -> None:
    environment = {"TMPDIR": str(tmp_path)}
    if home == "file":
        (tmp_path / "home").touch()
    elif home == "empty":  # a disk that was full left it
        (tmp_path / "home" / ".ray").mkdir(parents=True)
        (tmp_path / "home" / ".ray" / "auth_token").touch()
    if home is not None:
        environment["HOME"] = str(tmp_path / "home")
    machine.provide_token(environment)
    path = Path(environment["RAY_AUTH_TOKEN_PATH"])
    assert path.parent == tmp_path / f"ray-{os.geteuid()}"
    assert len(path.read_text()) == 64
    assert machine.token_command(environment).startswith(f"RAY_AUTH_TOKEN_PATH={path} ")


@pytest.mark.parametrize(
    "given",
    [{"RAY_AUTH_TOKEN": "secret"}, {"RAY_AUTH_TOKEN_PATH": "/x"}, {"RAY_AUTH_MODE": "disabled"}],
)
def test_what_the_user_says_of_tokens_is_left_alone(given: dict[str, str], tmp_path: Path) -> None:
    environment = given | {"HOME": str(tmp_path)}
    machine.provide_token(environment)
    assert environment == given | {"HOME": str(tmp_path)}
    assert not list(tmp_path.iterdir())


def test_few_open_files_addresses_and_bytes_are_raised_or_one_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    none = resource.RLIM_INFINITY
    limits = {
        resource.RLIMIT_NOFILE: (256, 100_000),
        resource.RLIMIT_AS: (1 << 30, none),
        resource.RLIMIT_FSIZE: (none, none),
    }
    monkeypatch.setattr(resource, "getrlimit", limits.__getitem__)
    monkeypatch.setattr(resource, "setrlimit", limits.__setitem__)
    machine.check_limits()
    assert limits[resource.RLIMIT_NOFILE] == (4096, 100_000)
    assert limits[resource.RLIMIT_AS] == (machine.ADDRESSES, none)
    assert limits[resource.RLIMIT_FSIZE] == (none, none)
    for kind, limit, mend in (
        (resource.RLIMIT_NOFILE, 64, "64 files open.*ulimit -n 4096"),
        (resource.RLIMIT_AS, 6_000_000_000, "map 6.0 GB of memory.*ulimit -v unlimited"),
        (resource.RLIMIT_FSIZE, 100_000_000, "files of 0.1 GB.*ulimit -f unlimited"),
    ):
        before = limits[kind]
        limits[kind] = (limit, limit)
        with pytest.raises(InputError, match=mend):
            machine.check_limits()
        limits[kind] = before
