"""The command ``detect``: Faster R-CNN on COCO by the paper's schedule, and its precision."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import typer

from se_nas.cli.answer import AsJson, answering
from se_nas.cli.options import check_paths
from se_nas.cli.usage import Version
from se_nas.errors import InputError
from se_nas.files import expand_home
from se_nas.values import whole

TOLD_S = 30.0  # seconds between two lines


def detect(
    model: Annotated[str, typer.Argument(help="A ResNet or ResNeXt, such as se_resnet50_r16.")],
    data_dir: Annotated[
        str, typer.Option(help="COCO: train2017, val2017 and annotations are in it.")
    ],
    weights: Annotated[
        str | None, typer.Option(help="The network trained to classify: ours, timm's, …")
    ] = None,
    batch_size: Annotated[
        int, typer.Option(help="Images in a step; rate and steps go with it.")
    ] = 16,
    iterations: Annotated[
        int | None, typer.Option(help="End after so many steps [default: the schedule's].")
    ] = None,
    every: Annotated[int, typer.Option(help="Steps between two checkpoints.")] = 1000,
    workers: Annotated[int, typer.Option(help="Processes that decode; 0: none.")] = 4,
    min_size: Annotated[int, typer.Option(help="The images' shorter side, in pixels.")] = 800,
    seed: Annotated[int, typer.Option(help="Of the weights and the order.")] = 0,
    out: Annotated[str, typer.Option(help="The file of its checkpoints.")] = "detector.pt",
    resume: Annotated[bool, typer.Option("--resume", help="Go on from that file.")] = False,
    as_json: AsJson = False,
    version: Version = False,
) -> None:
    """Train Faster R-CNN on COCO as the paper did (Detectron 2x), and print its precision."""
    import torch

    from se_nas.coco import TWICE, average_precision, coco, sgd, train
    from se_nas.console import make_console, print_line
    from se_nas.detection import faster_rcnn
    from se_nas.signals import Interrupted, raise_on_signal
    from se_nas.tasks.checkpoint import read_checkpoint, write_checkpoint

    answer = answering("detect", as_json)
    check_paths(data_dir=data_dir, weights=weights, out=out)
    bounds = {"batch_size": (batch_size, 1), "every": (every, 1), "workers": (workers, 0),
              "min_size": (min_size, 32), "seed": (seed, 0)}  # fmt: skip
    for option, (given, least) in bounds.items():
        whole(option, given, least, 2**31 - 1)
    recipe = TWICE.scaled(batch_size)
    end = recipe.iterations
    if iterations is not None:
        end = min(end, whole("iterations", iterations, 1))
    root, file = Path(expand_home(data_dir)), Path(expand_home(out))
    if file.exists() != resume:
        raise InputError(
            f"out {out!r} is not there: there is nothing to go on with"
            if resume
            else f"out {out!r} is there already: go on with --resume, or give another file"
        )
    if not file.parent.is_dir():
        raise InputError(f"out: there is no folder {str(file.parent)!r}")
    lists = {part: root / "annotations" / f"instances_{part}2017.json" for part in ("train", "val")}
    images = coco(root / "train2017", lists["train"], augment=True)
    judged = coco(root / "val2017", lists["val"])
    torch.manual_seed(seed)
    sides: dict[str, Any] = {"min_size": min_size, "max_size": round(min_size * 1333 / 800)}
    detector = faster_rcnn(model, weights=weights, missing_se="identity", **sides)
    optimizer, first = sgd(detector, recipe), 0
    if resume:
        first = _restored(read_checkpoint(file), str(file), detector, optimizer)
    console, told = make_console(), 0.0
    print_line(console, f"{model} on {len(images):,} images, "  # type: ignore[arg-type]
               f"{batch_size} in a step, steps {first:,} to {end:,}")  # fmt: skip
    losses = train(detector, images, recipe, optimizer=optimizer, seed=seed, first=first,
                   workers=workers)  # fmt: skip
    kept = first
    try:
        with raise_on_signal():
            for step in range(first + 1, end + 1):
                found = next(losses)
                if time.monotonic() - told > TOLD_S or step == end:
                    told = time.monotonic()
                    print_line(console, f"step {step:,}/{end:,}  loss {sum(found.values()):.3f}")
                if step % every == 0 or step == end:
                    state = {"detector": detector.state_dict(), "optimizer": optimizer.state_dict()}
                    write_checkpoint(file, {**state, "step": step})
                    kept = step
    except Interrupted as signal:
        how = f"go on with --resume from step {kept:,}" if file.exists() else "nothing is kept yet"
        typer.echo(f"interrupted: {how}", err=True)
        raise typer.Exit(signal.exit_code) from None
    precision = average_precision(detector, judged)
    for name, value in precision.items():
        print_line(console, f"{name:<10}{100 * value:6.1f} %" if value >= 0 else f"{name:<10}none")
    # COCO's tool has -1 for what it has no objects of.
    shares = {name: value if value >= 0 else None for name, value in precision.items()}
    answer({"architecture": model, "file": out, "steps": end, "precision": shares})


def _restored(state: dict[str, Any] | None, file: str, detector: Any, optimizer: Any) -> int:
    """Load a checkpoint; return the step after which it was written."""
    try:
        assert state is not None, "it is there"
        detector.load_state_dict(state["detector"])
        optimizer.load_state_dict(state["optimizer"])
        return int(state["step"])
    except (KeyError, RuntimeError, ValueError, TypeError) as error:
        reason = str(error).strip().splitlines()[0]
        raise InputError(f"out {file!r} is no checkpoint of this detector: {reason}") from None
