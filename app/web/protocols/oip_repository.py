"""The Open Inference Protocol's model repository: which models there are, and which are in this process's memory.

Whatever is there answers, loaded or not. So `load` means: have it in memory before somebody asks; and `unload`: give
the memory back. What shall not answer any more is deleted (docs/decisions/0039-load-and-unload-are-about-memory.md).
"""

from starlette.types import Receive, Scope

from app.errors import Malformed
from app.web.desk import Desk
from app.web.hot import whole_body
from app.web.protocols.datatypes import wrong
from app.web.protocols.endpoints import names_of, project_of
from app.web.protocols.named import record_of, records_of
from app.web.strict_json import read_json

MOST_BYTES = 1 << 16
Json = dict[str, object]


class Repository:
    """The answers to POST. Models are those of the caller's project."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def index(self, scope: Scope, receive: Receive) -> list[Json]:
        """Every version of every model; all of them are ready."""
        asked = await _document(scope, receive)
        if not isinstance(asked.get("ready", False), bool):
            raise wrong("ready must be true or false")
        found = await records_of(self._desk.context, project_of(scope))
        return [
            {"name": name, "version": str(number), "state": "READY", "reason": ""}
            for name, record in found.items()
            for number in sorted(record.versions)
        ]

    async def load(self, scope: Scope, receive: Receive) -> Json:
        """Has the version that answers for a model in memory. Raises `NotFound`."""
        parameters = (await _document(scope, receive)).get("parameters")
        if isinstance(parameters, dict):
            for name in parameters:
                if name == "config" or name.startswith("file:"):
                    raise wrong("a model is made by a run: neither its configuration nor its files can be given here")
        await self._desk.model(project_of(scope), names_of(scope)["name"])
        return {}

    async def unload(self, scope: Scope, receive: Receive) -> Json:
        """Gives back the memory of all versions of a model. Raises `NotFound`."""
        await _document(scope, receive)
        record = await record_of(self._desk.context, project_of(scope), names_of(scope)["name"])
        for run_id in record.versions.values():
            self._desk.context.registry.forget(run_id)
        return {}


async def _document(scope: Scope, receive: Receive) -> Json:
    """A JSON object; an empty body is an empty one. Raises `Malformed`."""
    body = await whole_body(scope, receive)
    if len(body) > MOST_BYTES:
        raise Malformed(f"the body has {len(body)} bytes; {MOST_BYTES} are read here")
    found = read_json(body) if body.strip() else {}
    if not isinstance(found, dict):
        raise Malformed("the body must be a JSON object")
    return found
