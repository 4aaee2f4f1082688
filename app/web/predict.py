"""The prediction routes: plain ASGI, because a framework's route costs more than a network. They ask no database:
the catalogue knows what answers, and only a name it has never seen is looked up."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, nullcontext
from time import perf_counter

from orjson import OPT_SERIALIZE_NUMPY, dumps
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from app.errors import FieldError, Invalid
from app.serving.catalogue import Served
from app.serving.predictor import Predictor
from app.storage.keys import Principal
from app.web.context import Context
from app.web.predict_inputs import Question, answer, pictures_of_form
from app.web.predict_options import options_of
from app.web.tables import csv_answer, wants_csv

INLINE_WORK = 20_000_000
"""Bytes of a body × weights of a network up to which the event loop answers by itself: some milliseconds at the most.

A row takes two bytes or more, and multiplies each weight once. A thread would cost more than it saves there.
"""
LEAST_WEIGHTS = 1_000
"""What reading a byte costs, in weights: the bound for networks that are next to nothing."""
UNTRACED = nullcontext()
Look = Callable[[Context, str, dict[str, str]], Served | None]
"""Of the context, the caller's project, and the names in the path."""


class Predict:
    """One prediction endpoint: `find` looks in memory, `learn` asks the database."""

    def __init__(self, context: Context, find: Look, learn: Look) -> None:
        self._context, self._find, self._learn = context, find, learn

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        principal: Principal = scope["principal"]
        served, predictor = await self._predictor(principal.project, scope["path_params"])
        question = await self._question(request)
        began = perf_counter()
        with self._traced(served):
            response, rows = await self._answer(served, predictor, question)
        self._context.metrics.prediction(served.project, served.model or "", rows, perf_counter() - began)
        await response(scope, receive, send)

    async def _answer(self, served: Served, predictor: Predictor, question: Question) -> tuple[Response, int]:
        """The answer, and how many rows it is for."""
        work = len(question.body) * max(predictor.weights, LEAST_WEIGHTS)
        if question.media_type == "application/json" and work <= INLINE_WORK:
            return _answered(served, predictor, question)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._context.answering, _answered, served, predictor, question)

    def _traced(self, served: Served) -> AbstractContextManager[object]:
        tracing = self._context.tracing
        if tracing is None:
            return UNTRACED
        return tracing.span("predict", model=served.model or "", version=served.version or 0, run=served.run_id)

    async def _question(self, request: Request) -> Question:
        media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        form = media_type == "multipart/form-data"
        return Question(
            media_type=media_type,
            body=b"" if form else await request.body(),
            pictures=await pictures_of_form(request) if form else [],
            options=options_of(dict(request.query_params)),
            most_rows=self._context.limits.prediction_rows,
            most_cells=self._context.limits.prediction_cells,
            most_values=self._context.limits.prediction_values,
            wants_csv=wants_csv(request),
        )

    async def _predictor(self, project: str, names: dict[str, str]) -> tuple[Served, Predictor]:
        served = self._find(self._context, project, names)
        if served is None:
            served = await asyncio.to_thread(self._learn, self._context, project, names)
        assert served is not None, "learn() answers or raises"
        registry = self._context.registry
        predictor = registry.find(served.run_id)
        self._context.metrics.looked_up(found=predictor is not None)
        if predictor is None:
            predictor = await asyncio.to_thread(registry.load, served)
        return served, predictor


def _answered(served: Served, predictor: Predictor, question: Question) -> tuple[Response, int]:
    answers, options = answer(predictor, question)
    if question.wants_csv:
        table = answers.table(probabilities=options.probabilities, top=options.top)
        return csv_answer(*table), len(answers.values)
    report = answers.report
    body = {
        "model": served.model,
        "version": served.version,
        "run": served.run_id,
        "mode": "eval",
        "predictions": answers.predictions(probabilities=options.probabilities, top=options.top),
        "input_report": {
            "imputed": report.imputed,
            "unseen_categories": report.unseen_categories,
            "out_of_range": report.out_of_range,
        },
    }
    return Response(dumps(body, option=OPT_SERIALIZE_NUMPY), media_type="application/json"), len(answers.values)


def routes(context: Context, prefix: str) -> list[Route]:
    """The four ways to name what answers."""

    def endpoint(find: Look, learn: Look) -> Callable[[Scope, Receive, Send], Awaitable[None]]:
        return Predict(context, find, learn)

    by_name = endpoint(
        lambda parts, project, names: parts.catalogue.find(project, names["name"]),
        lambda parts, project, names: parts.catalogue.learn(project, names["name"]),
    )
    by_version = endpoint(
        lambda parts, project, names: parts.catalogue.find(project, names["name"], version=_number(names)),
        lambda parts, project, names: parts.catalogue.learn(project, names["name"], version=_number(names)),
    )
    by_alias = endpoint(
        lambda parts, project, names: parts.catalogue.find(project, names["name"], alias=names["alias"]),
        lambda parts, project, names: parts.catalogue.learn(project, names["name"], alias=names["alias"]),
    )
    by_run = endpoint(
        lambda parts, project, names: parts.catalogue.find_run(project, names["run_id"]),
        lambda parts, project, names: parts.catalogue.learn_run(project, names["run_id"]),
    )
    paths = {
        "/models/{name}/predict": by_name,
        "/models/{name}/versions/{number}/predict": by_version,
        "/models/{name}/aliases/{alias}/predict": by_alias,
        "/runs/{run_id}/predict": by_run,
    }
    return [Route(f"{prefix}{path}", called, methods=["POST"]) for path, called in paths.items()]


def _number(names: dict[str, str]) -> int:
    text = names["number"]
    if not (text.isascii() and text.isdigit() and 0 < len(text) < 10):
        raise Invalid(
            "a version is a number",
            code="version_invalid",
            errors=(FieldError("/version", "must be a number", text[:80]),),
        )
    return int(text)
