"""The command ``se-nas``; ``runners/*.py`` are its parts. Heavy imports wait until they are needed.

Bad input is one line on stderr and exit code 2.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from se_nas.errors import InputError

app = typer.Typer(
    name="se-nas",
    help="Neural architecture search with the Squeeze-and-Excitation block as a primitive.",
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def _version(wanted: bool) -> None:
    if wanted:
        from se_nas import __version__

        typer.echo(f"se-nas {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    """Neural architecture search with the Squeeze-and-Excitation block as a primitive."""


@app.command()
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
    recipe: Annotated[str, typer.Option(help="How to train: a name in se_nas.recipes.")] = "search",
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
) -> None:
    """Search a space on a data set; retrain and test the best beside two controls."""
    from dataclasses import replace
    from pathlib import Path

    from rich.console import Console

    from se_nas.errors import unknown
    from se_nas.latency.settings import LatencySettings
    from se_nas.recipes import RECIPES
    from se_nas.search.settings import DataSettings, RunConfig
    from se_nas.spaces import load_space

    if space is None and resume is None:
        raise InputError("--space is missing: give a space, or --resume RUN")
    found = None if space is None else load_space(space)
    if recipe not in RECIPES:
        raise unknown("recipe", recipe, RECIPES)
    given = {"batch_size": batch_size, "learning_rate": learning_rate}
    changes: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    # Workers have another working directory.
    folder = None if data_dir is None else str(Path(data_dir).expanduser().absolute())
    config = RunConfig(
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
            if resume is not None:
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


@app.command()
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


@app.command()
def materialize(
    name: Annotated[str | None, typer.Argument(help="A model, such as se_resnet50_r16.")] = None,
    out: Annotated[
        str | None, typer.Option(help="The file to write: .safetensors, .onnx or .pt2.")
    ] = None,
    weights: Annotated[
        str | None, typer.Option(help="A checkpoint: ours, torchvision's or timm's.")
    ] = None,
    num_classes: Annotated[int, typer.Option(help="Classes of the head.")] = 1000,
    in_channels: Annotated[int, typer.Option(help="Channels of the images.")] = 3,
    input_size: Annotated[
        int | None, typer.Option(help="Side of the images in pixels [default: the family's].")
    ] = None,
    missing_se: Annotated[
        str, typer.Option(help="error, or identity: take a checkpoint without SE, outputs equal.")
    ] = "error",
    new_head: Annotated[
        bool, typer.Option("--new-head", help="Leave the classifier fresh.")
    ] = False,
    optimize: Annotated[
        bool, typer.Option("--optimize", help="Fold batch norms first (.onnx, .pt2).")
    ] = False,
    summary: Annotated[
        bool, typer.Option("--summary", help="Print shape, parameters, MACs and SE by stage.")
    ] = False,
    table: Annotated[
        int | None, typer.Option(help="Print a table of the paper beside our figures.")
    ] = None,
) -> None:
    """Build a network and write it as safetensors, ONNX or a torch.export program."""
    from rich.console import Console

    from se_nas import tables
    from se_nas.arch import Architecture
    from se_nas.delivery import check_path, deliver

    console = Console(highlight=False)
    building = {
        "--weights": weights,
        "--missing-se": missing_se != "error",
        "--new-head": new_head,
        "--optimize": optimize,
    }
    idle = [option for option, given in building.items() if given]
    if out is None and idle:
        raise InputError(f"{idle[0]} is for the file that is written: give --out FILE too")
    if name is None:
        if table is None or out is not None:
            raise InputError("NAME is missing: give a model such as se_resnet50_r16")
        console.print(tables.paper_table(table, console.width))
        return
    if Path(name).is_file():
        raise InputError(
            f"NAME is the file {name!r}: give the name of its model, and --weights {name}"
        )
    architecture = Architecture.parse(name)
    path = None if out is None else check_path(out)
    if table is not None:
        console.print(tables.paper_table(table, console.width))
    if summary:
        console.print(
            tables.summary(
                architecture,
                input_size=input_size,
                in_channels=in_channels,
                num_classes=num_classes,
            )
        )
    if path is not None:
        deliver(
            architecture,
            path,
            num_classes=num_classes,
            in_channels=in_channels,
            input_size=input_size,
            weights=weights,
            missing_se=missing_se,
            new_head=new_head,
            optimize=optimize,
        )
        size = path.stat().st_size / 1e6
        console.print(f"{architecture} → {path} ({size:.1f} MB)", soft_wrap=True, markup=False)
    elif not summary and table is None:
        raise InputError("nothing to do: give --out FILE, --summary or --table N")


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; ``arguments`` default to the process's."""
    try:
        app(args=arguments, standalone_mode=True)
    except InputError as error:
        typer.echo(f"error: {error}", err=True)
        sys.exit(2)
