"""What samplers are compared on: tables of real networks, and functions whose truth is known."""

from __future__ import annotations

import csv
import hashlib
import math
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from se_nas import SE, Space, choice, optional, per_stage, trunk
from se_nas.additive.candidates import Ask, Candidate, at_random, mutant
from se_nas.cost.network_cost import Cost, cost


@dataclass(frozen=True)
class Problem:
    """One thing to search.

    Attributes:
        draw: builds a network from decisions.
        truth: its value in points, without noise; larger is better.
        noise: standard deviation of one evaluation, in points.
        seconds: that its training takes.
        admits: whether it keeps the constraint, known before training.
        fails: whether it runs out of memory, known after.
        best: the truth of the best network that is admitted and does not fail.
        space, price: if it is a space of ours.
    """

    name: str
    draw: Callable[[Ask], Any]
    truth: Callable[[Any], float]
    noise: float
    seconds: Callable[[Any], float]
    admits: Callable[[Any], bool]
    best: float
    fails: Callable[[Any], bool] = lambda _: False
    space: Space | None = None
    price: Callable[[Any], Cost] | None = None
    note: str = ""


# --- Accel-NASBench -------------------------------------------------------------------------------

Blocks = tuple[int, ...]


class Trees:
    """A fitted ensemble of scikit-learn's as arrays, evaluated for single rows fast."""

    def __init__(self, arrays: dict[str, Any]) -> None:
        self.arrays = arrays
        self.feature, self.threshold, self.value = (
            arrays[name] for name in ("feature", "threshold", "value")
        )
        self.left, self.right = arrays["left"], arrays["right"]
        self.depth, self.base = int(arrays["depth"]), float(arrays["base"])
        self.trees = np.arange(len(self.feature))

    @classmethod
    def of(cls, fitted: Any) -> Trees:
        trees = [stage[0].nodes for stage in fitted._predictors]
        shape = len(trees), max(map(len, trees))
        left, right, feature = (np.zeros(shape, int) for _ in range(3))
        threshold, value = np.full(shape, np.inf), np.zeros(shape)
        for i, nodes in enumerate(trees):
            count, leaf = len(nodes), nodes["is_leaf"].astype(bool)
            own = np.arange(count)
            feature[i, :count] = np.where(leaf, 0, nodes["feature_idx"])
            threshold[i, :count] = np.where(leaf, np.inf, nodes["num_threshold"])
            left[i, :count] = np.where(leaf, own, nodes["left"])
            right[i, :count] = np.where(leaf, own, nodes["right"])
            value[i, :count] = nodes["value"]
        depth = np.array(max(nodes["depth"].max() for nodes in trees))
        base = np.ravel(fitted._baseline_prediction)[0]
        return cls({
            "left": left, "right": right, "feature": feature, "threshold": threshold,
            "value": value, "depth": depth, "base": base,
        })  # fmt: skip

    def __call__(self, row: Any) -> float:
        node = np.zeros(len(self.trees), int)
        values = np.asarray(row)
        for _ in range(self.depth):
            below = values[self.feature[self.trees, node]] <= self.threshold[self.trees, node]
            node = np.where(below, self.left[self.trees, node], self.right[self.trees, node])
        return self.base + float(self.value[self.trees, node].sum())


COLUMNS = ("val_top1", "throughput_a100", "train_s")


def accel(path: Path, cache: Path, noise: float = 0.30) -> Problem:
    """Read Accel-NASBench: accuracy, A100 throughput and training time by boosted trees.

    Networks at least as fast as the median of random ones are admitted.

    Args:
        cache: file for the fitted trees.
    """
    with path.open() as file:
        rows = list(csv.DictReader(file))
    names = [f"block{b}_{p}" for b in range(7) for p in ("e", "k", "l", "se")]
    networks = np.array([[int(row[name]) for name in names] for row in rows])
    options = [tuple(sorted({int(v) for v in column})) for column in networks.T]
    if not cache.exists():
        fit_trees(networks, rows, cache)
    arrays = dict(np.load(cache))
    accuracy, throughput, seconds = (
        Remembered(Trees({k.partition(" ")[2]: v for k, v in arrays.items() if k.startswith(c)}))
        for c in COLUMNS
    )
    rng = random.Random(0)

    def draw(ask: Ask) -> Blocks:
        return tuple(ask(name, each) for name, each in zip(names, options, strict=True))

    limit = float(np.median([throughput(at_random(draw, rng).value) for _ in range(4000)]))
    draft = Problem(
        "accel", draw, accuracy, noise, lambda x: math.exp(seconds(x)),
        lambda x: throughput(x) >= limit, math.nan,
        note="held-out Kendall's τ: accuracy {:.3f}, throughput {:.3f}, seconds {:.3f}".format(
            *arrays["tau"]
        ),
    )  # fmt: skip
    return with_best(draft)


