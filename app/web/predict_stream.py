"""Predictions of tables of any length.

A client may read while it sends, or send everything first: answers wait for it on disk. They begin once the whole
table, or its first `HELD_BYTES`, are known to be good. What goes wrong after that cuts the connection off, so that
nobody takes half a table for a whole one.
"""

import asyncio
import logging
import os
from dataclasses import dataclass
from time import perf_counter

import numpy as np
from starlette.requests import ClientDisconnect
from starlette.types import Message, Receive, Scope, Send

from app.bulk.order import Form, Progress, Source
from app.domain.data.raw import NOTHING_TO_REPORT
from app.errors import DropnormError, InvalidRows, TooSlow
from app.serving.predictor import Answers
from app.web.answering import Answering, Table, answering
from app.web.desk import Desk
from app.web.hot import respond
from app.web.predict_answers import json_of
from app.web.streaming import MEDIA_TYPES

HELD_BYTES = 64 << 20
"""So much of a body is answered before the answer begins: what is wrong in it is told as a problem."""
PARQUET_MAGIC = b"PAR1"
PIECE_BYTES = 256 << 10
UNREAD_SECONDS = 60.0
"""How long a client may take to read one piece."""
_LOG = logging.getLogger("dropnorm.web")


async def stream(desk: Desk, table: Table, scope: Scope, receive: Receive, send: Send) -> None:
    """Answers a table. Raises what is wrong until the answer has begun, and then cuts it off."""
    began = perf_counter()
    if table.source is Source.PARQUET:
        beginning = await beginning_of(receive, len(PARQUET_MAGIC) - 1)
        if not beginning.content.startswith(PARQUET_MAGIC):
            # Told without a process, whose start costs more than all else.
            raise InvalidRows("the body is no Parquet file", code="parquet_invalid")
        receive = beginning.receive
    async with answering(desk.context, table, receive) as (work, output):
        if table.form is Form.VALUES:
            answers = await _values(work, output, table.predictor.outputs)
            await respond(scope, send, json_of(table.served, table.predictor, answers, table.options))
        elif not await _followed(work, _Answer(output, MEDIA_TYPES[table.form], send)):
            return
    rows, served = work.told.rows, table.served
    desk.executions.add(table.predictor, rows)
    desk.context.metrics.prediction(served.project, served.model or "", rows, perf_counter() - began)


def given(body: bytes) -> Receive:
    """`receive` for a body that has come already. Whether its client is still there is not looked for."""
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Message:
        if not messages:
            await asyncio.Event().wait()
        return messages.pop()

    return receive


@dataclass(frozen=True, slots=True)
class Beginning:
    """What has come of a body, perhaps the `whole` of it, and a `receive` that begins with it."""

    content: bytes
    whole: bool
    receive: Receive


async def beginning_of(receive: Receive, least_bytes: int) -> Beginning:
    """Waits for more bytes of a body than that, or for its end. Raises `ClientDisconnect`."""
    come: list[Message] = []
    count, more = 0, True
    while more and count <= least_bytes:
        message = await receive()
        if message["type"] != "http.request":
            raise ClientDisconnect
        come.append(message)
        count += len(message.get("body", b""))
        more = message.get("more_body", False)
    content = b"".join(message.get("body", b"") for message in come)
    come.reverse()

    async def again() -> Message:
        return come.pop() if come else await receive()

    return Beginning(content, not more, again)


async def _values(work: Answering, output: int, outputs: int) -> Answers:
    while not work.told.done:
        await work.go_on()
    told = work.told
    content = await asyncio.to_thread(os.pread, output, told.written, 0)
    values = np.frombuffer(content, np.float32).reshape(told.rows, outputs)
    return Answers(values, told.report.report() if told.report else NOTHING_TO_REPORT)


async def _followed(work: Answering, answer: "_Answer") -> bool:
    """Whether the answer was sent to its end. Raises what is wrong before it has begun."""
    try:
        await answer.follow(work)
    except (DropnormError, ClientDisconnect, asyncio.CancelledError) as error:
        if not answer.begun:
            raise
        # The server ends the connection of an answer that is not whole.
        _LOG.warning("the answer to a table broke off: %s", error)
        return False
    return True


class _Answer:
    """Sends what a process has written to the open file `output`."""

    def __init__(self, output: int, media_type: bytes, send: Send) -> None:
        self.begun = False
        self._output, self._media_type, self._send = output, media_type, send
        self._sent = 0

    async def follow(self, work: Answering) -> None:
        """Sends the answer to its end."""
        while True:
            told = work.told
            if not self.begun and (told.done or told.read >= HELD_BYTES):
                await self._begin(told)
            if self.begun:
                await self._send_up_to(told.written)
            if told.done:
                await self._send({"type": "http.response.body", "body": b"", "more_body": False})
                return
            await work.go_on()

    async def _begin(self, told: Progress) -> None:
        self.begun = True
        headers = [(b"content-type", self._media_type)]
        if told.done:
            headers.append((b"content-length", b"%d" % told.written))
        await self._send({"type": "http.response.start", "status": 200, "headers": headers})

    async def _send_up_to(self, end: int) -> None:
        while self._sent < end:
            size = min(PIECE_BYTES, end - self._sent)
            piece = await asyncio.to_thread(os.pread, self._output, size, self._sent)
            self._sent += len(piece)
            try:
                async with asyncio.timeout(UNREAD_SECONDS):
                    await self._send({"type": "http.response.body", "body": piece, "more_body": True})
            except TimeoutError:
                raise TooSlow("the answer was not read in time") from None
