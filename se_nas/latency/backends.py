"""Ways to run a network or a block of it that can be timed: eager, compiled, ONNX Runtime's.

A block is made ready once, whatever network it is met in: two with one key take the same time.
"""

from __future__ import annotations

import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from se_nas.errors import InputError
from se_nas.latency.settings import LatencySettings
from se_nas.models.export import onnx_program
from se_nas.texts import first_line

Run = Callable[[Tensor], Tensor]


def eager(module: nn.Module, _: Tensor, __: LatencySettings, ___: Path) -> Run:
    """Return the module as it is."""
    return module


def compiled(module: nn.Module, images: Tensor, _: LatencySettings, __: Path) -> Run:
    """Return the module through ``torch.compile`` with its default backend, compiled for good.

    Raises:
        InputError: it cannot be compiled here, as without a C++ compiler.
    """

    def forward(x: Tensor) -> Tensor:
        return module(x)  # type: ignore[no-any-return]

    # What torch has compiled hangs on the code object: with one for all modules, each call would
    # try the guards of the others, and the ninth would run uncompiled.
    code = forward.__code__.replace(co_name=f"forward_{id(module)}")
    own = types.FunctionType(code, globals(), closure=forward.__closure__)
    run: Run = torch.compile(own, dynamic=False)
    try:
        run(images)
    except Exception as error:
        # The compiler's own errors are of many classes, from several packages.
        if isinstance(error, torch.OutOfMemoryError):
            raise
        raise InputError(
            f"latency backend compile: torch.compile fails on this device "
            f"({type(error).__name__}: {first_line(error)})"
        ) from None
    return run


def onnx_runtime(module: nn.Module, images: Tensor, settings: LatencySettings, file: Path) -> Run:
    """Return the module as a session of ONNX Runtime on the CPU; ``file`` is kept for it."""
    import onnxruntime  # type: ignore[import-untyped,unused-ignore]

    write_onnx(module, images, file)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = settings.threads, 1
    session: Any = onnxruntime.InferenceSession(
        str(file), options, providers=["CPUExecutionProvider"]
    )

    def run(x: Tensor) -> Tensor:
        (out,) = session.run(None, {"images": x.numpy()})
        return torch.from_numpy(out)

    return run


# How each backend makes a module ready: (module, an input, settings, a file of its own) → run.
PREPARE: dict[str, Callable[[nn.Module, Tensor, LatencySettings, Path], Run]] = {
    "eager": eager,
    "compile": compiled,
    "onnxruntime": onnx_runtime,
}


def write_onnx(module: nn.Module, images: Tensor, file: Path) -> None:
    """Write a block or a network for inputs of this very shape; a file that is there is kept."""
    if not file.exists():
        with torch.no_grad():  # tensors of inference mode cannot be traced
            program = onnx_program(module, images.clone(), None)
        file.write_bytes(program.model_proto.SerializeToString())
