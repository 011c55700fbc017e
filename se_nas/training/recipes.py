"""Training recipes: a ``Recipe`` is a value, and a few have names.

>>> RECIPES["search"].learning_rate
0.1
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal, get_args

from se_nas.checked_settings import CheckedSettings
from se_nas.errors import InputError, unknown
from se_nas.settings import setting
from se_nas.texts import written
from se_nas.values import among, is_number, whole

OptimizerName = Literal["sgd", "adamw"]
Schedule = Literal["cosine"]
SEInit = Literal["identity", "standard"]
Amp = Literal["auto", "off"]


@dataclass(frozen=True)
class Recipe(CheckedSettings):
    """The settings of a training run, whatever the network, the data and the budget are.

    Attributes:
        optimizer: ``sgd`` with Nesterov momentum, or ``adamw``.
        learning_rate: the highest, after the warm-up.
        momentum: of SGD; AdamW does without.
        weight_decay: of the weights of convolutions and linear layers; batch norm's parameters
            and all biases (the one-dimensional parameters) have none.
        batch_size: images in a step.
        label_smoothing: share of the target that is spread over all classes.
        warmup_epochs: the learning rate rises linearly so long, at most half of the budget.
        frozen_norm_epochs: in so many last epochs, at most half of the budget, the parameters and
            statistics of batch norms stay as they are, so that training sees what a test sees.
        schedule: ``cosine``, from the highest learning rate to 0 at the end of the budget.
        se_init: ``identity`` starts SE blocks as if they were not there (``init_identity``), so
            that short trials are not biased against them; ``standard`` leaves them as initialised.
        amp: ``auto`` computes in bfloat16 on CUDA where it is there, else in float16 with a
            gradient scaler; ``off``, and always on a CPU, in float32.

    Raises:
        InputError: a field has a value that is not allowed.

    ``dataclasses.asdict`` gives what ``from_dict`` takes; both are plain JSON:

    >>> from dataclasses import asdict
    >>> Recipe.from_dict(asdict(Recipe(batch_size=64))).batch_size
    64
    """

    optimizer: OptimizerName = "sgd"
    learning_rate: float = setting(0.1, "Peak learning rate [default: the recipe's].", "training")
    momentum: float = 0.9
    weight_decay: float = 5e-4
    batch_size: int = setting(128, "Images in a batch [default: the recipe's].", "training")
    label_smoothing: float = 0.0
    warmup_epochs: float = 0.5
    frozen_norm_epochs: int = 0
    schedule: Schedule = "cosine"
    se_init: SEInit = "identity"
    amp: Amp = "auto"

    def __post_init__(self) -> None:
        super().__post_init__()
        for field, allowed in CHOICES.items():
            if not among(getattr(self, field), allowed):
                raise unknown(f"{field} of a recipe", getattr(self, field), allowed)
        for field, least in WHOLE.items():
            value = whole(f"{field} of a recipe", getattr(self, field), least)
            object.__setattr__(self, field, value)
        for field, (fits, allowed_text) in NUMBERS.items():
            value = getattr(self, field)
            if not is_number(value) or not fits(value):
                raise InputError(f"{field} of a recipe is {written(value)}; give {allowed_text}")

    @classmethod
    def from_dict(cls, settings: Mapping[str, Any]) -> Recipe:
        """Build a recipe from some or all fields by name; the others have their defaults.

        Raises:
            InputError: a field that a recipe does not have, or a value that is not allowed.
        """
        names = [field.name for field in fields(cls)]
        for name in settings:
            if name not in names:
                raise unknown("field of a recipe", name, names)
        return cls(**settings)


CHOICES: dict[str, tuple[Any, ...]] = {
    "optimizer": get_args(OptimizerName),
    "schedule": get_args(Schedule),
    "se_init": get_args(SEInit),
    "amp": get_args(Amp),
}

# The least of each; batch norm needs two images.
WHOLE = {"batch_size": 2, "frozen_norm_epochs": 0}

NUMBERS: dict[str, tuple[Any, str]] = {
    "learning_rate": (lambda value: value > 0, "a number above 0"),
    "momentum": (lambda value: 0 < value < 1, "a number between 0 and 1"),
    "weight_decay": (lambda value: value >= 0, "0 or a positive number"),
    "label_smoothing": (lambda value: 0 <= value < 1, "a number of at least 0 and below 1"),
    "warmup_epochs": (lambda value: value >= 0, "0 or a positive number"),
}

RECIPES: dict[str, Recipe] = {
    "search": Recipe(batch_size=64),
    "retrain": Recipe(label_smoothing=0.1, warmup_epochs=2),
    "adamw": Recipe(optimizer="adamw", learning_rate=4e-3, weight_decay=0.05),
    "imagenet": Recipe(
        batch_size=256, weight_decay=1e-4, label_smoothing=0.1, warmup_epochs=5, se_init="standard"
    ),
    "senet": Recipe(
        learning_rate=0.6, batch_size=1024, weight_decay=1e-4, warmup_epochs=5, se_init="standard"
    ),
    "senet154": Recipe(
        learning_rate=1.0,
        batch_size=2048,
        weight_decay=1e-4,
        label_smoothing=0.1,
        warmup_epochs=5,
        frozen_norm_epochs=3,
        se_init="standard",
    ),
}

# How long each is meant to be, in epochs, where nobody says.
EPOCHS: dict[str, int] = {
    "search": 8,
    "retrain": 30,
    "adamw": 30,
    "imagenet": 90,
    "senet": 100,
    "senet154": 100,
}

# Where each recipe is from.
SOURCES: dict[str, str] = {
    "search": "SGD, rate 0.1 and weight decay 5e-4 of Wide ResNet's CIFAR runs (Zagoruyko and "
    "Komodakis 2016), with the cosine of Loshchilov and Hutter 2017; half of their batch, which "
    "in 4 epochs on 6,000 images of Fashion-MNIST gave val_acc 0.76 in place of 0.66",
    "retrain": "as search, with the batch of 128, a longer warm-up and label "
    "smoothing of 0.1 (Szegedy et al. 2016)",
    "adamw": "decoupled weight decay (Loshchilov and Hutter 2019); the values are this project's, "
    "for small networks in which SGD is hard to set",
    "imagenet": "rate 0.1 for a batch of 256 with 5 epochs of warm-up (Goyal et al. 2017), label "
    "smoothing of 0.1 (Szegedy et al. 2016), plain SE blocks as in the paper",
    "senet": "the paper's batch of 1024 and rate of 0.6 (Hu et al., section 5.1) and the authors' "
    "weight decay; a cosine with warm-up in place of the paper's steps every 30 epochs",
    "senet154": "points (e) to (g) of the paper's appendix on SENet-154: label smoothing, batch "
    "norms frozen for the last few epochs (how many it does not say), a batch of 2048 and a rate "
    "of 1.0; the rest as senet",
}
