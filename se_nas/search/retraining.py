"""Retraining as plain Ray tasks: no more at once than the search has slots."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from se_nas.arch import Architecture
from se_nas.search.cluster import Slots
from se_nas.search.finals import Retrained
from se_nas.search.kept import Keep
from se_nas.search.settings import RunConfig
from se_nas.search.sharing import SharedData


def train_on_ray(
    pairs: Sequence[tuple[Architecture, int]],
    what: str,
    keep: Keep,
    *,
    config: RunConfig,
    slots: Slots,
    images: SharedData | None,
    on_done: Callable[[str, int, int], None],
) -> list[Retrained]:
    """Train every (architecture, seed) pair; a failure is a result like any other.

    A run takes one GPU at most, also where the trials of the search took several.

    Args:
        keep: called with each that is done.
        images: for the workers of a node to share; None if each loads its own.
        what: a label for ``on_done``, which is called with it, the runs done and their number.
    """
    import ray

    cpus, gpus = slots.cpus / slots.processes, min(slots.gpus, 1.0)
    remote: Any = ray.remote(num_cpus=cpus, num_gpus=gpus, max_retries=3)(train_and_test)
    shared = ray.put(images)
    todo = list(enumerate(pairs))[::-1]
    waiting: dict[Any, int] = {}
    done: dict[int, Retrained] = {}
    while todo or waiting:
        while todo and len(waiting) < slots.count * slots.processes:
            index, (architecture, seed) = todo.pop()
            task = remote.remote(architecture.to_json(), config, seed, gpus > 0, cpus, shared)
            waiting[task] = index
        ready, _ = ray.wait(list(waiting))
        for task in ready:
            index = waiting.pop(task)
            try:
                done[index] = ray.get(task)
            except ray.exceptions.RayError as error:  # its process or node died, again and again
                done[index] = Retrained(f"lost: {type(error).__name__}")
            keep(*pairs[index], done[index])
            on_done(what, len(done), len(pairs))
    return [done[i] for i in range(len(pairs))]


def train_and_test(
    architecture: str,
    config: RunConfig,
    seed: int,
    on_gpu: bool,
    cpus: float,
    images: SharedData | None = None,
) -> Retrained:
    """Train one network and test it once."""
    import torch

    from se_nas.saving import to_bytes
    from se_nas.search.trial import device, is_out_of_memory, load_data, loader_workers
    from se_nas.train import NonFiniteLoss, Training

    threads = max(1, int(cpus))
    torch.set_num_threads(threads)
    data = load_data(config.data, config.seed) if images is None else images.data()
    epochs = config.final_epochs or config.epochs
    try:
        training = Training(
            Architecture.from_json(architecture),
            data,
            config.recipe,
            epochs=epochs,
            seed=seed,
            device=device(on_gpu),
            workers=loader_workers(data, threads),
        )
        for _ in range(epochs):
            metrics = training.epoch()
        test = training.test()
    except NonFiniteLoss:
        return Retrained("diverged")
    except Exception as error:
        return Retrained("out of memory" if is_out_of_memory(error) else f"failed: {error}")
    content = to_bytes(
        training.model.state_dict(),
        training.model.architecture,
        data.num_classes,
        data.in_channels,
    )
    return Retrained("complete", metrics.val_acc, metrics.val_loss, test.accuracy, content)
