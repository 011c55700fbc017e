"""``Recipe``: the settings of a training as a value."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Literal, get_args

from se_nas.checked_settings import CheckedSettings
from se_nas.errors import InputError, unknown
from se_nas.settings import setting
from se_nas.texts import written
from se_nas.values import among, is_number, whole

OptimizerName = Literal["sgd", "adamw", "lamb"]
Loss = Literal["cross_entropy", "binary"]
Schedule = Literal["cosine", "steps", "plateau"]
SEInit = Literal["identity", "standard"]
Amp = Literal["auto", "off"]


@dataclass(frozen=True)
class Recipe(CheckedSettings):
    """The settings of a training run, whatever the network, the data and the budget are.

    Attributes:
        optimizer: ``sgd`` with momentum, ``adamw``, or ``lamb`` (timm's, which has to be there).
        learning_rate: the highest, after the warm-up.
        momentum, nesterov: of SGD; the others do without.
        weight_decay: of the weights of convolutions and linear layers; batch norm's parameters
            and all biases (the one-dimensional parameters) have none.
        batch_size: images in a step.
        balanced: images are drawn again and again so that each class comes as often as another,
            as many in an epoch as there are; else each comes once.
        loss: ``cross_entropy``, or ``binary`` for each class by itself.
        label_smoothing: share of the target that is spread over all classes.
        warmup_epochs: the learning rate rises linearly so long, at most half of the budget.
        frozen_norm_epochs: in so many last epochs, at most half of the budget, the parameters and
            statistics of batch norms stay as they are, so that training sees what a test sees.
        schedule: ``cosine``, from the highest learning rate to 0 at the end of the budget; or
            ``steps``, by ``drop_factor`` after each of ``drops``; or ``plateau``, by it after
            ``patience`` epochs without a lower validation loss than before them.
        drops: shares of the budget, rising: (0.3, 0.6, 0.9) are epochs 30, 60 and 90 of 100.
        drop_factor: what the learning rate is multiplied by.
        patience: epochs, for ``plateau``.
        rand_augment, cutout, erasing: see ``se_nas.data.augmentation.Augmentation``.
        mixup, cutmix: α of the Beta distribution that the shares of two mixed images are drawn of
            (Zhang et al. 2018, Yun et al. 2019); 0 for none. With both, each batch has one of them.
        ema: the network that is validated, tested and saved is the moving average of that which is
            trained, of which it keeps this share at each step, less at first; 0 for none.
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
    nesterov: bool = True
    weight_decay: float = 5e-4
    batch_size: int = setting(128, "Images in a batch [default: the recipe's].", "training")
    balanced: bool = setting(
        False, "Draw images so that each class comes as often as another.", "training"
    )
    loss: Loss = "cross_entropy"
    label_smoothing: float = 0.0
    warmup_epochs: float = 0.5
    frozen_norm_epochs: int = 0
    schedule: Schedule = "cosine"
    drops: tuple[float, ...] = ()
    drop_factor: float = 0.1
    patience: int = 10
    rand_augment: int = 0
    cutout: int = 0
    erasing: float = 0.0
    mixup: float = 0.0
    cutmix: float = 0.0
    ema: float = 0.0
    se_init: SEInit = "identity"
    amp: Amp = "auto"

    def __post_init__(self) -> None:
        super().__post_init__()
        for field, allowed in CHOICES.items():
            if not among(getattr(self, field), allowed):
                raise unknown(f"{field} of a recipe", getattr(self, field), allowed)
        for field, least in WHOLE.items():
            most = MOST.get(field)
            value = whole(f"{field} of a recipe", getattr(self, field), least, most)
            object.__setattr__(self, field, value)
        for field, (fits, allowed_text) in NUMBERS.items():
            value = getattr(self, field)
            if not is_number(value) or not fits(value):
                raise InputError(f"{field} of a recipe is {written(value)}; give {allowed_text}")
        for field in ("nesterov", "balanced"):
            if not isinstance(getattr(self, field), bool):
                given = written(getattr(self, field))
                raise InputError(f"{field} of a recipe is {given}; give true or false")
        drops = tuple(self.drops) if isinstance(self.drops, (list, tuple)) else None
        if drops is None or not all(map(is_number, drops)) or not _rising(drops):
            raise InputError(
                f"drops of a recipe is {written(self.drops)}; give shares of the budget between 0 "
                "and 1, rising"
            )
        object.__setattr__(self, "drops", drops)
        if (self.schedule == "steps") != bool(drops):
            raise InputError(
                f"drops of a recipe is {written(self.drops)}, its schedule {self.schedule!r}: "
                "drops are for steps, which have one at least"
            )

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


def scaled(recipe: Recipe, batch_size: int) -> Recipe:
    """Return a recipe for batches of another size: the learning rate changes with it.

    In proportion for SGD (Goyal et al. 2017), as the square root for the others, whose steps do not
    grow with the gradient.

    >>> scaled(Recipe(learning_rate=0.6, batch_size=1024), 256).learning_rate
    0.15
    """
    ratio = batch_size / recipe.batch_size
    rate = recipe.learning_rate * (ratio if recipe.optimizer == "sgd" else math.sqrt(ratio))
    return replace(recipe, batch_size=batch_size, learning_rate=rate)


def _rising(drops: tuple[float, ...]) -> bool:
    return all(a < b for a, b in zip((0.0, *drops), (*drops, 1.0), strict=True))


CHOICES: dict[str, tuple[Any, ...]] = {
    "optimizer": get_args(OptimizerName),
    "loss": get_args(Loss),
    "schedule": get_args(Schedule),
    "se_init": get_args(SEInit),
    "amp": get_args(Amp),
}

# The least of each; batch norm needs two images.
WHOLE = {
    "batch_size": 2,
    "frozen_norm_epochs": 0,
    "patience": 1,
    "rand_augment": 0,
    "cutout": 0,
}
MOST = {"rand_augment": 30, "cutout": 4096}

NUMBERS: dict[str, tuple[Any, str]] = {
    "learning_rate": (lambda value: value > 0, "a number above 0"),
    "momentum": (lambda value: 0 < value < 1, "a number between 0 and 1"),
    "weight_decay": (lambda value: value >= 0, "0 or a positive number"),
    "label_smoothing": (lambda value: 0 <= value < 1, "a number of at least 0 and below 1"),
    "warmup_epochs": (lambda value: value >= 0, "0 or a positive number"),
    "drop_factor": (lambda value: 0 < value < 1, "a number between 0 and 1"),
    "erasing": (lambda value: 0 <= value <= 1, "a share from 0 to 1"),
    "mixup": (lambda value: 0 <= value <= 100, "0 or a positive number, at most 100"),
    "cutmix": (lambda value: 0 <= value <= 100, "0 or a positive number, at most 100"),
    "ema": (lambda value: 0 <= value < 1, "a number of at least 0 and below 1"),
}
