"""The frozen network: what answers, in eval mode for good. It runs on ONNX Runtime, on one thread."""

from typing import Literal

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnxruntime.capi import onnxruntime_pybind11_state as failures

from app.domain.inference.calibration import uncalibrated
from app.domain.inference.one_tile import OneTile
from app.domain.inference.tiles import Floats, answer_in_tiles
from app.errors import Damaged, FieldError, InvalidRows

INPUT = "input"
PROBABILITIES: Literal["probabilities"] = "probabilities"
VALUE: Literal["value"] = "value"
LOGITS = "logits"
"""The second output of a network with a temperature: what goes into its last softmax, divided by the temperature."""
FORMAT = "1"
FORMAT_KEY, TILE_KEY, TEMPERATURE_KEY = "format", "tile_rows", "temperature"
"""Names in the metadata of the ONNX file. A temperature stands there where it is not 1."""
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

    `output` is `probabilities`, a column for each class, or `value`, one column in the target's own units. The
    probabilities are calibrated by `temperature`, which is 1 where none was fitted.
    """

    def __init__(self, content: bytes) -> None:
        """Reads an ONNX file made by `app.domain.training.freeze`, whose digest the caller has checked.

        Raises `Damaged` where it is no such file, or of a format this version does not know.
        """
        self._session = opened(content)
        metadata = self._session.get_modelmeta().custom_metadata_map
        if metadata.get(FORMAT_KEY) != FORMAT:
            raise Damaged(f"the frozen network has format {metadata.get(FORMAT_KEY)!r}; this version reads {FORMAT}")
        source, result = self._session.get_inputs()[0], self._session.get_outputs()[0]
        self.tile_rows = int(metadata[TILE_KEY])
        self.temperature = float(metadata.get(TEMPERATURE_KEY, 1))
        self.input_shape: tuple[int, ...] = tuple(source.shape[1:])
        self.output: Literal["probabilities", "value"] = PROBABILITIES if result.name == PROBABILITIES else VALUE
        self.outputs = int(result.shape[1])
        self._wanted = [self.output]

    def answer(self, features: NDArray[np.float32], *, calibrated: bool = True) -> NDArray[np.float32]:
        """Float32 [n, outputs] for `features` [n, *input_shape]; a row's bits do not depend on the other rows.

        The most probable class, the first of equals, is the same one whether `calibrated` or not. Raises
        `InvalidRows` for rows of another shape, and where an answer is not a finite number.
        """
        check_shape(features, self.input_shape)
        rows = np.ascontiguousarray(features, dtype=np.float32)
        if calibrated or self.temperature == 1:
            answers = answer_in_tiles(self._execute, rows, self.tile_rows, self.outputs)
        else:
            both = answer_in_tiles(self._execute_both, rows, self.tile_rows, 2 * self.outputs)
            answers = _with_labels_of(both[:, : self.outputs], both[:, self.outputs :].copy())
        check_finite(answers)
        return answers

    def one_tile(self) -> OneTile:
        """The same answers for few rows at less cost, for one thread alone."""
        return OneTile(self._session, self.tile_rows, self.input_shape, self.output, self.outputs)

    def _execute(self, tile: Floats) -> Floats:
        answers: Floats = self._session.run(self._wanted, {INPUT: tile})[0]
        return answers

    def _execute_both(self, tile: Floats) -> Floats:
        answers, logits = self._session.run([self.output, LOGITS], {INPUT: tile})
        return np.concatenate([answers, uncalibrated(logits, self.temperature)], axis=1)


def opened(content: bytes) -> onnxruntime.InferenceSession:
    """A session on one thread. Raises `Damaged` where `content` is no ONNX file that this version runs."""
    try:
        return onnxruntime.InferenceSession(content, _options(), providers=["CPUExecutionProvider"])
    except _UNREADABLE as error:
        raise Damaged("the frozen network cannot be read: it is no ONNX file that this version runs") from error


def check_shape(features: Floats, shape: tuple[int, ...]) -> None:
    """Raises `InvalidRows` unless `features` is [n, *shape]."""
    if features.shape[1:] != shape:
        raise InvalidRows(
            f"the network takes rows of shape {list(shape)}; received {list(features.shape[1:])}",
            code="shape_mismatch",
        )


def check_finite(answers: Floats, first: int = 0) -> None:
    """Raises `InvalidRows` naming the first row of `answers` [n, ...] that is not finite; they count from `first`."""
    if not np.isfinite(answers).all():
        row = first + int(np.flatnonzero(~np.isfinite(answers).reshape(len(answers), -1).all(axis=1))[0])
        raise InvalidRows(
            f"the network's answer to row {row} is not a finite number",
            code="answer_not_finite",
            errors=(FieldError(f"/instances/{row}", "has no finite answer"),),
        )


def _with_labels_of(calibrated: Floats, raw: Floats) -> Floats:
    """`raw`, both [n, classes], with the most probable class of `calibrated` as its own.

    A temperature keeps the order of exact numbers. But what float32 can tell apart before it may be equal behind it, or
    the other way round: there the class that is answered is raised above the other by the least that float32 has.
    """
    labels = calibrated.argmax(axis=1)
    rows = np.flatnonzero(raw.argmax(axis=1) != labels)
    raw[rows, labels[rows]] = np.nextafter(raw[rows].max(axis=1), np.float32(2), dtype=np.float32)
    return raw


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
