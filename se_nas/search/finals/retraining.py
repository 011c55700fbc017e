"""Retraining as plain Ray tasks, each with the resources of a trial.

A run whose process or node dies starts again, with a limit. Ray's own retries are off: those of
tasks that it killed because a host ran out of memory have no limit.

A run on several GPUs has a placement group for itself, as long as it lasts. The cluster may have
shrunk since the search began, or be taken by others: a group that finds no room is placed when
another is removed, or a node comes.
"""

from __future__ import annotations

import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import ray
import torch
from ray import ObjectRef
from ray.util.placement_group import PlacementGroup

from se_nas.architecture.architecture import Architecture
from se_nas.console import print_line
from se_nas.data import Preprocessing
from se_nas.errors import InputError, described
from se_nas.models.changes import check_state
from se_nas.models.checkpoint_files import state_dict
from se_nas.models.saving import Description, to_bytes
from se_nas.nn.model import Model
from se_nas.search.cluster.slots import Slots
from se_nas.search.config import MAX_DEATHS, SearchConfig, TrialSettings
from se_nas.search.finals.cache import Keep, RetrainingCache
from se_nas.search.plan import SearchRun
from se_nas.search.worker import ray_api
from se_nas.search.worker.reports import FAILED, LABELS
from se_nas.search.worker.retrain import RetrainPayload, RetrainResult, train_and_test
from se_nas.search.worker.shared_data import SharedData
from se_nas.texts import first_line

Train = Callable[[str, TrialSettings, int, SharedData | None], RetrainPayload]


@dataclass(frozen=True)
class Retrainer:
    """The retraining of a run's networks; finished ones are kept in its folder meanwhile."""

    search_run: SearchRun

    def train(self, pairs: Sequence[tuple[Architecture, int]], what: str) -> list[RetrainResult]:
        """Return the result of every (architecture, seed) pair.

        Args:
            what: a label for the progress line.
        """
        plan = self.search_run.plan
        config = plan.config
        cache = RetrainingCache(self.search_run.run.finals, config.final_epochs or config.epochs)

        def keep(architecture: Architecture, seed: int, done: RetrainResult) -> None:
            cache.put(architecture, seed, done)
            if done.end != "complete":
                self._note(architecture, seed, done)
            if done.misuse:
                raise InputError(
                    f"{done.reason}: so every retraining would end; the search itself is done: "
                    f"mend that and go on with {self.search_run.run.resume}"
                )

        return cache.train_missing(
            pairs,
            lambda missing: train_on_ray(
                missing,
                keep,
                config=config,
                slots=self.search_run.slots,
                images=plan.shared,
                preprocessing=plan.images.preprocessing,
                on_done=lambda done, total: self._show(what, done, total),
            ),
        )

    def _note(self, architecture: Architecture, seed: int, done: RetrainResult) -> None:
        """Say why a retraining did not come to its end, and keep its traceback in the run."""
        where = ""
        if done.end in FAILED:
            text = f"{architecture}, seed {seed}\n\n{done.traceback or done.reason}\n"
            name = f"retraining-{architecture.id[:8]}-seed{seed}"
            where = self.search_run.run.write_error(name, text)
        print_line(
            self.search_run.console,
            f"note: retraining {architecture} with seed {seed}: {LABELS[done.end]}: "
            f"{done.reason}{where}",
        )

    def _show(self, what: str, done: int, total: int) -> None:
        console = self.search_run.console
        end = "\r" if console.is_terminal and done < total else "\n"
        print_line(console, f"retraining {what}: {done}/{total} runs", end=end)


