"""What others do in the middle of a transaction."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sqlalchemy import event

from app.storage.database import Database


@contextmanager
def just_before(database: Database, words: str, act: Callable[[], None]) -> Iterator[None]:
    """Lets something happen, once, right before the first statement that has these words."""
    waiting = [act]

    def look(connection: object, cursor: object, statement: str, *others: object) -> None:
        if words in statement and waiting:
            waiting.pop()()

    event.listen(database.engine, "before_cursor_execute", look)
    try:
        yield
    finally:
        event.remove(database.engine, "before_cursor_execute", look)
    assert not waiting, "the statement never came"
