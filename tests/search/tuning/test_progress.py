"""The live line: what it says of a new search, of one that is under way, and of one resumed."""

from __future__ import annotations

import io
import random
import re
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import optuna
import pytest
from optuna.samplers import RandomSampler
from rich.console import Console

from se_nas import SE, Space, choice, optional, per_stage
from se_nas.cost.network_cost import cost
from se_nas.search.study.proposals import Proposals
from se_nas.search.study.recovery import recover
from se_nas.search.tuning.progress import LOG_AT_LEAST_EVERY_S, LOG_EVERY_S, ProgressCallback
from se_nas.search.tuning.searcher import StudySearcher
from se_nas.search.worker.reports import ENDS

SPACE = Space(
    "small", trunk="resnet8_small", se=per_stage(optional(SE(reduction=choice(2, 4, 8, 16))))
)
LINE = re.compile(
    r"search: (?P<ended>\d+)/(?P<trials>\d+) trials · (?P<running>\d+) running"
    r"(?P<ends>( · \d+ (stopped early|diverged|out of memory|failed|lost))*)"
    r"( · (?P<rejected>\d+) rejected)?( · (?P<repeated>\d+) repeated)?"
    r" · (\d+ h \d\d min|\d+ min \d\d s|\d+ s)(?P<left> left)?( · best val_acc (?P<best>.*))?"
)


class Clock:
    """Time that a test sets."""

    now = 0.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    monkeypatch.setattr("se_nas.search.tuning.progress.time", found)
    return found


@pytest.fixture
def study() -> optuna.Study:
    return optuna.create_study(direction="maximize", sampler=RandomSampler(seed=0))


def driver(study: optuna.Study, trials: int = 10) -> StudySearcher:
    proposals = Proposals(study, SPACE, cost, trials=trials)
    recover(proposals)
    return StudySearcher(proposals, epochs=4)


def progress(searcher: StudySearcher, **options: Any) -> ProgressCallback:
    return ProgressCallback(Console(file=io.StringIO(), width=200), searcher, **options)


def read(line: str) -> dict[str, str | None]:
    found = LINE.fullmatch(line)
    assert found is not None, line
    return found.groupdict()


def result(epoch: int, val_acc: float = 0.5, end: str = "") -> dict[str, Any]:
    return {"epoch": epoch, "val_acc": val_acc, "val_loss": 1.0, "end": end}


def train(searcher: StudySearcher, trial_id: str, val_acc: float = 0.5, epochs: int = 4) -> str:
    """A trial from its proposal to its end; the name of its architecture."""
    searcher.suggest(trial_id)
    name = str(searcher.running[trial_id].architecture)
    searcher.on_trial_complete(trial_id, result(epochs, val_acc))
    return name


def test_a_search_that_begins(study: optuna.Study) -> None:
    assert progress(driver(study)).line() == "search: 0/10 trials · 0 running · 0 s"


def test_a_search_whose_workers_start(study: optuna.Study) -> None:
    workers: Any = SimpleNamespace(held=["a"], wave={"a", "b", "c"})
    shown = progress(driver(study), workers=workers)
    assert shown.line() == "search: 1/3 workers started"
    workers.wave.clear()
    assert shown.line() == "search: 0/10 trials · 0 running · 0 s"


def test_a_search_in_which_every_trial_fails_has_no_best(study: optuna.Study) -> None:
    searcher = driver(study)
    shown = progress(searcher)
    for name in "abc":
        searcher.suggest(name)
        searcher.on_trial_complete(name, result(0, 0.0, "error"))
    searcher.suggest("d")
    searcher.on_trial_complete("d", None, error=True)
    line = shown.line()
    assert "4/10 trials · 0 running · 3 failed · 1 lost" in line
    assert "best" not in line


def test_a_trial_that_was_stopped_early_is_not_the_best(study: optuna.Study) -> None:
    searcher = driver(study)
    shown = progress(searcher)
    name = train(searcher, "a", 0.5)
    train(searcher, "b", 0.9, epochs=2)
    line = shown.line()
    assert line.endswith(f"best val_acc 50.00 % {name}")
    assert "1 stopped early" in line


def test_a_resumed_search_knows_the_best_and_what_has_ended(study: optuna.Study) -> None:
    searcher = driver(study)
    name = train(searcher, "a", 0.7)
    train(searcher, "b", 0.6, epochs=2)
    searcher.suggest("c")
    shown = progress(driver(study))
    assert shown.line() == (
        f"search: 2/10 trials · 0 running · 1 stopped early · 0 s · best val_acc 70.00 % {name}"
    )
    again = driver(study)
    shown = progress(again)
    better = train(again, "c", 0.8)
    assert shown.line().endswith(f"best val_acc 80.00 % {better}")


def test_the_time_left_counts_the_trials_of_this_driver_only(
    study: optuna.Study, clock: Clock
) -> None:
    searcher = driver(study, trials=100)
    searcher.proposals.counts.ends["complete"] = 90
    shown = progress(searcher)
    assert " left" not in shown.line()  # nothing ended yet
    searcher.proposals.counts.ends["complete"] += 2
    clock.now = 60  # 30 s each, and 8 to go
    assert "4 min 00 s left" in shown.line()
    clock.now = 3600
    assert "4 h 00 min left" in shown.line()


