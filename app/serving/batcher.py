"""Micro-batches that wait for nobody: what came while the network was busy is answered together, in one go.

Lives on one event loop. Requests that the loop finds ready at once each leave a question; when all of them have, the
loop comes to `_answer`. Where there is one request alone, nothing waits for a second one.
"""

import asyncio
from collections.abc import Callable, Sequence

from app.serving.predictor import Answers, Predictor, Question

Told = Callable[[Predictor, int], None]
"""Told of each execution: by whom, and how many rows it answered."""

Done = Callable[[Answers | Exception], None]


class Batcher:
    """`ask` and `put` from the loop alone."""

    def __init__(self, told: Told) -> None:
        self._told = told
        self._waiting: dict[tuple[Predictor, bool], list[tuple[Question, Done]]] = {}

    def ask(self, predictor: Predictor, question: Question, *, calibrated: bool) -> asyncio.Future[Answers]:
        """The answer to come. It raises `InvalidRows` where an answer is not a finite number."""
        future: asyncio.Future[Answers] = asyncio.get_running_loop().create_future()

        def settle(answer: Answers | Exception) -> None:
            if future.done():
                return
            if isinstance(answer, Exception):
                future.set_exception(answer)
            else:
                future.set_result(answer)

        self.put(predictor, question, settle, calibrated=calibrated)
        return future

    def put(self, predictor: Predictor, question: Question, done: Done, *, calibrated: bool) -> None:
        """Has `done` called with the answer to come, or with what went wrong. It must not raise."""
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self._answer)
        self._waiting.setdefault((predictor, calibrated), []).append((question, done))

    def _answer(self) -> None:
        waiting, self._waiting = self._waiting, {}
        for (predictor, calibrated), asked in waiting.items():
            self._answer_one_model(predictor, asked, calibrated=calibrated)

    def _answer_one_model(self, predictor: Predictor, asked: list[tuple[Question, Done]], *, calibrated: bool) -> None:
        answers: Sequence[Answers | Exception]
        try:
            answers = predictor.answer_together([question for question, _ in asked], calibrated=calibrated)
        except Exception as error:  # noqa: BLE001 - it is raised where it is waited for
            answers = [error] * len(asked)
        else:
            self._told(predictor, sum([len(question) for question, _ in asked]))
        for (_, done), answer in zip(asked, answers, strict=True):
            done(answer)
