"""Models out (``saving.py``, ``export.py``): what is written computes what the model does."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

import se_nas
from se_nas import SE, Architecture, InputError, materialize
from se_nas.models import export
from se_nas.nn.model import Model
from se_nas.se import SE_FIELDS

TINY = [
    "resnet18-depths1.1-width8-stem.small",
    "resnet50-depths1.1-width8-stem.small",
    "mobilenet_v1-width0.25-depths1.1.2.1.1-stem.small",
    "mobilenet_v2-width0.25-depths1.2.1.1.1.1.1-stem.small",
    "mobilenet_v3_small_trunk-width0.25-stem.small",
    "shufflenet_v1_g2-scale0.25-depths2.2.1-stem.small",
    "shufflenet_v2_x0_5-depths2.2.1-stem.small",
    "vgg16_bn-depths2.1.1.2.1-width8-stem.small",
    "bn_inception-width0.25-stem.small",
    "inception_resnet_v2-depths1.2.2-width0.25-stem.small",
    "resnet164_preact-depths2.2.1-width4",
    "shake_shake_26_2x96d-depths2.2.1-width8",
    "shake_even_29_2x4x64d-depths2.2.1-width4-groups2",
]
BOTTLENECKS = "resnet50-depths1.1-width8-stem.small"
OPTIONS = [tuple(SE_FIELDS[field]) for field in ("placement", "squeeze", "gate")]
EVERY = [SE(4, *options) for options in itertools.product(*OPTIONS)]
# Each placement, squeeze and gate at least once; the slow test has every combination.
SOME = [
    SE(4, *(values[i % len(values)] for values in OPTIONS)) for i in range(max(map(len, OPTIONS)))
]


def built(architecture: Architecture | str, **sizes: int) -> Model:
    torch.manual_seed(0)
    model = materialize(architecture, **({"num_classes": 5} | sizes))  # type: ignore[arg-type]
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.7, 1.3)
            nn.init.uniform_(module.bias, -0.2, 0.2)
    return model.eval()


def images(batch: int, channels: int = 3, side: int = 32) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(batch, channels, side, side, generator=generator)


def run_onnx(path: Path, batch: Tensor) -> Tensor:
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    (logits,) = session.run(["logits"], {"images": batch.numpy()})
    return torch.from_numpy(logits)


def check_onnx(model: Model, path: Path) -> None:
    export.export_onnx(model, path, 32)
    for batch in (1, 4):
        with torch.no_grad():
            expected = model(images(batch))
        gap = (run_onnx(path, images(batch)) - expected).abs().max() / expected.abs().max()
        assert gap < 1e-4


def check_program(model: Model, path: Path) -> None:
    export.export_program(model, path, 32)
    program: Any = torch.export.load(path).module()
    for batch in (1, 4):
        with torch.no_grad():
            expected = model(images(batch))
            gap = (program(images(batch)) - expected).abs().max() / expected.abs().max()
        assert gap < 1e-5


@pytest.mark.parametrize("name", [f"se_{tiny}_r4" for tiny in TINY] + ["se_resnet8_small_r2_max"])
@pytest.mark.parametrize(("classes", "channels"), [(5, 3), (2, 1)])
def test_a_saved_model_rebuilds_itself(
    tmp_path: Path, name: str, classes: int, channels: int
) -> None:
    model = built(name, num_classes=classes, in_channels=channels)
    path = tmp_path / "model.safetensors"
    se_nas.save(model, path)
    again = se_nas.load(str(path))
    assert again.training, "as models of torchvision and timm are that come with weights"
    again.eval()
    assert again.architecture == model.architecture
    assert (again.num_classes, again.in_channels) == (classes, channels)
    with torch.no_grad():
        assert torch.equal(again(images(2, channels)), model(images(2, channels)))
    se_nas.materialize(name, num_classes=classes, in_channels=channels, weights=path)


def test_channels_last_models_are_saved_whole(tmp_path: Path) -> None:
    model = built("se_resnet8_small_r4")
    path = tmp_path / "model.safetensors"
    se_nas.save(model.to(memory_format=torch.channels_last), path)
    again = se_nas.load(path).state_dict()
    assert all(torch.equal(again[key], value) for key, value in model.state_dict().items())


@pytest.mark.parametrize(
    "tiny",
    [
        *TINY[::6],
        *(pytest.param(name, marks=pytest.mark.slow) for i, name in enumerate(TINY) if i % 6),
    ],
)
def test_onnx_runtime_computes_the_same(tmp_path: Path, tiny: str) -> None:
    check_onnx(built(f"se_{tiny}_r4"), tmp_path / "model.onnx")


@pytest.mark.parametrize("se", SOME, ids=str)
def test_some_of_every_placement_squeeze_and_gate(tmp_path: Path, se: SE) -> None:
    model = built(Architecture(Architecture.parse(BOTTLENECKS).trunk, se))
    check_program(model, tmp_path / "model.pt2")
    check_onnx(model, tmp_path / "model.onnx")


def test_the_few_cover_every_option() -> None:
    for field in ("placement", "squeeze", "gate"):
        assert {getattr(se, field) for se in SOME} == set(SE_FIELDS[field])


@pytest.mark.slow
@pytest.mark.parametrize("se", EVERY, ids=str)
def test_every_placement_squeeze_and_gate(tmp_path: Path, se: SE) -> None:
    model = built(Architecture(Architecture.parse(BOTTLENECKS).trunk, se))
    check_program(model, tmp_path / "model.pt2")
    check_onnx(model, tmp_path / "model.onnx")


def test_optimized_models_are_exported_but_not_saved(tmp_path: Path) -> None:
    fast = se_nas.optimize_for_inference(built(f"se_{BOTTLENECKS}_r4"))
    check_program(fast, tmp_path / "model.pt2")
    check_onnx(fast, tmp_path / "model.onnx")
    with pytest.raises(InputError, match="optimized for inference"):
        se_nas.save(fast, tmp_path / "model.safetensors")


def test_training_mode_is_kept(tmp_path: Path) -> None:
    model = built("se_resnet8_small_r4").train()
    export.export_program(model, tmp_path / "model.pt2")
    assert model.training


def test_a_wrong_onnx_file_is_not_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "_run_onnx", lambda path, batch: torch.zeros(3, 5))
    with pytest.raises(RuntimeError, match="differs from the model"):
        export.export_onnx(built("se_resnet8_small_r4"), tmp_path / "model.onnx")
    assert not (tmp_path / "model.onnx").exists()


def test_a_difference_is_held_against_the_models_own_rounding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = built("se_resnet8_small_r4")
    monkeypatch.setattr(export, "_run_onnx", lambda path, batch: 1.001 * model(batch))
    with torch.no_grad():
        assert 0 < export._rounding(model, images(2)) < 1e-5
    with pytest.raises(RuntimeError, match="differs from the model"):
        export.export_onnx(model, tmp_path / "model.onnx")
    monkeypatch.setattr(export, "_rounding", lambda model, batch: 2e-5)
    export.export_onnx(model, tmp_path / "model.onnx")


def test_wrong_models(tmp_path: Path) -> None:
    path = tmp_path / "model"
    writers: list[Any] = [se_nas.save, se_nas.export_program, se_nas.export_onnx]
    for write in writers:
        with pytest.raises(InputError, match=r"takes a model of se_nas.materialize, not a Linear"):
            write(nn.Linear(2, 2), path)
    headless = built("se_resnet8_small_r4")
    headless.num_classes = 0
    with pytest.raises(InputError, match="classifier was left away"):
        se_nas.save(headless, path)
    with pytest.raises(InputError, match="too small"):
        se_nas.export_program(built("vgg16_bn-depths1.1.1.1.1"), path, 16)
    with pytest.raises(InputError, match="too small"):
        se_nas.optimize_for_inference(built("vgg16_bn-depths1.1.1.1.1"), 16)
    torch.save(built("se_resnet8_small_r4").state_dict(), path)
    with pytest.raises(InputError, match="no safetensors file"):
        se_nas.load(path)


def test_wrong_files(tmp_path: Path) -> None:
    model = built("se_resnet8_small_r4")
    with pytest.raises(InputError, match="there is no file"):
        se_nas.load(tmp_path / "none.safetensors")
    bare = tmp_path / "bare.safetensors"
    save_file(model.state_dict(), bare)
    with pytest.raises(InputError, match="does not say what network"):
        se_nas.load(bare)
    old = tmp_path / "old.safetensors"
    save_file(model.state_dict(), old, {"architecture": model.architecture.to_json()})
    with pytest.raises(InputError, match=r"materialize\('se_resnet8_small_r4', num_classes=…"):
        se_nas.load(old)
    broken = tmp_path / "broken.safetensors"
    se_nas.save(model, broken)
    broken.write_bytes(broken.read_bytes()[:500])
    with pytest.raises(InputError, match="cannot be read"):
        se_nas.load(broken)
    with pytest.raises(InputError, match="cannot be written"):
        se_nas.save(model, tmp_path / "no" / "folder.safetensors")
    with pytest.raises(InputError, match="input_size"):
        export.export_program(model, tmp_path / "model.pt2", 0)
