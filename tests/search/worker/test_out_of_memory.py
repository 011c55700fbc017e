"""Which errors say that memory is short."""

from __future__ import annotations

import pytest

from se_nas.search.worker.out_of_memory import is_out_of_memory


@pytest.mark.parametrize(
    ("error", "memory"),
    [
        (MemoryError(), True),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried 8 bytes"), True),
        (RuntimeError("CUDA error: out of memory"), True),
        (RuntimeError("CUDA error: an illegal memory access was encountered"), False),
        (ValueError("out of memory"), False),
    ],
)
def test_what_counts_as_out_of_memory(error: BaseException, memory: bool) -> None:
    assert is_out_of_memory(error) is memory
