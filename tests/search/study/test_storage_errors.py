"""Where a study is kept: network file systems, a journal that was cut, a disk that is full."""

from __future__ import annotations

import errno
import gzip
import json
import os
import uuid
from pathlib import Path

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from se_nas import InputError, Space
from se_nas.search.config import SearchConfig
from se_nas.search.run_dir import new_run
from se_nas.search.run_dir.directory import RunDirectory
from se_nas.search.study import joining, storage_errors, study
from se_nas.search.study.journal import repair_journal
from se_nas.search.study.storage_errors import (
    check_url,
    file_system,
    storage_errors_as_input_errors,
)

MOUNTS = """\
/dev/vda / ext4 rw 0 0
proc /proc proc rw 0 0
server:/home /home nfs4 rw,vers=4.2 0 0
tmpfs /home/local tmpfs rw 0 0
//nas/x /mnt/two\\040words cifs rw 0 0
scratch@tcp:/scratch /scratch lustre rw 0 0
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/home/me/study.db", "nfs4"),
        ("/home/local/study.db", "tmpfs"),
        ("/homes/study.db", "ext4"),
        ("/mnt/two words/study.db", "cifs"),
        ("/scratch/study.db", "lustre"),
        ("/study.db", "ext4"),
    ],
)
def test_the_file_system_of_a_path_is_that_of_the_longest_mount(path: str, kind: str) -> None:
    assert file_system(Path(path), MOUNTS) == kind


def test_sqlite_on_a_network_file_system_is_refused_with_what_to_use() -> None:
    for url in ("sqlite:////home/me/study.db", "sqlite+pysqlite:////scratch/study.db?timeout=9"):
        with pytest.raises(InputError) as caught:
            check_url(url, MOUNTS)
        message = str(caught.value)
        assert "network file system" in message
        assert "PostgreSQL" in message
        assert "\n" not in message
    check_url("sqlite:////home/local/study.db", MOUNTS)
    check_url("postgresql://me@server/home/me/studies", MOUNTS)


def test_a_study_is_neither_begun_nor_joined_in_sqlite_on_a_network_file_system(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def network(path: Path, mounts: str | None = None) -> str:
        return file_system(path, f"/dev/vda / ext4 rw 0 0\nserver:/x {tmp_path} nfs4 rw 0 0\n")

    monkeypatch.setattr(storage_errors, "file_system", network)
    space = Space("s", trunk="resnet8_small")
    url = f"sqlite:///{tmp_path}/study.db"
    config = SearchConfig(storage=url, name="shared", out=str(tmp_path), gpus=0)
    run = new_run.create(space, config)
    for resume in (False, True):
        with pytest.raises(InputError, match=r"network file system \(nfs4\)"):
            study.create_study(space, config, run, resume=resume)
    assert not (tmp_path / "study.db").exists()
    optuna.create_study(study_name="shared", storage=url)  # on another machine
    with pytest.raises(InputError, match=r"network file system \(nfs4\)"):
        joining.joined_config(None, config, [])


def write(journal: Path, trials: int = 2) -> bytes:
    kept = JournalStorage(JournalFileBackend(str(journal)))
    opened = optuna.create_study(study_name="run", storage=kept)
    for i in range(trials):
        opened.tell(opened.ask(), float(i))
    return journal.read_bytes()


def values(journal: Path) -> list[float]:
    kept = JournalStorage(JournalFileBackend(str(journal)))
    opened = optuna.load_study(study_name="run", storage=kept)
    opened.tell(opened.ask(), 9.0)  # it can be written on
    again = JournalStorage(JournalFileBackend(str(journal)))
    told = optuna.load_study(study_name="run", storage=again).trials
    return [trial.value for trial in told if trial.value is not None]


def test_a_whole_journal_is_left_as_it_is(tmp_path: Path) -> None:
    content = write(tmp_path / "journal")
    assert repair_journal(tmp_path / "journal") == ""
    assert (tmp_path / "journal").read_bytes() == content
    assert repair_journal(tmp_path / "none") == ""


def test_a_journal_cut_at_any_byte_of_its_last_line_loses_that_line_alone(tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    content = write(journal)
    last = content.rindex(b"\n", 0, -1) + 1
    for end in range(last + 1, len(content) - 1):
        journal.write_bytes(content[:end])
        assert f"its last {end - last} bytes" in repair_journal(journal)
        assert journal.read_bytes() == content[:last]
    assert values(journal) == [0.0, 9.0]


def test_a_record_that_lacks_only_its_line_break_is_kept(tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    content = write(journal)
    journal.write_bytes(content[:-1])
    assert repair_journal(journal) == ""
    assert values(journal) == [0.0, 1.0, 9.0]


def test_zeros_after_a_power_cut_are_removed(tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    content = write(journal)
    journal.write_bytes(content + b"\0" * 512 + b"\n\0\0")
    assert "removed" in repair_journal(journal)
    assert values(journal) == [0.0, 1.0, 9.0]


@pytest.mark.parametrize(
    "content",
    [
        gzip.compress(b'{"op_code": 0}\n' * 200),
        b"op_code,study_name\n0,run\n",
        b'{"op_code": 0, "study_name": "run"}\nno record\n{"op_code": 4}\n',
        b'{"op_code": 0, "study_name": "run"}\n{"another": "file"}\n',
        '{"op_code": 0, "study_name": "run"}\n'.encode("utf-16"),
        b"\0" * 4096,
        b"text",
    ],
    ids=["gzip", "table", "middle", "foreign", "utf-16", "zeros", "text"],
)
def test_what_no_driver_wrote_is_refused_and_left_as_it_is(content: bytes, tmp_path: Path) -> None:
    journal = tmp_path / "study.journal"
    journal.write_bytes(content)
    with pytest.raises(
        InputError, match=r"study\.journal', line \d: .*nothing was changed"
    ) as found:
        repair_journal(journal)
    assert "\n" not in str(found.value)
    assert journal.read_bytes() == content
    assert [file.name for file in tmp_path.iterdir()] == ["study.journal"]


def test_each_tail_that_is_cut_is_kept_beside_the_journal(tmp_path: Path) -> None:
    journal = tmp_path / "study.journal"
    whole = write(journal)
    for number, tail in enumerate((b'{"op_co', b"\0\0\0", b'{"op_code": 5, "a"\0\0'), start=1):
        journal.write_bytes(whole + tail)
        assert f"kept in study.journal.cut-{number}" in repair_journal(journal)
        assert journal.read_bytes() == whole
        assert (tmp_path / f"study.journal.cut-{number}").read_bytes() == tail


def test_only_the_lock_is_removed_beside_a_journal(tmp_path: Path) -> None:
    journal = tmp_path / "study.journal"
    write(journal)
    left = [f"study.journal.lock{uuid.uuid4()}.rename", "study.journal.lock"]
    foreign = ["study.journal.lock-why.txt", "study.journal.locked", "study.journal.copy"]
    for name in left + foreign:
        (tmp_path / name).touch()
    repair_journal(journal)
    assert {file.name for file in tmp_path.iterdir()} == {"study.journal", *foreign}


def test_the_lock_of_a_dead_writer_is_not_waited_for(tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    write(journal)
    os.symlink(journal, tmp_path / "journal.lock")
    repair_journal(journal)
    assert not os.path.lexists(tmp_path / "journal.lock")


class FullDisk(JournalFileBackend):
    """Takes some writes, then half of one: what ``write`` does on a full disk."""

    left = 12

    def append_logs(self, logs: list[dict[str, object]]) -> None:
        self.left -= 1
        if self.left >= 0:
            super().append_logs(logs)
            return
        with open(self._file_path, "ab") as file:
            file.write(json.dumps(logs[0]).encode()[:10])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_lost_storage_is_one_line_and_loses_nothing_that_was_told(tmp_path: Path) -> None:
    journal = tmp_path / "run" / "study.journal"
    journal.parent.mkdir()
    opened = optuna.create_study(study_name="run", storage=JournalStorage(FullDisk(str(journal))))
    told: list[float] = []

    def search() -> None:
        for i in range(100):
            trial = opened.ask()
            trial.set_user_attr("number", i)
            opened.tell(trial, float(i))
            told.append(float(i))

    with (
        pytest.raises(InputError) as caught,
        storage_errors_as_input_errors(RunDirectory(journal.parent)),
    ):
        search()
    message = str(caught.value)
    assert "is full" in message
    assert "go on with `resume=" in message
    assert "\n" not in message
    assert told, "some were told before"
    assert repair_journal(journal)
    assert values(journal) == [*told, 9.0]


def test_a_disk_error_is_found_behind_others_and_other_errors_are_left_alone(
    tmp_path: Path,
) -> None:
    run = RunDirectory(tmp_path)
    wrapped = RuntimeError("Tune's")
    wrapped.__cause__ = OSError(errno.EDQUOT, "quota")
    with pytest.raises(InputError, match="over its quota"), storage_errors_as_input_errors(run):
        raise wrapped
    with pytest.raises(KeyError), storage_errors_as_input_errors(run):
        raise KeyError("bug")
    with pytest.raises(FileNotFoundError), storage_errors_as_input_errors(run):
        (tmp_path / "none").read_text()
