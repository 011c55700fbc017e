"""An error in a callback is a note, not the death of the trial that Tune was telling of."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from ray import tune
from rich.console import Console

from se_nas.search.run_dir.directory import RunDirectory
from se_nas.search.tuning.callback_guard import CallbackGuard
from se_nas.search.tuning.driver_callback import DriverCallback

HOOKS: dict[str, dict[str, Any]] = {
    "setup": {"stop": None},
    "on_step_end": {"iteration": 1, "trials": []},
    "on_trial_start": {"iteration": 1, "trials": [], "trial": "a"},
    "on_trial_result": {"iteration": 1, "trials": [], "trial": "a", "result": {}},
    "on_trial_recover": {"iteration": 1, "trials": [], "trial": "a"},
    "on_trial_complete": {"iteration": 1, "trials": [], "trial": "a"},
    "on_trial_error": {"iteration": 1, "trials": [], "trial": "a"},
    "on_experiment_end": {"trials": []},
}


class Told(DriverCallback):
    """A callback that notes what it is told, and then may fail."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.error, self.hooks = error, list[str]()

    def __getattribute__(self, name: str) -> Any:
        if name in HOOKS:
            return lambda *_, **__: self.told(name)
        return super().__getattribute__(name)

    def told(self, hook: str) -> None:
        self.hooks.append(hook)
        if self.error is not None:
            raise self.error


class Broken(Told):
    pass


def test_every_hook_that_a_callback_of_ours_has_is_passed_on() -> None:
    overridden = {
        name
        for kind in DriverCallback.__subclasses__()
        for name in vars(kind)
        if name in vars(tune.Callback) and not name.startswith("_")
    }
    assert overridden <= HOOKS.keys()
    assert {name for name in vars(CallbackGuard) if not name.startswith("_")} == HOOKS.keys()


@pytest.mark.parametrize("hook", HOOKS)
def test_an_error_is_a_note_and_the_others_are_called(hook: str, tmp_path: Path) -> None:
    run, printed = RunDirectory(tmp_path), io.StringIO()
    run.make_folders()
    broken, other = Broken(ValueError("[/b] is no markup")), Told()
    guard = CallbackGuard([broken, other], run, Console(file=printed, width=300))
    for _ in range(3):
        getattr(guard, hook)(**HOOKS[hook])
    assert other.hooks == [hook] * 3
    [line] = printed.getvalue().splitlines()
    assert "note: Broken failed, no trial did: ValueError: [/b] is no markup (" in line
    assert "Traceback" in (run.errors / "callback-Broken.txt").read_text()


def test_neither_a_full_disk_nor_a_lost_terminal_matters(tmp_path: Path) -> None:
    run, printed = RunDirectory(tmp_path / "gone"), io.StringIO()
    console = Console(file=printed)
    printed.close()
    broken = Broken(OSError("no space left"))
    CallbackGuard([broken], run, console).on_step_end(1, [])
    assert broken.hooks == ["on_step_end"]


def test_the_user_can_end_the_search_in_a_callback(tmp_path: Path) -> None:
    guard = CallbackGuard([Told(KeyboardInterrupt())], RunDirectory(tmp_path), Console(quiet=True))
    with pytest.raises(KeyboardInterrupt):
        guard.on_step_end(1, [])
