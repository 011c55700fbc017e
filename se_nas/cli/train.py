"""The commands ``train`` and ``verify``: one network by a recipe, and its card checked."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from se_nas.cli.answer import AsJson, answering
from se_nas.cli.options import add_settings, check_paths, named_options
from se_nas.cli.usage import Version
from se_nas.data_settings import PICTURE_FILES
from se_nas.errors import InputError
from se_nas.files import expand_home
from se_nas.settings import with_options
from se_nas.tasks.train_config import TrainConfig
from se_nas.training.recipe import scaled
from se_nas.training.recipes import RECIPES
from se_nas.values import whole


def train(
    context: typer.Context,
    model: Annotated[
        str | None, typer.Argument(help="A model such as se_resnet18_r16, or a file of one.")
    ] = None,
    *,
    resume: Annotated[
        str | None,
        typer.Option(metavar="RUN", help="Go on with a training: its folder, or name in --out."),
    ] = None,
    as_json: AsJson = False,
    version: Version = False,
    **settings: Any,
) -> None:
    """Train a network on a data set, with one seed or several; weights and a card come out."""
    from se_nas.console import make_console, print_line, shell_word
    from se_nas.signals import Interrupted, raise_on_signal
    from se_nas.tasks import train as work
    from se_nas.tasks.processes import is_first

    answer = answering("train", as_json)
    given = {name: settings[name] for name in named_options(context) if name in settings}
    console = make_console()

    def say(line: str) -> None:
        if is_first():
            print_line(console, line)

    if resume is not None:
        if model is not None or set(given) - {"out"}:
            raise InputError("--resume goes on with the settings of the run: give nothing else")
        check_paths(resume=resume)
        folder = Path(expand_home(resume))
        folder = folder if folder.is_dir() else Path(given.get("out", "runs")) / resume
    elif model is None:
        raise InputError("MODEL is missing: give a model such as se_resnet18_r16, or --resume RUN")
    else:
        config = with_options(_config(model), given)
        size = _own_size(config)
        if size is not None:
            config = replace(config, data=replace(config.data, image_size=size))
            say(f"images of {size} px, as {model} says (--image-size sets it)")
        if "batch_size" in given and "learning_rate" not in given:
            meant = RECIPES.get(given.get("recipe", ""), TrainConfig().recipe)
            config = replace(config, recipe=scaled(meant, config.recipe.batch_size))
            say(
                f"learning rate {config.recipe.learning_rate:g} for a batch of "
                f"{config.recipe.batch_size}: the recipe's {meant.learning_rate:g} is for "
                f"{meant.batch_size} (--learning-rate sets it)"
            )
        folder = work.new_folder(config)
    try:
        with raise_on_signal():
            if resume is not None:
                card = work.resume(folder, say)
            else:
                card = work.train(config, folder, say)
    except Interrupted as signal:
        if is_first():
            typer.echo(f"interrupted: go on with --resume {shell_word(folder)}", err=True)
        raise typer.Exit(signal.exit_code) from None
    say("")
    for line in card.lines():
        say(line)
    say(f"card: {folder / 'card.json'}")
    if is_first():
        answer({"folder": folder, "card": card.to_dict()})
    if card.test is None:
        raise typer.Exit(1)


add_settings(train, TrainConfig)


def verify(
    card: Annotated[str, typer.Argument(help="A card.json, or the folder of a training.")],
    data_dir: Annotated[
        str | None, typer.Option(help="Folder of the images, if they were moved.")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="Of the training [default: the one after the card's].")
    ] = None,
    as_json: AsJson = False,
    version: Version = False,
) -> None:
    """Train a card's network again; exit code 1 if the result lies outside its interval."""
    from se_nas.console import make_console, print_line
    from se_nas.tasks.verify import verify as again

    answer = answering("verify", as_json)
    check_paths(data_dir=data_dir)
    if seed is not None:
        seed = whole("seed", seed, 0, 2**32 - 1)
    console = make_console()
    found = again(
        Path(expand_home(card)),
        seed=seed,
        data_dir=None if data_dir is None else expand_home(data_dir),
        say=lambda line: print_line(console, line),
    )
    for line in found.lines():
        print_line(console, line)
    answer({**vars(found), "holds": found.holds})
    if not found.holds:
        raise typer.Exit(1)


def _own_size(config: TrainConfig) -> int | None:
    """Return the side of the images that a file's network knows, where pictures have none."""
    if config.init is None or config.data.image_size or config.data.name not in PICTURE_FILES:
        return None
    from se_nas.models.saving import read_description

    found = read_description(config.init) if os.path.isfile(config.init) else None
    return found.preprocessing.image_size if found and found.preprocessing else None


def _config(model: str) -> TrainConfig:
    """Return the settings for a name, or for a file that says which model it holds."""
    if not os.path.isfile(expand_home(model)):
        return TrainConfig(model)
    from se_nas.models.saving import read_description

    path = expand_home(model)
    found = read_description(path)
    if found is None:
        raise InputError(
            f"MODEL is the file {model!r}, which does not say what network it holds: give its "
            f"name, and --init {model}"
        )
    return TrainConfig(str(found.architecture), init=os.path.abspath(path))
