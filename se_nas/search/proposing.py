"""What a run proposes under its settings, and what its networks cost on its data."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import optuna

from se_nas.arch import Architecture
from se_nas.cost import Cost, cost
from se_nas.data import Data
from se_nas.search.config import SearchConfig
from se_nas.search.drivers import Drivers
from se_nas.search.first import first
from se_nas.search.proposals import Proposals
from se_nas.space import Space


def propose(
    opened: optuna.Study,
    space: Space,
    price: Callable[[Architecture], Cost],
    config: SearchConfig,
    others: Drivers | None = None,
) -> Proposals:
    """What the study proposes under a run's settings."""
    return Proposals(
        opened,
        space,
        price,
        trials=config.trials,
        seed=config.seed,
        first=first(space, config),
        sampled=config.sampler != "grid",
        drivers=others,
    )


def pricer(images: Data) -> Callable[[Architecture], Cost]:
    """The cost of an architecture on these images."""
    return partial(
        cost,
        input_size=images.image_size,
        in_channels=images.in_channels,
        num_classes=images.num_classes,
    )