def fit_trees(networks: Any, rows: list[dict[str, str]], cache: Path) -> None:
    """Fit the ensembles to all rows; Kendall's τ is that of others, on 600 rows left out."""
    from scipy.stats import kendalltau
    from sklearn.ensemble import HistGradientBoostingRegressor

    order = np.random.default_rng(0).permutation(len(rows))
    part, rest = order[:-600], order[-600:]
    arrays: dict[str, Any] = {}
    taus: list[float] = []
    for column in COLUMNS:
        values = np.array([float(row[column]) for row in rows])
        values = values if column == "val_top1" else np.log(values)
        model = HistGradientBoostingRegressor(
            max_iter=300, learning_rate=0.1, max_leaf_nodes=15, min_samples_leaf=10,
            l2_regularization=1.0,
        )  # fmt: skip
        model.fit(networks[part], values[part])
        taus.append(kendalltau(model.predict(networks[rest]), values[rest])[0])
        fitted = Trees.of(model.fit(networks, values))
        assert np.allclose([fitted(row) for row in networks[:9]], model.predict(networks[:9]))
        arrays |= {f"{column} {name}": array for name, array in fitted.arrays.items()}
    np.savez(cache, tau=np.array(taus), **arrays)


class Remembered:
    """A function of hashable values whose results are kept."""

    def __init__(self, function: Callable[[Any], float]) -> None:
        self.function, self.known = function, dict[Any, float]()

    def __call__(self, value: Any) -> float:
        if value not in self.known:
            self.known[value] = self.function(value)
        return self.known[value]


def with_best(draft: Problem, starts: int = 20, children: int = 300, rounds: int = 40) -> Problem:
    """Find the best network by climbing on the truth from many starts."""
    from dataclasses import replace

    rng = random.Random(1)

    def good(candidate: Candidate[Any]) -> bool:
        return draft.admits(candidate.value) and not draft.fails(candidate.value)

    drawn = [c for c in (at_random(draft.draw, rng) for _ in range(3000)) if good(c)]
    drawn.sort(key=lambda c: -draft.truth(c.value))
    best = -math.inf
    for at in drawn[:starts]:
        for _ in range(rounds):
            near = [c for c in (mutant(draft.draw, at, rng) for _ in range(children)) if good(c)]
            top = max([*near, at], key=lambda c: draft.truth(c.value))
            if draft.truth(top.value) <= draft.truth(at.value):
                break
            at = top
        best = max(best, draft.truth(at.value))
    return replace(draft, best=best)


# --- Made-up functions on a space of ours ---------------------------------------------------------

SPACE = Space(
    "synthetic",
    trunk=trunk("resnet8_small", width=choice(8, 12, 16, 24)),
    se=per_stage(
        optional(
            SE(
                reduction=choice(2, 4, 8),
                placement=choice("standard", "pre", "identity"),
                gate=choice("sigmoid", "two_sigmoid"),
            )
        )
    ),
)


def synthetic(kind: str, noise: float = 0.30, seed: int = 0) -> Problem:
    """Make a function of a space's decisions.

    Args:
        kind: ``additive``; ``pairs`` and ``strong`` add products of pairs of a third of the
            variance and of four fifths; ``noise`` is none at all; ``memory`` is additive, the
            largest eighth of all networks fails, and larger ones are better.
    """
    draw = SPACE.draw

    def price(architecture: Any) -> Cost:
        return cost(architecture, input_size=32, in_channels=3, num_classes=10)

    def raw(architecture: Any) -> float:
        decisions = SPACE.decisions(architecture) or {}
        parts = [f"{path}={label}" for path, label in sorted(decisions.items())]
        single = sum(_normal(f"{seed}{part}") for part in parts)
        both = (
            sum(_normal(f"{seed}{a}&{b}") for i, a in enumerate(parts) for b in parts[:i])
            / max(1, (len(parts) - 1) / 2) ** 0.5
        )
        share = {"pairs": 1 / 3, "strong": 4 / 5}.get(kind, 0.0)
        return (1 - share) ** 0.5 * single + share**0.5 * both

    rng = random.Random(0)
    sample = [at_random(draw, rng).value for _ in range(1000)]
    values = [raw(each) for each in sample]
    mean, spread = float(np.mean(values)), float(np.std(values))
    limit = sorted(price(each).params for each in sample)[870]

    def truth(architecture: Any) -> float:
        if kind == "noise":
            return 0.0
        size = math.log(price(architecture).params / limit) if kind == "memory" else 0.0
        return (raw(architecture) - mean) / spread + 2 * size

    draft = Problem(
        kind, draw, Remembered(truth), noise, lambda a: price(a).macs / 1e5, lambda _: True,
        math.nan, (lambda a: price(a).params > limit) if kind == "memory" else (lambda _: False),
        SPACE, price,
    )  # fmt: skip
    return with_best(draft, children=100)


def _normal(text: str) -> float:
    digest = int(hashlib.sha256(text.encode()).hexdigest()[:12], 16) / 16**12
    from statistics import NormalDist

    return NormalDist().inv_cdf(min(max(digest, 1e-9), 1 - 1e-9))


KINDS = ("additive", "pairs", "strong", "noise", "memory")
