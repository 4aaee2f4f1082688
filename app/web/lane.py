"""The shortest way: a small prediction that has all come is answered without a task and its messages.

Whatever decides and is told on the usual way is asked here too, by the same functions: hosts, keys, limits, figures,
the access log. As soon as one of them would have to wait, or refuses, or the request is in any way unusual, it goes the
usual way from its start, which then says what is wrong.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import NoReturn

from starlette.types import Message, Scope
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from app.errors import DropnormError
from app.serving.predictor import Answers, Predictor, Question
from app.web.access import Access
from app.web.desk import Desk
from app.web.hot import Hot
from app.web.observation import Observation
from app.web.outgoing import HEADERS_BY_NAME, Exchange
from app.web.scopes import needed
from app.web.wire import Wire

Headers = dict[bytes, bytes]
Written = tuple[bytes, bytes, Sequence[tuple[bytes, bytes]]]
"""A body, its media type, and headers of its own."""
Ended = Callable[[bool], None]


@dataclass(slots=True)
class Asked:
    """What a request asks, and how its answer is written."""

    desk: Desk
    predictor: Predictor
    question: Question
    written: Callable[[Answers], Written]
    told: Callable[[float], None]
    """Told of the seconds from here to the answer."""


AtOnce = Callable[[Scope, Headers, bytes], Asked | None]
"""What an endpoint has as its `at_once`, if it can: of a request and its body, what is asked.

None for whatever must be waited for, or is unusual. Raises what is wrong with the request.
"""


@dataclass(slots=True)
class Head:
    """What a request's headers said, whatever its body: who asks where, and what answers there."""

    scope: Scope
    headers: Headers
    at_once: AtOnce
    wanted: str | None
    """The scope that its key needs."""
    digest: str | None
    """Of its key, where keys are asked for; whether it holds yet is asked each time."""


class Lane:
    """Made once for each event loop."""

    def __init__(self, observation: Observation, access: Access, families: Sequence[Hot]) -> None:
        self._observation, self._access = observation, access
        self._families = [(family.prefix, family.find) for family in families]

    def head_of(self, cycle: RequestResponseCycle) -> Head | None:
        """What the headers of a request say; None for one that must go the usual way."""
        scope: Scope = cycle.scope  # type: ignore[assignment]
        if scope["query_string"] or self._observation.traces:
            return None
        try:
            return self._head_of(scope)
        except DropnormError:
            return None

    def _head_of(self, scope: Scope) -> Head | None:
        headers: Headers = dict(reversed(scope["headers"]))
        scope[HEADERS_BY_NAME] = headers
        path = scope["path"]
        for prefix, find in self._families:
            if path.startswith(prefix) and (endpoint := find(scope)) is not None:
                at_once: AtOnce | None = getattr(endpoint, "at_once", None)
                if at_once is None or not self._access.may_knock(headers):
                    return None
                scope["endpoint"] = endpoint
                wanted = needed(scope["method"], path)
                return Head(scope, headers, at_once, wanted, self._access.digest(scope, headers))
        return None

    def take(self, head: Head, body: bytes, wire: Wire, ended: Ended) -> bool:
        """Answers a request soon, and calls `ended` then: with True, or with False where it must go the usual way yet.

        False, and nothing is done, for one that must go the usual way at once.
        """
        began, scope = perf_counter(), head.scope
        try:
            principal = self._access.known(scope, head.wanted, head.digest)
            asked = None if principal is None else head.at_once(scope, head.headers, body)
            if principal is None or asked is None:
                return False
            exchange = self._observation.exchange(scope, head.headers, _never, wire)
            underway = self._access.traffic.begin(principal.key_id, exchange, None)
        except DropnormError:
            return False

        def answered(answers: Answers | Exception) -> None:
            self._access.traffic.end(underway)
            if not _is_written(asked, answers, exchange):
                ended(False)
                return
            seconds = perf_counter() - began
            asked.told(seconds)
            self._observation.note(exchange, scope, exchange.status, seconds)
            ended(True)

        asked.desk.ask(asked.predictor, asked.question, answered)
        return True


def _is_written(asked: Asked, answers: Answers | Exception, exchange: Exchange) -> bool:
    """Whether the answer could be written. Never raises, for others wait behind."""
    if isinstance(answers, Exception):
        return False
    try:
        return exchange.answer_at_once(*asked.written(answers))
    except Exception:  # noqa: BLE001 - the usual way meets it again, and tells of it
        return False


async def _never(message: Message) -> NoReturn:
    raise RuntimeError("what goes the shortest way is answered in one go")
