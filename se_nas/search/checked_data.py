"""The images of a search as its driver reads them: every picture was looked at once."""

from __future__ import annotations

from collections.abc import Mapping

from rich.console import Console

from se_nas.console import print_line
from se_nas.data import Data, ImageShape, UnreadablePictures
from se_nas.search.config import SearchConfig
from se_nas.search.worker.data import load_data

SHOWN = 20


def load_checked_data(config: SearchConfig, console: Console) -> ImageShape:
    """Return the images of a search; name on the console the pictures that cannot be read.

    Raises:
        InputError: some cannot be read and are not to be left out; or what ``load_data`` raises.
    """
    with console.status("reading the images") as status:

        def show(done: int, count: int) -> None:
            status.update(f"looking at every picture once: {done:,} of {count:,}")

        try:
            images = load_data(config.data, config.seed, check_pictures=True, progress=show)
        except UnreadablePictures as error:
            _show_unreadable(error.reasons, console)
            raise
    if isinstance(images, Data):
        _show_unreadable(images.skipped, console)
    return images


def _show_unreadable(reasons: Mapping[str, str], console: Console) -> None:
    for path, reason in list(reasons.items())[:SHOWN]:
        print_line(console, f"cannot be read: {path} ({reason})")
    if len(reasons) > SHOWN:
        print_line(console, f"… and {len(reasons) - SHOWN:,} more")
