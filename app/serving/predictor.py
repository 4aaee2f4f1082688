"""From rows to answers, in eval mode for good: the stored preprocessing, then the frozen network."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from app.domain.data.encoder import Encoder
from app.domain.data.pictures import array_features, picture_features
from app.domain.data.preprocessing import Preprocessing
from app.domain.data.raw import InputReport, InputReporter, RawRows
from app.domain.data.rows import RowReader
from app.domain.inference.frozen import FrozenNetwork
from app.errors import Damaged, InvalidRows

NOTHING_TO_REPORT = InputReport({}, {}, {})


@dataclass(frozen=True, slots=True)
class Answers:
    """`values` is float32 [n, classes] of probabilities, or [n, 1] in the target's own units; `labels` the classes."""

    values: NDArray[np.float32]
    labels: tuple[str, ...] | None
    report: InputReport

    def predictions(self, *, probabilities: bool, top: int | None) -> list[dict[str, Any]]:
        """One JSON object a row. `top` keeps the most probable classes alone."""
        if self.labels is None:
            return [{"value": value} for value in self.values[:, 0].tolist()]
        best = self.values.argmax(axis=1).tolist()
        rows = self.values.tolist()
        answers: list[dict[str, Any]] = [
            {"label": self.labels[index], "probability": row[index]} for index, row in zip(best, rows, strict=True)
        ]
        if probabilities:
            for answer, row in zip(answers, rows, strict=True):
                ranked = sorted(range(len(row)), key=lambda index: -row[index])[:top] if top else range(len(row))
                answer["probabilities"] = {self.labels[index]: row[index] for index in ranked}
        return answers

    def table(self, *, probabilities: bool, top: int | None) -> tuple[list[str], list[list[object]]]:
        """Column names and rows, as CSV has them; a class that `top` leaves out has an empty cell."""
        if self.labels is None:
            return ["value"], [[value] for value in self.values[:, 0].tolist()]
        classes = self.labels if probabilities else ()
        rows = [
            [answer["label"], answer["probability"], *(answer["probabilities"].get(label, "") for label in classes)]
            for answer in self.predictions(probabilities=True, top=top)
        ]
        return ["label", "probability", *(f"probability_{label}" for label in classes)], rows


class Predictor:
    """A model in memory; safe to share between threads, for nothing in it changes."""

    def __init__(self, preprocessing: bytes, frozen: bytes) -> None:
        """Raises `Damaged` where the files, whose digests were checked, do not make a model."""
        try:
            self.preprocessing = Preprocessing.model_validate_json(preprocessing)
        except ValidationError as error:
            raise Damaged("the stored preprocessing cannot be read by this version") from error
        self.network = FrozenNetwork(frozen)
        # The file holds little but float32 weights.
        self.weights = len(frozen) // 4
        self.inputs = math.prod(self.network.input_shape)
        target = self.preprocessing.target
        self.labels = target.labels if target.type == "classes" else None
        self.outputs = 1 if self.labels is None else len(self.labels)
        self._encoder = Encoder(self.preprocessing)
        self._reporter = InputReporter(self.preprocessing)
        self.reader = RowReader(self.preprocessing)

    @property
    def takes_pictures(self) -> bool:
        return self.preprocessing.picture is not None

    def answer_rows(self, raw: RawRows) -> Answers:
        """Answers rows of a table, with what was not as in training."""
        values = self.network.answer(self._encoder.encode(raw.numbers, raw.codes))
        return Answers(values, self.labels, self._reporter.report(raw))

    def answer_pictures(self, pictures: list[NDArray[np.uint8]]) -> Answers:
        """Answers upright RGB pictures, uint8 [height, width, 3] each, of any size."""
        place = self.preprocessing.picture
        if place is None:
            raise InvalidRows("the model takes rows of a table, not pictures", code="kind_mismatch")
        return self._answer_features(picture_features(place, pictures))

    def answer_array(self, array: NDArray[np.generic]) -> Answers:
        """Answers an array: numbers in feature order for a table; for pictures uint8 0–255 or floats 0–1."""
        place = self.preprocessing.picture
        if place is None:
            return self.answer_rows(self.reader.of_array(array))
        return self._answer_features(array_features(place, array))

    def _answer_features(self, features: NDArray[np.float32]) -> Answers:
        shaped = features.reshape(len(features), *self.network.input_shape)
        return Answers(self.network.answer(shaped), self.labels, NOTHING_TO_REPORT)
