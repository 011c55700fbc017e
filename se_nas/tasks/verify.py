"""A card's training made again: does the result lie where the card says?"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from se_nas.data.content_hash import content_hash
from se_nas.errors import InputError
from se_nas.tasks.card import Card
from se_nas.tasks.train import Say, read_data, train


@dataclass(frozen=True)
class Verified:
    """A training made again.

    Attributes:
        seed: of it.
        test_acc: its accuracy in the test, in [0, 1]; None if it did not come to its end.
        low, high: where the card says that it lies with 95 %.
        same: whether it is to the last bit what the card has for that seed; None for another seed.
    """

    seed: int
    test_acc: float | None
    low: float
    high: float
    same: bool | None

    def lines(self) -> Iterator[str]:
        """Yield what is to be said."""
        if self.test_acc is None:
            yield f"not verified: the training with seed {self.seed} did not come to its end"
            return
        where = f"{100 * self.low:.2f} to {100 * self.high:.2f} %"
        word = "verified" if self.holds else "not verified"
        said = "inside" if self.holds else "outside of"
        yield f"{word}: seed {self.seed} gives {100 * self.test_acc:.2f} %, {said} {where}"
        if self.same is not None:
            yield "the same as on the card" if self.same else "not the same as on the card"

    @property
    def holds(self) -> bool:
        """Whether the accuracy lies in the interval."""
        return self.test_acc is not None and self.low <= self.test_acc <= self.high


def verify(
    path: Path,
    *,
    seed: int | None = None,
    data_dir: str | None = None,
    say: Say = lambda line: None,
) -> Verified:
    """Train a card's network again and compare.

    Args:
        path: the card, or its folder.
        seed: of the training; the one after the card's if not given, or, of a card with one
            training, the same: one training knows nothing of how seeds spread.
        data_dir: where the images are now, if they were moved.

    Raises:
        InputError: the card cannot be read, has no figure, or its images are others.
    """
    card = Card.read(path)
    if card.test is None:
        raise InputError(f"card {str(path)!r} has no training that came to its end")
    own = card.config.all_seeds
    if seed is None:
        seed = own[0] if len(own) == 1 else own[-1] + 1
    data = card.config.data
    if data_dir is not None:
        data = replace(data, data_dir=data_dir)
    with tempfile.TemporaryDirectory() as folder:
        config = replace(card.config, data=data, seed=seed, seeds=1)
        found = content_hash(read_data(config))
        if found != card.data["content"]:
            raise InputError(
                f"the images are not those of the card ({found}, not {card.data['content']})"
            )
        again = train(config, Path(folder) / "again", say)
    run, before = again.runs[0], next((r for r in card.runs if r.seed == seed), None)
    same = None if before is None else before.test_acc == run.test_acc
    return Verified(seed, run.test_acc, card.test.low, card.test.high, same)
