"""Keys: whoever holds one is known by its digest, and belongs to one project. A key itself is shown once, never stored.

A revoked key's row stays, so that the key cannot come back by being given again, and a change of any key shows in
`Census`.
"""

import hashlib
import secrets
import string
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from sqlalchemy import ColumnElement, and_, func, or_, select, update
from sqlalchemy.orm import Session

from app.errors import Conflict, FieldError, Invalid, NotFound
from app.storage import paging
from app.storage.base import DEFAULT_PROJECT
from app.storage.database import now
from app.storage.identifiers import new_id
from app.storage.service_tables import KeyRow
from app.storage.upserts import insert

SCOPES = ("read", "predict", "train", "admin")
PREFIX = "dn_"
MADE = "made"
LETTERS = string.ascii_letters + string.digits
SECRET_LETTERS = 40  # 238 bits, so that a plain digest is as good as a slow one
HINT_LETTERS = len(PREFIX) + 4
LONGEST_SECONDS = 100 * 365 * 86_400.0


@dataclass(frozen=True, slots=True)
class Principal:
    """Who calls: the id of the key (None where no keys are asked for), its project, and what it may do there.

    `expires_at`: when it holds no more, whatever the database says or cannot say; None for no end.
    """

    key_id: str | None
    project: str
    scopes: frozenset[str]
    expires_at: float | None = None

    def may(self, scope: str) -> bool:
        return scope in self.scopes or "admin" in self.scopes

    def is_over(self, moment: float) -> bool:
        return self.expires_at is not None and moment >= self.expires_at

    @property
    def looks_after_all_keys(self) -> bool:
        """Whoever administers the project `default` makes the first keys of the others."""
        return self.may("admin") and self.project == DEFAULT_PROJECT


@dataclass(frozen=True, slots=True)
class Census:
    """How many keys there are, how many of them are revoked, and how many hold now: unequal as soon as one changes."""

    known: int
    revoked: int
    live: int


def new_secret() -> str:
    return PREFIX + "".join(secrets.choice(LETTERS) for _ in range(SECRET_LETTERS))


def digest_of(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def add(
    session: Session,
    project: str,
    name: str,
    scopes: Iterable[str],
    secret: str,
    *,
    expires_at: float | None = None,
    origin: str = MADE,
) -> KeyRow:
    """Records a key by its digest.

    Raises `Conflict` where the same key was given before, `Invalid` for an end that is past or beyond 100 years.
    """
    moment = session.scalar(select(now())) or 0.0
    if expires_at is not None and not moment < expires_at <= moment + LONGEST_SECONDS:
        message = "must be a time to come, and within 100 years"
        raise Invalid(f"/expires_at: {message}", errors=(FieldError("/expires_at", message),))
    row = insert(session, KeyRow).values(
        id=new_id("key"),
        project=project,
        name=name,
        scopes=" ".join(scope for scope in SCOPES if scope in set(scopes)),
        digest=digest_of(secret),
        hint=secret[:HINT_LETTERS],
        origin=origin,
        created_at=moment,
        expires_at=expires_at,
    )
    # Of several processes that give the same one at their start, one records it.
    made: KeyRow | None = session.scalar(row.on_conflict_do_nothing(index_elements=["digest"]).returning(KeyRow))
    if made is None:
        raise Conflict("this key was given before", code="key_known")
    return made


def get(session: Session, project: str | None, key_id: str) -> KeyRow:
    """A key that is not revoked; of any project where that is None. Raises `NotFound`."""
    query = select(KeyRow).where(KeyRow.id == key_id, KeyRow.revoked_at.is_(None))
    row = session.scalar(query if project is None else query.where(KeyRow.project == project))
    if row is None:
        raise _unknown()
    return row


def page(session: Session, project: str | None, limit: int, cursor: str | None) -> tuple[Sequence[KeyRow], str | None]:
    """Keys that are not revoked, newest first; of all projects where that is None."""
    query = select(KeyRow).where(KeyRow.revoked_at.is_(None))
    if project is not None:
        query = query.where(KeyRow.project == project)
    return paging.page(session, query, KeyRow.created_at, KeyRow.id, limit, cursor)


def revoke(session: Session, project: str | None, key_id: str) -> KeyRow:
    """From its commit on the key holds no more. Raises `NotFound`, also where it is revoked already."""
    mine = and_(KeyRow.id == key_id, KeyRow.revoked_at.is_(None))
    if project is not None:
        mine = and_(mine, KeyRow.project == project)
    row: KeyRow | None = session.scalar(update(KeyRow).where(mine).values(revoked_at=now()).returning(KeyRow))
    if row is None:
        raise _unknown()
    return row


def settle(session: Session, origin: str, name: str, scopes: Sequence[str], secret: str) -> bool:
    """Makes `secret` the one key that comes from `origin`, a variable: the one that stood there before holds no more.

    Answers False where this very key was revoked: that stands, and nothing changes.
    """
    digest = digest_of(secret)
    with suppress(Conflict):
        add(session, DEFAULT_PROJECT, name, scopes, secret, origin=origin)
    if session.scalar(select(KeyRow.revoked_at).where(KeyRow.digest == digest)) is not None:
        # A process that was started with it takes nothing away from the key that took its place.
        return False
    others = and_(KeyRow.origin == origin, KeyRow.digest != digest, KeyRow.revoked_at.is_(None))
    session.execute(update(KeyRow).where(others).values(revoked_at=now()))
    return True


def live(session: Session) -> dict[str, Principal]:
    """Every key that holds now, by its digest."""
    query = select(KeyRow.digest, KeyRow.id, KeyRow.project, KeyRow.scopes, KeyRow.expires_at).where(_holds())
    return {
        digest: Principal(key_id, project, frozenset(scopes.split()), expires_at)
        for digest, key_id, project, scopes, expires_at in session.execute(query)
    }


def census(session: Session) -> Census:
    counted = select(func.count(), func.count(KeyRow.revoked_at), func.count().filter(_holds())).select_from(KeyRow)
    return Census(*session.execute(counted).one())


def _holds() -> ColumnElement[bool]:
    return and_(KeyRow.revoked_at.is_(None), or_(KeyRow.expires_at.is_(None), KeyRow.expires_at > now()))


def _unknown() -> NotFound:
    return NotFound("there is no such key", code="key_not_found")
