"""Lists, newest first, a page at a time."""

from collections.abc import Sequence
from typing import TypeVar

from sqlalchemy import Select, tuple_
from sqlalchemy.orm import InstrumentedAttribute, Session

from app.storage.identifiers import cursor_of, read_cursor

Row = TypeVar("Row")


def page(
    session: Session,
    query: Select[Row],
    moment: InstrumentedAttribute[float],
    key: InstrumentedAttribute[str],
    limit: int,
    cursor: str | None,
) -> tuple[Sequence[Row], str | None]:
    """At most `limit` rows of `query` behind `cursor`, and the cursor of the next page if there is one."""
    if cursor is not None:
        query = query.where(tuple_(moment, key) < tuple_(*read_cursor(cursor)))
    rows = list(session.scalars(query.order_by(moment.desc(), key.desc()).limit(limit + 1)))
    if len(rows) <= limit:
        return rows, None
    last = rows[limit - 1]
    return rows[:limit], cursor_of(getattr(last, moment.key), getattr(last, key.key))
