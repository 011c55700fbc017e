"""Export of models to be run elsewhere: ONNX files and ``torch.export`` programs."""

from __future__ import annotations

import ast
import copy
import importlib.util
import io
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from se_nas.errors import InputError
from se_nas.files import replace_atomically
from se_nas.models.changes import described_sizes, unwrapped
from se_nas.models.saving import fitting, writing
from se_nas.nn.example import example
from se_nas.nn.model import Model

if TYPE_CHECKING:
    from se_nas.data.preprocessing import Preprocessing

# Outputs of the exported network against those of the model, relative to the largest logit.
TOLERANCE = 1e-4
# Deep networks whose statistics are those of no images (fresh weights) amplify rounding: two
# orders of summation part by more. There a difference is held against the model's own rounding.
AMPLIFIED = 100
INPUT = "images"
SCOPES = "pkg.torch.onnx.name_scopes"  # where torch's exporter says which module a node is of
# Protocol buffers end at 2 GiB; the network itself needs little beside its weights.
MOST_BYTES = 2**31 - 2**24


class Differs(RuntimeError):
    """What was exported does not compute what the model does."""


def export_program(
    model: nn.Module, path: str | Path, input_size: int | tuple[int, int] | None = None
) -> None:
    """Write a ``torch.export`` program (``.pt2``) with a free batch size.

    What is known of its pictures is in the extra file ``preprocessing.json``
    (``torch.export.load(path, extra_files={"preprocessing.json": ""})`` fills the dictionary in).
    The program is read again before the old file is replaced.

    Args:
        input_size: side in pixels, or (height, width); if not given, that of the images that the
            model was trained on, where its file said so, else the family's own.

    Raises:
        InputError: the images are too small for the network, or the file cannot be written.
    """
    model = unwrapped(model, "export_program")
    images = example(model, input_size)
    told = _exported(model, images)
    with _evaluating(model), writing(path) as target:
        program = torch.export.export(model, (images,), dynamic_shapes=({0: _batch()},))
        with warnings.catch_warnings():
            # Said of weights that are channels-last; they are written whole.
            warnings.filterwarnings("ignore", "No complete tensor found", UserWarning)
            # Torch's own writer aborts the process on a full disk.
            content = io.BytesIO()
            extra = {} if told is None else {"preprocessing.json": told.to_json()}
            torch.export.save(program, content, extra_files=extra)
            content.seek(0)
            torch.export.load(content)  # it can be read again
        replace_atomically(target, content.getvalue())


def export_onnx(
    model: nn.Module, path: str | Path, input_size: int | tuple[int, int] | None = None
) -> None:
    """Write an ONNX file with a free batch size, checked with ONNX Runtime before.

    The old file is there until the new one is checked and whole. The metadata has ``architecture``
    and, where it is known, ``preprocessing`` with the image size, crop, mean, deviation and class
    names, as JSON (``se_nas.data.Preprocessing``).

    Args:
        input_size: side in pixels, or (height, width); if not given, that of the images that the
            model was trained on, where its file said so, else the family's own.

    Raises:
        InputError: the packages of the extra ``onnx`` are missing, the images are too small for
            the network, its outputs are not finite, it is not in single or double precision or
            larger than an ONNX file can be, or the file cannot be written.
        Differs: ONNX Runtime's outputs are not the model's, to ``TOLERANCE`` or where the
            weights amplify rounding to ``AMPLIFIED`` times that; the old file is left.
    """
    check_packages("export to ONNX")
    model = unwrapped(model, "export_onnx")
    images = example(model, input_size)
    told = _exported(model, images)
    _check_exportable(model)
    with _evaluating(model), writing(path) as target:
        check = _three(images)
        expected = model(check)
        if not expected.isfinite().all():
            raise InputError(
                "export_onnx: the model's outputs are not finite, so that nothing can be checked; "
                f"{str(path)!r} is left as it was. Its weights have diverged, or are not loaded"
            )
        program = onnx_program(model, images, ({0: _batch()},))
        program.model.metadata_props["architecture"] = model.architecture.to_json()
        if told is not None:
            program.model.metadata_props["preprocessing"] = told.to_json()
        content = program.model_proto.SerializeToString()
        gap = _difference(_run_onnx(content, check), expected)
        if not (gap <= TOLERANCE or gap <= AMPLIFIED * _rounding(model, check)):
            raise Differs(f"ONNX Runtime differs from the model by {gap:.1e}")
        replace_atomically(target, content)


def check_packages(what: str) -> None:
    """Raise an ``InputError`` where the packages of the extra ``onnx`` are missing."""
    lacking = [n for n in ("onnx", "onnxruntime", "onnxscript") if not importlib.util.find_spec(n)]
    if lacking:
        raise InputError(f"{what} needs {', '.join(lacking)}: python -m pip install 'se-nas[onnx]'")


def onnx_program(module: nn.Module, images: Tensor, dynamic_shapes: Any) -> Any:
    """Return the program of a module in eval mode, from ``images`` to ``logits``.

    Args:
        dynamic_shapes: as ``torch.onnx.export`` takes it; None for inputs of this very shape.
    """
    with _quiet():
        return torch.onnx.export(
            module,
            (images,),
            dynamo=True,
            verbose=False,
            input_names=[INPUT],
            output_names=["logits"],
            dynamic_shapes=dynamic_shapes,
        )


def modules_of(node: Any) -> set[str]:
    """Return the names of the modules that a node of an export is in."""
    found = next((prop.value for prop in node.metadata_props if prop.key == SCOPES), "[]")
    return set(ast.literal_eval(found))


def _three(images: Tensor) -> Tensor:
    """Return three images: another batch size than the example's shows a size written down."""
    return torch.cat([images, images.flip(-1), 2 * images])[:3]


def _exported(model: Model, images: Tensor) -> Preprocessing | None:
    """Return the preprocessing of the model at the size of these images; None if it has none."""
    told: Preprocessing | None = fitting(model, *described_sizes(model), None)
    height, width = images.shape[2:]
    return told.at(height) if told is not None and height == width else None


def _check_exportable(model: Model) -> None:
    kinds = {value.dtype for value in model.parameters()}
    other = [kind for kind in kinds if kind not in (torch.float32, torch.float64)]
    if other or len(kinds) > 1:
        names = ", ".join(sorted(str(kind).removeprefix("torch.") for kind in kinds))
        raise InputError(
            f"export_onnx writes what ONNX Runtime can check on a CPU, float32 or float64; the "
            f"parameters are {names}: export model.float()"
        )
    size = sum(value.numel() * value.element_size() for value in model.state_dict().values())
    if size > MOST_BYTES:
        raise InputError(
            f"export_onnx: the weights are {size / 1e9:.1f} GB, and an ONNX file holds 2 GB at "
            "most; write a program (.pt2)"
        )


def _batch() -> torch.export.Dim:
    return torch.export.Dim("batch", min=1)


def _run_onnx(content: bytes, images: Tensor) -> Tensor:
    import onnxruntime  # type: ignore[import-untyped,unused-ignore]

    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    (logits,) = session.run(None, {INPUT: images.cpu().numpy()})
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
