"""Which model `/invocations` means, whose path names none."""

import asyncio
from collections import OrderedDict
from time import monotonic

from app.errors import Malformed, NotFound
from app.storage import model_records
from app.web.context import Context

TARGET = b"x-amzn-sagemaker-target-model"
FRESH_SECONDS = 0.4
"""How long a project's names are taken as they were read: less than the second within which a change must show."""
MOST_NAMED, MOST_PROJECTS = 50, 1_000


class Choice:
    """Lives on one event loop."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._names: OrderedDict[str, tuple[float, list[str]]] = OrderedDict()

    async def model(self, project: str, target: str) -> str:
        """The name of the model to ask: `target` if the request names one, else the only one, else the default.

        Raises `Malformed` where there are several and none is the default, with their names, `NotFound` where there
        are none.
        """
        if target:
            return target
        names = await self._known(project)
        if len(names) == 1:
            return names[0]
        default = self._context.default_model
        if default:
            return default
        if not names:
            raise NotFound("there is no model yet", code="model_not_found")
        shown = ", ".join(names[: MOST_NAMED - 1]) + (", …" if len(names) == MOST_NAMED else "")
        raise Malformed(f"there are several models, and {TARGET.decode()} names none: {shown}", code="model_not_named")

    async def _known(self, project: str) -> list[str]:
        found = self._names.get(project)
        # What answers for the first time must be found at once.
        if found is not None and found[1] and monotonic() - found[0] < FRESH_SECONDS:
            return found[1]
        began = monotonic()
        names = await asyncio.to_thread(self._read, project)
        self._names[project] = (began, names)
        while len(self._names) > MOST_PROJECTS:
            self._names.popitem(last=False)
        return names

    def _read(self, project: str) -> list[str]:
        with self._context.database.read() as session:
            return model_records.names(session, project, MOST_NAMED)
