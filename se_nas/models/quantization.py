"""Networks in 8-bit integers after training, by ONNX Runtime's quantiser.

Weights are signed with a scale for each output channel, activations unsigned with a scale for each
map, from the least and largest value on calibration images. What a GPU or a phone makes of the
file was not tried.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from se_nas.files import replace_atomically
from se_nas.models.export import INPUT, modules_of
from se_nas.models.saving import writing

Batch = NDArray[np.float32]


def quantize_onnx(
    source: Path, target: Path, batches: Iterable[Batch], keep: Collection[str] = ()
) -> None:
    """Write an ONNX file of ours with weights and activations of 8 bits.

    The metadata of ``source`` is kept, and so is a free batch size.

    Args:
        batches: calibration images as the network takes them, each [N, C, H, W].
        keep: modules whose nodes stay in float32, such as ``stage4.0.se``.

    Raises:
        InputError: ``target`` cannot be written.
    """
    import onnx
    from onnxruntime.quantization import (  # type: ignore[import-untyped,unused-ignore]
        CalibrationDataReader,
        QuantFormat,
        QuantType,
        quantize_static,
    )
    from onnxruntime.quantization.shape_inference import (  # type: ignore[import-untyped,unused-ignore]
        quant_pre_process,
    )

    class Reader(CalibrationDataReader):  # type: ignore[misc,unused-ignore]
        def __init__(self) -> None:
            self.left: Iterator[Batch] = iter(batches)

        def get_next(self) -> dict[str, Batch] | None:
            batch = next(self.left, None)
            return None if batch is None else {INPUT: batch}

    with writing(target) as place, tempfile.TemporaryDirectory() as folder, _quiet():
        prepared, written = Path(folder) / "prepared.onnx", Path(folder) / "int8.onnx"
        quant_pre_process(source, prepared, skip_symbolic_shape=True)
        model = onnx.load(prepared)
        kept = [node.name for node in model.graph.node if modules_of(node) & set(keep)]
        quantize_static(
            prepared,
            written,
            Reader(),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            weight_type=QuantType.QInt8,
            activation_type=QuantType.QUInt8,
            nodes_to_exclude=kept,
        )
        result = onnx.load(written)
        onnx.helper.set_model_props(
            result, {prop.key: prop.value for prop in onnx.load(source).metadata_props}
        )
        replace_atomically(place, result.SerializeToString())


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence the quantiser's log: it advises what was done."""
    log = logging.getLogger()
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(level)
