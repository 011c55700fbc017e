"""The user's training as a plan reads it."""

from __future__ import annotations

from pathlib import Path

import pytest

from se_nas import InputError
from se_nas.search.plan import training_function
from se_nas.search.worker.shared_data import NO_OBJECTS, UserObjects


def test_a_training_is_the_object_or_what_its_file_defines(tmp_path: Path) -> None:
    def mine(*_: object) -> None: ...

    file = tmp_path / "my.py"
    file.write_text("def train(architecture, report, resources):\n    return 3\n")
    assert training_function(None, NO_OBJECTS) is None
    assert training_function("mine", UserObjects(train=mine)) is mine
    found = training_function(str(file), NO_OBJECTS)
    assert found is not None
    assert found.__name__ == "train"
    with pytest.raises(InputError, match="give it again, as train="):
        training_function("mine", NO_OBJECTS)
    file.write_text("")
    with pytest.raises(InputError, match="define train"):
        training_function(str(file), NO_OBJECTS)


def test_a_training_function_of_other_arguments_is_refused_before_anything_begins() -> None:
    def train(architecture: object, report: object) -> None: ...

    user = UserObjects(None, train)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"train takes \(architecture.*; write train\(architec"):
        training_function("train", user)
