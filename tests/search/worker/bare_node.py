"""What a search sends to its workers, on a node with torch, torchvision and Ray alone.

``bare_node.py SENT DONE`` runs what ``test_bare_node.py`` pickled, and writes what comes back.
"""

from __future__ import annotations

import pickle
import sys
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from typing import Any

# All that SE-NAS needs, or can use, and a node need not have.
ABSENT = frozenset(
    {
        *("alembic", "onnx", "onnxruntime", "onnxscript", "optuna", "plotly", "psycopg", "rich"),
        *("safetensors", "scipy", "sklearn", "sqlalchemy", "timm", "typer"),
    }
)


class Bare(PathFinder):
    """Finds none of what is absent, as where it is not installed."""

    @classmethod
    def find_spec(cls, fullname: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        absent = fullname.partition(".")[0] in ABSENT
        return None if absent else super().find_spec(fullname, path, target)


def install() -> None:
    """From now on this process finds none of what is absent."""
    assert not ABSENT & set(sys.modules)
    sys.meta_path[sys.meta_path.index(PathFinder)] = Bare


def main(sent: Path, done: Path) -> None:
    install()
    given = pickle.loads(sent.read_bytes())
    architecture, settings, images = given["architecture"], given["settings"], given["images"]
    back: dict[str, Any] = {"run": given["train_and_test"](architecture, settings, 0, images)}

    trial = object.__new__(given["SETrial"])
    trial.setup({"architecture": architecture, "number": 0}, settings, images)
    back["trial"] = [trial.step(), trial.step()]

    measurer = given["LatencyWorker"](given["signature"], given["latency"], False)
    back["latency"] = [measurer.measure(architecture), measurer.profile(architecture)]

    from se_nas.search.worker.process_group import leave, make_store

    store = make_store(1)
    peer = given["Peer"](settings, 0, 1, store.port)
    peer.join()
    peer.begin(architecture, images, settings)
    peer.epoch()
    peer.test()
    leave()
    done.write_bytes(pickle.dumps(back))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
