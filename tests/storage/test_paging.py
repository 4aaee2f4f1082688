"""Lists, newest first: walking the pages gives every row once."""

import base64

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete

from app.errors import Invalid, NotFound
from app.storage import networks
from app.storage.database import Database
from app.storage.identifiers import ALPHABET, cursor_of, new_id, read_cursor
from app.storage.tables import NetworkRow
from tests.storage.rows import NETWORK, PROJECT

moments = st.floats(0, 4e9) | st.sampled_from([1.0, 2.0])
few = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def add(database: Database, times: list[float], project: str = PROJECT) -> list[NetworkRow]:
    with database.write() as session:
        rows = [networks.add(session, project, NETWORK) for _ in times]
        for row, moment in zip(rows, times, strict=True):
            row.created_at = moment
    return rows


def walk(database: Database, limit: int, late: float | None = None) -> list[str]:
    """Ids of all pages in turn; a row made at `late` comes in behind each page."""
    found: list[str] = []
    cursor = None
    while True:
        with database.read() as session:
            rows, cursor = networks.page(session, PROJECT, limit, cursor)
        assert len(rows) <= limit
        found += [row.id for row in rows]
        if cursor is None:
            return found
        assert len(rows) == limit
        if late is not None:
            add(database, [late])


@few
@given(times=st.lists(moments, max_size=12), limit=st.integers(1, 5), late=st.none() | st.just(5e9))
def test_walking_the_pages_gives_every_row_once_and_the_newest_first(
    database: Database, times: list[float], limit: int, late: float | None
) -> None:
    with database.write() as session:
        session.execute(delete(NetworkRow))
    rows = add(database, times)
    add(database, [1.5], project="another")
    newest_first = sorted(rows, key=lambda row: (row.created_at, row.id), reverse=True)
    assert walk(database, limit, late) == [row.id for row in newest_first]


@given(st.floats(allow_nan=False), st.text(ALPHABET + "_", min_size=1))
def test_a_cursor_is_read_as_it_was_made(moment: float, row_id: str) -> None:
    assert read_cursor(cursor_of(moment, row_id)) == (moment, row_id)


@few
@given(cursor=st.text() | st.binary().map(lambda data: base64.urlsafe_b64encode(data).decode()))
def test_whatever_else_is_sent_as_a_cursor_is_refused_or_gives_a_page(database: Database, cursor: str) -> None:
    try:
        with database.read() as session:
            rows, _ = networks.page(session, PROJECT, 10, cursor)
    except Invalid:
        return
    assert len(rows) <= 10


@pytest.mark.parametrize("text", ["nan x", "1.0", "1.0 ", " x", "x 1.0", "", "\ud800", "1.0 a\0b"])
def test_a_cursor_of_nonsense_is_refused(database: Database, text: str) -> None:
    cursor = base64.urlsafe_b64encode(text.encode(errors="surrogatepass")).decode()
    with pytest.raises(Invalid), database.read() as session:
        networks.page(session, PROJECT, 10, cursor)


def test_a_text_that_no_row_can_hold_is_refused_as_such_by_every_database(database: Database) -> None:
    with pytest.raises((Invalid, NotFound)), database.read() as session:
        networks.get(session, PROJECT, "net_\0")


def test_ids_are_opaque_and_do_not_repeat() -> None:
    made = {new_id("run") for _ in range(1000)}
    assert len(made) == 1000
    assert all(len(row_id) == 24 and row_id.startswith("run_") for row_id in made)
