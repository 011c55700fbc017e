"""Checkpoints of trials: what cannot be read is as if it were not there."""

from __future__ import annotations

from pathlib import Path

import pytest

from se_nas.search.worker.checkpoints import file_of, load, save


@pytest.mark.parametrize("content", [b"", b"half", b"\x80\x02", b"PK\x03\x04 cut"])
def test_a_damaged_checkpoint_is_none(content: bytes, tmp_path: Path) -> None:
    file = file_of(tmp_path, 3)
    assert load(file) is None
    assert save(file, {"epochs_done": 2})
    assert load(file) == {"epochs_done": 2}
    file.write_bytes(content)
    assert load(file) is None
