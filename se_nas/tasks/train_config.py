"""``TrainConfig``: the settings of a training of one network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from se_nas.checked_settings import CheckedSettings
from se_nas.data_settings import DataSettings
from se_nas.errors import InputError, unknown
from se_nas.files import expand_home
from se_nas.settings import absolute_unless_torchvision, check_run_name, group, setting
from se_nas.training.recipe import Recipe
from se_nas.training.recipes import EPOCHS, RECIPES
from se_nas.values import whole

DEVICES = ("auto", "cpu", "cuda")


@dataclass(frozen=True)
class TrainConfig(CheckedSettings):
    """All settings of a training; what a card says, and what is trained again by ``verify``.

    Attributes:
        model: the name of an architecture.

    Raises:
        InputError: a value that is not allowed.
    """

    model: str = ""
    data: DataSettings = group(DataSettings())
    recipe: Recipe = setting(
        RECIPES["retrain"], f"How to train: {', '.join(RECIPES)}.", "training", named=RECIPES
    )
    epochs: int | None = setting(None, "Epochs [default: the recipe's].", "training")
    init: str | None = setting(
        None, "Weights to start from: a file, or torchvision:NAME.", "training",
        convert=absolute_unless_torchvision,
    )  # fmt: skip
    new_head: bool = setting(
        False, "Start the classifier afresh, for data of other classes.", "training"
    )
    seed: int = setting(0, "Of the first training.", "training")
    seeds: int = setting(1, "Trainings, each with the next seed: mean and spread.", "training")
    split_seed: int = setting(0, "Of the cut of the validation images.", "data")
    device: str = setting("auto", f"{', '.join(DEVICES)}.", "resources")
    threads: int | None = setting(
        None, "Threads on a CPU [default: as many as cores].", "resources"
    )
    compile: bool = setting(False, "Compile the network with torch.compile.", "resources")
    out: str = setting("runs", "Folder of the runs.", "results", "apart", convert=expand_home)
    name: str | None = setting(
        None, "Name of the run [default: of model, data and time].", "results", "apart"
    )
    tensorboard: bool = setting(False, "Write a TensorBoard run for every seed.", "results")

    def __post_init__(self) -> None:
        super().__post_init__()
        for field, least, most in (
            ("seed", 0, 2**32 - 1),
            ("split_seed", 0, 2**32 - 1),
            ("seeds", 1, 1000),
            ("epochs", 1, None),
            ("threads", 1, 1024),
        ):
            value = getattr(self, field)
            if value is not None:
                object.__setattr__(self, field, whole(field, value, least, most))
        if self.device not in DEVICES:
            raise unknown("device", self.device, DEVICES)
        if self.new_head and self.init is None:
            raise InputError("new_head is for weights to start from: give init too")
        check_run_name(self.name)

    @property
    def budget(self) -> int:
        """The epochs: those given, or the recipe's."""
        if self.epochs is not None:
            return self.epochs
        name = next((n for n, recipe in RECIPES.items() if recipe == self.recipe), None)
        return EPOCHS["retrain" if name is None else name]

    @property
    def all_seeds(self) -> range:
        """The seeds of the trainings."""
        return range(self.seed, self.seed + self.seeds)

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values; ``from_dict`` reads them."""
        return asdict(replace(self, epochs=self.budget))

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> TrainConfig:
        """Read the settings of ``to_dict``.

        Raises:
            InputError: a setting that this version does not know, or a value that is not allowed.
        """
        try:
            given = dict(values)
            given["data"] = DataSettings(**given["data"])
            given["recipe"] = Recipe.from_dict(given["recipe"])
            return cls(**given)
        except (KeyError, TypeError, AttributeError) as error:
            raise InputError(f"the settings of a training are damaged: {error}") from None
