"""`POST /v2/models/{model}/infer`: the Open Inference Protocol's question and answer, bytes as well as JSON."""

import asyncio
from collections.abc import Awaitable
from functools import partial
from time import perf_counter_ns

from starlette.types import Receive, Scope, Send

from app.errors import DropnormError, Unavailable
from app.serving.catalogue import Served
from app.serving.predictor import Answers, Predictor, Question
from app.web.bodies import HELD
from app.web.context import Limits
from app.web.desk import Desk
from app.web.hot import whole_body
from app.web.lane import Asked, Written
from app.web.outgoing import HEADERS_BY_NAME, exchange_of
from app.web.predict_options import USUAL, Options, read_options
from app.web.protocols.compression import accepted_encoding, deflated, inflated
from app.web.protocols.datatypes import wrong
from app.web.protocols.endpoints import names_of, project_of, version_of
from app.web.protocols.oip_answer import Reply, reply_of
from app.web.protocols.oip_header import Parameters
from app.web.protocols.oip_request import Inference, read_inference, read_raw
from app.web.protocols.outputs import Outputs, outputs_of
from app.web.protocols.statistics import Statistics, Timing
from app.web.protocols.tensors import question_of

OPTIONS = frozenset(("calibrated", "monte_carlo_samples", "seed"))
"""Parameters that say how an answer is to be made; others may be there, and mean nothing here."""
LONGEST_MICROSECONDS = 3_600_000_000
SMALL_JSON, SMALL_BINARY = 64 << 10, 1 << 20
"""Bytes of a body that are read within a millisecond or so, on the event loop; a larger one is a thread's."""
HEADER_LENGTH = b"inference-header-content-length"
Headers = dict[bytes, bytes]


class Infer:
    """The endpoint. `statistics` are told of each request that met a model."""

    def __init__(self, desk: Desk, statistics: Statistics) -> None:
        self._desk, self._statistics = desk, statistics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        names = names_of(scope)
        served, predictor = await self._desk.model(project_of(scope), names["name"], version=version_of(names))
        counts = self._statistics.of(served)
        began = perf_counter_ns()
        try:
            headers: Headers = scope[HEADERS_BY_NAME]
            body = await self._body(scope, headers, receive)
            reply, timing = await self._reply(served, predictor, body, _header_bytes(headers))
        except DropnormError:
            counts.failure(perf_counter_ns() - began)
            raise
        counts.success(timing)
        encoding, body = accepted_encoding(headers.get(b"accept-encoding", b"")), reply.body
        if encoding is not None:
            body = await self._desk.run(partial(deflated, reply.body, encoding), here=len(reply.body) <= SMALL_JSON)
        await exchange_of(scope, send).answer(body, *_typed(reply.header_bytes, encoding))

    def at_once(self, scope: Scope, headers: Headers, body: bytes) -> Asked | None:
        """What a small body asks, if nothing unusual is wanted and the model is in memory."""
        header_bytes, names = _header_bytes(headers), names_of(scope)
        encoded = b"content-encoding" in headers or accepted_encoding(headers.get(b"accept-encoding", b"")) is not None
        found = self._desk.find(project_of(scope), names["name"], version=version_of(names))
        if encoded or found is None or len(body) > _small(header_bytes):
            return None
        served, predictor = found
        began = perf_counter_ns()
        inference, question = _read(predictor, body, header_bytes, self._desk.context.limits)
        parameters = inference.header.parameters
        if question is None or "timeout" in parameters or options_of(parameters) is not USUAL:
            return None
        if not self._desk.is_small(predictor, question):
            return None
        was_read, counts = perf_counter_ns(), self._statistics.of(served)
        answered = was_read

        def written(answers: Answers) -> Written:
            nonlocal answered
            answered = perf_counter_ns()
            outputs = outputs_of(predictor, answers)
            reply = reply_of(inference.header, served.model or "", served.version or 0, outputs, predictor.labels)
            return reply.body, *_typed(reply.header_bytes, None)

        def told(seconds: float) -> None:
            ended = perf_counter_ns()
            self._desk.tell(served, len(question), seconds)
            counts.success(Timing(ended - began, was_read - began, answered - was_read, ended - answered))

        return Asked(self._desk, predictor, question, written, told)

    async def _body(self, scope: Scope, headers: Headers, receive: Receive) -> bytes:
        body = await whole_body(scope, receive)
        encoding = headers.get(b"content-encoding", b"identity").decode("latin-1").strip().lower()
        if encoding == "identity":
            return body
        return await inflated(body, encoding, scope.get(HELD), partial(self._desk.run, here=False))

    async def _reply(
        self, served: Served, predictor: Predictor, body: bytes, header_bytes: int | None
    ) -> tuple[Reply, Timing]:
        began = perf_counter_ns()
        limits = self._desk.context.limits

        read = partial(_read, predictor, body, header_bytes, limits)
        inference, question = await self._desk.run(read, here=len(body) <= _small(header_bytes))
        was_read = perf_counter_ns()
        outputs = await self._outputs(served, predictor, inference.header.parameters, question)
        answered = perf_counter_ns()
        reply = reply_of(inference.header, served.model or "", served.version or 0, outputs, predictor.labels)
        written = perf_counter_ns()
        return reply, Timing(written - began, was_read - began, answered - was_read, written - answered)

    async def _outputs(
        self, served: Served, predictor: Predictor, parameters: Parameters, question: Question | None
    ) -> Outputs:
        options, seconds = options_of(parameters), _seconds(parameters)
        if question is None:
            return outputs_of(predictor, None)
        return outputs_of(predictor, await _in_time(self._desk.answer(served, predictor, question, options), seconds))


