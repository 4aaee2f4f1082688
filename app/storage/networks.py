"""Networks that were stored under an id."""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.domain.network.spec import NetworkSpec
from app.errors import NotFound
from app.storage import paging
from app.storage.database import now
from app.storage.identifiers import new_id
from app.storage.tables import NetworkRow


def add(session: Session, project: str, spec: NetworkSpec) -> NetworkRow:
    row = NetworkRow(
        id=new_id("net"),
        project=project,
        name=spec.name or "network",
        spec=spec.document(),
        created_at=session.scalar(select(now())) or 0.0,
    )
    session.add(row)
    return row


def get(session: Session, project: str, network_id: str, *, lock: bool = False) -> NetworkRow:
    """Raises `NotFound` for an unknown id, and for one of another project."""
    # Asked for by project too, so that another's takes no longer than one that is not there.
    query = select(NetworkRow).where(NetworkRow.id == network_id, NetworkRow.project == project)
    if lock:
        query = query.with_for_update().execution_options(populate_existing=True)
    row = session.scalar(query)
    if row is None:
        raise NotFound("there is no such network", code="network_not_found")
    return row


def page(session: Session, project: str, limit: int, cursor: str | None) -> tuple[Sequence[NetworkRow], str | None]:
    query = select(NetworkRow).where(NetworkRow.project == project)
    return paging.page(session, query, NetworkRow.created_at, NetworkRow.id, limit, cursor)


def remove(session: Session, project: str, network_id: str) -> None:
    """Deletes a network. Runs made from it hold their own copy of the spec, so none is harmed."""
    session.delete(get(session, project, network_id, lock=True))


def spec_of(row: NetworkRow) -> NetworkSpec:
    return NetworkSpec.model_validate(row.spec)
