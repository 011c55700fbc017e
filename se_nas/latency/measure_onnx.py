"""Timing by ONNX Runtime on the CPU, of the blocks inside whole networks as it runs them.

Blocks are not cut out: ONNX Runtime lays maps out in a way of its own and would have to change it
back at every cut. Its profiler says what each operator takes; the time that it takes to look,
the same for each operator, is what makes their sum longer than a pass without it.
"""

from __future__ import annotations

import json
import shutil
import statistics
import tempfile
import time
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

from se_nas.architecture.architecture import Architecture
from se_nas.latency.measure import identity, keep_freed_memory
from se_nas.latency.pieces import module_names, prepared
from se_nas.latency.settings import LatencySettings, Signature
from se_nas.latency.table import Latency, Profile, network_key
from se_nas.models.export import INPUT, modules_of, onnx_program

KERNEL = "_kernel_time"  # ends the name of an operator's event


class OnnxRuntimeMeasurer:
    """Measurer that times networks in ONNX Runtime's sessions in this process."""

    def __init__(self, signature: Signature, settings: LatencySettings) -> None:
        self.signature, self.settings = signature, settings
        self.folder = Path(tempfile.mkdtemp(prefix="se-nas-latency-"))
        self.close = weakref.finalize(self, shutil.rmtree, self.folder, ignore_errors=True)
        keep_freed_memory()

    def identity(self) -> dict[str, Any]:
        """Return what a measurement holds for: the device, the versions, the settings."""
        import onnxruntime  # type: ignore[import-untyped,unused-ignore]

        version = {"onnxruntime": onnxruntime.__version__}
        return identity("cpu") | version | self.settings.of_one()

    def measure(self, architecture: Architecture) -> Latency:
        """Time a whole network."""
        run = self._run(self._file(architecture))
        times = [_timed(run) for _ in range(self.settings.warm_up + self.settings.repeats)]
        return Latency.of(times[self.settings.warm_up :])

    def profile(self, architecture: Architecture) -> Profile:
        """Time every block, in the order of ``blocks.blocks``, and the whole without a look."""
        file = self._file(architecture)
        events = self.folder / "events"
        whole_ms = self.measure(architecture).median_ms
        looked_at = self._run(file, events)
        for _ in range(self.settings.warm_up + self.settings.repeats):
            looked_at()
        written = Path(looked_at.session.end_profiling())
        passes = _passes(json.loads(written.read_text(encoding="utf-8")))
        written.unlink()
        names = json.loads(file.with_suffix(".json").read_text(encoding="utf-8"))
        return Profile(_blocks_ms(passes[self.settings.warm_up :], names, whole_ms), whole_ms)

    def _file(self, architecture: Architecture) -> Path:
        """Return the network's file, with the block of each of its names beside it."""
        file = self.folder / f"{network_key(architecture, self.signature)}.onnx"
        if not file.exists():
            model, images_nchw = prepared(architecture, self.signature, self.settings, "cpu")
            program = onnx_program(model, images_nchw, None)
            file.write_bytes(program.model_proto.SerializeToString())
            names = block_of_names(program.model_proto, module_names(model))
            file.with_suffix(".json").write_text(json.dumps(names), encoding="utf-8")
        return file

    def _run(self, file: Path, events: Path | None = None) -> Any:
        import numpy as np
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = self.settings.threads, 1
        if events is not None:
            options.enable_profiling, options.profile_file_prefix = True, str(events)
        session = onnxruntime.InferenceSession(
            str(file), options, providers=["CPUExecutionProvider"]
        )
        side = self.signature.image_size
        shape = (self.settings.batch, self.signature.in_channels, side, side)
        images = np.random.default_rng(0).standard_normal(shape, dtype=np.float32)
        return _Run(session, {INPUT: images})


class _Run:
    """A session with its input."""

    def __init__(self, session: Any, given: dict[str, Any]) -> None:
        self.session, self.given = session, given

    def __call__(self) -> None:
        self.session.run(None, self.given)


def block_of_names(program: Any, pieces: list[list[str]]) -> dict[str, int]:
    """Return the number of the block for each node's name and each value's that it makes.

    Args:
        program: an ONNX model of torch's exporter.
        pieces: for each block the names of its modules, from ``pieces.module_names``; what is in
            none of them is of the last, the head.
    """
    owner = {module: number for number, own in enumerate(pieces) for module in own}
    found: dict[str, int] = {}
    for node in program.graph.node:
        number = next((owner[m] for m in modules_of(node) if m in owner), len(pieces) - 1)
        found |= dict.fromkeys([node.name, *node.output], number)
    return found


def _passes(events: list[Any]) -> list[list[tuple[str, float]]]:
    """Return for each pass its operators in their order: (name, milliseconds)."""
    nodes = [e for e in events if e.get("cat") == "Node" and e["name"].endswith(KERNEL)]
    nodes.sort(key=lambda event: event["ts"])
    count = sum(e["name"] == nodes[0]["name"] for e in nodes)
    size = len(nodes) // count
    told = [(event["name"].removesuffix(KERNEL), event["dur"] / 1e3) for event in nodes]
    return [told[i * size : (i + 1) * size] for i in range(count)]


def _blocks_ms(
    passes: list[list[tuple[str, float]]], names: dict[str, int], whole_ms: float
) -> tuple[float, ...]:
    """Return the milliseconds of each block, which add up to ``whole_ms``.

    An operator that ONNX Runtime put in, such as a change of layout, is of the block before it.
    """
    owners: list[int] = []
    for name, _ in passes[0]:
        # A fused operator has a prefix, a suffix, or the name of the last value that it makes.
        plain = name.removeprefix("fused ").removesuffix("_nchwc")
        owners.append(names.get(plain, owners[-1] if owners else 0))
    durations = [statistics.median(column) for column in zip(*_durations(passes), strict=True)]
    look_ms = (sum(durations) - whole_ms) / len(durations)
    found = [0.0] * (max(names.values()) + 1)
    for owner, ms in zip(owners, durations, strict=True):
        found[owner] += ms - look_ms
    return tuple(max(ms, 0.0) for ms in found)


def _durations(passes: list[list[tuple[str, float]]]) -> list[list[float]]:
    return [[ms for _, ms in one] for one in passes]


def _timed(run: Callable[[], None]) -> float:
    start = time.perf_counter()
    run()
    return 1e3 * (time.perf_counter() - start)
