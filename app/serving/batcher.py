"""Micro-batches that wait for nobody: what came while the network was busy is answered together, in one go.

Lives on one event loop. Requests that the loop finds ready at once each leave a question; when all of them have, the
loop comes to `_answer`. Where there is one request alone, nothing waits for a second one.
"""

import asyncio
from collections.abc import Callable

from app.serving.predictor import Answers, Predictor, Question

Told = Callable[[Predictor, int], None]
"""Told of each execution: by whom, and how many rows it answered."""


class Batcher:
    """`ask` from the loop alone."""

    def __init__(self, told: Told) -> None:
        self._told = told
        self._waiting: dict[tuple[Predictor, bool], list[tuple[Question, asyncio.Future[Answers]]]] = {}

    def ask(self, predictor: Predictor, question: Question, *, calibrated: bool) -> asyncio.Future[Answers]:
        """The answer to come. It raises `InvalidRows` where an answer is not a finite number."""
        loop = asyncio.get_running_loop()
        if not self._waiting:
            loop.call_soon(self._answer)
        future: asyncio.Future[Answers] = loop.create_future()
        self._waiting.setdefault((predictor, calibrated), []).append((question, future))
        return future

    def _answer(self) -> None:
        waiting, self._waiting = self._waiting, {}
        for (predictor, calibrated), asked in waiting.items():
            wanted = [(question, future) for question, future in asked if not future.done()]
            if wanted:
                self._answer_one_model(predictor, wanted, calibrated=calibrated)

    def _answer_one_model(
        self, predictor: Predictor, asked: list[tuple[Question, asyncio.Future[Answers]]], *, calibrated: bool
    ) -> None:
        try:
            answers = predictor.answer_together([question for question, _ in asked], calibrated=calibrated)
        except Exception as error:  # noqa: BLE001 - it is raised where it is waited for
            for _, future in asked:
                future.set_exception(error)
            return
        self._told(predictor, sum(len(question) for question, _ in asked))
        for (_, future), answer in zip(asked, answers, strict=True):
            if isinstance(answer, Exception):
                future.set_exception(answer)
            else:
                future.set_result(answer)