def test_the_time_left_counts_running_trials_by_their_epochs(
    study: optuna.Study, clock: Clock
) -> None:
    searcher = driver(study)
    shown = progress(searcher)
    train(searcher, "a")
    for name in "bcd":
        searcher.suggest(name)
        for epoch in (1, 2):
            searcher.on_trial_result(name, result(epoch))
    clock.now = 60
    # One and three halves in 60 s are 24 s each; seven and a half are left.
    assert "3 min 00 s left" in shown.line()


def test_a_space_that_is_done_has_no_trials_left(study: optuna.Study) -> None:
    small = Space("three", trunk="resnet8_small", se=optional(SE(reduction=choice(2, 4))))
    proposals = Proposals(study, small, cost, trials=9, initial=small, sampled=False)
    searcher = StudySearcher(proposals, epochs=4)
    shown = progress(searcher)
    train(searcher, "a")
    assert " left" in shown.line()
    train(searcher, "b")
    searcher.suggest("c")
    assert searcher.suggest("d") is None, "c may come again"
    assert "2/3 trials · 1 running" in shown.line()
    searcher.on_trial_complete("c", result(4))
    assert "3/3 trials · 0 running · 0 s · best" in shown.line()


def test_a_search_that_is_stopped_says_how_long_it_took(study: optuna.Study, clock: Clock) -> None:
    searcher = driver(study)
    shown = progress(searcher)
    train(searcher, "a")
    searcher.stop()
    clock.now = 61
    assert "1/10 trials · 0 running · 1 min 01 s · best" in shown.line()


def test_a_log_has_a_line_now_and_then_and_at_the_end(study: optuna.Study) -> None:
    searcher = driver(study)
    shown = progress(searcher)
    printed: Any = shown.console.file
    shown.on_step_end(0, [])
    assert not printed.getvalue()
    shown.logged -= LOG_EVERY_S + 1
    shown.on_step_end(1, [])
    assert not printed.getvalue(), "nothing has ended"
    train(searcher, "a")
    shown.on_step_end(2, [])
    shown.on_step_end(3, [])
    assert printed.getvalue().count("\n") == 1
    assert "1/10 trials" in printed.getvalue()
    shown.logged -= LOG_AT_LEAST_EVERY_S + 1
    shown.on_step_end(4, [])
    assert printed.getvalue().count("\n") == 2
    shown.close()
    assert printed.getvalue().splitlines()[-1] == shown.line()


def test_a_gpu_that_is_reserved_in_vain_is_said_once(study: optuna.Study) -> None:
    shown = progress(driver(study), on_gpu=True)
    printed: Any = shown.console.file
    for device in ("cuda", "cpu", "cpu"):
        shown.on_trial_result(0, [], None, {"device": device, "worker": "host:1"})
    assert printed.getvalue().count("host:1 reserved a GPU but finds no CUDA device") == 1


def test_a_worker_that_died_is_a_line_unless_its_end_is_known(study: optuna.Study) -> None:
    shown = progress(driver(study))
    printed: Any = shown.console.file
    for config in ({"name": "a"}, {"name": "b", "out_of_memory": True}):
        shown.on_trial_recover(0, [], SimpleNamespace(config=config))
    assert printed.getvalue() == "note: a worker died; a goes on from its last checkpoint\n"


def end_somehow(rng: random.Random) -> Callable[[StudySearcher, str], None]:
    end = rng.choice(ENDS)

    def act(searcher: StudySearcher, trial_id: str) -> None:
        if end == "lost":
            searcher.on_trial_complete(trial_id, None, error=True)
        elif end in ("complete", "stopped_early"):
            epochs = 4 if end == "complete" else rng.randint(1, 3)
            searcher.on_trial_complete(trial_id, result(epochs, rng.random()))
        else:
            searcher.on_trial_complete(trial_id, result(rng.randint(0, 3), 0.0, end))

    return act


@pytest.mark.parametrize("seed", range(20))
def test_whatever_happens_the_line_adds_up(study: optuna.Study, seed: int) -> None:
    rng = random.Random(seed)
    searcher = driver(study, trials=20)
    shown = progress(searcher)
    for step in range(60):
        if rng.random() < 0.05:
            searcher = driver(study, trials=20)
            shown = progress(searcher)
        elif len(searcher.running) < 3 and rng.random() < 0.6:
            searcher.suggest(str(step))
        elif searcher.running:
            trial_id = rng.choice(sorted(searcher.running))
            if rng.random() < 0.4:
                searcher.on_trial_result(trial_id, result(rng.randint(1, 3), rng.random()))
            else:
                end_somehow(rng)(searcher, trial_id)
        told = read(shown.line())
        ends = [int(n) for n in re.findall(r"\d+", told["ends"] or "")]
        complete = [t for t in study.trials if t.state is optuna.trial.TrialState.COMPLETE]
        assert int(told["ended"] or 0) == sum(ends) + len(complete) <= 20
        assert int(told["running"] or 0) == len(searcher.running)
        best = max(complete, key=lambda trial: trial.values[0], default=None)
        expected = best and f"{100 * best.values[0]:.2f} % {best.user_attrs['name']}"
        assert told["best"] == expected
