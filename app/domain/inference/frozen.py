"""The frozen network: what answers, in eval mode for good. It runs on ONNX Runtime, on one thread."""

from typing import Literal

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnxruntime.capi import onnxruntime_pybind11_state as failures

from app.domain.inference.one_tile import OneTile
from app.domain.inference.tiles import Floats, answer_in_tiles
from app.errors import Damaged, FieldError, InvalidRows

INPUT = "input"
PROBABILITIES: Literal["probabilities"] = "probabilities"
VALUE: Literal["value"] = "value"
FORMAT = "1"
FORMAT_KEY, TILE_KEY = "format", "tile_rows"
"""Names in the metadata of the ONNX file."""
_UNREADABLE = (
    failures.Fail,
    failures.InvalidArgument,
    failures.InvalidGraph,
    failures.InvalidProtobuf,
    failures.NotImplemented,
    failures.RuntimeException,
)


class FrozenNetwork:
    """Answers rows of float32 [n, *input_shape] with [n, outputs]; safe to share between threads.

    `output` is `probabilities`, a column for each class, or `value`, one column in the target's own units.
    """

    def __init__(self, content: bytes) -> None:
        """Reads an ONNX file made by `app.domain.training.freeze`, whose digest the caller has checked.

        Raises `Damaged` where it is no such file, or of a format this version does not know.
        """
        try:
            self._session = onnxruntime.InferenceSession(content, _options(), providers=["CPUExecutionProvider"])
        except _UNREADABLE as error:
            raise Damaged("the frozen network cannot be read: it is no ONNX file that this version runs") from error
        metadata = self._session.get_modelmeta().custom_metadata_map
        if metadata.get(FORMAT_KEY) != FORMAT:
            raise Damaged(f"the frozen network has format {metadata.get(FORMAT_KEY)!r}; this version reads {FORMAT}")
        source, result = self._session.get_inputs()[0], self._session.get_outputs()[0]
        self.tile_rows = int(metadata[TILE_KEY])
        self.input_shape: tuple[int, ...] = tuple(source.shape[1:])
        self.output: Literal["probabilities", "value"] = PROBABILITIES if result.name == PROBABILITIES else VALUE
        self.outputs = int(result.shape[1])

    def answer(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Float32 [n, outputs] for `features` [n, *input_shape]; a row's bits do not depend on the other rows.

        Raises `InvalidRows` for rows of another shape, and where an answer is not a finite number.
        """
        if features.shape[1:] != self.input_shape:
            raise InvalidRows(
                f"the network takes rows of shape {list(self.input_shape)}; received {list(features.shape[1:])}",
                code="shape_mismatch",
            )
        rows = np.ascontiguousarray(features, dtype=np.float32)
        answers = answer_in_tiles(self._execute, rows, self.tile_rows, self.outputs)
        if not np.isfinite(answers).all():
            raise _not_finite(answers)
        return answers

    def one_tile(self) -> OneTile:
        """The same answers for few rows at less cost, for one thread alone."""
        return OneTile(self._session, self.tile_rows, self.input_shape, self.output, self.outputs)

    def _execute(self, tile: Floats) -> Floats:
        answers: Floats = self._session.run(None, {INPUT: tile})[0]
        return answers


def _options() -> onnxruntime.SessionOptions:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    # Arenas and patterns keep memory for the largest call ever made; these networks run as fast without.
    options.enable_cpu_mem_arena = False
    options.enable_mem_pattern = False
    options.log_severity_level = 4
    return options


def _not_finite(answers: Floats) -> InvalidRows:
    row = int(np.flatnonzero(~np.isfinite(answers).all(axis=1))[0])
    return InvalidRows(
        f"the network's answer to row {row} is not a finite number",
        code="answer_not_finite",
        errors=(FieldError(f"/instances/{row}", "has no finite answer"),),
    )
