"""SageMaker's container contract and MLflow's scoring server: `/ping`, `/invocations`, `/health` and `/version`."""

from collections.abc import Mapping

import numpy as np
from orjson import OPT_SERIALIZE_NUMPY, dumps
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from app.serving.predictor import Answers, Predictor
from app.web.desk import Desk
from app.web.hot import Endpoint, respond, whole_body
from app.web.json_rows import JsonRows
from app.web.npy import npy_of
from app.web.outgoing import HEADERS_BY_NAME
from app.web.predict_json import QUICK_BYTES, rows_of_numbers
from app.web.predict_options import USUAL
from app.web.protocols.choice import TARGET, Choice
from app.web.protocols.endpoints import WrongMethod, project_of
from app.web.protocols.forms import scoring
from app.web.protocols.outputs import outputs_of, rows_of
from app.web.protocols.probes import Probes
from app.web.protocols.scoring_requests import read_scoring

JSON, CSV, NPY = "application/json", "text/csv", "application/x-npy"
SMALL_BYTES = 64 << 10
"""Up to which a body of any form is read on the event loop; pictures never are."""


class Invocations:
    """The endpoint that answers rows."""

    def __init__(self, desk: Desk) -> None:
        self._desk, self._choice, self._rows = desk, Choice(desk.context), JsonRows()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        project, limits = project_of(scope), self._desk.context.limits
        headers: dict[bytes, bytes] = scope[HEADERS_BY_NAME]
        name = await self._choice.model(project, headers.get(TARGET, b"").decode("latin-1").strip())
        served, predictor = await self._desk.model(project, name)
        content_type = headers.get(b"content-type", b"").decode("latin-1")
        body = await whole_body(scope, receive)
        numbers = None
        if content_type == JSON and len(body) <= QUICK_BYTES:
            numbers = rows_of_numbers(predictor, body, limits, self._rows)
        if numbers is None:
            is_small = len(body) <= SMALL_BYTES and not content_type.startswith("image/")
            question, options = await self._desk.run(
                lambda: read_scoring(predictor, content_type, body, limits), here=is_small
            )
        else:
            question, options = numbers, USUAL
        answers = await self._desk.answer(served, predictor, question, options)
        media_type = _wanted(headers.get(b"accept", b"").decode("latin-1"))
        await respond(scope, send, _written(predictor, answers, media_type), media_type.encode())


class Scoring:
    """The family of paths."""

    prefix = "/"

    def __init__(self, desk: Desk, probes: Probes) -> None:
        self._paths: Mapping[str, tuple[str, Endpoint]] = {
            "/invocations": ("POST", Invocations(desk)),
            "/ping": ("GET", probes.ping),
            "/health": ("GET", probes.ping),
            "/version": ("GET", probes.version),
        }
        self._refusals = {method: WrongMethod(scoring, method) for method in ("GET", "POST")}
        self.templates: Mapping[Endpoint, str] = {endpoint: path for path, (_, endpoint) in self._paths.items()}

    def find(self, scope: Scope) -> Endpoint | None:
        """What answers at one of the paths."""
        found = self._paths.get(scope["path"])
        if found is None:
            return None
        method, endpoint = found
        return endpoint if scope["method"] == method else self._refusals[method]

    def routes(self) -> list[Route]:
        """The same as the framework's routes, for whoever walks all paths."""
        return [Route(path, endpoint, methods=[method]) for path, (method, endpoint) in self._paths.items()]


def _wanted(accept: str) -> str:
    """The first type of an Accept header that an answer can have; JSON where there is none."""
    named = (one.partition(";")[0].strip().lower() for one in accept.split(","))
    return next((one for one in named if one in (JSON, CSV, NPY)), JSON)


def _written(predictor: Predictor, answers: Answers, media_type: str) -> bytes:
    """The answer; a table has no place for more than the answers themselves."""
    if media_type == JSON:
        return b'{"predictions":%b}' % rows_of(outputs_of(predictor, answers))
    if media_type == NPY:
        return npy_of(answers.values)
    # A row a line, without a header, as SageMaker's own containers write it.
    return dumps(np.ascontiguousarray(answers.values), option=OPT_SERIALIZE_NUMPY)[2:-2].replace(b"],[", b"\n") + b"\n"
