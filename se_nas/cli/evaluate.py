"""The commands ``evaluate`` and ``predict``: what trained networks do on images."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from se_nas.cli.answer import AsJson, answering
from se_nas.cli.options import check_paths
from se_nas.cli.usage import Version
from se_nas.errors import InputError, unknown
from se_nas.files import expand_home, replace_atomically

if TYPE_CHECKING:
    from se_nas.tasks.metrics import Evaluation

SAME = 1e-9
FORMATS = (".json", ".html")
MOST_CLASSES = 20  # in the terminal


def evaluate(
    models: Annotated[
        list[str], typer.Argument(help="A model's file, or the folder of a training or a search.")
    ],
    data: Annotated[str | None, typer.Option(help="A data set [default: the training's].")] = None,
    data_dir: Annotated[str | None, typer.Option(help="Folder with the data's files.")] = None,
    image_size: Annotated[
        int | None, typer.Option(help="Side of the images in pixels [default: the model's].")
    ] = None,
    split_seed: Annotated[int, typer.Option(help="Of the cut of the validation images.")] = 0,
    part: Annotated[str, typer.Option(help="test, val or train.")] = "test",
    flip: Annotated[bool, typer.Option("--flip", help="Show mirrored images too.")] = False,
    crops: Annotated[int, typer.Option(help="Of each picture: 1, or 10.")] = 1,
    resize: Annotated[
        list[int] | None,
        typer.Option(help="Shorter side before the crop, in pixels; several are averaged."),
    ] = None,
    out: Annotated[
        str | None,
        typer.Option(help="A .json file with all figures, or .html: the confusion matrix."),
    ] = None,
    as_json: AsJson = False,
    version: Version = False,
) -> None:
    """Evaluate a network, or several together; exit code 1 if it is not what its folder says."""
    from se_nas.console import make_console, print_lines
    from se_nas.tasks import evaluate as work
    from se_nas.tasks.confusion import confusion_page
    from se_nas.tasks.trained import data_of, trained
    from se_nas.tasks.views import ONE, Views

    answer = answering("evaluate", as_json)
    check_paths(data=data, data_dir=data_dir, out=out)
    if part not in work.PARTS:
        raise unknown("part", part, work.PARTS)
    views = Views(crops, tuple(resize or ()))
    if out is not None and Path(out).suffix not in FORMATS:
        raise unknown("format of --out", Path(out).suffix, FORMATS)
    found = [trained(name) for name in models]
    images = data_of(found[0], models[0], data, data_dir, image_size, split_seed)
    result = work.evaluate(
        [each.model for each in found], images, part=part, flip=flip, views=views
    )
    console = make_console()
    print_lines(console, [f"{', '.join(str(t.model.architecture) for t in found)} on {part} of "
                          f"{images.summary()}", *_lines(result)])  # fmt: skip
    if out is not None:
        try:
            if Path(out).suffix == ".html":
                content = confusion_page(result, f"{models[0]} on {part} of {images.name}")
            else:
                content = json.dumps({"models": models, **result.to_dict()}, indent=1)
            replace_atomically(expand_home(out), content.encode())
        except OSError as error:
            raise InputError(f"out {out!r} cannot be written: {error.strerror}") from None
    accuracy, told_accs = 1 - result.top1_error, found[0].told
    alone = (
        len(found) == 1
        and part == "test"
        and not flip
        and data is None
        and image_size is None
        and views == ONE
    )
    nearest = None
    if alone and told_accs:
        nearest = min(told_accs, key=lambda each: abs(each - accuracy))
    answer(
        {
            "models": models,
            "architectures": [str(each.model.architecture) for each in found],
            "data": images.name,
            "part": part,
            "recorded_accuracy": nearest,
            **result.to_dict(),
        }
    )
    if nearest is not None:
        if abs(nearest - accuracy) > SAME:
            print_lines(console, [f"not the same: its folder says {100 * nearest:.4f} % right, "
                                  f"{100 * (accuracy - nearest):+.4f} points"])  # fmt: skip
            raise typer.Exit(1)
        print_lines(console, ["the same as its folder says"])


def predict(
    model: Annotated[str, typer.Argument(help="A model's file, or the folder it is in.")],
    pictures: Annotated[list[str], typer.Argument(help="Picture files.")],
    top: Annotated[int, typer.Option(min=1, max=1000, help="Classes of each.")] = 5,
    as_json: AsJson = False,
    version: Version = False,
) -> None:
    """Print the likeliest classes of pictures."""
    from se_nas.console import make_console, print_line
    from se_nas.tasks.evaluate import predict as classes_of
    from se_nas.tasks.trained import trained

    answer = answering("predict", as_json)
    found = trained(model).model
    paths = [Path(expand_home(picture)) for picture in pictures]
    console = make_console()
    told: list[dict[str, Any]] = []
    for picture, classes in zip(pictures, classes_of(found, paths, top), strict=True):
        shown = ", ".join(f"{name} {100 * share:.1f} %" for name, share in classes)
        print_line(console, f"{picture}: {shown}")
        likeliest = [{"class": name, "probability": share} for name, share in classes]
        told.append({"picture": picture, "classes": likeliest})
    answer({"architecture": str(found.architecture), "pictures": told})


def _lines(found: Evaluation) -> list[str]:
    low, high = (100 * end for end in found.top1_interval)
    balanced = [100 * v for v in (found.balanced_accuracy, *found.balanced_interval)]
    lines = [f"top-1 error        {100 * found.top1_error:.2f} % ({low:.2f} to {high:.2f})"]
    if found.top5_error is not None:
        lines.append(f"top-5 error        {100 * found.top5_error:.2f} %")
    lines += [
        "balanced accuracy  {:.2f} % ({:.2f} to {:.2f})".format(*balanced),
        f"macro F1           {found.macro_f1:.4f}",
        f"calibration error  {100 * found.calibration_error:.2f} %",
        f"loss               {found.loss:.4f}",
        f"{'class':<24}{'images':>8}{'found %':>9}{'right %':>9}{'F1':>8}",
    ]
    for each in found.classes[:MOST_CLASSES]:
        lines.append(
            f"{each.name[:23]:<24}{each.images:>8}{100 * each.recall:>9.1f}"
            f"{100 * each.precision:>9.1f}{each.f1:>8.3f}"
        )
    if len(found.classes) > MOST_CLASSES:
        lines.append(f"… and {len(found.classes) - MOST_CLASSES} more: --out FILE has all")
    return lines
