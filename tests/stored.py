"""What a service has stored, read from its database and its disk behind its back."""

import sqlite3
from contextlib import closing

from tests.service import Service

TABLES = (
    "datasets",
    "networks",
    "runs",
    "jobs",
    "batch_predictions",
    "models",
    "versions",
    "aliases",
    "idempotency_keys",
)


def rows(service: Service, query: str) -> list[tuple[object, ...]]:
    """The rows of a query, read without writing."""
    with closing(sqlite3.connect(f"file:{service.data_dir / 'dropnorm.db'}?mode=ro", uri=True)) as database:
        return database.execute(query).fetchall()


def counts(service: Service) -> dict[str, int]:
    """How many rows each table has that a request could add to."""
    return {table: int(str(rows(service, f"SELECT count(*) FROM {table}")[0][0])) for table in TABLES}


def folders_named(service: Service) -> set[object]:
    """The folders of columns that datasets name."""
    return {folder for (folder,) in rows(service, "SELECT DISTINCT folder FROM datasets")}


def folders_there(service: Service) -> set[object]:
    """The folders of columns that lie on the disk."""
    return {f"datasets/{path.name}" for path in (service.data_dir / "datasets").iterdir()}
