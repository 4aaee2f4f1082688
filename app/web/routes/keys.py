"""`/keys`: made and shown once, listed by how they begin, revoked. For keys with the scope `admin`."""

from typing import Annotated

from fastapi import APIRouter, Body, Query, Request, Response

from app.errors import FieldError, Forbidden, Invalid
from app.storage import keys
from app.storage.idempotency import Answer
from app.storage.keys import Principal
from app.web.answers import created, digest_of, once, respond
from app.web.dependencies import Caller, IdempotencyKey, PageQuery, Parts, Reading
from app.web.examples import page_of
from app.web.key_views import KeyRequest, KeyView, MadeKeyView, ProjectName, key_view
from app.web.problems import problems
from app.web.schemas import PageView
from app.web.strict_json import StrictRoute

router = APIRouter(prefix="/keys", tags=["keys"], route_class=StrictRoute)
KEY_REQUEST = {"name": "the shop's web pages", "scopes": ["predict"]}
KEY = {
    "id": "key_4tq8v1c6m0x2r9z5b7n3",
    "name": "the shop's web pages",
    "project": "default",
    "scopes": ["predict"],
    "hint": "dn_Zk3v",
    "created_at": "2026-11-22T10:00:00.000Z",
    "expires_at": None,
}
MADE_KEY = {**KEY, "key": "dn_Zk3v…"}
KeyBody = Annotated[KeyRequest, Body(openapi_examples={"predicting": {"value": KEY_REQUEST}})]


class KeysQuery(PageQuery):
    """Which keys a list holds. `project`: for keys of the project `default`, which look after all."""

    project: ProjectName | None = None


@router.post(
    "",
    status_code=201,
    summary="Make a key",
    response_model=MadeKeyView,
    responses=problems(400, 403, 409, 413, 415, 422, example=MADE_KEY, status=201),
)
def create_key(request: Request, wanted: KeyBody, parts: Parts, caller: Caller, key: IdempotencyKey = None) -> Response:
    """The answer holds the key, which is shown here and never again: only its digest is stored.

    An admin key of the project `default` makes keys for any project, one of another project for its own.
    """
    project = wanted.project or caller.project
    if project != caller.project and not caller.looks_after_all_keys:
        raise Forbidden("a key makes keys of its own project alone", code="project_not_yours")
    _check_name(wanted.name)
    secret = keys.new_secret()
    digest = digest_of(request.url.path, wanted.model_dump_json().encode())

    made: list[str] = []

    def make() -> Answer:
        row = keys.add(session, project, wanted.name, wanted.scopes, secret, expires_at=wanted.expires_seconds)
        made.append(secret)
        # What is kept for a repetition holds no key.
        return created(201, f"/api/v1/keys/{row.id}", MadeKeyView(**dict(key_view(row)), key=None))

    with parts.database.write() as session:
        answer = once(session, caller.project, key, digest, make)
    parts.keyring.refresh()
    return respond(Answer(answer.status, answer.location, {**answer.body, "key": made[0] if made else None}))


@router.get("", summary="List keys", responses=problems(403, 422, example=page_of(KEY)))
def list_keys(session: Reading, caller: Caller, query: Annotated[KeysQuery, Query()]) -> PageView[KeyView]:
    """Keys of the caller's project that are not revoked; never the keys themselves."""
    if query.project not in (None, caller.project) and not caller.looks_after_all_keys:
        raise Forbidden("a key sees the keys of its own project alone", code="project_not_yours")
    rows, following = keys.page(session, query.project or caller.project, query.limit, query.cursor)
    return PageView(items=[key_view(row) for row in rows], next=following)


@router.get("/{key_id}", summary="Get a key", responses=problems(403, 404, example=KEY))
def get_key(key_id: str, session: Reading, caller: Caller) -> KeyView:
    return key_view(keys.get(session, _seen(caller), key_id))


@router.delete("/{key_id}", status_code=204, summary="Revoke a key", responses=problems(403, 404))
def revoke_key(key_id: str, parts: Parts, caller: Caller) -> None:
    """It holds no more, in every process within a second; what it had asked for and is under way is cut off."""
    with parts.database.write() as session:
        keys.revoke(session, _seen(caller), key_id)
    parts.keyring.refresh()


def _seen(caller: Principal) -> str | None:
    """The project whose keys the caller looks after; None for all."""
    return None if caller.looks_after_all_keys else caller.project


def _check_name(name: str) -> None:
    if not name.isprintable():
        raise _field_error("name", "must be printable characters")


def _field_error(name: str, message: str) -> Invalid:
    return Invalid(f"/{name}: {message}", errors=(FieldError(f"/{name}", message),))
