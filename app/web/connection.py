"""One connection of the server: where predictions are told from all else, and go the shortest way that there is."""

import asyncio

from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from app.web.bounded import BoundedConnection
from app.web.context import Context
from app.web.gate import Gate
from app.web.lane import Lane
from app.web.protocols.forms import form_of
from app.web.refusal import refusal
from app.web.repeats import Repeats
from app.web.scopes import PREDICT, needed
from app.web.wire import WIRE, CycleWire

_HEAD_END = b"\r\n\r\n"


class Connection(BoundedConnection):
    """Sheds load, answers small predictions at once, and ends event streams when the server begins to stop."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        context = self.app_state.get("context")
        self._gate = context.gate if isinstance(context, Context) else None
        self._lane: Lane | None = self.app_state.get("lane")
        # The newest prediction, until its body is whole.
        self._awaited: CycleWire | None = None
        # The bytes of the head that what was received last begins with, until its request begins.
        self._head = b""
        self._repeats: Repeats | None = None
        super().connection_made(transport)
        if self._lane is not None and self._gate is not None:
            self._repeats = Repeats(self._lane, self._gate, self.server_state, transport, self.flow, self._go_on)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._repeats is not None:
            self._repeats.lost()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        repeats = self._repeats
        if repeats is None:
            super().data_received(data)
        elif (repeats.is_busy or self.is_idle) and repeats.take(data):
            if self._timer is not None:
                self._wait_no_more()
        else:
            self._head = data[: data.find(_HEAD_END) + len(_HEAD_END)] if self.is_idle else b""
            super().data_received(data)
            self._head = b""

    def _go_on(self, data: bytes) -> None:
        """With a request, from its first byte on, that was not answered by what is known of its head."""
        super().data_received(data)
        if self._repeats is not None and self._repeats.is_last:
            super().shutdown()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        wire, (head, self._head) = CycleWire(cycle), (self._head, b"")
        if self._gate is None or needed(cycle.scope["method"], cycle.scope["path"]) != PREDICT:
            _offer(cycle, wire)
            super()._start_asgi_task(cycle, app)
        elif self._gate.is_full and not self.pipeline:
            self._gate.turn_away()
            wire.answer(*refusal(form_of(cycle.scope["path"])), status=503)
        else:
            # A body that is still to come keeps nobody waiting.
            self._awaited = wire if cycle.more_body else None
            if not cycle.more_body:
                self._gate.enter(wire)
            # By then what came in one piece with the headers is known to be the whole body, or not.
            self.loop.call_soon(self._begin, cycle, app, self._gate, wire, head)

    def _begin(
        self, cycle: RequestResponseCycle, app: ASGI3Application, gate: Gate, wire: CycleWire, head: bytes
    ) -> None:
        """Begins a prediction on the shortest way, or else on the usual one."""

        def ended(answered: bool) -> None:
            if answered:
                gate.leave(wire)
            else:
                self._begin_task(cycle, app, gate, wire)

        found = None if self._lane is None else self._lane.head_of(cycle)
        if found is not None and head and self._repeats is not None:
            self._repeats.learn(head, found)
        whole = found is not None and not (cycle.more_body or cycle.disconnected)
        if not (whole and self._lane and found and self._lane.take(found, bytes(cycle.body), wire, ended)):
            self._begin_task(cycle, app, gate, wire)

    def _begin_task(self, cycle: RequestResponseCycle, app: ASGI3Application, gate: Gate, wire: CycleWire) -> None:
        _offer(cycle, wire)
        task = self.loop.create_task(cycle.run_asgi(app))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        task.add_done_callback(lambda _: gate.leave(wire))

    def on_message_complete(self) -> None:
        super().on_message_complete()
        if self._awaited is not None and self._gate is not None:
            if not self.cycle.response_complete:
                self._gate.enter(self._awaited)
            self._awaited = None

    def shutdown(self) -> None:
        context = self.app_state.get("context")
        if isinstance(context, Context):
            # The server waits for the streams, which would else never end.
            context.broadcast.end()
        if self._repeats is not None and self._repeats.is_busy:
            self._repeats.is_last = True
        else:
            super().shutdown()

    def timeout_keep_alive_handler(self) -> None:
        self.timeout_keep_alive_task = None
        if self._repeats is not None:
            # Whoever answers there winds up no clock: this one looks how late it is.
            since = self.loop.time() if self._repeats.is_busy else self._repeats.answered_at
            left = since + self.timeout_keep_alive - self.loop.time()
            if left > 0:
                self.timeout_keep_alive_task = self.loop.call_later(left, self.timeout_keep_alive_handler)
                return
        super().timeout_keep_alive_handler()


def _offer(cycle: RequestResponseCycle, wire: CycleWire) -> None:
    cycle.scope["extensions"] = {WIRE: wire}  # type: ignore[dict-item]
