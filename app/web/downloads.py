"""Stored files as answers: checked, then streamed."""

import os
from collections.abc import Iterator

from fastapi.responses import StreamingResponse

from app.storage.blobs import CHUNK_BYTES, Blobs, StoredFile


def download(blobs: Blobs, file: StoredFile, name: str, media_type: str) -> StreamingResponse:
    """The whole file, to be saved as `name`. Raises `Damaged` or `NotFound` before the first byte is sent."""
    blobs.check(file)
    headers = {
        "Content-Disposition": f'attachment; filename="{name}"',
        "ETag": f'"{file.sha256}"',
        "Content-Length": str(file.bytes),
    }
    return StreamingResponse(_content(blobs, file), headers=headers, media_type=media_type)


def _content(blobs: Blobs, file: StoredFile) -> Iterator[bytes]:
    with blobs.open(file.key) as descriptor:
        while chunk := os.read(descriptor, CHUNK_BYTES):
            yield chunk
