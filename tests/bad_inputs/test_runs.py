"""A run's folder in which a file is missing, damaged or another's."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from bad_files import foreign
from bad_texts import bad_texts, bad_values

from conftest import Refused
from se_nas import SearchResult, load_space
from se_nas.search.config import SearchConfig
from se_nas.search.run_dir import directory, new_run

SETTINGS = json.dumps(SearchConfig(space="digits_se", gpus=0).to_dict())
# Values that a setting may have.
RIGHT = (
    *("first_rung_fraction", "gpus_null", "learning_rate_fraction", "momentum_fraction"),
    *("label_smoothing_fraction", "weight_decay_fraction", "warmup_epochs_fraction"),
    *("drop_factor_fraction", "erasing_fraction", "mixup_fraction", "cutmix_fraction"),
    *("ema_fraction",),
    *("per_trial_fraction", "learning_rate_huge", "weight_decay_huge", "warmup_epochs_huge"),
)
CHECKED = ("trials_", "epochs_", "seed_", "first_rung_", "sampler_", "recipe.", "gpus_", "top_")
FILES = {
    **{f"space_{why}": ("space.json", text) for why, text in bad_texts('{"name": "s"}')},
    **{f"settings_{why}": ("settings.json", text) for why, text in bad_texts(SETTINGS)},
    **{
        f"settings_{why}": ("settings.json", text.encode())
        for why, text in [*bad_values(SETTINGS, {})][::3]
        if why.startswith(CHECKED) and not why.endswith(RIGHT)
    },
    **{f"driver_{why}": ("driver.json", content) for why, content in foreign().items()},
    "driver_object": ("driver.json", b"{}"),
    "driver_null": ("driver.json", b'{"driver": null, "joined": true}'),
    "no_settings": ("settings.json", None),
    "no_space": ("space.json", None),
}


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs")
    config = SearchConfig(space="digits_se", gpus=0, out=str(out), name="r")
    return new_run.create(load_space("digits_se"), config).path


@pytest.mark.parametrize("why", FILES)
def test_a_run_with_a_bad_file(
    why: str, good: Path, command: Refused, refuse: Refused, tmp_path: Path
) -> None:
    file, content = FILES[why]
    run = tmp_path / "r"
    shutil.copytree(good, run)
    if content is None:
        (run / file).unlink()
    else:
        (run / file).write_bytes(content)
    if file != "driver.json":
        command("search", "--resume", str(run))
        command("replay", str(run))
    refuse(SearchResult.load, run)
    if file == "driver.json":
        refuse(lambda: directory.RunDirectory(run).driver)
