"""The examples run as a user runs them: each as a process of its own, in an empty folder."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
NOTEBOOKS = {
    "explain_in_a_notebook": (
        r"test_acc [5-9]\d\.\d\d %",
        r"stage4\.0\.se: mean 0\.\d{3}, between 0\.\d{5}",
        r"digit 0",
        r"folded: stages .*; (se_)?resnet8_small",
        r"validation +\d\d\.\d\d %",
        r"all SE blocks +[+-]\d\.\d\d points",
    ),
    "search_in_a_notebook": (
        r"search: 3/3 trials",
        r"SearchResult\(",
        r"no SE +0\.\d{3} ± 0\.\d{3}",
        r"it says \[\d(, \d){7}\]",
    ),
}
# What the output of each has to have in it.
PRINTED = {
    "own_data_set": (
        r"data +shapes: 3 classes, 5×16×16, 450 train, 150 val, 150 test",
        r"images of 16 px, as the data set gives them",
        r"test accuracy (0\.[6-9]\d\d|1\.000)",
        r"it says (disc|square|cross)",
    ),
    "own_training_loop": (
        r"complete +val_acc 0\.\d{3}",
        r"weights=\"runs/own_loop-digits-\d+-\d+/winner\.safetensors\"",
        r"test accuracy 0\.[4-9]",
    ),
    "own_optuna_study": (r"[1-9]\d? of 12 proposals were within", r"best: (se_)?resnet8_small-wid"),
    "ray_cluster": (r"2 networks trained on 127\.0\.0\.1:\d+; the winner is (se_)?resnet8",),
    "deploy_the_winner": (
        r"0\.[5-9]\d\d of 360 test images are right in ONNX Runtime",
        r"largest difference to PyTorch: \d\.\de-0[4-9]",
    ),
}
# A minute each; test_run_search.py has a search on data and a training of one's own.
SLOW = ("ray_cluster", "deploy_the_winner", "own_training_loop", "own_data_set")


def test_every_example_is_run_here() -> None:
    assert {path.stem for path in EXAMPLES.glob("*.py")} == set(PRINTED)
    assert {path.stem for path in EXAMPLES.glob("*.ipynb")} == set(NOTEBOOKS)


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=pytest.mark.slow) if name in SLOW else name for name in PRINTED],
)
def test_example(name: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / f"{name}.py")],
        cwd=tmp_path,
        env=os.environ | {"COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    for pattern in PRINTED[name]:
        assert re.search(pattern, done.stdout), f"{pattern}\n{done.stdout}"


@pytest.mark.parametrize(
    "name", ["explain_in_a_notebook", pytest.param("search_in_a_notebook", marks=pytest.mark.slow)]
)
def test_a_notebook_runs_and_its_output_can_be_read(name: str, tmp_path: Path) -> None:
    notebook = nbformat.read(EXAMPLES / f"{name}.ipynb", as_version=4)
    assert all(not cell.outputs for cell in notebook.cells if cell.cell_type == "code")
    where = {"metadata": {"path": str(tmp_path)}}
    NotebookClient(notebook, timeout=280, startup_timeout=280, resources=where).execute()
    text = "\n".join(
        output.get("text", "") or output.get("data", {}).get("text/plain", "")
        for cell in notebook.cells
        if cell.cell_type == "code"
        for output in cell.outputs
    )
    for pattern in NOTEBOOKS[name]:
        assert re.search(pattern, text), f"{pattern}\n{text}"
