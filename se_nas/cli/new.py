"""The command ``new``: a commented space to start from."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from se_nas.cli.options import check_paths
from se_nas.cli.usage import Version
from se_nas.errors import InputError, unknown
from se_nas.files import expand_home

KINDS = ("space",)
TEMPLATE = '''"""What is searched, and why."""

from se_nas import SE, Space, choice, macs, maximize, optional, params, per_stage

SPACE = Space(
    "{name}",
    # The network around SE: one name of `se-nas list models`, or a choice of several.
    trunk=choice("mobilenet_v2", "shufflenet_v1_g3"),
    # SE in each stage by itself; `optional` means that a stage may have none. Without
    # `per_stage` all stages have the same SE.
    se=per_stage(
        optional(
            SE(
                # C / reduction channels are between the two layers of the gate.
                reduction=choice(4, 8, 16, 32),
                # Where in the block: also "post", "identity" and, in MobileNets, "conv3x3".
                placement=choice("standard", "pre"),
                squeeze=choice("avg", "max"),
                gate=choice("sigmoid", "hard_sigmoid"),
            )
        )
    ),
    # Checked before anything is trained. Also macs, peak_activations and latency_ms.
    constraints=[params <= 5e6, macs <= 400e6],
    # Where some classes are rare: maximize("balanced_accuracy"). Two objectives give a front.
    objectives=[maximize("val_acc")],
)
'''


def new(
    kind: Annotated[str, typer.Argument(help="space.")],
    file: Annotated[str, typer.Argument(help="The file to write, such as my_space.py.")],
    version: Version = False,
) -> None:
    """Write a commented space to start from; a file that is there is left as it is."""
    if kind not in KINDS:
        raise unknown("kind", kind, KINDS)
    check_paths(file=file)
    path = Path(expand_home(file))
    if path.suffix != ".py":
        raise InputError(f"file is {file!r}; give a name that ends with .py")
    name = re.sub(r"[^A-Za-z0-9_]+", "_", path.stem).strip("_") or "my_space"
    try:
        with path.open("x", encoding="utf-8") as out:
            out.write(TEMPLATE.format(name=name))
    except FileExistsError:
        raise InputError(f"file {file!r} is there already; give another name") from None
    except OSError as error:
        raise InputError(f"file {file!r} cannot be written: {error.strerror}") from None
    typer.echo(f"written: {file}; look at it with se-nas search --space {file} --dry-run")
