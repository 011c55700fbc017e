"""The command ``doctor``: what a search needs of this machine, and what to do where it lacks."""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import socket
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from se_nas.cli.answer import AsJson, answering
from se_nas.cli.options import check_paths
from se_nas.cli.usage import Version
from se_nas.files import expand_home

NEEDED = ("torch", "torchvision", "ray", "optuna", "plotly", "scikit-learn")
EXTRAS = {
    "onnx": "exports to ONNX: pip install 'se-nas[onnx]'",
    "timm": "the plugin for timm and LAMB: pip install timm",
    "pycocotools": "detectors on COCO: pip install 'se-nas[coco]'",
    "tensorboardX": "--tensorboard: pip install tensorboardX",
    "optuna-dashboard": "a study in the browser: pip install optuna-dashboard",
}
DASHBOARD_PORT = 8265
FREE_GB, SHM_GB = 2, 1


@dataclass(frozen=True)
class Finding:
    """One thing: how it is, and what to do if it is not as it should be.

    Attributes:
        mend: empty where all is well.
        hinders: a search cannot run without it.
    """

    what: str
    how: str
    mend: str = ""
    hinders: bool = False


def doctor(
    out: Annotated[str, typer.Option(help="Folder of the runs.")] = "runs",
    as_json: AsJson = False,
    version: Version = False,
) -> None:
    """Say what is installed and what a search finds here; exit code 1 if one could not run."""
    from se_nas.console import make_console, print_line

    answer = answering("doctor", as_json)
    check_paths(out=out)
    console, found = make_console(), [*findings(out)]
    for each in found:
        sign = "ok  " if not each.mend else ("FAIL" if each.hinders else "note")
        mend = f"; {each.mend}" if each.mend else ""
        print_line(console, f"{sign} {each.what:<16} {each.how}{mend}")
    answer({"findings": [{**vars(each), "ok": not each.mend} for each in found]})
    if any(each.hinders and each.mend for each in found):
        raise typer.Exit(1)


def findings(out: str) -> Iterator[Finding]:
    """Yield what was found, from the ground up."""
    yield Finding("python", sys.version.split()[0])
    for name in NEEDED:
        found = _version_of(name)
        mend = "" if found else "pip install -e . in the clone"
        yield Finding(name, found or "not installed", mend, hinders=True)
    for name, use in EXTRAS.items():
        found = _version_of(name)
        yield Finding(name, found or "not installed", "" if found else f"for {use}")
    yield from _devices()
    yield _writable(Path(expand_home(out)))
    yield _room(Path(tempfile.gettempdir()), "temporary files", FREE_GB, "set TMPDIR")
    if os.path.isdir("/dev/shm"):
        yield _room(Path("/dev/shm"), "shared memory", SHM_GB, "docker run --shm-size=4g")
    yield _port()


def _devices() -> Iterator[Finding]:
    import torch

    count = torch.cuda.device_count()
    names = ", ".join(sorted({torch.cuda.get_device_name(i) for i in range(count)}))
    told = f"{count} for torch ({names})" if count else "none for torch: trials run on CPUs"
    mend = ""
    if not count and shutil.which("nvidia-smi"):
        mend = "nvidia-smi is here: install torch for CUDA (https://pytorch.org/get-started)"
    yield Finding("GPUs", told, mend)
    yield Finding("CPUs", f"{len(os.sched_getaffinity(0))} for this process")
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES")
    if hidden is not None:
        yield Finding("GPUs for Ray", f"CUDA_VISIBLE_DEVICES is {hidden!r}: Ray sees no others")


def _writable(folder: Path) -> Finding:
    place = folder.absolute()
    while not os.path.exists(place):
        place = place.parent
    if not os.access(place, os.W_OK):
        return Finding("runs", f"{place} cannot be written", "give --out, or mend its rights", True)
    return _room(place, f"runs in {folder}", FREE_GB, "give --out on a larger disk")


def _room(folder: Path, what: str, least_gb: float, mend: str) -> Finding:
    free = shutil.disk_usage(folder).free / 1e9
    return Finding(what, f"{free:.1f} GB free in {folder}", mend if free < least_gb else "")


def _port() -> Finding:
    with socket.socket() as probe:
        probe.settimeout(1)
        taken = probe.connect_ex(("127.0.0.1", DASHBOARD_PORT)) == 0
    if taken:
        return Finding("dashboard", f"port {DASHBOARD_PORT} is taken: Ray takes the next one")
    return Finding("dashboard", f"port {DASHBOARD_PORT} is free")


def _version_of(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""
