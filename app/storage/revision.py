"""Which migration the code needs: told apart from Alembic, which a serving process has no other use for."""

from sqlalchemy import inspect, text

from app.storage.database import Database
from app.storage.failures import failures_told

HEAD = "0004"
"""The newest migration in `migrations/versions`; a test holds the two together."""


def is_current(database: Database) -> bool:
    """Whether the database stands at `HEAD`."""
    with failures_told(), database.engine.connect() as connection:
        if not inspect(connection).has_table("alembic_version"):
            return False
        return bool(connection.scalar(text("SELECT version_num FROM alembic_version")) == HEAD)
