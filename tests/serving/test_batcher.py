"""Micro-batches: questions that wait together get what each would get alone, and a failure is its own question's."""

import asyncio

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from app.domain.data.preprocessing import ClassTarget, Feature, NumericFeature, Preprocessing, Scale
from app.domain.data.raw import RawRows
from app.domain.network.spec import NetworkSpec
from app.domain.task import Task
from app.domain.training.freeze import freeze
from app.errors import InvalidRows
from app.serving.batcher import Batcher
from app.serving.predictor import Answers, Predictor, Question
from tests.freezing.specs import trained

COLUMNS, TILE = 3, 4
TARGET = ClassTarget(name="y", labels=("a", "b"))


def predictor() -> Predictor:
    """A little network of 3 numbers, frozen for tiles of 4 rows."""
    layers = [{"type": "dense", "units": 5, "activation": "tanh"}, {"type": "dense"}]
    spec = NetworkSpec.model_validate({"layers": layers}).resolved((COLUMNS,), Task.CLASSIFICATION, 2)
    scale = Scale(mean=0.0, deviation=1.0)
    features: tuple[Feature, ...] = tuple(
        NumericFeature(name=name, indicator=False, scale=scale, minimum=-1.0, maximum=1.0) for name in "pqr"
    )
    preprocessing = Preprocessing(features=features, picture=None, target=TARGET)
    return Predictor(preprocessing.artifact(), freeze(trained(spec, 3), TARGET, TILE))


LITTLE = predictor()


def question(rows: int, seed: int) -> Question:
    numbers = np.random.Generator(np.random.PCG64(seed)).normal(0, 0.8, (rows, COLUMNS))
    numbers[numbers > 1.5] = np.nan
    return Question(raw=RawRows(numbers, np.empty((rows, 0), np.int32)))


def together(questions: list[Question]) -> list[Answers | Exception]:
    """What a batch of them gets, in their order."""

    async def scene() -> list[Answers | Exception]:
        batcher = Batcher(lambda predictor, rows: None)
        asked = [batcher.ask(LITTLE, one, calibrated=True) for one in questions]
        return await asyncio.gather(*asked, return_exceptions=True)  # type: ignore[return-value]

    return asyncio.run(scene())


@given(st.lists(st.integers(1, 2 * TILE + 1), min_size=1, max_size=6), st.integers(0, 2**16))
@settings(max_examples=50, deadline=None)
def test_a_batch_gets_the_bits_and_the_reports_that_each_gets_alone(sizes: list[int], seed: int) -> None:
    questions = [question(rows, seed + index) for index, rows in enumerate(sizes)]
    for one, found in zip(questions, together(questions), strict=True):
        alone = LITTLE.answer(one)
        assert isinstance(found, Answers)
        assert found.values.tobytes() == alone.values.tobytes()
        assert found.report == alone.report


def test_an_answer_that_is_not_finite_fails_its_own_question_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = LITTLE.network.answer

    def answer(features: NDArray[np.float32], *, calibrated: bool = True) -> NDArray[np.float32]:
        if (features == 7).any():
            raise InvalidRows("not finite", code="answer_not_finite")
        return whole(features, calibrated=calibrated)

    bad = Question(raw=RawRows(np.full((1, COLUMNS), 7.0), np.empty((1, 0), np.int32)))
    monkeypatch.setattr(LITTLE.network, "answer", answer)
    monkeypatch.setattr(LITTLE, "_tile", type("Tile", (), {"answer": lambda self, parts, write: None})())
    first, second, third = together([question(2, 1), bad, question(3, 2)])
    assert isinstance(second, InvalidRows)
    assert isinstance(first, Answers)
    assert isinstance(third, Answers)
    assert len(third) == 3


def test_what_goes_wrong_reaches_everybody_who_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> object:
        raise RuntimeError("broken")

    monkeypatch.setattr(LITTLE, "answer_together", broken)
    assert [type(answer) for answer in together([question(1, 1), question(1, 2)])] == [RuntimeError, RuntimeError]
