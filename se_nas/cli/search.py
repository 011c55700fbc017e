"""The commands ``search`` and ``replay``: one option for each setting of a run."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from se_nas.cli.usage import Version
from se_nas.errors import InputError


def search(
    context: typer.Context,
    space: Annotated[
        str | None, typer.Option(help="A space in search_spaces/, or a path to a file.")
    ] = None,
    resume: Annotated[
        str | None,
        typer.Option(metavar="RUN", help="Finish a run: its folder, or its name in --out."),
    ] = None,
    data: Annotated[
        str, typer.Option(help="digits, fashion_mnist, cifar10, cifar100 or imagefolder.")
    ] = "digits",
    data_dir: Annotated[str | None, typer.Option(help="Folder with the data's files.")] = None,
    image_size: Annotated[int | None, typer.Option(help="Side of the images in pixels.")] = None,
    val_images: Annotated[
        int | None, typer.Option(help="Images cut from train for validation [default: a fifth].")
    ] = None,
    limit_train: Annotated[int | None, typer.Option(help="Train on so many images only.")] = None,
    trials: Annotated[int, typer.Option(help="Distinct architectures to train.")] = 20,
    epochs: Annotated[int, typer.Option(help="Epochs of a trial.")] = 8,
    first_rung: Annotated[
        float, typer.Option(help="Share of the epochs before the first early stop; 1: never stop.")
    ] = 0.5,
    gpus: Annotated[
        int | None, typer.Option(help="GPUs to use, 0: CPUs only [default: all there are].")
    ] = None,
    gpus_per_trial: Annotated[float, typer.Option(help="A fraction, or a whole number.")] = 1.0,
    cpus_per_trial: Annotated[
        float | None, typer.Option(help="May be a fraction [default: 1, or an equal share].")
    ] = None,
    concurrency: Annotated[
        int | None, typer.Option(help="Trials at once [default: what the resources hold].")
    ] = None,
    sampler: Annotated[
        str, typer.Option(help="tpe, random, nsga2, grid, or the import path of an Optuna sampler.")
    ] = "tpe",
    enqueue: Annotated[
        list[str] | None, typer.Option(help="A network to try first, by name; repeatable.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the sampler, the split and the trials.")] = 0,
    recipe: Annotated[
        str, typer.Option(help="How to train: a name in se_nas.training.recipes.")
    ] = "search",
    batch_size: Annotated[int | None, typer.Option(help="Images in a batch.")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Peak learning rate.")] = None,
    top: Annotated[int, typer.Option(help="How many of the best are retrained.")] = 3,
    final_seeds: Annotated[int, typer.Option(help="Seeds of each retraining.")] = 3,
    final_epochs: Annotated[
        int | None, typer.Option(help="Epochs of a retraining [default: --epochs].")
    ] = None,
    max_failed_share: Annotated[
        float, typer.Option(help="Stop when more of the trials fail than that.")
    ] = 0.5,
    storage: Annotated[
        str | None, typer.Option(help="Optuna storage URL [default: a journal in the run].")
    ] = None,
    join: Annotated[
        bool,
        typer.Option("--join", help="Work on the study --name in --storage, begun elsewhere."),
    ] = False,
    name: Annotated[str | None, typer.Option(help="Name of the run.")] = None,
    out: Annotated[str, typer.Option(help="Folder of the runs.")] = "runs",
    address: Annotated[
        str | None, typer.Option(help="A running Ray cluster, or auto [default: start one here].")
    ] = None,
    dashboard: Annotated[bool, typer.Option(help="Start the Ray dashboard.")] = True,
    latency_batch: Annotated[
        int, typer.Option(help="Images in a pass that is timed, if the space asks for latency_ms.")
    ] = 1,
    latency_precision: Annotated[
        str, typer.Option(help="float32, float16 or bfloat16.")
    ] = "float32",
    latency_channels_last: Annotated[
        bool, typer.Option("--latency-channels-last", help="Time in the memory format NHWC.")
    ] = False,
    latency_threads: Annotated[int, typer.Option(help="Threads of a pass on a CPU.")] = 1,
    latency_warm_up: Annotated[int, typer.Option(help="Untimed passes of each network.")] = 2,
    latency_repeats: Annotated[
        int, typer.Option(help="Timed passes of each network in a sweep; the median counts.")
    ] = 7,
    latency_sweeps: Annotated[
        int, typer.Option(help="How often all networks are gone through.")
    ] = 3,
    latency_networks: Annotated[
        int, typer.Option(help="Time at most so many networks for the table of blocks.")
    ] = 400,
    latency_held_out: Annotated[
        int, typer.Option(help="Random networks that the table is tested with.")
    ] = 10,
    latency_cache: Annotated[
        str | None,
        typer.Option(help="Folder of earlier measurements [default: in the user's cache folder]."),
    ] = None,
    dashboard_host: Annotated[
        str | None, typer.Option(help="Address that the dashboard listens on [default: 127.0.0.1].")
    ] = None,
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help="Write a TensorBoard run for every trial.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the space and its costs; train nothing.")
    ] = False,
    version: Version = False,
) -> None:
    """Search a space on a data set; retrain and test the best beside two controls."""
    from dataclasses import replace
    from pathlib import Path

    from rich.console import Console

    from se_nas.errors import unknown
    from se_nas.latency.settings import LatencySettings
    from se_nas.search.config import DataSettings, SearchConfig
    from se_nas.space.files import load_space
    from se_nas.training.recipes import RECIPES

    if join and resume is not None:
        raise InputError("--join is for a new driver, --resume RUN for one that was cut: give one")
    if space is None and resume is None and not join:
        raise InputError("--space is missing: give a space, or --resume RUN")
    found = None if space is None else load_space(space)
    if recipe not in RECIPES:
        raise unknown("recipe", recipe, RECIPES)
    given = {"batch_size": batch_size, "learning_rate": learning_rate}
    changes: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    # Workers have another working directory.
    folder = None if data_dir is None else str(Path(data_dir).expanduser().absolute())
    config = SearchConfig(
        data=DataSettings(data, folder, image_size, val_images, limit_train),
        recipe=replace(RECIPES[recipe], **changes),
        trials=trials,
        epochs=epochs,
        first_rung=first_rung,
        gpus=gpus,
        gpus_per_trial=gpus_per_trial,
        cpus_per_trial=cpus_per_trial,
        concurrency=concurrency,
        sampler=sampler,
        enqueue=tuple(enqueue or ()),
        seed=seed,
        storage=storage,
        top=top,
        final_seeds=final_seeds,
        final_epochs=final_epochs,
        max_failed_share=max_failed_share,
        name=name,
        out=out,
        address=address,
        dashboard=dashboard,
        latency=LatencySettings(
            batch=latency_batch,
            precision=latency_precision,
            channels_last=latency_channels_last,
            threads=latency_threads,
            warm_up=latency_warm_up,
            repeats=latency_repeats,
            sweeps=latency_sweeps,
            networks=latency_networks,
            held_out=latency_held_out,
            cache=latency_cache,
        ),
        dashboard_host=dashboard_host,
        tensorboard=tensorboard,
    )
    console = Console(highlight=False)
    if dry_run:
        if found is None:
            raise InputError("--dry-run shows a space: give --space")
        from se_nas.search.dry_run import show

        show(found, config, console)
    else:
        from se_nas import search as engine

        try:
            if join:
                engine.join(found, config, named(context), console)
            elif resume is not None:
                engine.resume(resume, found, config, named(context), console)
            elif found is not None:
                engine.search(found, config, console)
        except KeyboardInterrupt as signal:
            typer.echo("interrupted", err=True)
            raise typer.Exit(getattr(signal, "exit_code", 130)) from None


def named(context: typer.Context) -> list[str]:
    """The options that the user wrote."""
    source = context.get_parameter_source
    return [name for name in context.params if getattr(source(name), "name", "") == "COMMANDLINE"]


def replay(
    run: Annotated[str, typer.Argument(help="A run's folder, or its name in --out.")],
    out: Annotated[str, typer.Option(help="Folder of the runs.")] = "runs",
) -> None:
    """Ask and tell a run's sampler again in the recorded order; exit code 1 if proposals differ."""
    from se_nas.search.replay import replay as ask_again

    found = ask_again(run, out)
    typer.echo(str(found))
    if found.different is not None:
        raise typer.Exit(1)
