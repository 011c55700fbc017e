"""Export of models to be run elsewhere: ONNX files and ``torch.export`` programs."""

from __future__ import annotations

import copy
import importlib.util
import io
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from se_nas.errors import InputError
from se_nas.files import replace_atomically
from se_nas.models.saving import writing
from se_nas.nn.example import example
from se_nas.nn.model import Model

# Outputs of the exported network against those of the model, relative to the largest logit.
TOLERANCE = 1e-4
# Deep networks whose statistics are those of no images (fresh weights) amplify rounding: two
# orders of summation part by more. There a difference is held against the model's own rounding.
AMPLIFIED = 100


def export_program(
    model: Model, path: str | Path, input_size: int | tuple[int, int] | None = None
) -> None:
    """Write a ``torch.export`` program (``.pt2``) with a free batch size.

    Args:
        input_size: side in pixels, or (height, width); the family's own size if not given.

    Raises:
        InputError: the images are too small for the network, or the file cannot be written.
    """
    images = example(model, input_size)
    with _evaluating(model), writing(path) as target:
        program = torch.export.export(model, (images,), dynamic_shapes=({0: _batch()},))
        with warnings.catch_warnings():
            # Said of weights that are channels-last; they are written whole.
            warnings.filterwarnings("ignore", "No complete tensor found", UserWarning)
            # Torch's own writer aborts the process on a full disk.
            content = io.BytesIO()
            torch.export.save(program, content)
        replace_atomically(target, content.getvalue())


def export_onnx(
    model: Model, path: str | Path, input_size: int | tuple[int, int] | None = None
) -> None:
    """Write an ONNX file with a free batch size, and check it with ONNX Runtime.

    Args:
        input_size: side in pixels, or (height, width); the family's own size if not given.

    Raises:
        InputError: the packages of the extra ``onnx`` are missing, the images are too small for
            the network, or the file cannot be written.
        RuntimeError: ONNX Runtime's outputs are not the model's, to ``TOLERANCE`` or where the
            weights amplify rounding to ``AMPLIFIED`` times that; no file is left.
    """
    lacking = [n for n in ("onnx", "onnxruntime", "onnxscript") if not importlib.util.find_spec(n)]
    if lacking:
        raise InputError(
            f"export to ONNX needs {', '.join(lacking)}: python -m pip install 'se-nas[onnx]'"
        )
    images = example(model, input_size)
    with _evaluating(model), writing(path) as target:
        with _quiet():
            torch.onnx.export(
                model,
                (images,),
                target,
                dynamo=True,
                external_data=False,
                verbose=False,
                input_names=["images"],
                output_names=["logits"],
                dynamic_shapes=({0: _batch()},),
            )
        # Another batch size than the example's, so that a size written down would show.
        check = torch.cat([images, images.flip(-1), 2 * images])[:3]
        gap = _difference(_run_onnx(target, check), model(check))
        if not (gap <= TOLERANCE or gap <= AMPLIFIED * _rounding(model, check)):
            target.unlink()
            raise RuntimeError(f"ONNX Runtime differs from the model by {gap:.1e}")


def _batch() -> torch.export.Dim:
    return torch.export.Dim("batch", min=1)


def _run_onnx(path: Path, images: Tensor) -> Tensor:
    import onnxruntime  # type: ignore[import-untyped,unused-ignore]

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    (logits,) = session.run(None, {"images": images.cpu().numpy()})
    return torch.from_numpy(logits)


def _difference(ours: Tensor, theirs: Tensor) -> float:
    scale = theirs.abs().max().clamp_min(1e-12)
    return float((ours - theirs.cpu()).abs().max() / scale.cpu())


def _rounding(model: Model, images: Tensor) -> float:
    """Return how far the outputs are from those in double precision, by the largest logit."""
    exact = copy.deepcopy(model).double()
    return _difference(model(images).double(), exact(images.double()))


@contextmanager
def _evaluating(model: Model) -> Iterator[None]:
    was_training = model.training
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        model.train(was_training)


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence the exporter's own deprecations and log lines: they are not about the network."""
    log: Any = logging.getLogger("torch.onnx")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            warnings.simplefilter("ignore", FutureWarning)
            yield
    finally:
        log.setLevel(level)
