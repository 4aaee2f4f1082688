"""The shortest way: a small prediction that has all come is answered without a task and its messages.

Whatever decides and is told on the usual way is asked here too, by the same functions: hosts, keys, limits, figures,
the access log. As soon as one of them would have to wait, or refuses, or the request is in any way unusual, it goes the
usual way from its start, which then says what is wrong.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import perf_counter

from starlette.types import Scope
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from app.errors import DropnormError
from app.serving.predictor import Answers, Predictor, Question
from app.web.access import Access
from app.web.desk import Desk
from app.web.hot import Hot
from app.web.observation import Observation
from app.web.outgoing import HEADERS_BY_NAME, Exchange

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


class Lane:
    """Made once for each event loop."""

    def __init__(self, observation: Observation, access: Access, families: Sequence[Hot]) -> None:
        self._observation, self._access = observation, access
        self._families = [(family.prefix, family.find) for family in families]

    def take(self, cycle: RequestResponseCycle, ended: Ended) -> bool:
        """Answers a request soon, and calls `ended` then: with True, or with False where it must go the usual way yet.

        False, and nothing is done, for one that must go the usual way at once.
        """
        scope: Scope = cycle.scope  # type: ignore[assignment]
        if cycle.more_body or cycle.disconnected or scope["query_string"] or self._observation.traces:
            return False
        began = perf_counter()
        headers: Headers = dict(reversed(scope["headers"]))
        scope[HEADERS_BY_NAME] = headers
        try:
            principal = self._access.known(scope, headers)
            asked = None if principal is None else self._asked(scope, headers, bytes(cycle.body))
            if principal is None or asked is None:
                return False
            exchange = self._observation.exchange(scope, headers, cycle.send)  # type: ignore[arg-type]
            underway = self._access.traffic.begin(principal.key_id, exchange)
        except DropnormError:
            return False

        def answered(answers: Answers | Exception) -> None:
            self._access.traffic.end(underway)
            if not _is_written(asked, answers, exchange):
                ended(False)
                return
            cycle.on_response = _nothing
            seconds = perf_counter() - began
            asked.told(seconds)
            self._observation.note(exchange, scope, exchange.status, seconds)
            ended(True)

        asked.desk.ask(asked.predictor, asked.question, answered)
        return True

    def _asked(self, scope: Scope, headers: Headers, body: bytes) -> Asked | None:
        path = scope["path"]
        for prefix, find in self._families:
            if path.startswith(prefix) and (endpoint := find(scope)) is not None:
                scope["endpoint"] = endpoint
                at_once: AtOnce | None = getattr(endpoint, "at_once", None)
                return None if at_once is None else at_once(scope, headers, body)
        return None


def _is_written(asked: Asked, answers: Answers | Exception, exchange: Exchange) -> bool:
    """Whether the answer could be written. Never raises, for others wait behind."""
    if isinstance(answers, Exception):
        return False
    try:
        return exchange.answer_at_once(*asked.written(answers))
    except Exception:  # noqa: BLE001 - the usual way meets it again, and tells of it
        return False


def _nothing() -> None:
    """In place of a callback that is not called again: what holds it is free then."""
