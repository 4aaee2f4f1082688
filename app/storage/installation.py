"""A data folder and its database know one another by an id, so that neither is ever used with a stranger.

What a wrong database does not name would be swept; what a wrong folder does not hold would fail every run.
"""

import os
import secrets

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.orm import Session

from app.storage.blobs import Blobs, disk_full_told
from app.storage.database import Database, now
from app.storage.identifiers import new_id
from app.storage.service_tables import InstallationRow

NAME = "installation"


def belong_together(database: Database, blobs: Blobs) -> bool:
    """Whether `blobs` is the data folder of `database`. A folder that nothing is known of is given to it."""
    with database.read() as session:
        known = session.scalar(select(InstallationRow.id))
    if known is None:
        with database.write() as session:
            known = _new_id(session)
    path = blobs.root / NAME
    if not path.exists():
        _write(blobs, known)
    return path.read_text().strip() == known


def _new_id(session: Session) -> str:
    insert = postgresql_insert if session.get_bind().dialect.name == "postgresql" else sqlite_insert
    moment = select(now()).scalar_subquery()
    made = insert(InstallationRow).values(place=1, id=new_id("installation"), created_at=moment)
    session.execute(made.on_conflict_do_nothing())
    return session.scalars(select(InstallationRow.id)).one()


def _write(blobs: Blobs, known: str) -> None:
    aside = blobs.root / f".{NAME}.{secrets.token_hex(4)}"
    with disk_full_told():
        try:
            aside.write_text(known + "\n")
            # Fails where another process was first: what it wrote stands.
            os.link(aside, blobs.root / NAME)
        except FileExistsError:
            return
        finally:
            aside.unlink(missing_ok=True)
