"""Workers need numpy, torch, torchvision and Ray: a node has nothing else of ours installed."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
import ray.cloudpickle

import se_nas
from se_nas import Architecture
from se_nas.data import load
from se_nas.latency.settings import LatencySettings, Signature
from se_nas.search.config import DataSettings, TrialSettings
from se_nas.search.finals.retraining import with_weights
from se_nas.search.worker.latency_worker import LatencyWorker
from se_nas.search.worker.process_group import RankActor
from se_nas.search.worker.retrain import train_and_test
from se_nas.search.worker.shared_data import share
from se_nas.search.worker.trial import SETrial
from se_nas.training.recipes import RECIPES

SCRIPT = Path(__file__).with_name("bare_node.py")
ROOT = Path(se_nas.__file__).parents[1]
RUNNER = ROOT / "runners" / "search.py"
SETTINGS = TrialSettings(DataSettings(limit_train=100, val_images=50), RECIPES["search"], epochs=1)


def test_what_workers_run_needs_torch_torchvision_and_ray_alone(tmp_path: Path) -> None:
    sent, back = tmp_path / "sent", tmp_path / "back"
    given = {
        "architecture": Architecture.parse("se_resnet8_small-width8_r4").to_json(),
        "settings": SETTINGS,
        "images": share(load("digits", limit_train=100, val_images=50)),
        "signature": Signature(8, 1, 10),
        "latency": LatencySettings(warm_up=0, repeats=1, sweeps=1),
        "train_and_test": train_and_test,
        "SETrial": SETrial,
        "Peer": RankActor,
        "LatencyWorker": LatencyWorker,
    }
    sent.write_bytes(ray.cloudpickle.dumps(given))
    done = subprocess.run(
        [sys.executable, str(SCRIPT), str(sent), str(back)],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    found = pickle.loads(back.read_bytes())
    assert [result["end"] for result in found["trial"]] == ["", ""]
    assert found["trial"][-1]["done"]
    assert all(found["latency"])
    assert found["run"].result.end == "complete", found["run"].result.end
    assert with_weights(found["run"], Architecture.from_json(given["architecture"])).weights


@pytest.mark.slow
def test_a_whole_search_on_such_workers(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import sys\n"
        "if any('default_worker.py' in word for word in sys.orig_argv):\n"
        f"    sys.path.append({str(SCRIPT.parent)!r})\n"
        "    import bare_node\n"
        "    bare_node.install()\n"
        f"    open({str(tmp_path / 'installed')!r}, 'a').close()\n"
    )
    options = "--space digits_se --trials 2 --epochs 1 --limit-train 200 --gpus 0 --no-dashboard"
    finals = "--top 1 --final-seeds 1 --final-epochs 1 --name a --out"
    done = subprocess.run(
        [sys.executable, str(RUNNER), *options.split(), *finals.split(), str(tmp_path)],
        env=os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{tmp_path}"},
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "installed").exists()
    results = json.loads((tmp_path / "a" / "results.json").read_text())
    assert [end for final in results["finals"] for end in final["ends"]] == ["complete"] * 3
    assert (tmp_path / "a" / "winner.safetensors").stat().st_size > 10_000
