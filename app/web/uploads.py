"""A multipart upload, streamed to disk as it comes: memory stays flat however large the file."""

import asyncio
import hashlib
from dataclasses import dataclass, field
from pathlib import Path

from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import Request

from app.errors import FieldError, Invalid, Malformed, UnsupportedType, shown
from app.ingest.formats import format_of
from app.storage.disks import disk_failures_told

FIELDS = frozenset({"name", "target", "task", "columns"})
MAX_FIELD_BYTES = 1 << 20
MAX_PARTS = 16
FLUSH_BYTES = 1 << 20


@dataclass(slots=True)
class Received:
    """What was sent: the file on disk, its name as given (inert), its digest, and the form's other fields."""

    path: Path
    filename: str = ""
    sha256: str = ""
    bytes: int = 0
    fields: dict[str, str] = field(default_factory=dict)


async def receive(request: Request, folder: Path) -> Received:
    """Streams the form's `file` into `folder`. Raises `UnsupportedType`, `Malformed`, `Invalid`, `StorageFull`."""
    media_type, options = parse_options_header(request.headers.get("content-type", ""))
    boundary = options.get(b"boundary", b"")
    if media_type != b"multipart/form-data" or not boundary:
        raise UnsupportedType("send multipart/form-data with a file, or application/json with rows")
    if len(boundary) > 200:
        raise Malformed("the boundary of the form is too long")
    form = _Form(folder / "upload", boundary)
    waiting = bytearray()
    try:
        async for chunk in request.stream():
            waiting += chunk
            if len(waiting) >= FLUSH_BYTES:
                await asyncio.to_thread(form.write, bytes(waiting))
                waiting.clear()
        return await asyncio.to_thread(form.finish, bytes(waiting))
    except MultipartParseError as error:
        raise Malformed(f"the form cannot be read: {shown(str(error))}") from None
    finally:
        form.close()


class _Form:
    """Takes the parser's callbacks: one file to disk, a few short fields to memory."""

    def __init__(self, path: Path, boundary: bytes) -> None:
        self.received = Received(path)
        self._file = path.open("xb")
        self._digest = hashlib.sha256()
        self._parts = 0
        self._name = self._header = self._value = ""
        self._headers: dict[str, str] = {}
        self._text = bytearray()
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._begin,
                "on_header_field": self._header_field,
                "on_header_value": self._header_value,
                "on_header_end": self._header_done,
                "on_headers_finished": self._headers_done,
                "on_part_data": self._data,
                "on_part_end": self._end,
            },
        )

    def write(self, content: bytes) -> None:
        with disk_failures_told():
            self._parser.write(content)

    def finish(self, content: bytes) -> Received:
        self.write(content)
        self._parser.finalize()
        self.close()
        if not self.received.sha256:
            raise Invalid(
                "the form has no file",
                code="file_missing",
                errors=(FieldError("/file", "is required: the dataset, as a file"),),
            )
        return self.received

    def close(self) -> None:
        self._file.close()

    def _begin(self) -> None:
        self._parts += 1
        if self._parts > MAX_PARTS:
            raise Malformed(f"the form has more than {MAX_PARTS} parts")
        self._headers, self._name = {}, ""
        self._text.clear()

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end].decode("latin-1").lower()

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        # Byte for byte, as the parser of the header's parts has it; those are UTF-8.
        self._value += data[start:end].decode("latin-1")

    def _header_done(self) -> None:
        self._headers[self._header] = self._value
        self._header = self._value = ""

    def _headers_done(self) -> None:
        _, options = parse_options_header(self._headers.get("content-disposition", ""))
        self._name = options.get(b"name", b"").decode("utf-8", "replace")
        if self._name == "file":
            if self.received.sha256 or self.received.filename:
                raise _field_error("file", "stands twice; send one file")
            self.received.filename = options.get(b"filename", b"").decode("utf-8", "replace")
            if not self.received.filename:
                raise _field_error("file", "must be a file with a name (curl: -F file=@data.csv)")
            # Refused before the file is received.
            format_of(self.received.filename)
        elif self._name not in FIELDS:
            raise _field_error(shown(self._name), "is not a field of this form: " + ", ".join(sorted(FIELDS)))
        elif self._name in self.received.fields:
            raise _field_error(self._name, "stands twice")

    def _data(self, data: bytes, start: int, end: int) -> None:
        piece = memoryview(data)[start:end]
        if self._name == "file":
            self._file.write(piece)
            self._digest.update(piece)
            self.received.bytes += len(piece)
            return
        self._text += piece
        if len(self._text) > MAX_FIELD_BYTES:
            raise _field_error(self._name, f"is longer than {MAX_FIELD_BYTES} bytes")

    def _end(self) -> None:
        if self._name == "file":
            self.received.sha256 = self._digest.hexdigest()
            return
        try:
            self.received.fields[self._name] = self._text.decode("utf-8")
        except UnicodeDecodeError:
            raise _field_error(self._name, "is not UTF-8") from None


def _field_error(name: str, message: str) -> Invalid:
    return Invalid(f"{name}: {message}", code="form_invalid", errors=(FieldError(f"/{name}", message),))