def train_on_ray(
    pairs: Sequence[tuple[Architecture, int]],
    keep: Keep,
    *,
    config: SearchConfig,
    slots: Slots,
    images: SharedData | None,
    on_done: Callable[[int, int], None],
    preprocessing: Preprocessing | None = None,
    train: Train | None = None,
) -> list[RetrainResult]:
    """Train every (architecture, seed) pair; a failure is a result like any other.

    Args:
        keep: called with each that is done.
        images: for the workers of a node to share; None if each loads its own.
        on_done: called with the number of runs that are done, and of all.
        preprocessing: of the images, to be written beside the weights.
        train: the function of a task; ``train_and_test`` if not given.
    """
    shared = ray.put(images)
    todo = list(range(len(pairs)))[::-1]
    waiting: dict[ObjectRef[RetrainPayload], tuple[int, PlacementGroup | None]] = {}
    deaths: Counter[int] = Counter()
    done: dict[int, RetrainResult] = {}
    try:
        while todo or waiting:
            while todo and len(waiting) < slots.count:
                index = todo.pop()
                architecture, seed = pairs[index]
                given = (settings_of(config, slots, seed), config.seed, shared)
                options, group = place(slots)
                remote = ray_api.remote_task(train or train_and_test, **options)
                task = remote.remote(architecture.to_json(), *given)
                waiting[task] = index, group
            ready, _ = ray_api.wait(list(waiting))
            for task in ready:
                index, group = waiting.pop(task)
                remove(group)
                result, died = result_of(task, pairs[index][0], preprocessing)
                deaths[index] += died
                if died and deaths[index] <= MAX_DEATHS:
                    todo.append(index)
                    continue
                done[index] = result
                keep(*pairs[index], result)
                on_done(len(done), len(pairs))
    finally:
        for _, group in waiting.values():
            remove(group)
    return [done[i] for i in range(len(pairs))]


def place(slots: Slots) -> tuple[dict[str, object], PlacementGroup | None]:
    """Return Ray's options for one run, and its placement group; None with one process a run."""
    own = slots.resources[0]
    options: dict[str, object] = {
        "num_cpus": own["CPU"],
        "num_gpus": own.get("GPU", 0),
        "max_retries": 0,
    }
    if slots.processes == 1:
        return options, None
    group = ray_api.place(slots.resources)
    return options | {"scheduling_strategy": ray_api.in_group(group, 0)}, group


def remove(group: PlacementGroup | None) -> None:
    """Give back the placement group that a run had or waits for; what still runs there ends."""
    if group is not None:
        ray_api.give_back(group)


def settings_of(config: SearchConfig, slots: Slots, seed: int) -> TrialSettings:
    """Return a trial's settings with the budget and the seed of a retraining."""
    return TrialSettings.of(
        config,
        epochs=config.final_epochs or config.epochs,
        seed=seed,
        gpus=slots.gpus,
        cpus=slots.cpus,
        processes=slots.processes,
    )


def result_of(
    task: ObjectRef[RetrainPayload],
    architecture: Architecture,
    preprocessing: Preprocessing | None = None,
) -> tuple[RetrainResult, bool]:
    """Return the result of a task that has ended, and whether its process or node died."""
    try:
        run = ray.get(task)
    except ray.exceptions.RayTaskError as error:
        cause = error.cause
        return RetrainResult("error", reason=described(cause), traceback=str(error)), False
    except ray.exceptions.OutOfMemoryError as error:
        return RetrainResult("out_of_memory", reason=first_line(error)), True
    except ray.exceptions.RayError as error:
        return RetrainResult("lost", reason=first_line(error)), True
    return with_weights(run, architecture, preprocessing), False


def with_weights(
    run: RetrainPayload, architecture: Architecture, preprocessing: Preprocessing | None = None
) -> RetrainResult:
    """Return the result of a run, its weights as ``se_nas.load`` reads them.

    A user's own training may return another network than it was to train: then the file has the
    tensors alone, and ``reason`` says what differs.
    """
    if run.state is None:
        return run.result
    sizes = run.num_classes, run.in_channels
    description: Description | None = Description(architecture, *sizes, preprocessing)
    reason = ""
    try:
        state = state_dict(run.state)  # without the names of what wraps the model
        with torch.device("meta"):
            fresh = Model(architecture, *sizes)
        try:
            check_state(state, fresh)
        except InputError as error:
            description, reason = None, f"complete, but {error}: its file does not say what it is"
        content = to_bytes(state, description)
    except Exception as error:  # tensors that share memory, say: of one network, not of the search
        text = traceback.format_exc()
        return RetrainResult("error", reason=described(error), traceback=text)
    return replace(run.result, weights=content, reason=reason)
