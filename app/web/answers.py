"""Creating over HTTP: 201 or 202 with a Location, and the same again for the same `Idempotency-Key`."""

import hashlib
from collections.abc import Callable

from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel

from app.storage import idempotency
from app.storage.database import Session
from app.storage.idempotency import Answer


def digest_of(path: str, *parts: bytes) -> str:
    """Names what was sent: equal requests have equal digests."""
    digest = hashlib.sha256(path.encode())
    for part in parts:
        digest.update(hashlib.sha256(part).digest())
    return digest.hexdigest()


def created(status: int, location: str, view: BaseModel) -> Answer:
    return Answer(status, location, view.model_dump(mode="json"))


def once(session: Session, project: str, key: str | None, digest: str, make: Callable[[], Answer]) -> Answer:
    """What `make` answers; under a known `key` the first answer instead. Raises `Conflict` for another body."""
    if key is None:
        return make()
    first = idempotency.reserve(session, project, key, digest)
    if first is not None:
        return first
    answer = make()
    idempotency.keep(session, project, key, answer)
    return answer


def respond(answer: Answer) -> Response:
    headers = {"Location": answer.location} if answer.location else None
    return JSONResponse(answer.body, answer.status, headers)
