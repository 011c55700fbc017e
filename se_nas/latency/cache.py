"""Measurements kept from run to run: a JSON file for each device, versions and settings."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from se_nas.files import cache_folder, replace_atomically
from se_nas.latency.table import Measurements
from se_nas.texts import first_line


@dataclass(frozen=True)
class Cache:
    """A file of measurements, and what they hold for."""

    path: Path
    identity: Mapping[str, Any]

    def load(self, note: Callable[[str], None]) -> Measurements:
        """Read what is known; ``note`` a line and return nothing if the file cannot be used."""
        try:
            data = json.loads(self.path.read_text(encoding="utf-8"))
            if data["identity"] != dict(self.identity):
                raise ValueError("it is of another device, version or setting")
            return Measurements.from_dict(data)
        except FileNotFoundError:
            return Measurements()
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            note(
                f"the latency cache {self.path} cannot be used ({first_line(error)}): "
                "measuring again"
            )
            return Measurements()

    def save(self, found: Measurements, note: Callable[[str], None]) -> None:
        """Replace the file as a whole; what another process has put there meanwhile stays."""
        kept = self.load(lambda _: None)
        for name in ("blocks", "profiled", "networks"):
            getattr(kept, name).update(getattr(found, name))
        text = json.dumps({"identity": dict(self.identity)} | kept.to_dict())
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            replace_atomically(self.path, text.encode())
        except OSError as error:
            reason = error.strerror or str(error)
            note(f"the latency cache {self.path} cannot be written ({reason}): not kept")


def open_cache(folder: str | None, identity: Mapping[str, Any]) -> Cache:
    """Return the cache file of a device, in ``folder`` or the user's cache folder."""
    text = json.dumps(dict(identity), sort_keys=True)
    digest = hashlib.sha256(text.encode()).hexdigest()[:16]
    own = cache_folder() / "latency" if folder is None else Path(folder)
    return Cache(own / f"{digest}.json", identity)
