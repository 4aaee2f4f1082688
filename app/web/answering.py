"""A table on its way through a process that answers it: the API hands bytes on, and holds next to none of them.

The body goes to the process as fast as that works, so a client that is faster waits. Answers lie in a file on disk that
has no name, so the process never waits for whoever reads them.
"""

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from starlette.requests import ClientDisconnect
from starlette.types import Receive

from app.bulk.child import Child, started
from app.bulk.order import Bounds, Form, OpenFile, Order, Progress, Source
from app.errors import Invalid, InvalidRows
from app.serving.catalogue import Served
from app.serving.predictor import Predictor
from app.serving.registry import FROZEN, PREPROCESSING
from app.storage.disks import disk_failures_told
from app.web.context import Context
from app.web.predict_options import Options


@dataclass(frozen=True, slots=True)
class Table:
    """What is asked: a table of the kind `source`, to be answered by a model in the form `form`."""

    served: Served
    predictor: Predictor
    source: Source
    form: Form
    options: Options


class Answering:
    """Hands the body on to a process and listens to it, both in tasks of their own. `told` is the latest."""

    def __init__(self, child: Child, receive: Receive) -> None:
        self.told = Progress()
        self._child, self._receive = child, receive
        self._changed = asyncio.Event()
        self._tasks = [asyncio.create_task(self._feed()), asyncio.create_task(self._listen())]
        for task in self._tasks:
            task.add_done_callback(lambda _: self._changed.set())

    async def go_on(self) -> None:
        """Waits for news. Raises what has gone wrong, on either side; `ClientDisconnect` where the client has gone."""
        await self._changed.wait()
        self._changed.clear()
        for task in self._tasks:
            if task.done():
                task.result()

    async def end(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _feed(self) -> None:
        more = True
        while more:
            message = await self._receive()
            if message["type"] != "http.request":
                raise ClientDisconnect
            more = message.get("more_body", False)
            if message.get("body") and not await self._child.give(message["body"]):
                # It says why.
                return
        await self._child.end_input()
        # All that can come now is that the client has gone.
        await self._receive()
        raise ClientDisconnect

    async def _listen(self) -> None:
        while not self.told.done:
            self.told = await self._child.progress()
            self._changed.set()


@asynccontextmanager
async def answering(context: Context, table: Table, receive: Receive) -> AsyncIterator[tuple[Answering, int]]:
    """A process at work on a table, and the open file that it writes to. Nothing is left of either."""
    if table.predictor.takes_pictures:
        raise InvalidRows("the model takes pictures, not rows of a table", code="kind_mismatch")
    if table.options.monte_carlo_samples is not None:
        raise Invalid("monte_carlo_samples is for rows that are sent in one piece, not for tables of any length")
    with context.streams.one_more(), ExitStack() as files:
        order = await asyncio.to_thread(_order, context, table, files)
        descriptors = (order.output, order.work, order.preprocessing.descriptor, order.frozen.descriptor)
        async with started(order, descriptors) as child:
            work = Answering(child, receive)
            try:
                yield work, order.output
            finally:
                await work.end()


def _order(context: Context, table: Table, files: ExitStack) -> Order:
    """The order for a process, with open files that `files` closes."""
    limits = context.limits
    folder = context.blobs.root / "incoming"
    with disk_failures_told():
        output, work = files.enter_context(_nameless(folder)), files.enter_context(_nameless(folder))
    most = (limits.prediction_values // table.predictor.outputs, limits.prediction_cells // table.predictor.inputs)
    return Order(
        source=table.source,
        form=table.form,
        preprocessing=_opened(context, table.served, PREPROCESSING, files),
        frozen=_opened(context, table.served, FROZEN, files),
        output=output,
        work=work,
        probabilities=table.options.probabilities,
        top=table.options.top,
        calibrated=table.options.calibrated,
        bounds=Bounds(
            seconds=limits.stream_seconds,
            memory_bytes=limits.ingest_memory_bytes,
            output_bytes=context.rules.bodies.upload_bytes,
            rows=min(limits.prediction_rows, *most),
        ),
        parent=os.getpid(),
    )


@contextmanager
def _nameless(folder: Path) -> Iterator[int]:
    """An open file on the disk of `folder` that nobody finds there."""
    with tempfile.TemporaryFile(dir=folder) as file:
        yield file.fileno()


def _opened(context: Context, served: Served, name: str, files: ExitStack) -> OpenFile:
    file = served.files[name]
    return OpenFile(descriptor=files.enter_context(context.blobs.open(file.key)), sha256=file.sha256)
