"""Files of the wrong kind, damaged ones, and places where nothing can be, wherever one is taken."""

from __future__ import annotations

from pathlib import Path

import pytest
from bad_files import CONFIGS, HEADERS, OUTS, SPACES, STORAGES, damages, foreign, write_places

import se_nas
from conftest import Refused

FOREIGN = foreign()
NAME = "se_resnet8_small_r4"


@pytest.mark.parametrize("why", CONFIGS)
def test_a_file_of_settings(why: str, command: Refused, tmp_path: Path) -> None:
    suffix, content = CONFIGS[why]
    data = content if isinstance(content, bytes) else content.encode()
    (tmp_path / f"run{suffix}").write_bytes(data)
    command("search", "--space", "digits_se", "--config", f"run{suffix}")


@pytest.mark.parametrize("why", SPACES)
def test_a_space_file(why: str, command: Refused, tmp_path: Path) -> None:
    suffix, content = SPACES[why]
    data = content if isinstance(content, bytes) else content.encode()
    (tmp_path / f"mine{suffix}").write_bytes(data)
    command("search", "--space", f"./mine{suffix}", "--dry-run")


@pytest.mark.parametrize("why", STORAGES)
def test_a_storage(why: str, command: Refused, tmp_path: Path) -> None:
    write_places(tmp_path)
    line = command("search", "--space", "digits_se", f"--storage={STORAGES[why]}", "--name=n")
    assert "storage" in line
    command("search", f"--storage={STORAGES[why]}", "--join", "--name=n")


@pytest.mark.parametrize("why", OUTS)
def test_a_folder_of_runs(why: str, command: Refused, tmp_path: Path) -> None:
    write_places(tmp_path)
    command("search", "--space", "digits_se", f"--out={OUTS[why]}")
    command("search", "--resume", "nothing", f"--out={OUTS[why]}")
    command("replay", "nothing", f"--out={OUTS[why]}")


@pytest.mark.parametrize("why", FOREIGN)
@pytest.mark.parametrize("suffix", [".py", ".json", ".toml", ".pth"])
def test_a_foreign_file_wherever_a_file_is_taken(
    why: str, suffix: str, command: Refused, refuse: Refused, tmp_path: Path
) -> None:
    file = tmp_path / f"file{suffix}"
    file.write_bytes(FOREIGN[why])
    if suffix in (".py", ".json"):
        command("search", "--space", str(file))
        command("search", "--data", str(file), "--space", "digits_se")
        command("search", "--train", str(file), "--space", "digits_se", "--data", "digits")
    if (suffix, why) != (".toml", "empty"):
        command("search", "--config", str(file), "--space", "digits_se")
    command("search", "--resume", str(file))
    command("replay", str(file))
    command("search", "--space", "digits_se", "--data", "imagefolder", "--data-dir", str(file))
    command("search", "--space", "digits_se", "--latency-cache", str(file))
    command("materialize", str(file), "--out", "model.onnx")
    command("materialize", NAME, "--weights", str(file), "--out", "model.safetensors")
    refuse(se_nas.load, file)
    refuse(se_nas.materialize, NAME, weights=file)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    import torch

    folder, model = tmp_path_factory.mktemp("weights"), se_nas.materialize(NAME, num_classes=2)
    se_nas.save(model, folder / "good.safetensors")
    torch.save(model.state_dict(), folder / "good.pth")
    return {file.suffix: file.read_bytes() for file in folder.iterdir()}


DAMAGES = {
    f"{suffix}_{why}": (suffix, damage) for suffix in HEADERS for why, damage in damages(suffix)
}


@pytest.mark.parametrize("why", DAMAGES)
def test_damaged_weights(
    why: str, weights: dict[str, bytes], command: Refused, refuse: Refused, tmp_path: Path
) -> None:
    suffix, damage = DAMAGES[why]
    file = tmp_path / f"weights{suffix}"
    file.write_bytes(damage(weights[suffix]))
    refuse(se_nas.load, file)
    refuse(se_nas.materialize, NAME, num_classes=2, weights=file)
    command("materialize", NAME, "--num-classes=2", "--weights", str(file), "--out=m.safetensors")


MODEL_OUTS = [
    *("", "model", "model.pth", "folder", "folder/", "folder.onnx", "png.bin/m.onnx", ".onnx"),
    *("nowhere/m.pt2", "/proc/m.safetensors", "x" * 300 + ".safetensors", "/dev/full/m.onnx"),
]


@pytest.mark.parametrize("out", MODEL_OUTS)
def test_a_file_for_a_model(out: str, command: Refused, refuse: Refused, tmp_path: Path) -> None:
    write_places(tmp_path)
    (tmp_path / "folder.onnx").mkdir()
    command("materialize", NAME, "--out", out)
    if out not in ("model", "model.pth", ".onnx"):
        refuse(se_nas.save, se_nas.materialize(NAME), out)
