"""What every prediction endpoint shares, whatever protocol it speaks: which model answers, and its answers.

Lives on one event loop. Small work is done there, in micro-batches; large work in a thread.
"""

import asyncio
from collections.abc import Callable
from functools import partial
from time import perf_counter
from typing import TypeVar

from app.serving.batcher import Batcher, Done
from app.serving.catalogue import Served
from app.serving.executions import Executions
from app.serving.predictor import Answers, Predictor, Question
from app.web.context import Context
from app.web.predict_options import Options

INLINE_MULTIPLICATIONS = 20_000_000
"""Rows × weights up to which the event loop answers by itself: some milliseconds at the most.

A thread would cost more than it saves there.
"""
Answer = TypeVar("Answer")


class Desk:
    """Made once for each event loop. `context` is what the routes work with; `executions`, what was executed."""

    def __init__(self, context: Context) -> None:
        self.context, self.executions = context, Executions()
        self._batcher = Batcher(self.executions.add)

    def find(
        self, project: str, name: str, *, version: int | None = None, alias: str | None = None
    ) -> tuple[Served, Predictor] | None:
        """As `model`, as far as is known here and in memory."""
        served = self.context.catalogue.find(project, name, version=version, alias=alias)
        if served is None:
            return None
        predictor = self.context.registry.find(served.run_id)
        if predictor is None:
            return None
        return served, predictor

    async def model(
        self, project: str, name: str, *, version: int | None = None, alias: str | None = None
    ) -> tuple[Served, Predictor]:
        """What answers for a model's name: a version, an alias, or else the alias `serving` or the newest version.

        Raises `NotFound`, and `Damaged` for files that are not as recorded.
        """
        found = self.find(project, name, version=version, alias=alias)
        if found is not None:
            self.context.metrics.looked_up(found=True)
            return found
        catalogue = self.context.catalogue
        served = catalogue.find(project, name, version=version, alias=alias)
        if served is None:
            # A thread of the pool that all share: those that answer may all be busy.
            served = await asyncio.to_thread(partial(catalogue.learn, project, name, version=version, alias=alias))
        return served, await self._loaded(served)

    async def model_of_run(self, project: str, run_id: str) -> tuple[Served, Predictor]:
        """What answers for a run asked directly. Raises as `model` does."""
        catalogue = self.context.catalogue
        served = catalogue.find_run(project, run_id)
        if served is None:
            served = await asyncio.to_thread(partial(catalogue.learn_run, project, run_id))
        return served, await self._loaded(served)

    async def run(self, work: Callable[[], Answer], *, here: bool) -> Answer:
        """What `work` answers: on this event loop (`here`), or from a thread of those that answer."""
        if here:
            return work()
        return await asyncio.get_running_loop().run_in_executor(self.context.answering, work)

    def tell(self, served: Served, rows: int, seconds: float) -> None:
        """Tells the figures of an answer by a model that was in memory."""
        self.context.metrics.looked_up(found=True)
        self.context.metrics.prediction(served.project, served.model or "", rows, seconds)

    def is_small(self, predictor: Predictor, question: Question) -> bool:
        """Whether a question is answered on the event loop."""
        return len(question) * predictor.weights <= INLINE_MULTIPLICATIONS

    def ask(self, predictor: Predictor, question: Question, done: Done) -> None:
        """Has `done` called with the answers to a small question, or with what went wrong; it must not raise."""
        self._batcher.put(predictor, question, done, calibrated=True)

    async def answer(self, served: Served, predictor: Predictor, question: Question, options: Options) -> Answers:
        """The answers to a question, told to the figures. Raises `InvalidRows` where one is not a finite number."""
        began = perf_counter()
        if self.context.tracing is None:
            answers = await self._answers(predictor, question, options)
        else:
            version = served.version or 0
            with self.context.tracing.span("predict", model=served.model or "", version=version, run=served.run_id):
                answers = await self._answers(predictor, question, options)
        self.context.metrics.prediction(served.project, served.model or "", len(question), perf_counter() - began)
        return answers

    async def _answers(self, predictor: Predictor, question: Question, options: Options) -> Answers:
        if options.monte_carlo_samples is not None:
            samples, seed = options.monte_carlo_samples, options.seed or 0
            here = len(question) * samples * predictor.weights <= INLINE_MULTIPLICATIONS and predictor.has_passes
            answers = await self.run(
                partial(
                    predictor.answer_by_passes, question, samples=samples, seed=seed, calibrated=options.calibrated
                ),
                here=here,
            )
        elif self.is_small(predictor, question):
            return await self._batcher.ask(predictor, question, calibrated=options.calibrated)
        else:
            answers = await self.run(lambda: predictor.answer(question, calibrated=options.calibrated), here=False)
        self.executions.add(predictor, len(question))
        return answers

    async def _loaded(self, served: Served) -> Predictor:
        predictor = self.context.registry.find(served.run_id)
        self.context.metrics.looked_up(found=predictor is not None)
        if predictor is not None:
            return predictor
        return await asyncio.to_thread(self.context.registry.load, served)
