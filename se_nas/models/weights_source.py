"""Weights by the words of a user: a file, or ``torchvision:NAME``."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from se_nas.errors import InputError, unknown
from se_nas.models.checkpoint_files import Weights
from se_nas.settings import TORCHVISION
from se_nas.texts import first_line


def weights_from(field: str, name: str) -> Weights:
    """Return a path as it is, or the default weights that torchvision has for a model.

    Args:
        field: the setting, for an error.

    Raises:
        InputError: torchvision has no such model, or its weights cannot be fetched.
    """
    if not name.startswith(TORCHVISION):
        return name
    from torchvision.models import get_model_weights, list_models

    model = name.removeprefix(TORCHVISION)
    if model not in list_models():
        raise unknown(f"{field}'s model of torchvision", model, list_models())
    try:
        found: Mapping[str, Tensor] = get_model_weights(model).DEFAULT.get_state_dict(
            progress=False
        )
    except OSError as error:  # no network and not in torch's cache
        raise InputError(f"{field} {name!r} cannot be fetched: {first_line(error)}") from None
    return found