def _read(
    predictor: Predictor, body: bytes, header_bytes: int | None, limits: Limits
) -> tuple[Inference, Question | None]:
    inference = read_raw(predictor, body) if header_bytes == 0 else read_inference(body, header_bytes)
    return inference, question_of(predictor, inference.tensors, limits)


def options_of(parameters: Parameters) -> Options:
    """How an answer is to be made, of the parameters that say so. Raises `Invalid`."""
    if parameters.keys().isdisjoint(OPTIONS):
        return USUAL
    return read_options({name: parameters[name] for name in OPTIONS & parameters.keys()}, "parameters")


def _seconds(parameters: Parameters) -> float | None:
    """The time for an answer, of `timeout` in microseconds; 0 is none. Raises `InvalidRows`."""
    timeout = parameters.get("timeout", 0)
    if not isinstance(timeout, int) or isinstance(timeout, bool) or not 0 <= timeout <= LONGEST_MICROSECONDS:
        raise wrong(f"timeout is a whole number of microseconds, up to {LONGEST_MICROSECONDS}")
    return timeout / 1e6 if timeout else None


async def _in_time(asked: Awaitable[Answers], seconds: float | None) -> Answers:
    if seconds is None:
        return await asked
    try:
        async with asyncio.timeout(seconds):
            return await asked
    except TimeoutError:
        raise Unavailable(f"there was no answer within {seconds:g} seconds", code="deadline_passed") from None


def _small(header_bytes: int | None) -> int:
    return SMALL_JSON if header_bytes is None else SMALL_BINARY


def _header_bytes(headers: Headers) -> int | None:
    sent = headers.get(HEADER_LENGTH)
    if sent is None:
        return None
    if not sent.isdigit() or len(sent) > 12:
        raise wrong("Inference-Header-Content-Length must be a number of bytes")
    return int(sent)


def _typed(header_bytes: int | None, encoding: str | None) -> tuple[bytes, list[tuple[bytes, bytes]]]:
    """The media type and the headers of an answer."""
    media_type, more = b"application/json", []
    if header_bytes is not None:
        media_type = b"application/octet-stream"
        more.append((HEADER_LENGTH, b"%d" % header_bytes))
    if encoding is not None:
        more.append((b"content-encoding", encoding.encode()))
    return media_type, more
