"""Retrainings are not repeated when a run is taken up."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from se_nas import Architecture
from se_nas.search.finals.cache import RetrainingCache, remove
from se_nas.search.worker.reports import End
from se_nas.search.worker.retrain import RetrainResult

PAIRS = [
    (Architecture.parse(name), s)
    for name in ("resnet8_small", "se_resnet8_small_r4")
    for s in (1, 2)
]


class Trainer:
    """Trains until it is interrupted."""

    def __init__(self, cache: RetrainingCache, ends: Sequence[End], until: int = 99) -> None:
        self.cache, self.ends, self.until = cache, list(ends), until
        self.asked: list[tuple[str, int]] = []

    def __call__(self, pairs: Sequence[tuple[Architecture, int]]) -> list[RetrainResult]:
        done: list[RetrainResult] = []
        for i, (architecture, seed) in enumerate(pairs):
            if i == self.until:
                raise KeyboardInterrupt
            self.asked.append((str(architecture), seed))
            weights = f"{architecture} {seed}".encode()
            done.append(RetrainResult(self.ends.pop(0), 0.1 * seed, 0.2, 0.3, weights))
            self.cache.put(architecture, seed, done[-1])
        return done


def test_those_that_are_done_are_not_repeated_and_come_in_their_order(tmp_path: Path) -> None:
    kept = RetrainingCache(tmp_path / "finals", epochs=3)
    first = Trainer(kept, ["complete", "complete"], until=2)
    try:
        kept.train_missing(PAIRS, first)
    except KeyboardInterrupt:
        assert len(first.asked) == 2
    second = Trainer(kept, ["complete"] * 2)
    done = kept.train_missing(PAIRS, second)
    assert second.asked == [(str(a), s) for a, s in PAIRS[2:]]
    assert [d.weights.decode() for d in done] == [f"{a} {s}" for a, s in PAIRS]
    assert [d.val_acc for d in done] == [0.1, 0.2, 0.1, 0.2]
    third = Trainer(kept, [])
    assert kept.train_missing(PAIRS, third) == done
    assert not third.asked


def test_another_budget_is_another_retraining(tmp_path: Path) -> None:
    three, four = (RetrainingCache(tmp_path, epochs) for epochs in (3, 4))
    three.train_missing(PAIRS, Trainer(three, ["complete"] * 4))
    again = Trainer(four, ["complete"] * 4)
    four.train_missing(PAIRS, again)
    assert len(again.asked) == 4


def test_what_may_end_otherwise_next_time_is_tried_again(tmp_path: Path) -> None:
    ends: list[End] = ["not_finite", "lost", "out_of_memory", "error"]
    kept = RetrainingCache(tmp_path, epochs=3)
    kept.train_missing(PAIRS, Trainer(kept, ends))
    done = kept.train_missing(PAIRS, Trainer(kept, ["complete"] * 3))
    assert [d.end for d in done] == ["not_finite", "complete", "complete", "complete"]


def test_weights_without_their_note_are_none(tmp_path: Path) -> None:
    kept = RetrainingCache(tmp_path, epochs=3)
    kept.put(*PAIRS[0], RetrainResult("complete", weights=b"x"))
    next(tmp_path.glob("*.json")).write_text('{"end": "comp')
    assert kept.get(*PAIRS[0]) is None


@pytest.mark.parametrize(
    ("changed", "is_kept"),
    [
        ({}, True),
        ({"reason": None}, True),  # a version that kept none; None stands for its absence
        ({"end": "diverged"}, False),  # as earlier versions called it
        ({"speed": 1.0}, False),  # of a later version
    ],
)
def test_a_result_that_another_version_wrote_is_taken_or_trained_again(
    tmp_path: Path, changed: dict[str, object], is_kept: bool
) -> None:
    kept = RetrainingCache(tmp_path, epochs=3)
    kept.put(*PAIRS[0], RetrainResult("complete", 0.5, 1.0, 0.25, b"x"))
    told = next(tmp_path.glob("*.json"))
    values = json.loads(told.read_text()) | changed
    told.write_text(json.dumps({k: v for k, v in values.items() if v is not None}))
    found = kept.get(*PAIRS[0])
    assert found == (RetrainResult("complete", 0.5, 1.0, 0.25, b"x") if is_kept else None)


def test_a_complete_run_keeps_what_others_put_among_its_retrainings(tmp_path: Path) -> None:
    kept = RetrainingCache(tmp_path / "finals", 3)
    kept.put(*PAIRS[0], RetrainResult("complete", weights=b"w"))
    assert len(list(kept.folder.iterdir())) == 2
    (kept.folder / "mine.safetensors").touch()
    remove(kept.folder)
    assert [file.name for file in kept.folder.iterdir()] == ["mine.safetensors"]
    (kept.folder / "mine.safetensors").unlink()
    remove(kept.folder)
    assert not kept.folder.exists()
    remove(kept.folder)
