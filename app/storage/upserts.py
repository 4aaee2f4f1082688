"""`INSERT … ON CONFLICT` in the words of the database that a session is of."""

from typing import TYPE_CHECKING

from sqlalchemy.dialects.sqlite import Insert as SqliteInsert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.orm import Session

from app.storage.base import Base

if TYPE_CHECKING:
    from sqlalchemy.dialects.postgresql import Insert as PostgresqlInsert


def insert(session: Session, table: type[Base]) -> "SqliteInsert | PostgresqlInsert":
    """An insert into `table` that can be told what to do where the row is there already."""
    if session.get_bind().dialect.name != "postgresql":
        return sqlite_insert(table)
    # Imported here: a process on SQLite would keep its ten drivers in memory.
    from sqlalchemy.dialects.postgresql import insert as postgresql_insert

    return postgresql_insert(table)
