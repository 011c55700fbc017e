"""Weights that the trainings of a search start from, read once on the driver.

All networks of the space start from one trained trunk, their SE blocks as if they were not there
(``Recipe.se_init``). The classifier is that of the file where its classes are as many, else it
starts afresh.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from se_nas.architecture.architecture import Architecture
from se_nas.data import ImageShape
from se_nas.errors import InputError
from se_nas.models.checkpoint_files import Weights
from se_nas.models.materialize import materialize
from se_nas.models.weights import load_weights
from se_nas.models.weights_source import weights_from
from se_nas.search.config import SearchConfig
from se_nas.search.study.random_draws import plain_trunks
from se_nas.search.worker.shared_data import Array
from se_nas.space.space import Space


def read_init(space: Space, config: SearchConfig, images: ImageShape) -> dict[str, Array] | None:
    """Return the weights that ``init`` names, by our keys; None without it.

    Raises:
        InputError: there are none, they are not of the space's one trunk, or the user's own
            training would not know of them.
    """
    if config.init is None:
        return None
    if config.train is not None:
        raise InputError("`init` is for our training; your own train() starts as it likes")
    trunks = plain_trunks(space)
    if len(trunks) > 1:
        raise InputError(
            f"init is {config.init!r}, one trained trunk, but the space {space.name} has "
            f"{len(trunks)} or more, among them {trunks[0]} and {trunks[1]}"
        )
    source = weights_from("init", config.init)
    return _of_trunk(trunks[0], source, images)


def _of_trunk(trunk: Architecture, source: Weights, images: ImageShape) -> dict[str, Array]:
    model = materialize(trunk, num_classes=images.num_classes, in_channels=images.in_channels)
    head = f"{model.head_names[-1]}."
    try:
        load_weights(model, source)
        afresh: tuple[str, ...] = ()
    except InputError:
        load_weights(model, source, new_head=True)  # or says what does not fit beside the head
        afresh = (head,)
    state: Mapping[str, Tensor] = model.state_dict()
    return {k: v.numpy() for k, v in state.items() if not k.startswith(afresh or ("\0",))}
