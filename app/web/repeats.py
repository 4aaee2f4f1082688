"""Requests whose headers have come before on the same connection: what was read of them is not read again.

A client sends the same headers with each of its requests, but for the length of the body. To parse them, tell hosts and
paths apart and take the digest of a key costs more than an answer. So a connection keeps the bytes of heads whose
requests went the shortest way (`app.web.lane`), with what they said; where the same bytes come again, only length and
body are new. HTTP/2 rests on the same observation (RFC 7541, section 1). What may change between two requests is asked
each time: whether the key holds, its limits, which model a name stands for.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.server import ServerState

from app.web.gate import Gate
from app.web.lane import Head, Lane
from app.web.protocols.forms import form_of
from app.web.refusal import refusal
from app.web.repeated import Repeated, repeated
from app.web.wire import answer_of

MOST_HEADS = 4
"""Of a connection."""
LONGEST_BODY = 1 << 20
GATHER_SECONDS = 0.2
"""From a body's first part to its last one; a slower one goes the usual way, which has the patience."""
MOST_GATHERED = 32 << 20
"""Bytes of unfinished bodies in this process."""


@dataclass(slots=True)
class _Gathering:
    """A request whose body is still to come in part."""

    known: Repeated
    head: bytes
    parts: list[bytes]
    missing: int
    body_bytes: int


class Repeats:
    """Of one connection, for when nothing else of it is under way. It is the wire of what it answers."""

    _gathered: ClassVar[int] = 0

    def __init__(
        self,
        lane: Lane,
        gate: Gate,
        server: ServerState,
        transport: asyncio.Transport,
        flow: FlowControl,
        usual: Callable[[bytes], None],
    ) -> None:
        """`usual` takes what came, from a request's first byte on, the usual way."""
        self._lane, self._gate, self._server, self._flow, self._usual = lane, gate, server, flow, usual
        self._transport, self._loop = transport, asyncio.get_running_loop()
        self._known: list[Repeated] = []
        # What came behind the request that is under way.
        self._behind = b""
        self._gathering: _Gathering | None = None
        self._patience: asyncio.TimerHandle | None = None
        self.is_busy = self.is_last = False
        self.answered_at = 0.0

    def learn(self, head: bytes, found: Head) -> None:
        """A request began with the bytes `head`, and may go the shortest way by what they say."""
        new = repeated(head, found)
        if new is not None:
            self._known = [new, *self._known[: MOST_HEADS - 1]]

    def take(self, data: bytes) -> bool:
        """Whether what came is taken care of here; a request begins with it, or one is under way here."""
        if self.is_busy:
            self._more(data)
            return True
        for known in self._known:
            if (places := known.places(data)) is not None:
                return self._take(known, data, *places)
        return False

    def _take(self, known: Repeated, data: bytes, start: int, end: int) -> bool:
        if len(data) == end:
            if self._gate.is_full:
                self._gate.turn_away()
                return self.answer(*refusal(form_of(known.head.scope["path"])), status=503)
            self.is_busy = True
            self._begin(known, data[:start], data[start:])
            return True
        if len(data) > end:
            return False
        if end - start > LONGEST_BODY or Repeats._gathered + end - start > MOST_GATHERED:
            return False
        # The rest of the body is waited for, a moment.
        self.is_busy = True
        self._gathering = _Gathering(known, data[:start], [data[start:]], end - len(data), end - start)
        self._patience = self._loop.call_later(GATHER_SECONDS, self._give_up)
        Repeats._gathered += end - start
        return True

    def _begin(self, known: Repeated, head: bytes, body: bytes) -> None:
        self._gate.enter(self)

        def ended(answered: bool) -> None:
            if answered:
                self._gate.leave(self)
                self.is_busy = False
                if self._behind:
                    self._go_the_usual_way(b"")
            else:
                self._gate.step_aside(self)
                self._go_the_usual_way(head + body)

        if not self._lane.take(known.head, body, self, ended):
            self._known.remove(known)
            ended(False)

    def _more(self, data: bytes) -> None:
        """More came while a request is under way: of its body, or behind it."""
        gathering = self._gathering
        if gathering is None:
            self._behind += data
            self._flow.pause_reading()
            return
        gathering.parts.append(data)
        gathering.missing -= len(data)
        if gathering.missing < 0:
            self._give_up()
        elif gathering.missing == 0:
            self._gather_no_more()
            self._begin(gathering.known, gathering.head, b"".join(gathering.parts))

    def _give_up(self) -> None:
        gathering = self._gathering
        if gathering is not None:
            self._gather_no_more()
            self._go_the_usual_way(gathering.head + b"".join(gathering.parts))

    def _gather_no_more(self) -> None:
        if self._gathering is not None:
            Repeats._gathered -= self._gathering.body_bytes
            self._gathering = None
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _go_the_usual_way(self, request: bytes) -> None:
        """With a request that is under way here, and with what came behind it."""
        self.is_busy = False
        behind, self._behind = self._behind, b""
        if not self._transport.is_closing():
            self._flow.resume_reading()
            self._usual(request + behind)

    def lost(self) -> None:
        """The connection is: what was kept for it is let go."""
        self._known = []
        self._behind = b""
        self._gather_no_more()

    def body(self) -> bytes | None:
        """None: whoever answers has it."""
        return None

    def answer(self, lines: bytes, body: bytes, status: int = 200) -> bool:
        """As every wire does."""
        if self._flow.write_paused:
            return False
        if self._transport.is_closing():
            return True
        headers, keep_alive = self._server.default_headers, not self.is_last
        self._transport.write(answer_of(status, headers, lines, len(body), body, keep_alive=keep_alive))
        self._server.total_requests += 1
        self.answered_at = self._loop.time()
        if not keep_alive:
            self._transport.close()
        return True
