"""`Idempotency-Key`: the first answer is given again, in the transaction that would make a second one."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, select, tuple_
from sqlalchemy.orm import Session

from app.errors import Conflict
from app.storage.database import now
from app.storage.service_tables import IdempotencyRow
from app.storage.upserts import insert


@dataclass(frozen=True, slots=True)
class Answer:
    """What was answered the first time."""

    status: int
    location: str | None
    body: dict[str, Any]


def find(session: Session, project: str, key: str, digest: str) -> Answer | None:
    """The first answer under `key`. Raises `Conflict` when another body was sent with it."""
    row = session.get(IdempotencyRow, (project, key), populate_existing=True)
    if row is None:
        return None
    if row.digest != digest:
        raise Conflict("this Idempotency-Key was used with another body", code="idempotency_key_reused")
    return Answer(row.status, row.location, row.answer)


def known(session: Session, project: str, key: str) -> bool:
    """Whether something was answered under `key`, to whatever body."""
    return session.get(IdempotencyRow, (project, key)) is not None


def reserve(session: Session, project: str, key: str, digest: str) -> Answer | None:
    """Takes `key` for this transaction; None when it was free, else the first answer.

    Of many at once, one takes it; the others wait here for its commit and get its answer.
    """
    moment = select(now()).scalar_subquery()
    take = (
        insert(session, IdempotencyRow)
        .values(project=project, key=key, digest=digest, status=0, answer={}, created_at=moment)
        .on_conflict_do_nothing()
        .returning(IdempotencyRow.key)
    )
    while session.execute(take).one_or_none() is None:
        first = find(session, project, key, digest)
        if first is not None:
            return first
        # It was forgotten for its age in between, and is free after all.
    return None


def keep(session: Session, project: str, key: str, answer: Answer) -> None:
    """Writes down what was answered, in the same transaction that made it."""
    row = session.get(IdempotencyRow, (project, key))
    assert row is not None, "reserve() comes first"
    row.status, row.location, row.answer = answer.status, answer.location, answer.body


def forget(session: Session, older_than_seconds: float, limit: int) -> int:
    """Deletes some of the keys that are older than that; answers how many."""
    # Of several processes that do so at once, each takes what the others have not.
    old = (
        select(IdempotencyRow.project, IdempotencyRow.key)
        .where(IdempotencyRow.created_at < now() - older_than_seconds)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    gone = delete(IdempotencyRow).where(tuple_(IdempotencyRow.project, IdempotencyRow.key).in_(old))
    return len(session.execute(gone.returning(IdempotencyRow.key)).all())
