"""The plan of a search, checked once: ``Plan`` before Ray starts, ``SearchRun`` after."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import partial

from rich.console import Console

from se_nas.architecture.architecture import Architecture
from se_nas.console import make_console
from se_nas.cost import Price, cost
from se_nas.data import Data, ImageShape
from se_nas.errors import InputError
from se_nas.search.checked_data import load_checked_data
from se_nas.search.cluster.slots import Slots
from se_nas.search.config import SearchConfig
from se_nas.search.init_weights import read_init
from se_nas.search.run_dir.directory import RunDirectory
from se_nas.search.study.feasibility import check_feasible
from se_nas.search.study.initial_points import initial_points, parse_enqueued
from se_nas.search.study.ranking import training_objective
from se_nas.search.study.samplers import Sampler, build_sampler
from se_nas.search.study.storage_errors import check_storage
from se_nas.search.worker.shared_data import NO_OBJECTS, SharedData, UserObjects, share
from se_nas.space.space import Space
from se_nas.training.custom import TrainFunction, check_arguments, load_train_file


@dataclass(frozen=True)
class Plan:
    """A space and settings with all that follows from them, each made once.

    Attributes:
        images: the data set, read; with a user's own training perhaps only their shape.
        shared: images and a user's training in Ray's object store; None if each worker loads all
            that it needs.
        price: the cost of an architecture on these images.
        feasible_share: of random architectures, in [0, 1].
        enqueued: the networks that the user names, all of the space.
        initial: networks to try before the sampler is asked: those, and perhaps a whole grid.
        sampler: of a new study.
        began: when the plan was made, by ``time.monotonic``.
    """

    space: Space
    config: SearchConfig
    images: ImageShape
    shared: SharedData | None
    price: Price
    feasible_share: float
    enqueued: tuple[Architecture, ...]
    initial: Iterable[Architecture]
    sampler: Sampler
    began: float = field(default_factory=time.monotonic)

    @classmethod
    def of(
        cls,
        space: Space,
        config: SearchConfig,
        user: UserObjects = NO_OBJECTS,
        console: Console | None = None,
    ) -> Plan:
        """Make the plan of a search; reads every picture once, if it is a folder of them.

        Args:
            user: the user's Python objects; ``config`` has their names.
            console: names the pictures that cannot be read.

        Raises:
            InputError: something in the settings cannot be used.
        """
        if config.storage is not None:
            check_storage(config.storage)
        images = user.data or load_checked_data(config, console or make_console(quiet=True))
        train = training_function(config.train, user)
        if train is None and not isinstance(images, Data):
            raise InputError(
                f"data is {images.summary()}, without images; give train= that brings its own"
            )
        price = price_on(images)
        init = read_init(space, config, images)
        enqueued = parse_enqueued(space, config.enqueue)
        return cls(
            space,
            config,
            images,
            share(images, user, config.train, training_objective(space).metric, init),
            price,
            check_feasible(space, price, images, config.seed),
            enqueued,
            initial_points(space, config.sampler, enqueued),
            build_sampler(config.sampler, config.seed, config.trials),
        )


@dataclass(frozen=True)
class SearchRun:
    """A plan with its run directory, its slots in the cluster, and its console."""

    plan: Plan
    run: RunDirectory
    slots: Slots
    console: Console


def price_on(images: ImageShape) -> Price:
    """Return the function that gives the cost of an architecture on these images."""
    return partial(
        cost,
        input_size=images.image_size,
        in_channels=images.in_channels,
        num_classes=images.num_classes,
    )


def training_function(name: str | None, user: UserObjects) -> TrainFunction | None:
    """Return the user's training function: the object, or what the file of this name defines.

    Raises:
        InputError: the object is lacking, the file defines no function, or the function does not
            take what it is called with.
    """
    if user.train is not None:
        return check_arguments(user.train)
    if name is None:
        return None
    if not name.endswith(".py"):
        raise InputError(f"train {name!r} was given as a Python function; give it again, as train=")
    return check_arguments(load_train_file(name))
