"""The prediction routes: plain ASGI, because a framework's route costs more than a network. They ask no database:
the catalogue knows what answers, and only a name it has never seen is looked up."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from app.errors import TooLarge
from app.serving.catalogue import Served
from app.serving.predictor import Answers, Predictor, Question
from app.web.answering import Table
from app.web.desk import Desk
from app.web.hot import receiving, respond, whole_body
from app.web.json_rows import JsonRows
from app.web.lane import Asked, Written
from app.web.outgoing import HEADERS_BY_NAME as HEADERS
from app.web.outgoing import exchange_of
from app.web.predict_answers import csv_of, json_of
from app.web.predict_inputs import Sent, is_small, pictures_of_form, question_of_small_file, read
from app.web.predict_json import QUICK_BYTES, rows_of_numbers
from app.web.predict_options import USUAL, Options, options_of
from app.web.predict_stream import beginning_of, given, stream
from app.web.streaming import CSV_TO_CSV, MOST_CSV_BYTES, streamed

JSON = b"application/json"
PICTURE = frozenset({b"image/jpeg", b"image/png"})
PLAIN = frozenset({JSON, b"application/x-npy", *PICTURE})
ANY = frozenset({b"*/*", JSON, b"", b"application/json, */*"})
"""Values of Accept that a JSON answer is right for, as clients most often send them."""
Names = Mapping[str, str]
Find = Callable[[str, Names], tuple[Served, Predictor] | None]
Learn = Callable[[str, Names], Awaitable[tuple[Served, Predictor]]]
"""Of the caller's project, and the names in the path."""


class Predict:
    """One prediction endpoint. `find` looks for what answers in memory, `learn` asks the database too."""

    def __init__(self, desk: Desk, find: Find, learn: Learn) -> None:
        self._desk, self._find, self._learn, self._rows = desk, find, learn, JsonRows()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        project, names = scope["principal"].project, scope["path_params"]
        served, predictor = await self._learn(project, names)
        headers: dict[bytes, bytes] = scope.get(HEADERS) or dict(reversed(scope["headers"]))
        options = options_of(scope["query_string"])
        if headers.get(b"content-type") == JSON:
            sent = Sent("application/json", await whole_body(scope, receive), [], options)
            question, options = await self._question(predictor, sent)
        else:
            asked = await self._asked(served, predictor, options, headers, scope, receive)
            if isinstance(asked, Streamed):
                self._desk.context.gate.step_aside(exchange_of(scope, send).wire)
                await stream(self._desk, asked.table, scope, asked.receive, send)
                return
            question, options = asked
        answers = await self._desk.answer(served, predictor, question, options)
        if headers.get(b"accept", b"").startswith(b"text/csv"):
            await respond(scope, send, csv_of(predictor, answers, options), b"text/csv; charset=utf-8")
        else:
            body, exchange = json_of(served, predictor, answers, options), exchange_of(scope, send)
            if not exchange.answer_at_once(body, JSON):
                await exchange.answer(body, JSON)

    def at_once(self, scope: Scope, headers: dict[bytes, bytes], body: bytes) -> Asked | None:
        """What a small body asks, if nothing unusual is wanted and the model is in memory."""
        media_type = headers.get(b"content-type", b"")
        if media_type not in PLAIN or b"content-encoding" in headers or headers.get(b"accept", b"*/*") not in ANY:
            return None
        found = self._find(scope["principal"].project, scope["path_params"])
        if found is None or len(body) > QUICK_BYTES:
            return None
        served, predictor = found
        question = self._small_question(predictor, media_type, body)
        if question is None or not self._desk.is_small(predictor, question):
            return None

        def told(seconds: float) -> None:
            self._desk.tell(served, len(question), seconds)

        def written(answers: Answers) -> Written:
            return json_of(served, predictor, answers, USUAL), JSON, ()

        return Asked(self._desk, predictor, question, written, told)

    def _small_question(self, predictor: Predictor, media_type: bytes, body: bytes) -> Question | None:
        """What a body asks that is read within a millisecond or two, and that has no options; None for any other."""
        limits = self._desk.context.limits
        if media_type == JSON:
            question = rows_of_numbers(predictor, body, limits, self._rows)
            if question is not None:
                return question
        if media_type in PICTURE:
            return question_of_small_file(predictor, body)
        sent = Sent(media_type.decode(), body, [], USUAL)
        if not is_small(sent):
            return None
        question, options = read(predictor, sent, limits)
        return question if options is USUAL else None

    async def _asked(
        self,
        served: Served,
        predictor: Predictor,
        options: Options,
        headers: Mapping[bytes, bytes],
        scope: Scope,
        receive: Receive,
    ) -> "tuple[Question, Options] | Streamed":
        """What is asked by a body that is no plain JSON: rows or pictures, or a table that streams through."""
        asked = streamed(scope["path"], headers)
        if asked is None:
            sent = await _sent(scope, headers, receive, options)
        else:
            least = MOST_CSV_BYTES if asked == CSV_TO_CSV else 0
            beginning = await beginning_of(receiving(scope, receive), least)
            if asked != CSV_TO_CSV or not beginning.whole:
                return Streamed(Table(served, predictor, *asked, options), beginning.receive)
            sent = Sent("text/csv", beginning.content, [], options)
        try:
            return await self._question(predictor, sent)
        except TooLarge:
            if sent.media_type != "text/csv" or not headers.get(b"accept", b"").startswith(b"text/csv"):
                raise
            return Streamed(Table(served, predictor, *CSV_TO_CSV, options), given(sent.body))

    async def _question(self, predictor: Predictor, sent: Sent) -> tuple[Question, Options]:
        limits = self._desk.context.limits
        if sent.media_type == "application/json" and len(sent.body) <= QUICK_BYTES:
            numbers = rows_of_numbers(predictor, sent.body, limits, self._rows)
            if numbers is not None:
                return numbers, sent.options
        return await self._desk.run(lambda: read(predictor, sent, limits), here=is_small(sent))


@dataclass(frozen=True, slots=True)
class Streamed:
    """A table that is answered while it comes, and where it comes from."""

    table: Table
    receive: Receive


async def _sent(scope: Scope, headers: Mapping[bytes, bytes], receive: Receive, options: Options) -> Sent:
    media_type = headers.get(b"content-type", b"").decode("latin-1").partition(";")[0].strip().lower()
    if media_type == "multipart/form-data":
        pictures = await pictures_of_form(Request(scope, receiving(scope, receive)))
        return Sent(media_type, b"", pictures, options)
    return Sent(media_type, await whole_body(scope, receive), [], options)
