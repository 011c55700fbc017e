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
Schedule = Literal["cosine", "steps"]
SEInit = Literal["identity", "standard"]
Amp = Literal["auto", "off"]


@dataclass(frozen=True)
class Recipe(CheckedSettings):
    """The settings of a training run, whatever the network, the data and the budget are.

    Attributes:
        optimizer: ``sgd`` with momentum, or ``adamw``.
        learning_rate: the highest, after the warm-up.
        momentum, nesterov: of SGD; AdamW does without.
        weight_decay: of the weights of convolutions and linear layers; batch norm's parameters
            and all biases (the one-dimensional parameters) have none.
        batch_size: images in a step.
        label_smoothing: share of the target that is spread over all classes.
        warmup_epochs: the learning rate rises linearly so long, at most half of the budget.
        frozen_norm_epochs: in so many last epochs, at most half of the budget, the parameters and
            statistics of batch norms stay as they are, so that training sees what a test sees.
        schedule: ``cosine``, from the highest learning rate to 0 at the end of the budget; or
            ``steps``, by ``drop_factor`` after each of ``drops``.
        drops: shares of the budget, rising: (0.3, 0.6, 0.9) are epochs 30, 60 and 90 of 100.
        drop_factor: what the learning rate is multiplied by.
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
    label_smoothing: float = 0.0
    warmup_epochs: float = 0.5
    frozen_norm_epochs: int = 0
    schedule: Schedule = "cosine"
    drops: tuple[float, ...] = ()
    drop_factor: float = 0.1
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
        if not isinstance(self.nesterov, bool):
            raise InputError(
                f"nesterov of a recipe is {written(self.nesterov)}; give true or false"
            )
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


def _rising(drops: tuple[float, ...]) -> bool:
    return all(a < b for a, b in zip((0.0, *drops), (*drops, 1.0), strict=True))


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
    "drop_factor": (lambda value: 0 < value < 1, "a number between 0 and 1"),
}

RECIPES: dict[str, Recipe] = {
    "search": Recipe(batch_size=64),
    "retrain": Recipe(label_smoothing=0.1, warmup_epochs=2),
    "adamw": Recipe(optimizer="adamw", learning_rate=4e-3, weight_decay=0.05),
    "imagenet": Recipe(
        batch_size=256, weight_decay=1e-4, label_smoothing=0.1, warmup_epochs=5, se_init="standard"
    ),
    "senet": Recipe(
        learning_rate=0.6,
        batch_size=1024,
        nesterov=False,
        weight_decay=1e-4,
        warmup_epochs=0,
        schedule="steps",
        drops=(0.3, 0.6, 0.9),
        se_init="standard",
    ),
    "senet_ablation": Recipe(
        batch_size=256,
        nesterov=False,
        weight_decay=1e-4,
        label_smoothing=0.1,
        warmup_epochs=0,
        schedule="steps",
        drops=(125 / 270, 200 / 270, 250 / 270),
        se_init="standard",
    ),
    "cifar_resnet": Recipe(
        nesterov=False,
        weight_decay=1e-4,
        warmup_epochs=1,
        schedule="steps",
        drops=(81 / 164, 122 / 164),
        se_init="standard",
    ),
    "cifar_wrn": Recipe(
        warmup_epochs=0,
        schedule="steps",
        drops=(0.3, 0.6, 0.8),
        drop_factor=0.2,
        se_init="standard",
    ),
    "cifar_shake_shake": Recipe(
        learning_rate=0.2, weight_decay=1e-4, warmup_epochs=0, se_init="standard"
    ),
    "cifar_shake_even": Recipe(
        learning_rate=0.025, batch_size=32, warmup_epochs=0, se_init="standard"
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
    "senet_ablation": 270,
    "cifar_resnet": 164,
    "cifar_wrn": 200,
    "cifar_shake_shake": 1800,
    "cifar_shake_even": 1800,
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
    "senet": "the paper's ImageNet runs (Hu et al., section 5.1): batch 1024, SGD with momentum "
    "0.9, 0.6 divided by 10 every 30 of 100 epochs; weight decay by the authors "
    "(hujie-frank/SENet#37). The mean is subtracted and the deviation divided by, here",
    "senet_ablation": "the paper's ablations (section 6: rate 0.1, label smoothing) as the authors "
    "retrained them: batch 256, drops after epochs 125, 200 and 250 of 270 (hujie-frank/SENet#62) "
    "in place of the paper's plateaus",
    "cifar_resnet": "ResNet-110 and 164 of the paper's CIFAR runs, as He et al. 2016 trained them: "
    "0.1, drops after epochs 81 and 122 of 164; a linear epoch of warm-up in place of 400 steps at "
    "0.01",
    "cifar_wrn": "WRN-16-8 of the paper's CIFAR runs, as Zagoruyko and Komodakis 2016 trained it: "
    "0.1 times 0.2 after epochs 60, 120 and 160 of 200; without Cutout, which is augmentation",
    "cifar_shake_shake": "Shake-Shake 26 2x96d of the paper's CIFAR runs, as Gastaldi 2017 trained "
    "it: 0.2, cosine, 1800 epochs; without Cutout",
    "cifar_shake_even": "Shake-Even 29 2x4x64d of the paper's CIFAR runs, as Gastaldi 2017 trained "
    "it: batch 32, 0.025, cosine, 1800 epochs; without Cutout",
    "senet154": "points (e) to (g) of the paper's appendix on SENet-154: label smoothing, batch "
    "norms frozen for the last few epochs (how many it does not say), a batch of 2048 and a rate "
    "of 1.0; a cosine with warm-up, since it does not say the schedule",
}
