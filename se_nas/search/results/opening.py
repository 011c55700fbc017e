"""The lines that a search prints at its start; those of ``--dry-run`` are among them."""

from __future__ import annotations

from itertools import islice

from se_nas.console import python_text, shell_word
from se_nas.data import ImageShape
from se_nas.search.cluster.machine import token_command
from se_nas.search.cluster.slots import Slots
from se_nas.search.config import SearchConfig
from se_nas.search.config.search_config import TRIALS_IN_TIME
from se_nas.search.run_dir.directory import RunDirectory
from se_nas.search.study.proposals import Proposals
from se_nas.search.worker import checkpoints
from se_nas.space.space import Space
from se_nas.space.templates import trunk_values


def header(label: str, text: object) -> str:
    """Return a line of the opening: all texts begin in the same column."""
    return f"{label:<10} {text}"


def opening(space: Space, images: ImageShape, run: RunDirectory | None = None) -> list[str]:
    """Return the first lines: space, data, and where the results go, if they do."""
    limits = f", with {', '.join(map(str, space.constraints))}" if space.constraints else ""
    goals = ", ".join(map(str, space.objectives))
    size = f"{space.size:,} point{'s' * (space.size != 1)}"
    lines = [
        header("space", f"{space.name} v{space.version} ({space.hash}), {size}, {goals}{limits}"),
        header("data", images.summary()),
    ]
    if run is not None:
        lines.append(header("run", run.shown))
    return [*lines, *small_images(space, images)]


def small_images(space: Space, images: ImageShape) -> list[str]:
    """Return a note if the images are far smaller than those that the trunks are made for."""
    made_for = min(value.input_size for value in islice(trunk_values(space.trunk), 100))
    if images.image_size >= made_for / 4:
        return []
    return [
        header(
            "note",
            f"images of {images.image_size} px are small for trunks that are made for "
            f'{made_for}; see --image-size and the setting stem="small"',
        )
    ]


def resources(config: SearchConfig, slots: Slots) -> list[str]:
    """Return the lines on trials at once, their resources, and the dashboard."""
    device = f"{slots.gpus:g} GPU and {slots.cpus:g} CPU" if slots.gpus else f"{slots.cpus:g} CPU"
    told = (
        f"{_count(config)} of {config.epochs} epochs, {slots.count} at once on {device} each, "
        f"sampler {config.sampler}, seed {config.seed}"
    )
    lines = [header("trials", told)]
    if slots.dashboard:
        lines.append(
            header(
                "dashboard",
                f"http://{slots.dashboard}  (trials are the SETrial actors; "
                f"`{token_command()}` prints the token to sign in)",
            )
        )
    return lines


def _count(config: SearchConfig) -> str:
    if config.hours is None:
        return str(config.trials)
    most = "" if config.trials == TRIALS_IN_TIME else f", at most {config.trials},"
    return f"those that fit into {config.hours:g} h{most}"


def taken_up(proposals: Proposals, run: RunDirectory) -> str:
    """Return the line on a resumed run: trials that ended, and those that go on."""
    going_on = proposals.unfinished
    saved = sum(checkpoints.file_of(run.checkpoints, p.number).exists() for p in going_on)
    ended = proposals.counts.accepted - len(going_on)
    return header(
        "resumed",
        f"trials: {ended} ended, {len(going_on)} go on, {saved} of them from a checkpoint",
    )


def interrupted_before(run: RunDirectory) -> str:
    """Return the note on a run like the one that begins, which was cut."""
    return (
        f"note: {run.shown} is a run like this one that was cut; to finish it instead, "
        f"stop and give {to_resume(run)}"
    )


def to_resume(run: RunDirectory) -> str:
    """Return how to take a run up: for a shell, and for Python."""
    return f"--resume {shell_word(run.shown)} (in Python: resume={python_text(run.shown)})"
