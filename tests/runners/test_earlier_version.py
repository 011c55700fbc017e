"""A run that an earlier version began, and that was cut there, is finished by this one.

``run_of_eade8cf`` was made with commit eade8cf, before the search had rooms: its driver was killed
when three trials had ended and two were in training, one of them with a checkpoint.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from driving import completed, end, start, told
from optuna.trial import TrialState

BEFORE = Path(__file__).with_name("run_of_eade8cf")


def test_a_run_of_the_version_before_goes_on(tmp_path: Path) -> None:
    run = tmp_path / "before"
    shutil.copytree(BEFORE, run)
    before = completed(run)
    cut = [t for t in told(run) if t.state is TrialState.RUNNING]
    assert (len(before), len(cut)) == (3, 2)
    output = end(
        start("--resume", str(run), "--trials", "5", "--final-epochs", "1", "--no-dashboard")
    )
    assert "2 go on, 1 of them from a checkpoint" in output
    assert before.items() <= completed(run).items()
    assert len([t for t in told(run) if "architecture" in t.user_attrs]) == 5
    for trial in cut:
        again = told(run)[trial.number]
        assert trial.intermediate_values.items() <= again.intermediate_values.items()
    assert json.loads((run / "results.json").read_text())["winner"]
    assert (run / "winner.safetensors").is_file()


def test_a_run_of_the_version_before_is_replayed() -> None:
    from se_nas.search.replay import replay

    found = replay(str(BEFORE))
    assert found.different is None
    assert found.asks > 2
