"""An upload becomes a dataset: received, read in a bounded child process, published as files, then as a row."""

import asyncio
import hashlib
import json
import re
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Annotated, Literal, TypeVar

from pydantic import FailFast, Field, JsonValue, ValidationError
from starlette.requests import Request

from app.domain.data.schema import DatasetSchema, ReadRequest
from app.domain.strict import Strict
from app.errors import FieldError, Invalid, InvalidDataset, Malformed, TooLarge, shown
from app.ingest.child import read_upload
from app.ingest.formats import format_of
from app.ingest.limits import Limits as IngestLimits
from app.storage import datasets, quotas
from app.storage.blobs import StoredFile
from app.storage.database import Session
from app.storage.datasets import Upload
from app.storage.disks import disk_failures_told
from app.storage.idempotency import Answer
from app.storage.tables import DatasetRow
from app.web.answers import created, digest_of, once
from app.web.context import Context
from app.web.fields import invalid_of
from app.web.strict_json import read_json
from app.web.uploads import Received, receive
from app.web.views import dataset_view

INLINE = "rows.json"
INLINE_BYTES = 8 << 20
Body = TypeVar("Body", bound=Strict)
Text = Annotated[str, Field(min_length=1, max_length=200)]


class ColumnBody(Strict):
    """What the uploader says of one column: leave it out, take it in, or read it as a type."""

    role: Literal["feature", "ignore"] | None = None
    type: Literal["numeric", "categorical", "boolean", "date"] | None = None


class ReadBody(Strict):
    """How a dataset is to be read."""

    name: Text | None = None
    target: Text | None = None
    task: Literal["classification", "regression", "auto"] = "auto"
    columns: dict[str, ColumnBody] = Field(default_factory=dict)

    @property
    def request(self) -> ReadRequest:
        return ReadRequest.model_validate(self.model_dump(include={"target", "task", "columns"}))


class RowsBody(ReadBody):
    """Small data sent inline. A null in a row is a missing value."""

    rows: Annotated[list[dict[str, JsonValue]], Field(min_length=1, max_length=1_000_000), FailFast()]


@dataclass(frozen=True, slots=True)
class Intake:
    """What is to be read, and how: all that the answer depends on."""

    received: Received
    name: str
    request: ReadRequest

    @property
    def upload(self) -> Upload:
        received = self.received
        content = datasets.content_key(received.sha256, format_of(received.filename), self.request)
        return Upload(received.sha256, received.bytes, content)


async def take_in(request: Request, folder: Path, reading: Executor) -> Intake:
    """Receives a form with a file, or JSON rows, into `folder`. Raises what a client can get wrong."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type == "application/json":
        content = await request.body()
        if len(content) > INLINE_BYTES:
            raise TooLarge(f"rows as JSON may have {INLINE_BYTES} bytes; send a file for more", code="body_too_large")
        # Among the threads that read, of which there are few: as objects, rows take many times their bytes.
        return await asyncio.get_running_loop().run_in_executor(reading, _inline, content, folder)
    received = await receive(request, folder)
    document: dict[str, object] = dict(received.fields)
    if "columns" in received.fields:
        document["columns"] = _columns(received.fields["columns"])
    body = _validated(ReadBody, document)
    stem = PurePosixPath(received.filename.replace("\\", "/")).name[: -len(format_of(received.filename))]
    return Intake(received, _plain_name(body.name or stem or "dataset"), body.request)


def record(parts: Context, project: str, key: str | None, intake: Intake, folder: Path) -> Answer:
    """Reads and records what was received, once for one `Idempotency-Key`; equal bytes share their stored columns."""
    digest = digest_of("/datasets", intake.upload.content.encode(), intake.name.encode())
    with parts.database.read() as session:
        known = datasets.stored(session, intake.upload.content) is not None
    published = None if known else _publish(parts, intake, folder)

    def make() -> Answer:
        quotas.hold(session, project)
        row = _add(session, project, intake, published)
        quotas.check_stored(session, project, parts.limits.quota)
        return created(201, f"/api/v1/datasets/{row.id}", dataset_view(row))

    used = False
    try:
        with parts.database.write() as session:
            answer = once(session, project, key, digest, make)
            used = published is not None and datasets.uses(session, published[0])
    finally:
        if published is not None and not used:
            parts.blobs.remove(published[0])
    return answer


def _publish(parts: Context, intake: Intake, folder: Path) -> tuple[str, list[StoredFile], DatasetSchema]:
    output = folder / "columns"
    output.mkdir()
    limits = IngestLimits(seconds=parts.limits.ingest_seconds, memory_bytes=parts.limits.ingest_memory_bytes)
    try:
        schema = read_upload(intake.received.path, intake.received.filename, output, intake.request, limits)
    except InvalidDataset as error:
        if intake.received.filename == INLINE:
            raise _pointed(error) from None
        raise
    key = datasets.new_folder(folder)
    return key, parts.blobs.publish_folder(output, key), schema


def _pointed(error: InvalidDataset) -> InvalidDataset:
    """The same failure for rows in a JSON body: a file's rows count from 1, a pointer into a list from 0."""

    def moved(pointer: str) -> str:
        place = re.fullmatch(r"/rows/([0-9]+)(/.*)?", pointer, re.DOTALL)
        return pointer if place is None else f"/rows/{int(place[1]) - 1}{place[2] or ''}"

    fields = tuple(FieldError(moved(field.pointer), field.message, field.received) for field in error.errors)
    return InvalidDataset(error.detail, code=error.code, errors=fields)


def _add(
    session: Session, project: str, intake: Intake, published: tuple[str, list[StoredFile], DatasetSchema] | None
) -> DatasetRow:
    # Looked up again under the lock: another upload of the same bytes may have come first, or the known one gone.
    twin = datasets.stored(session, intake.upload.content)
    if twin is not None:
        parts = (twin.folder, datasets.files_of(twin), datasets.schema_of(twin))
    elif published is not None:
        parts = published
    else:
        raise Invalid("the dataset that held the same bytes was just deleted; send it again", code="upload_again")
    row = datasets.add(session, project, intake.name, intake.upload, *parts)
    session.flush()
    return row


def _inline(body: bytes, folder: Path) -> Intake:
    wanted = _validated(RowsBody, read_json(body))
    content = json.dumps(wanted.rows, ensure_ascii=False).encode()
    path = folder / "upload"
    with disk_failures_told():
        path.write_bytes(content)
    received = Received(path, INLINE, hashlib.sha256(content).hexdigest(), len(content))
    return Intake(received, _plain_name(wanted.name or "rows"), wanted.request)


def _columns(text: str) -> object:
    try:
        return read_json(text.encode())
    except Malformed as error:
        found = error.errors or (FieldError("", error.detail, shown(text)),)
        fields = tuple(FieldError(f"/columns{field.pointer}", field.message, field.received) for field in found)
        raise Invalid(f"columns: {error.detail}", code=error.code, errors=fields) from None


def _validated(kind: type[Body], document: object) -> Body:
    try:
        return kind.model_validate(document)
    except ValidationError as error:
        raise invalid_of(error) from None


def _plain_name(name: str) -> str:
    if not 1 <= len(name) <= 200 or not name.isprintable():
        raise Invalid(
            "the name must have 1 to 200 printable characters",
            code="name_invalid",
            errors=(FieldError("/name", "1 to 200 printable characters", shown(repr(name))),),
        )
    return name
