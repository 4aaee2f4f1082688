"""PostgreSQL's engine: limits on every wait, and a connection that gives up on a server that says nothing.

Imported where a database is PostgreSQL's: its driver is of no use to a process on SQLite, which would keep it.
"""

import time
from typing import Any, TypeVar

import psycopg
from psycopg.abc import PQGen
from psycopg.rows import TupleRow
from sqlalchemy import URL, Engine, create_engine, event

from app.storage.patience import Limits

Answer = TypeVar("Answer")


KEPT_ALIVE = {
    # A machine that is gone is noticed within about 25 seconds, by whoever listens and by whoever speaks.
    "keepalives": 1,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
}


class ImpatientConnection(psycopg.Connection[TupleRow]):
    """Closes itself where an answer takes longer than `answer_seconds`, whatever keeps the server from giving it.

    The kernel of a machine whose PostgreSQL is frozen still acknowledges what it is sent, and a Unix socket has no
    timeout at all: only who waits can end that.
    """

    answer_seconds = 0.0

    def wait(self, gen: PQGen[Answer], *args: Any, **options: Any) -> Answer:
        """Raises `psycopg.OperationalError` when no answer came in time."""
        if not self.answer_seconds:
            return super().wait(gen, *args, **options)
        try:
            return super().wait(_within(gen, self.answer_seconds), *args, **options)
        except NoAnswer:
            self.close()
            raise


class NoAnswer(psycopg.OperationalError):
    """The server holds the connection and says nothing."""


def engine(url: URL, limits: Limits) -> Engine:
    """An engine whose connections have these limits. What the address itself says of a limit stands."""
    given = {
        # In a database of encoding SQL_ASCII the driver would else hand out bytes in place of text.
        "client_encoding": "utf8",
        "connect_timeout": limits.connect,
        **KEPT_ALIVE,
    }
    arguments = {name: value for name, value in given.items() if name not in url.query}
    arguments["options"] = " ".join((_options(limits), *_texts(url.query.get("options", ()))))
    made = create_engine(
        url,
        pool_pre_ping=True,
        pool_size=10,
        max_overflow=20,
        pool_timeout=10,
        connect_args=arguments,
        hide_parameters=True,
    )

    def connect(dialect: object, record: object, words: list[str], options: dict[str, Any]) -> ImpatientConnection:
        connection = ImpatientConnection.connect(*words, **options)
        connection.answer_seconds = limits.answer
        return connection

    event.listen(made, "do_connect", connect)
    return made


def _options(limits: Limits) -> str:
    settings = {
        "lock_timeout": limits.lock,
        "statement_timeout": limits.statement,
        "idle_in_transaction_session_timeout": limits.idle,
    }
    return " ".join(f"-c {name}={round(seconds * 1000)}" for name, seconds in settings.items())


def _texts(value: str | tuple[str, ...]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else value


def _within(steps: PQGen[Answer], seconds: float) -> PQGen[Answer]:
    """The same steps of waiting for the server, ended by `NoAnswer` after so many seconds."""
    give_up = time.monotonic() + seconds
    try:
        wanted = next(steps)
        while True:
            ready = yield wanted
            # Whatever has arrived is taken in first. The driver comes by a few times a second, with nothing if need be.
            if not ready and time.monotonic() > give_up:
                raise NoAnswer(f"the server gave no answer within {seconds:g} seconds")
            wanted = steps.send(ready)
    except StopIteration as end:
        answer: Answer = end.value
        return answer
