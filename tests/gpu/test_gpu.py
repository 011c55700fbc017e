"""What only a GPU can show; skipped where there is none. With one: ``pytest tests/gpu``.

Numbers are compared in float64, where a CPU and a GPU agree but for the order of sums.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from se_nas import SE, Architecture, materialize, optimize_for_inference
from se_nas.data import load
from se_nas.gates import GATES
from se_nas.latency.measure import LocalMeasurer
from se_nas.latency.settings import LatencySettings, Signature
from se_nas.nn.model import Model
from se_nas.search.worker.out_of_memory import is_out_of_memory
from se_nas.squeezes import SQUEEZES
from se_nas.training.recipe import Recipe
from se_nas.training.recipes import RECIPES
from se_nas.training.train import Training

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")

ROOT = Path(__file__).resolve().parents[2]
GPU = "cuda"
TRUNKS = (
    "resnet8_small-width8",
    "resnext50_32x4d-depths1.1-width4-stem.small",
    "mobilenet_v2-width0.25-depths1.2.1.1.1.1.1-stem.small",
    "mobilenet_v3_small_trunk-depths1.2.2.1.1-width0.25-stem.small",
    "shufflenet_v1_g2-scale0.25-depths2.1.1-stem.small",
    "shufflenet_v2_x0_5-depths2.1.1-stem.small",
    "shake_even_29_2x4x64d-depths1.1.1-width4-groups2",
    "bn_inception-width0.25-stem.small",
)
BLOCKS = [
    SE(2, placement, squeeze, gate)
    for placement in ("standard", "pre", "post", "identity")
    for squeeze, gate in zip((*SQUEEZES, "avg"), GATES, strict=True)
]


def network(trunk: str, se: SE | None) -> Model:
    torch.manual_seed(0)
    return materialize(Architecture(Architecture.parse(trunk).trunk, se), num_classes=3)


def images(count: int = 4, side: int = 32) -> Tensor:
    return torch.randn(count, 3, side, side, generator=torch.Generator().manual_seed(0))


def gradients(model: nn.Module, x_nchw: Tensor) -> list[Tensor]:
    model.eval().zero_grad()
    logits = model(x_nchw)
    targets = torch.arange(len(logits), device=x_nchw.device) % 3
    nn.functional.cross_entropy(logits, targets).backward()  # type: ignore[no-untyped-call]
    # Copies: moving the model moves its gradients in place.
    grads = [p.grad.cpu().clone() for p in model.parameters() if p.grad is not None]
    return [logits.detach().cpu(), *grads]


def same_as_on_a_cpu(model: nn.Module, layout: torch.memory_format) -> None:
    x = images().double()
    expected = gradients(model.double(), x)
    model.to(device=GPU, memory_format=layout)  # type: ignore[call-overload]
    found = gradients(model, x.to(device=GPU, memory_format=layout))
    assert len(found) == len(expected) > 5
    for ours, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("trunk", TRUNKS)
def test_outputs_and_gradients_are_those_of_a_cpu(trunk: str, layout: torch.memory_format) -> None:
    same_as_on_a_cpu(network(trunk, SE(2)), layout)


@pytest.mark.parametrize("se", BLOCKS, ids=str)
def test_every_kind_of_block_is_as_on_a_cpu(se: SE) -> None:
    same_as_on_a_cpu(network(TRUNKS[0], se), torch.channels_last)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("se", BLOCKS, ids=str)
def test_half_precision_is_near(se: SE, dtype: torch.dtype) -> None:
    model = network(TRUNKS[0], se).to(GPU).eval()
    with torch.inference_mode():
        expected = model(images().to(GPU))
        found = model.to(dtype)(images().to(GPU, dtype))
    assert found.dtype == dtype
    torch.testing.assert_close(found.float(), expected, rtol=0.1, atol=0.1)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("trunk", TRUNKS)
def test_autocast_gives_finite_gradients(trunk: str, dtype: torch.dtype) -> None:
    model = network(trunk, SE(2)).to(GPU)
    with torch.autocast(GPU, dtype):
        loss = nn.functional.cross_entropy(
            model(images().to(GPU)).float(), torch.zeros(4, dtype=torch.long, device=GPU)
        )
    loss.backward()  # type: ignore[no-untyped-call]
    grads = [p.grad for p in model.parameters() if p.grad is not None]
    assert grads
    assert all(bool(grad.isfinite().all()) for grad in grads)


@pytest.mark.parametrize("trunk", [TRUNKS[0], TRUNKS[2]])
def test_compile_captures_one_graph(trunk: str) -> None:
    model = network(trunk, SE(2)).double().to(GPU).eval()
    x = images().double().to(GPU)
    with torch.inference_mode():
        found = torch.compile(model, fullgraph=True)(x)
        torch.testing.assert_close(found, model(x), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("se", BLOCKS[:5], ids=str)
def test_a_cuda_graph_records_a_network(se: SE) -> None:
    """A block that waited for the device could not be recorded."""
    model = network(TRUNKS[0], se).to(GPU).eval()
    x = images().to(GPU)
    with torch.inference_mode():
        side = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            model(x)
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            recorded = model(x)
        x.copy_(images().flip(0))
        graph.replay()
        torch.testing.assert_close(recorded, model(x), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("trunk", TRUNKS)
def test_optimized_networks_are_equal(trunk: str) -> None:
    model = network(trunk, SE(2)).double().to(GPU).eval()
    x = images().double().to(GPU)
    with torch.inference_mode():
        found = optimize_for_inference(model, 32)(x)
        torch.testing.assert_close(found, model(x), rtol=1e-6, atol=1e-9)


def training(recipe: Recipe, epochs: int = 3) -> Training:
    return Training("se_resnet8_small-width8_r2", load("digits"), recipe, epochs=epochs, device=GPU)


@pytest.mark.parametrize("amp", ["auto", "off"])
def test_training_learns_and_goes_on_from_a_checkpoint(amp: str, tmp_path: Path) -> None:
    recipe = replace(RECIPES["search"], amp=amp)  # type: ignore[arg-type]
    whole, cut = training(recipe), training(recipe)
    assert whole.amp_dtype == (None if amp == "off" else torch.bfloat16)
    curve = [whole.epoch() for _ in range(3)]
    assert curve[-1].val_acc > 0.8
    cut.epoch()
    torch.save(cut.state_dict(), tmp_path / "checkpoint")
    resumed = training(recipe)
    resumed.load_state_dict(torch.load(tmp_path / "checkpoint", map_location="cpu"))
    again = [resumed.epoch() for _ in range(2)]
    # cuDNN's sums have no fixed order, so not bit for bit.
    assert abs(again[-1].val_loss - curve[-1].val_loss) < 0.2
    assert abs(again[-1].val_acc - curve[-1].val_acc) < 0.06


def test_float16_has_its_scaler() -> None:
    trained = training(RECIPES["search"])
    trained.amp_dtype = torch.float16
    trained.scaler = torch.amp.GradScaler(GPU)
    assert [trained.epoch().val_acc for _ in range(3)][-1] > 0.8


def test_memory_that_runs_out_is_told_and_given_back() -> None:
    _, total = torch.cuda.mem_get_info()
    with pytest.raises(RuntimeError) as error:
        torch.empty(2 * total, dtype=torch.uint8, device=GPU)
    assert is_out_of_memory(error.value)
    assert training(RECIPES["search"]).epoch().epoch == 1


def test_blocks_take_together_what_the_network_takes() -> None:
    signature = Signature(image_size=224, in_channels=3, num_classes=1000)
    measurer = LocalMeasurer(signature, LatencySettings(batch=32, repeats=15), GPU)
    with_se = Architecture.parse("se_resnet50_r16")
    profile = measurer.profile(with_se)
    assert math.isclose(sum(profile.blocks_ms), profile.whole_ms, rel_tol=0.2)
    plain, se = (measurer.measure(a).median_ms for a in (Architecture.parse("resnet50"), with_se))
    assert plain < se < 3 * plain
    assert measurer.identity()["device"] == torch.cuda.get_device_name()


SPACE = """
from se_nas import SE, Space, choice, latency_ms, maximize, minimize, optional, per_stage, trunk
SPACE = Space(
    "timed",
    trunk=trunk("resnet8_small", width=choice(8, 16)),
    se=per_stage(optional(SE(reduction=choice(2, 4)))),
    constraints=[latency_ms <= 1e6],
    objectives=[maximize("val_acc"), minimize("latency_ms")],
)
"""


def search(folder: Path, *arguments: str) -> tuple[str, dict[str, object]]:
    command = [sys.executable, str(ROOT / "runners" / "search.py"), "--no-dashboard"]
    command += ["--trials", "4", "--epochs", "2", "--top", "1", "--final-seeds", "1"]
    done = subprocess.run(
        [*command, "--name", "run", "--out", str(folder), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=folder,
        timeout=280,
        env=os.environ | {"COLUMNS": "200"},
    )
    assert done.returncode == 0, done.stdout
    assert "Traceback" not in done.stdout
    print(done.stdout)
    return done.stdout, json.loads((folder / "run" / "results.json").read_text())


def test_a_search_packs_two_trials_on_the_gpu(tmp_path: Path) -> None:
    output, results = search(
        tmp_path, "--space", "digits_se", "--gpus", "1", "--gpus-per-trial", "0.5"
    )
    assert "4/4" in output
    assert results["winner"]


def test_a_search_times_its_networks_on_the_gpu(tmp_path: Path) -> None:
    (tmp_path / "timed.py").write_text(SPACE)
    search(
        tmp_path,
        "--space",
        str(tmp_path / "timed.py"),
        "--sampler",
        "nsga2",
        "--latency-cache",
        str(tmp_path / "cache"),
    )
    latency = json.loads((tmp_path / "run" / "latency.json").read_text())
    assert torch.cuda.get_device_name() in json.dumps(latency)


def test_a_network_too_large_for_the_gpu_fails_alone(tmp_path: Path) -> None:
    """A batch that does not fit ends its trial, and its worker trains the next."""
    from torchvision.io import write_jpeg

    for part, count in (("train", 160), ("val", 4), ("test", 4)):
        for label in ("a", "b"):
            (tmp_path / "data" / part / label).mkdir(parents=True)
            for i in range(count):
                picture = torch.full(
                    (3, 512, 512), 40 + 100 * (label == "b") + i % 50, dtype=torch.uint8
                )
                write_jpeg(picture, str(tmp_path / "data" / part / label / f"{i}.jpg"))
    (tmp_path / "large.py").write_text(
        "from se_nas import SE, Space, choice, trunk\n"
        "SPACE = Space('large', trunk=trunk('resnet50', width=choice(4, 256)), se=SE(16))\n"
    )
    output, _ = search(
        tmp_path,
        "--space",
        str(tmp_path / "large.py"),
        "--data",
        "imagefolder",
        "--data-dir",
        str(tmp_path / "data"),
        "--image-size",
        "512",
        "--batch-size",
        "320",
        "--trials",
        "2",
        "--epochs",
        "1",
    )
    assert "out of memory" in output
