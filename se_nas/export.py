"""Models out: safetensors that rebuild themselves, ONNX, and ``torch.export`` programs."""

from __future__ import annotations

import copy
import importlib.util
import io
import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from se_nas.arch import Architecture
from se_nas.checkpoints import is_safetensors, read_metadata
from se_nas.cost import parts
from se_nas.errors import InputError
from se_nas.materializer import materialize
from se_nas.modules import Model

# Outputs of the exported network against those of the model, relative to the largest logit.
TOLERANCE = 1e-4
# Deep networks whose statistics are those of no images (fresh weights) amplify rounding: two
# orders of summation part by more. There a difference is held against the model's own rounding.
AMPLIFIED = 100


def metadata(architecture: Architecture, num_classes: int, in_channels: int) -> dict[str, str]:
    """What a safetensors file says of its network: enough to rebuild it."""
    return {
        "format": "pt",
        "architecture": architecture.to_json(),
        "num_classes": str(num_classes),
        "in_channels": str(in_channels),
    }


def to_bytes(
    state: Mapping[str, Tensor], architecture: Architecture, num_classes: int, in_channels: int
) -> bytes:
    """The content of the file that ``save`` writes."""
    from safetensors.torch import save

    tensors = {key: value.detach().cpu().contiguous() for key, value in state.items()}
    return save(tensors, metadata(architecture, num_classes, in_channels))


def save(model: Model, path: str | Path) -> None:
    """Write the weights as safetensors with all that ``load`` needs beside them.

    Raises:
        InputError: the model's batch norms were folded away, it has no classifier, or the file
            cannot be written.
    """
    _check_kind(model, "save")
    if model.num_classes < 1:
        raise InputError("save writes whole networks; this one's classifier was left away")
    if model.folded:
        raise InputError(
            "save writes trained models; this one was optimized for inference: save the model it "
            "was made from, or export this one as ONNX or as a program"
        )
    content = to_bytes(model.state_dict(), model.architecture, model.num_classes, model.in_channels)
    with _writing(path) as target:
        target.write_bytes(content)


def load(path: str | Path) -> Model:
    """Rebuild a model from a file of ``save`` or of a search, with its weights.

    It is in training mode, as models of torchvision and timm are when they come with weights:
    call ``.eval()`` before inference.

    Raises:
        InputError: there is no such file, or it does not say what network it holds.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"load: there is no file {str(path)!r}")
    if not is_safetensors(path):
        raise InputError(
            f"load: {str(path)!r} is no safetensors file, and only those say what network they "
            "hold; use se_nas.materialize(name, weights=…)"
        )
    found = read_metadata(path)
    if "architecture" not in found:
        raise InputError(
            f"load: {str(path)!r} does not say what network it holds; "
            "use se_nas.materialize(name, weights=…)"
        )
    architecture = Architecture.from_json(found["architecture"])
    sizes: dict[str, int] = {}
    for field in ("num_classes", "in_channels"):
        text = found.get(field, "")
        if not text.isdecimal():
            raise InputError(
                f"load: {str(path)!r} does not say its {field}; "
                f"use se_nas.materialize({str(architecture)!r}, {field}=…, weights=…)"
            )
        sizes[field] = int(text)
    return materialize(
        architecture,
        num_classes=sizes["num_classes"],
        in_channels=sizes["in_channels"],
        weights=path,
    )


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
    with _evaluating(model), _writing(path) as target:
        program = torch.export.export(model, (images,), dynamic_shapes=({0: _batch()},))
        with warnings.catch_warnings():
            # Said of weights that are channels-last; they are written whole.
            warnings.filterwarnings("ignore", "No complete tensor found", UserWarning)
            # Torch's own writer aborts the process on a full disk.
            content = io.BytesIO()
            torch.export.save(program, content)
        target.write_bytes(content.getvalue())


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
    with _evaluating(model), _writing(path) as target:
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


def example(model: Model, input_size: int | tuple[int, int] | None = None) -> Tensor:
    """Two images of noise, as ``model`` takes them.

    Raises:
        InputError: ``model`` is none of ours, or images of that size are too small for it.
    """
    _check_kind(model, "export")
    size = model.architecture.trunk.input_size if input_size is None else input_size
    height, width = size if isinstance(size, tuple) else (size, size)
    if min(height, width) < 1:
        raise InputError(f"input_size is {input_size!r}; give a side of at least 1 px")
    parts(model.architecture, input_size=(height, width))  # by arithmetic, before torch complains
    parameter = next(model.parameters())
    noise = torch.randn(
        2, model.in_channels, height, width, generator=torch.Generator().manual_seed(0)
    )
    return noise.to(parameter)


def _check_kind(model: object, what: str) -> None:
    if not isinstance(model, Model):
        raise InputError(
            f"{what} takes a model of se_nas.materialize, not a {type(model).__name__}"
        )


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
    """How far the model in its own precision is from itself in double precision."""
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
def _writing(path: str | Path) -> Iterator[Path]:
    try:
        yield Path(path)
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(f"{str(path)!r} cannot be written: {reason}") from None


@contextmanager
def _quiet() -> Iterator[None]:
    """The exporter's own deprecations and log lines say nothing about the network."""
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
