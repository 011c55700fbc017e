"""The end of a search: the best retrained with several seeds beside two controls, tested once.

The controls are the winner's trunk without SE, and with SE everywhere at r = 16. The winner is
chosen on validation images; the test images are looked at once for each network and choose nothing.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

from se_nas.arch import SE, Architecture
from se_nas.cost import Cost
from se_nas.search.cluster import Slots
from se_nas.search.settings import RunConfig


@dataclass(frozen=True)
class Final:
    """One network of the final table, retrained with several seeds.

    Attributes:
        role: ``best 1`` …, ``no SE`` or ``SE r16``; several if they are one network.
        search_value: the objective in the search, None for a control that was not in it.
        val_accs, test_accs: one accuracy in [0, 1] for each seed.
    """

    role: str
    architecture: Architecture
    cost: Cost
    search_value: float | None
    val_accs: tuple[float, ...]
    test_accs: tuple[float, ...]

    @property
    def val_acc(self) -> float:
        return statistics.fmean(self.val_accs)

    @property
    def test_acc(self) -> float:
        return statistics.fmean(self.test_accs)

    @property
    def test_spread(self) -> float:
        """Standard deviation over the seeds; 0 with one seed."""
        return statistics.stdev(self.test_accs) if len(self.test_accs) > 1 else 0.0

    def to_dict(self) -> dict[str, Any]:
        return {
            "role": self.role,
            "name": str(self.architecture),
            "architecture": self.architecture.to_json(),
            "cost": asdict(self.cost),
            "search_value": self.search_value,
            "val_accs": self.val_accs,
            "test_accs": self.test_accs,
        }


def retrain(
    best: Sequence[tuple[Architecture, float]],
    config: RunConfig,
    slots: Slots,
    price: Callable[[Architecture], Cost],
    winner_path: str,
    on_done: Callable[[str, int, int], None],
) -> list[Final]:
    """Train the best, then the controls of the winner's trunk, each with every seed.

    Args:
        best: architectures and their objective in the search, best first.
        price: the cost of an architecture on the search's data.
        winner_path: where the winner's weights go, those of its best seed by validation.
        on_done: called with a label, the runs done and their number after every run.

    Returns:
        The best and the controls; ``winner`` of them is chosen by validation.
    """
    rows = [(f"best {i + 1}", a, value) for i, (a, value) in enumerate(best)]
    finals, weights = _train_all(rows, config, slots, price, partial(on_done, "the best"))
    chosen = winner(finals)
    seed = max(range(config.final_seeds), key=lambda i: chosen.val_accs[i])
    with open(winner_path, "wb") as file:
        file.write(weights[finals.index(chosen)][seed])
    controls: list[tuple[str, Architecture, float | None]] = []
    for role, architecture in control_architectures(chosen.architecture):
        known = next(
            (i for i, f in enumerate(finals) if f.architecture.id == architecture.id), None
        )
        if known is None:
            controls.append((role, architecture, None))
        else:
            finals[known] = replace(finals[known], role=f"{finals[known].role} = {role}")
    trained, _ = _train_all(controls, config, slots, price, partial(on_done, "the controls"))
    return finals + trained


def control_architectures(winner: Architecture) -> list[tuple[str, Architecture]]:
    """The winner's trunk without SE, and with SE everywhere at r = 16."""
    return [("no SE", Architecture(winner.trunk)), ("SE r16", Architecture(winner.trunk, SE(16)))]


def _train_all(
    rows: Sequence[tuple[str, Architecture, float | None]],
    config: RunConfig,
    slots: Slots,
    price: Callable[[Architecture], Cost],
    on_done: Callable[[int, int], None],
) -> tuple[list[Final], list[list[bytes]]]:
    """Every row with every seed as plain Ray tasks: the finals, and weights by row and seed."""
    import ray

    seeds = range(config.seed + 1, config.seed + 1 + config.final_seeds)
    remote = ray.remote(num_cpus=slots.cpus, num_gpus=slots.gpus, max_retries=3)(train_and_test)
    waiting = {
        remote.remote(architecture.to_json(), config, seed, slots.gpus > 0, slots.cpus): (i, seed)
        for i, (_, architecture, _) in enumerate(rows)
        for seed in seeds
    }
    done: dict[tuple[int, int], tuple[float, float, bytes]] = {}
    total = len(waiting)
    while waiting:
        ready, _ = ray.wait(list(waiting))
        for task in ready:
            done[waiting.pop(task)] = ray.get(task)
            on_done(len(done), total)
    finals = [
        Final(
            role,
            architecture,
            price(architecture),
            value,
            tuple(done[i, seed][0] for seed in seeds),
            tuple(done[i, seed][1] for seed in seeds),
        )
        for i, (role, architecture, value) in enumerate(rows)
    ]
    return finals, [[done[i, seed][2] for seed in seeds] for i in range(len(rows))]


def winner(finals: Sequence[Final]) -> Final:
    """The best of the search's own networks by mean validation accuracy."""
    return max((f for f in finals if f.search_value is not None), key=lambda final: final.val_acc)


def verdict(finals: Sequence[Final]) -> str:
    """Whether SE won, in one sentence, with the spread over the seeds."""
    best = winner(finals)
    plain = next(final for final in finals if "no SE" in final.role)
    if plain is best:
        return "SE did not win: the best network of the search has no SE."
    gain = 100 * (best.test_acc - plain.test_acc)
    seeds = len(best.test_accs)
    head = f"test accuracy against the same trunk without SE: {gain:+.2f} points"
    if seeds < 2:
        return f"{head} with one seed: no spread, no verdict."
    error = 100 * math.sqrt((best.test_spread**2 + plain.test_spread**2) / seeds)
    if abs(gain) < 2 * error or gain == 0:
        return f"{head} ± {error:.2f} ({seeds} seeds): not to be told apart."
    return f"{head} ± {error:.2f} ({seeds} seeds): SE {'won' if gain > 0 else 'lost'}."


def train_and_test(
    architecture: str, config: RunConfig, seed: int, on_gpu: bool, cpus: float
) -> tuple[float, float, bytes]:
    """Train one network and test it once: (val_acc, test_acc, weights as safetensors)."""
    import torch

    from se_nas.export import to_bytes
    from se_nas.search.trial import device, load_data
    from se_nas.train import Training

    torch.set_num_threads(max(1, int(cpus)))
    data = load_data(config.data, config.seed)
    epochs = config.final_epochs or config.epochs
    parsed = Architecture.from_json(architecture)
    training = Training(
        parsed, data, config.recipe, epochs=epochs, seed=seed, device=device(on_gpu)
    )
    val_acc = 0.0
    for _ in range(epochs):
        val_acc = training.epoch().val_acc
    model = training.model
    content = to_bytes(model.state_dict(), parsed, data.num_classes, data.in_channels)
    return val_acc, training.test().accuracy, content
