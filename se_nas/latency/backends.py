"""Ways to run a network or a block of it in this process: eager, or compiled.

A block is made ready once, whatever network it is met in: two with one key take the same time.
"""

from __future__ import annotations

import types
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from se_nas.errors import InputError
from se_nas.texts import first_line

Run = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Backend:
    """How a backend makes modules ready: (module, an input) → run.

    Attributes:
        whole: networks, as a user has them.
        block: their blocks, with as little around them as can be: in a network that is there once.
    """

    whole: Callable[[nn.Module, Tensor], Run]
    block: Callable[[nn.Module, Tensor], Run]


def eager(module: nn.Module, _: Tensor) -> Run:
    """Return the module as it is."""
    return module


def compiled(module: nn.Module, images: Tensor, **options: Any) -> Run:
    """Return the module through ``torch.compile`` with its default backend, compiled for good.

    Args:
        options: of the compiler.

    Raises:
        InputError: it cannot be compiled here, as without a C++ compiler.
    """

    def forward(x: Tensor) -> Tensor:
        return module(x)  # type: ignore[no-any-return]

    # What torch has compiled hangs on the code object: with one for all modules, each call would
    # try the guards of the others, and the ninth would run uncompiled.
    code = forward.__code__.replace(co_name=f"forward_{id(module)}")
    own = types.FunctionType(code, globals(), closure=forward.__closure__)
    run: Run = torch.compile(own, dynamic=False, options=options or None)
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


def compiled_block(module: nn.Module, images: Tensor) -> Run:
    """Return a compiled module that does not look at each call whether it still fits."""
    return compiled(module, images, guard_filter_fn=torch.compiler.skip_all_guards_unsafe)


IN_PROCESS: dict[str, Backend] = {
    "eager": Backend(eager, eager),
    "compile": Backend(compiled, compiled_block),
}
