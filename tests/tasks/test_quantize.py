"""Networks in 8-bit integers: what is in the file, and that the figures are those of the file."""

from __future__ import annotations

import errno
from pathlib import Path

import numpy as np
import onnx
import onnxruntime  # type: ignore[import-untyped,unused-ignore]
import pytest

import se_nas
from se_nas import InputError
from se_nas.cli import main
from se_nas.data import Data, eval_loader, load
from se_nas.data_settings import DataSettings
from se_nas.models.export import modules_of
from se_nas.models.quantization import quantize_onnx
from se_nas.tasks.evaluate import evaluate, images_for
from se_nas.tasks.quantize import quantize
from se_nas.tasks.train import train
from se_nas.tasks.train_config import TrainConfig
from se_nas.tasks.trained import trained

MODEL = "se_resnet8_small_s2_r8_s4_r4_tanh"


@pytest.fixture(scope="module")
def digits() -> Data:
    return load("digits", limit_train=600)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "run"
    settings = DataSettings(limit_train=600)
    train(TrainConfig(MODEL, settings, epochs=6, threads=1, device="cpu"), folder)
    return folder


def quantized_modules(file: Path) -> set[str]:
    """The SE blocks whose layers compute on integers: their weights are stored as such."""
    model = onnx.load(file)
    made = {out: node for node in model.graph.node for out in node.output}
    found: set[str] = set()
    for node in model.graph.node:
        sources = [made[i].op_type for i in node.input if i in made]
        if node.op_type in ("Gemm", "MatMul", "Conv") and "DequantizeLinear" in sources:
            found |= {name for name in modules_of(node) if name.endswith(".se")}
    return found


def test_the_file_is_what_the_figures_are_of(run: Path, digits: Data, tmp_path: Path) -> None:
    model = trained(str(run)).model
    out = tmp_path / "q.onnx"
    told = quantize(model, digits, out)
    assert told.float32.top1_error == pytest.approx(evaluate([model], digits).top1_error, abs=2e-3)
    assert told.val_int8.images == len(digits.val)
    assert told.int8_bytes == out.stat().st_size < told.float32_bytes / 2
    assert set(told.blocks) == {"stage2.0.se", "stage4.0.se"} == quantized_modules(out)
    # Ten classes: far from chance, and close to what it was.
    assert told.int8.top1_error < 0.6
    assert abs(told.int8.top1_error - told.float32.top1_error) < 0.1
    session = onnxruntime.InferenceSession(str(out), providers=["CPUExecutionProvider"])
    kept = session.get_modelmeta().custom_metadata_map
    assert {"architecture", "preprocessing"} <= set(kept)
    wrong = total = 0
    for images, labels in eval_loader(images_for(model, digits, "test"), 50):
        (logits,) = session.run(None, {"images": images.numpy()})
        wrong += int((logits.argmax(1) != labels.numpy()).sum())
        total += len(labels)
    assert told.int8.top1_error == pytest.approx(wrong / total)


def test_se_can_stay_in_float(run: Path, digits: Data, tmp_path: Path) -> None:
    out = tmp_path / "q.onnx"
    told = quantize(trained(str(run)).model, digits, out, keep_se=True)
    assert quantized_modules(out) == set()
    assert told.blocks == {}
    assert told.int8_bytes < told.float32_bytes


def test_one_block_can_stay_in_float(run: Path, digits: Data, tmp_path: Path) -> None:
    source, out = tmp_path / "f.onnx", tmp_path / "q.onnx"
    model = trained(str(run)).model
    se_nas.export_onnx(model, source)
    images = np.random.default_rng(0).random((8, 1, 8, 8), dtype=np.float32)
    quantize_onnx(source, out, [images], ["stage2.0.se"])
    assert quantized_modules(out) == {"stage4.0.se"}


def test_what_a_block_costs_is_the_difference_when_it_alone_stays(
    run: Path, digits: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from se_nas.tasks import quantize as work

    kept: list[tuple[str, ...]] = []

    def recorded(source: Path, target: Path, batches: object, keep: object = ()) -> None:
        kept.append(tuple(keep))  # type: ignore[arg-type]
        quantize_onnx(source, target, batches, keep)  # type: ignore[arg-type]

    monkeypatch.setattr(work, "quantize_onnx", recorded)
    quantize(trained(str(run)).model, digits, tmp_path / "q.onnx")
    blocks = ("stage2.0.se", "stage4.0.se")
    assert kept == [(), (blocks[0],), (blocks[1],), blocks]


def test_the_command(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "q.onnx"
    with pytest.raises(SystemExit) as stop:
        main(["quantize", str(run), "--out", str(out), "--images", "64"])
    said = capsys.readouterr().out
    assert stop.value.code == 0
    assert out.is_file()
    for words in ("validation", "test", "MB", "stage4.0.se", "all SE blocks"):
        assert words in said


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--out", "q.pt2"], "give a name that ends with .onnx"),
        (["--out", "no/folder/q.onnx"], "no/folder"),
        (["--out", "q.onnx", "--images", "0"], "images"),
        (["--out", "q.onnx", "--data", "digitz"], "did you mean 'digits'"),
    ],
)
def test_bad_input_is_one_line(
    run: Path, arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["quantize", str(run), *arguments])
    err = capsys.readouterr().err
    assert (stop.value.code, err.count("\n")) == (2, 1)
    assert said in err


def test_a_network_that_onnx_runtime_computes_otherwise_is_one_line(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("se_nas.models.export.TOLERANCE", -1.0)
    monkeypatch.setattr("se_nas.models.export.AMPLIFIED", -1)
    out = tmp_path / "q.onnx"
    out.write_bytes(b"before")
    with pytest.raises(SystemExit) as stop:
        main(["quantize", str(run), "--out", str(out)])
    err = capsys.readouterr().err
    assert (stop.value.code, err.count("\n")) == (2, 1)
    assert "ONNX Runtime differs from the model by" in err
    assert out.read_bytes() == b"before"


@pytest.mark.parametrize("name", ["quant_pre_process", "quantize_static"])
def test_a_full_disk_leaves_the_old_file(
    name: str, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    where = "shape_inference." if name == "quant_pre_process" else ""
    monkeypatch.setattr(f"onnxruntime.quantization.{where}{name}", full)
    out = tmp_path / "q.onnx"
    out.write_bytes(b"before")
    with pytest.raises(SystemExit) as stop:
        main(["quantize", str(run), "--out", str(out)])
    err = capsys.readouterr().err
    assert (stop.value.code, err.count("\n")) == (2, 1)
    assert "No space left on device" in err
    assert out.read_bytes() == b"before"


def test_other_classes_are_refused(run: Path, tmp_path: Path) -> None:
    other = se_nas.materialize("resnet8_small", num_classes=7, in_channels=1)
    with pytest.raises(InputError, match="has 7 classes"):
        quantize(other, load("digits", limit_train=100), tmp_path / "q.onnx")
