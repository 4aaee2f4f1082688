"""Datasets: rows, and the folders of columns they name. Equal bytes read in equal ways share one folder."""

import hashlib
import json
import mmap
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from app.domain.data.columns import LAYOUT, Columns
from app.domain.data.schema import DatasetSchema, ReadRequest
from app.errors import Conflict, Damaged, NotFound
from app.storage import job_uses, paging
from app.storage.blobs import Blobs, StoredFile
from app.storage.database import now
from app.storage.identifiers import new_id
from app.storage.tables import DatasetRow, RunRow


@dataclass(frozen=True, slots=True)
class Upload:
    """The bytes that were sent: their digest, their number, and the `content_key` of what is read from them."""

    sha256: str
    bytes: int
    content: str


FORMAT = 1
"""Raised when equal bytes would be read into other columns than before, so that old folders are not shared."""


def content_key(sha256: str, suffix: str, request: ReadRequest) -> str:
    """Names the columns that come of these bytes, read as a `suffix` file in this way."""
    order = json.dumps([FORMAT, sha256, suffix, request.model_dump(mode="json")], sort_keys=True)
    return hashlib.sha256(order.encode()).hexdigest()


def new_folder(work: Path) -> str:
    """A key that no folder had before: what is deleted can never be mistaken for what is published.

    It carries the name of the folder `work` in which its columns were made: while that is locked, the sweep knows that
    the row is still to come.
    """
    return f"datasets/columns_{work.name}"


def stored(session: Session, content: str) -> DatasetRow | None:
    """A dataset, whoever sent it, that holds these columns already; locked, so that it can't go while it is shared."""
    return session.scalar(select(DatasetRow).where(DatasetRow.content == content).limit(1).with_for_update())


def add(
    session: Session,
    project: str,
    name: str,
    upload: Upload,
    folder: str,
    files: Sequence[StoredFile],
    schema: DatasetSchema,
) -> DatasetRow:
    """Records a dataset whose columns are published in `folder`."""
    row = DatasetRow(
        id=new_id("ds"),
        project=project,
        name=name,
        sha256=upload.sha256,
        bytes=upload.bytes,
        content=upload.content,
        folder=folder,
        stored_bytes=sum(file.bytes for file in files),
        files={file.key: [file.bytes, file.sha256] for file in files},
        schema=schema.model_dump(mode="json"),
        created_at=session.scalar(select(now())) or 0.0,
    )
    session.add(row)
    return row


def uses(session: Session, folder: str) -> bool:
    """Whether a row names this folder."""
    return session.scalar(select(DatasetRow.id).where(DatasetRow.folder == folder).limit(1)) is not None


def get(session: Session, project: str, dataset_id: str, *, lock: bool = False) -> DatasetRow:
    """Raises `NotFound` for an unknown id, and for one of another project."""
    # Asked for by project too, so that another's takes no longer than one that is not there.
    query = select(DatasetRow).where(DatasetRow.id == dataset_id, DatasetRow.project == project)
    if lock:
        query = query.with_for_update().execution_options(populate_existing=True)
    row = session.scalar(query)
    if row is None:
        raise NotFound("there is no such dataset", code="dataset_not_found")
    return row


def hold(session: Session, project: str, dataset_id: str) -> None:
    """Keeps a dataset from being deleted until the transaction ends. Raises `NotFound` where it is gone already."""
    query = select(DatasetRow.id).where(DatasetRow.id == dataset_id, DatasetRow.project == project)
    if session.scalar(query.with_for_update(read=True, key_share=True)) is None:
        raise NotFound("there is no such dataset", code="dataset_not_found")


def page(session: Session, project: str, limit: int, cursor: str | None) -> tuple[Sequence[DatasetRow], str | None]:
    query = select(DatasetRow).where(DatasetRow.project == project)
    return paging.page(session, query, DatasetRow.created_at, DatasetRow.id, limit, cursor)


def remove(session: Session, project: str, dataset_id: str) -> str | None:
    """Deletes the row; answers the folder to remove once that is committed, if no other dataset shares it.

    Raises `Conflict` while a run or an unfinished job needs it.
    """
    # Locked, so that a run or job which is being submitted on it is counted or refused.
    row = get(session, project, dataset_id, lock=True)
    uses = session.scalar(
        select(func.count())
        .select_from(RunRow)
        .where(or_(RunRow.dataset_id == dataset_id, RunRow.validation_dataset_id == dataset_id))
    )
    if uses:
        raise Conflict(f"{uses} run(s) need this dataset; delete them first", code="dataset_in_use")
    if unfinished := job_uses.of_dataset(session, dataset_id):
        raise Conflict(f"{unfinished} unfinished job(s) need this dataset; cancel them first", code="dataset_in_use")
    session.delete(row)
    session.flush()
    shared = session.scalar(select(func.count()).select_from(DatasetRow).where(DatasetRow.folder == row.folder))
    return None if shared else row.folder


def schema_of(row: DatasetRow) -> DatasetSchema:
    return DatasetSchema.model_validate(row.schema)


def files_of(row: DatasetRow) -> list[StoredFile]:
    return [StoredFile(key, size, sha256) for key, (size, sha256) in row.files.items()]


def open_columns(blobs: Blobs, schema: DatasetSchema, files: Sequence[StoredFile]) -> Columns:
    """Maps a dataset's stored arrays into memory. Raises `NotFound` where a file is gone."""
    by_name = {file.key.rsplit("/", 1)[-1].removesuffix(".bin"): file for file in files}

    def array(name: str) -> NDArray[np.generic]:
        dtype = np.dtype(LAYOUT[name])
        file = by_name.get(name)
        if file is None or file.bytes == 0:
            return np.zeros((0,) if name == "pixels" else (schema.rows, 0), dtype)
        with blobs.open(file.key) as descriptor:
            if os.fstat(descriptor).st_size != file.bytes:
                raise Damaged(f"the stored file {name} does not have the size that was recorded")
            # The descriptor itself: what lies under the name may be another file by now.
            flat: NDArray[np.generic] = np.frombuffer(mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ), dtype)
        return flat if name == "pixels" else flat.reshape(schema.rows, -1)

    return Columns(
        schema=schema,
        numbers=array("numbers").view(np.float64),
        codes=array("codes").view(np.int32),
        pixels=array("pixels").view(np.uint8),
        shapes=array("shapes").view(np.int32),
    )
