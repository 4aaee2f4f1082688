"""What routes ask for: the context, the project, and a session whose commit comes before the reply."""

from collections.abc import Iterator
from typing import Annotated

from fastapi import Depends, Header, Query, Request
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from app.storage.database import Session
from app.storage.keys import Principal
from app.web.context import Context


# These are `async` because FastAPI calls others in the pool of threads, which waits for the database may fill.
async def context(request: Request) -> Context:
    found = request.app.state.context
    assert isinstance(found, Context)
    return found


Parts = Annotated[Context, Depends(context)]


def read_session(parts: Parts) -> Iterator[Session]:
    with parts.database.read() as session:
        yield session


def write_session(parts: Parts) -> Iterator[Session]:
    with parts.database.write() as session:
        yield session


# scope="function": with FastAPI's default the commit would come after the reply has begun.
Reading = Annotated[Session, Depends(read_session, scope="function")]
Writing = Annotated[Session, Depends(write_session, scope="function")]


async def caller(request: Request) -> Principal:
    """Who was let in."""
    found = request.scope["principal"]
    assert isinstance(found, Principal)
    return found


Caller = Annotated[Principal, Depends(caller)]


async def project(found: Caller) -> str:
    """The project that the caller sees. Without keys there is one."""
    return found.project


Project = Annotated[str, Depends(project)]
IdempotencyKey = Annotated[
    str | None,
    Header(alias="Idempotency-Key", min_length=1, max_length=200, description="The same key gives the first answer."),
]


def _digits(value: object) -> object:
    if isinstance(value, str) and not (value.isascii() and value.isdigit()):
        # Python would read "1_0", "1.0" and " 1" as well.
        raise PydanticCustomError("whole_number", "must be a whole number, in digits")
    return value


DIGITS = BeforeValidator(_digits)
"""Of a whole number in a path or a query. Stands last in its annotation, or the schema lacks the bounds."""


class PageQuery(BaseModel):
    """Which page of a list."""

    model_config = ConfigDict(extra="forbid")
    limit: Annotated[int, Field(ge=1, le=200, description="rows a page"), DIGITS] = 50
    cursor: Annotated[str, Field(max_length=200, description="`next` of the page before")] | None = None


Page = Annotated[PageQuery, Query()]
