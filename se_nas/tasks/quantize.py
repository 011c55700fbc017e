"""Trained networks in 8-bit integers: what they lose and win, and what each SE block costs."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch

from se_nas.data import Data, Images, eval_loader
from se_nas.models.export import INPUT, export_onnx
from se_nas.models.quantization import Batch, quantize_onnx
from se_nas.nn.model import Model
from se_nas.nn.squeeze_excitation import SqueezeExcitation
from se_nas.tasks.evaluate import check_fits, images_for
from se_nas.tasks.metrics import Evaluation, evaluation
from se_nas.training.evaluation import to_device
from se_nas.values import whole

BATCH = 64
PASSES, WARM_UP = 60, 10
Files = dict[str, Path]


@dataclass(frozen=True)
class Quantized:
    """A network of 8 bits beside itself in float32, both run by ONNX Runtime.

    Attributes:
        float32, int8: on the test part.
        val_float32, val_int8: on the validation part.
        float32_ms, int8_ms: medians of one image with one thread here.
        float32_bytes, int8_bytes: of the files.
        blocks: for each SE block, points of validation accuracy that are won back when it alone
            stays in float32.
        all_blocks: the same when all of them do.
    """

    architecture: str
    float32: Evaluation
    int8: Evaluation
    val_float32: Evaluation
    val_int8: Evaluation
    float32_ms: float
    int8_ms: float
    float32_bytes: int
    int8_bytes: int
    blocks: dict[str, float]
    all_blocks: float

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values; accuracies are in [0, 1], those of ``blocks`` in points."""
        return {
            "architecture": self.architecture,
            "test_acc_float32": 1 - self.float32.top1_error,
            "test_acc_int8": 1 - self.int8.top1_error,
            "val_acc_float32": 1 - self.val_float32.top1_error,
            "val_acc_int8": 1 - self.val_int8.top1_error,
            "float32_ms": self.float32_ms,
            "int8_ms": self.int8_ms,
            "float32_bytes": self.float32_bytes,
            "int8_bytes": self.int8_bytes,
            "blocks": self.blocks,
            "all_blocks": self.all_blocks,
        }

    def lines(self) -> list[str]:
        """Return what is to be said of it."""
        rows = [f"{self.architecture}: float32, int8, by ONNX Runtime"]
        for part, before, after in (
            ("validation", self.val_float32, self.val_int8),
            ("test", self.float32, self.int8),
        ):
            lost = 100 * (after.top1_error - before.top1_error)
            rows.append(
                f"{part:<12}{100 - 100 * before.top1_error:>9.2f} %"
                f"{100 - 100 * after.top1_error:>9.2f} %  ({0.0 - lost:+.2f} points, of "
                f"{before.images:,} images)"
            )
        rows.append(
            f"{'time':<12}{self.float32_ms:>8.3f} ms{self.int8_ms:>8.3f} ms  "
            f"({self.int8_ms / self.float32_ms:.2f} of it; one image, one thread)"
        )
        rows.append(
            f"{'file':<12}{self.float32_bytes / 1e6:>8.2f} MB{self.int8_bytes / 1e6:>8.2f} MB"
        )
        for name, points in self.blocks.items():
            rows.append(f"{name:<18}{points:+.2f} points in validation if it stays in float32")
        if self.blocks:
            rows.append(f"{'all SE blocks':<18}{self.all_blocks:+.2f} points if they do")
        return rows


def quantize(
    model: Model,
    data: Data,
    out: Path,
    *,
    images: int = 256,
    keep_se: bool = False,
    blocks: bool = True,
) -> Quantized:
    """Write a network as an ONNX file of 8-bit integers, and compare it with float32.

    Args:
        out: the file; the old one is there until the new one is whole.
        images: of the training part, by which the scales of maps are set.
        keep_se: leave all SE blocks in float32.
        blocks: quantise once more for each SE block, to tell what it costs.

    Raises:
        InputError: the network does not fit the data, or the file cannot be written.
    """
    images = whole("images", images, 1)
    check_fits(model, data)
    names = [n for n, part in model.named_modules() if isinstance(part, SqueezeExcitation)]
    batches = _batches(images_for(model, data, "train"), images)
    with tempfile.TemporaryDirectory() as folder:
        source, trial = Path(folder) / "float32.onnx", Path(folder) / "trial.onnx"
        export_onnx(model, source, data.image_size)
        quantize_onnx(source, out, batches, names if keep_se else ())
        plain, ours = _session(source), _session(out)
        val, test = images_for(model, data, "val"), images_for(model, data, "test")
        val_int8 = _evaluated(ours, val, data)

        def won(kept: Sequence[str]) -> float:
            quantize_onnx(source, trial, batches, kept)
            found = _evaluated(_session(trial), val, data)
            return 100 * (val_int8.top1_error - found.top1_error)

        alone = {name: won([name]) for name in names} if blocks and not keep_se else {}
        float32_ms, int8_ms = _times([plain, ours], batches[0][:1])
        return Quantized(
            str(model.architecture),
            _evaluated(plain, test, data),
            _evaluated(ours, test, data),
            _evaluated(plain, val, data),
            val_int8,
            float32_ms,
            int8_ms,
            source.stat().st_size,
            out.stat().st_size,
            alone,
            won(names) if alone else 0.0,
        )


def _batches(images: Images, count: int) -> list[Batch]:
    """Return the first images of a part in the loader's order, which is that of the data."""
    loader = eval_loader(images, min(BATCH, count), device=torch.device("cpu"))
    found = (to_device(x, y, torch.device("cpu"))[0] for x, y in loader)
    return [x.contiguous().numpy() for x in islice(found, -(-count // BATCH))]


def _session(file: Path) -> Any:
    import onnxruntime  # type: ignore[import-untyped,unused-ignore]

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])


def _evaluated(session: Any, images: Images, data: Data) -> Evaluation:
    shares, labels = [], []
    for batch, own in eval_loader(images, BATCH, device=torch.device("cpu")):
        x_nchw, _ = to_device(batch, own, torch.device("cpu"))
        (logits,) = session.run(None, {INPUT: x_nchw.contiguous().numpy()})
        shares.append(torch.from_numpy(logits).double().softmax(1).numpy())
        labels.append(own.numpy())
    return evaluation(np.concatenate(shares), np.concatenate(labels), data.classes)


def _times(sessions: Sequence[Any], image: Batch) -> list[float]:
    """Return the median milliseconds of each session, which take turns."""
    times: list[list[float]] = [[] for _ in sessions]
    for _ in range(WARM_UP + PASSES):
        for session, own in zip(sessions, times, strict=True):
            start = time.perf_counter()
            session.run(None, {INPUT: image})
            own.append(1e3 * (time.perf_counter() - start))
    return [statistics.median(own[WARM_UP:]) for own in times]
