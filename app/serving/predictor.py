"""From rows to answers, in eval mode for good: the stored preprocessing, then the frozen network."""

import math
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from app.domain.data.encoder import Encoder
from app.domain.data.pictures import PictureEncoder, Pictures, array_pictures, sized_pictures
from app.domain.data.preprocessing import Preprocessing
from app.domain.data.raw import NOTHING_TO_REPORT, InputReport, InputReporter, RawRows
from app.domain.data.rows import RowReader
from app.domain.inference.frozen import FrozenNetwork
from app.domain.inference.monte_carlo import MonteCarloNetwork
from app.domain.inference.one_tile import copied
from app.domain.inference.uncertainty import Uncertainty
from app.errors import Damaged, InvalidRows
from app.serving.printing import Printer


@dataclass(slots=True)
class Question:
    """Rows to be answered: of a table in raw units (`raw`), or pictures of the network's size."""

    raw: RawRows | None = None
    pictures: Pictures | None = None

    def __len__(self) -> int:
        if self.raw is not None:
            return len(self.raw.numbers)
        return 0 if self.pictures is None else len(self.pictures)


@dataclass(slots=True)
class Answers:
    """`values` is float32 [n, classes] of probabilities, or [n, 1] in the target's own units.

    Of passes with dropout on they are the means, and `uncertainty` is how the passes vary.
    """

    values: NDArray[np.float32]
    report: InputReport
    uncertainty: Uncertainty | None = None

    def __len__(self) -> int:
        return len(self.values)


class Predictor:
    """A model in memory; safe to share between threads, but for `answer_together`. `labels` are its classes."""

    def __init__(self, preprocessing: bytes, frozen: bytes, monte_carlo: Callable[[], bytes] | None = None) -> None:
        """`monte_carlo` reads the file for answers with dropout, when they are first asked for.

        Raises `Damaged` where the files, whose digests were checked, do not make a model.
        """
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
        self.printer = Printer(self.labels)
        self._tile = self.network.one_tile()
        self._encoder = Encoder(self.preprocessing)
        place = self.preprocessing.picture
        self._pictures = None if place is None else PictureEncoder(place)
        self._reporter = InputReporter(self.preprocessing)
        self.reader = RowReader(self.preprocessing)
        self._read_monte_carlo = monte_carlo
        self._monte_carlo: MonteCarloNetwork | None = None
        self._reading = threading.Lock()

    @property
    def takes_pictures(self) -> bool:
        return self.preprocessing.picture is not None

    def of_pictures(self, pictures: list[NDArray[np.uint8]]) -> Question:
        """A question of upright RGB pictures, uint8 [height, width, 3] each, of any size. Raises `InvalidRows`."""
        place = self.preprocessing.picture
        if place is None:
            raise InvalidRows("the model takes rows of a table, not pictures", code="kind_mismatch")
        return Question(pictures=sized_pictures(place, pictures))

    def of_array(self, array: NDArray[np.generic]) -> Question:
        """A question of an array: numbers in feature order for a table; for pictures uint8 0–255 or floats 0–1.

        Raises `InvalidRows` for any other.
        """
        place = self.preprocessing.picture
        if place is None:
            return Question(raw=self.reader.of_array(array))
        return Question(pictures=array_pictures(place, array))

    @property
    def numbers_a_row(self) -> int | None:
        """How many numbers make up a row that is given as such; None where it has other values too."""
        place = self.preprocessing.picture
        if place is None:
            return self.reader.numbers_a_row
        return self.inputs if place.flat else None

    def of_numbers(self, numbers: NDArray[np.float64]) -> Question:
        """A question of rows of numbers [n, `numbers_a_row`], all of them within float32. Raises `InvalidRows`."""
        if self.takes_pictures:
            return self.of_array(numbers)
        return Question(raw=RawRows(numbers, np.empty((len(numbers), 0), np.int32)))

    def answer(self, question: Question, *, calibrated: bool = True) -> Answers:
        """Answers in eval mode, with what was not as in training. Raises `InvalidRows` for answers that are not finite.

        A row's bits depend on nothing but the row.
        """
        values = self.network.answer(self.features_of(question), calibrated=calibrated)
        report = NOTHING_TO_REPORT if question.raw is None else self._reporter.report(question.raw)
        return Answers(values, report)

    def answer_together(self, questions: Sequence[Question], *, calibrated: bool = True) -> list[Answers | InvalidRows]:
        """What `answer` would say to each, all of them in one go: a failure is of its own question alone.

        For one thread alone, the event loop's.
        """
        raws = [question.raw for question in questions if question.raw is not None]
        pictures = [question.pictures for question in questions if question.pictures is not None]
        if self._pictures is not None:
            reports = [NOTHING_TO_REPORT] * len(questions)
            values = self._tile.answer(pictures, self._pictures.write) if calibrated else None
        else:
            numbers = np.concatenate([raw.numbers for raw in raws])
            codes = np.concatenate([raw.codes for raw in raws]) if raws[0].codes.size else raws[0].codes
            reports = self._reporter.reports(raws, numbers, codes)
            values = self._tile.answer([self._encoder.encode(numbers, codes)], copied) if calibrated else None
        if values is None:
            return [self._answer_or_failure(question, calibrated=calibrated) for question in questions]
        answers: list[Answers | InvalidRows] = []
        start = 0
        for question, report in zip(questions, reports, strict=True):
            end = start + len(question)
            answers.append(Answers(values[start:end], report))
            start = end
        return answers

    def features_of(self, question: Question) -> NDArray[np.float32]:
        """The network's input, float32 [n, *input_shape]."""
        if question.raw is not None:
            return self._encoder.encode(question.raw.numbers, question.raw.codes)
        assert question.pictures is not None
        assert self._pictures is not None, "rows are of the model's kind"
        return self._pictures.encode(question.pictures)

    def _answer_or_failure(self, question: Question, *, calibrated: bool) -> Answers | InvalidRows:
        try:
            return self.answer(question, calibrated=calibrated)
        except InvalidRows as failure:
            return failure

    @property
    def has_passes(self) -> bool:
        """Whether what answers by passes is in memory already."""
        return self._monte_carlo is not None

    def answer_by_passes(self, question: Question, *, samples: int, seed: int, calibrated: bool = True) -> Answers:
        """Answers by `samples` passes with dropout on, drawn from `seed`. Raises as `uncertain` does."""
        found = self.uncertain(self.features_of(question), samples=samples, seed=seed, calibrated=calibrated)
        report = NOTHING_TO_REPORT if question.raw is None else self._reporter.report(question.raw)
        return Answers(found.mean, report, found)

    def uncertain(
        self, features: NDArray[np.float32], *, samples: int, seed: int, calibrated: bool = True
    ) -> Uncertainty:
        """Answers features [n, *input_shape] by `samples` passes with dropout on, drawn from `seed`.

        Raises `InvalidRows` (`no_dropout`, `monte_carlo_unavailable`) for a network that cannot, and what
        `MonteCarloNetwork.uncertain` raises.
        """
        network = self._monte_carlo or self._with_dropout()
        return network.uncertain(features, samples=samples, seed=seed, calibrated=calibrated)

    def _with_dropout(self) -> MonteCarloNetwork:
        if self._read_monte_carlo is None:
            raise InvalidRows("the network has no dropout to leave on", code="no_dropout")
        with self._reading:
            if self._monte_carlo is None:
                self._monte_carlo = MonteCarloNetwork(self._read_monte_carlo())
            return self._monte_carlo
