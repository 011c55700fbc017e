"""What goes wrong while a study is made: the storage's errors are one line, ours are not hidden."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError

from se_nas import SE, InputError, Space, choice, trunk
from se_nas.search.config import SearchConfig
from se_nas.search.run_dir import new_run
from se_nas.search.study import study

SPACE = Space("s", trunk=trunk("resnet8_small", width=choice(8, 16)), se=SE(choice(2, 4)))


def create(tmp_path: Path) -> None:
    storage = f"sqlite:///{tmp_path}/study.db"
    config = SearchConfig(out=str(tmp_path), name="run", storage=storage)
    study.create_study(SPACE, config, new_run.create(SPACE, config))


def test_an_error_of_ours_is_not_called_one_of_the_storage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wrong(*_: object) -> None:
        raise AttributeError("a bug")

    monkeypatch.setattr(study, "publish_metadata", wrong)
    with pytest.raises(AttributeError, match="a bug"):
        create(tmp_path)


def test_a_database_that_goes_away_meanwhile_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*_: object) -> None:
        raise OperationalError("INSERT", None, Exception("gone"))

    monkeypatch.setattr(study, "publish_metadata", gone)
    with pytest.raises(InputError, match=r"study\.db' cannot be opened: .*gone"):
        create(tmp_path)
