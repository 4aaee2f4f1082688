"""What the protocols' endpoints share: answers in JSON, and refusals of what is not there."""

from collections.abc import Awaitable, Callable, Mapping

from orjson import dumps
from starlette.types import Receive, Scope, Send

from app.errors import NotFound
from app.web.errors import Form
from app.web.hot import respond

Told = Callable[[Scope, Receive], Awaitable[object]]


class Telling:
    """An endpoint that answers 200 with the JSON that `told` makes."""

    def __init__(self, told: Told) -> None:
        self._told = told

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await respond(scope, send, dumps(await self._told(scope, receive)))


class WrongMethod:
    """Answers what is asked by another method than `allowed`, in the protocol's form."""

    def __init__(self, form: Form, allowed: str) -> None:
        self._form, self._allowed = form, "GET, HEAD" if allowed == "GET" else allowed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer = self._form(405, "method_not_allowed", f"{scope['method']} is not possible here", ())
        answer.headers["Allow"] = self._allowed
        await answer(scope, receive, send)


async def nothing_here(scope: Scope, receive: Receive, send: Send) -> None:
    """The endpoint of all paths of a protocol that lead nowhere."""
    raise NotFound("there is nothing at this path", code="path_not_found")


def names_of(scope: Scope) -> Mapping[str, str]:
    """What the path names."""
    names: Mapping[str, str] = scope["path_params"]
    return names


def project_of(scope: Scope) -> str:
    """The caller's project."""
    project: str = scope["principal"].project
    return project


def version_of(names: Mapping[str, str]) -> int | None:
    """The version that a path names, as digits; None where it names none."""
    return int(names["version"]) if "version" in names else None
