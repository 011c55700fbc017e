"""The end of a search: the best retrained with several seeds beside two controls, tested once.

The controls are the winner's trunk without SE, and with SE everywhere at r = 16. The winner is
chosen on validation images; the test images are looked at once for each network and choose nothing.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
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


def candidates(
    best: Sequence[tuple[Architecture, float]],
) -> list[tuple[str, Architecture, float | None]]:
    """The best and the controls of the first one's trunk, each network once."""
    trunk = best[0][0].trunk
    controls = (("no SE", Architecture(trunk)), ("SE r16", Architecture(trunk, SE(16))))
    found: dict[str, tuple[str, Architecture, float | None]] = {}
    for i, (architecture, value) in enumerate(best):
        found.setdefault(architecture.id, (f"best {i + 1}", architecture, value))
    for role, architecture in controls:
        if architecture.id in found:
            known = found[architecture.id]
            found[architecture.id] = (f"{known[0]} = {role}", *known[1:])
        else:
            found[architecture.id] = (role, architecture, None)
    return list(found.values())


def retrain(
    best: Sequence[tuple[Architecture, float]],
    config: RunConfig,
    slots: Slots,
    price: Callable[[Architecture], Cost],
    winner_path: str,
    on_done: Callable[[int, int], None],
) -> list[Final]:
    """Train every candidate with every seed as plain Ray tasks; save the winner's weights.

    Returns:
        The finals in the order of ``candidates``; the winner by validation is ``winner(finals)``.
    """
    import ray

    seeds = range(config.seed + 1, config.seed + 1 + config.final_seeds)
    rows = candidates(best)
    remote = ray.remote(num_cpus=slots.cpus, num_gpus=slots.gpus, max_retries=3)(train_and_test)
    waiting = {}
    for i, (_, architecture, _) in enumerate(rows):
        for seed in seeds:
            task = remote.remote(architecture.to_json(), config, seed, slots.gpus > 0, slots.cpus)
            waiting[task] = (i, seed)
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
    index = finals.index(winner(finals))
    chosen = max(seeds, key=lambda seed: done[index, seed][0])
    with open(winner_path, "wb") as file:
        file.write(done[index, chosen][2])
    return finals


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
    from safetensors.torch import save

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
    weights = {k: v.cpu().contiguous() for k, v in training.model.state_dict().items()}
    metadata = {"architecture": architecture}
    return val_acc, training.test().accuracy, save(weights, metadata=metadata)
