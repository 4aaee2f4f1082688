"""TensorFlow Serving's REST API, and with it KServe's first protocol: the paths below `/v1`. Labels are aliases."""

import re
from collections.abc import Mapping

from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from app.errors import Malformed, shown
from app.web.desk import Desk
from app.web.hot import Endpoint, respond, whole_body
from app.web.json_rows import JsonRows
from app.web.predict_json import QUICK_BYTES, rows_of_numbers
from app.web.predict_options import options_of
from app.web.protocols import tensorflow_requests
from app.web.protocols.endpoints import Telling, names_of, project_of, version_of
from app.web.protocols.named import record_of, served_by
from app.web.protocols.signature import TensorSpec, inputs_of, output_of
from app.web.protocols.tensorflow_requests import SIGNATURE, Asked, Verb

SMALL_BYTES = 64 << 10
"""Up to which a body of any form is read on the event loop."""
_PATH = re.compile(
    r"/v1/models/(?P<name>[^/:]+)(?:/versions/(?P<version>[0-9]{1,18})|/labels/(?P<label>[^/:]+))?"
    r"(?::(?P<verb>predict|classify|regress)|(?P<metadata>/metadata))?"
)
BASES = ("/v1/models/{name}/labels/{alias}", "/v1/models/{name}/versions/{number}", "/v1/models/{name}")
KINDS = {"FP32": "DT_FLOAT", "BYTES": "DT_STRING", "BOOL": "DT_BOOL"}
Json = dict[str, object]


class Ask:
    """The endpoint of one verb."""

    def __init__(self, desk: Desk, verb: Verb) -> None:
        self._desk, self._verb, self._rows = desk, verb, JsonRows()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        names, limits = names_of(scope), self._desk.context.limits
        served, predictor = await self._desk.model(
            project_of(scope), names["name"], version=version_of(names), alias=names.get("label")
        )
        options = options_of(scope["query_string"])
        body = await whole_body(scope, receive)
        question = None
        if self._verb is Verb.PREDICT and len(body) <= QUICK_BYTES:
            question = rows_of_numbers(predictor, body, limits, self._rows)
        if question is None:
            asked = await self._desk.run(
                lambda: tensorflow_requests.read(predictor, self._verb, body, limits), here=len(body) <= SMALL_BYTES
            )
        else:
            asked = Asked(question)
        answers = await self._desk.answer(served, predictor, asked.question, options)
        await respond(scope, send, tensorflow_requests.answer_of(predictor, self._verb, answers, by_row=asked.by_row))


class TensorFlowServing:
    """The family of paths."""

    prefix = "/v1"

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._verbs: Mapping[str, Endpoint] = {verb.value: Ask(desk, verb) for verb in Verb}
        self._status, self._metadata = Telling(self._told_status), Telling(self._told_metadata)
        self.templates: Mapping[Endpoint, str] = {endpoint: path for path, _, endpoint in self._all()}

    def find(self, scope: Scope) -> Endpoint | None:
        """What answers at a path below `/v1`, and tells of those where there is nothing."""
        path = scope["path"]
        if path != "/v1" and not path.startswith("/v1/"):
            return None
        found = _PATH.fullmatch(path)
        if found is None or scope["method"] != ("POST" if found["verb"] else "GET"):
            return _malformed
        named = {key: found[key] for key in ("name", "version", "label")}
        scope["path_params"] = {key: value for key, value in named.items() if value is not None}
        if found["verb"]:
            return self._verbs[found["verb"]]
        return self._metadata if found["metadata"] else self._status

    def routes(self) -> list[Route]:
        """The same as the framework's routes, for whoever walks all paths."""
        return [Route(path, endpoint, methods=[method]) for path, method, endpoint in self._all()]

    def _all(self) -> list[tuple[str, str, Endpoint]]:
        """Path, method and endpoint; of an endpoint with several paths the last one is the most usual."""
        found: list[tuple[str, str, Endpoint]] = []
        for base in BASES:
            found += [(f"{base}:{verb}", "POST", endpoint) for verb, endpoint in self._verbs.items()]
            found += [(f"{base}/metadata", "GET", self._metadata), (base, "GET", self._status)]
        return found

    async def _told_status(self, scope: Scope, receive: Receive) -> Json:
        """The state of the version that was asked for, or of all; with it what KServe's first protocol looks for."""
        project, names = project_of(scope), names_of(scope)
        if "version" in names or "label" in names:
            served = await served_by(
                self._desk.context, project, names["name"], version=version_of(names), alias=names.get("label")
            )
            numbers = [served.version or 0]
        else:
            numbers = sorted((await record_of(self._desk.context, project, names["name"])).versions, reverse=True)
        state = {"state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}}
        states = [{"version": str(number), **state} for number in numbers]
        return {"name": names["name"], "ready": True, "model_version_status": states}

    async def _told_metadata(self, scope: Scope, receive: Receive) -> Json:
        """The model's one signature, as TensorFlow's own JSON has it."""
        names = names_of(scope)
        served, predictor = await self._desk.model(
            project_of(scope), names["name"], version=version_of(names), alias=names.get("label")
        )
        signature = {
            "inputs": {spec.name: _tensor(spec) for spec in inputs_of(predictor)},
            "outputs": {spec.name: _tensor(spec) for spec in (output_of(predictor),)},
            "method_name": "tensorflow/serving/predict",
        }
        return {
            "model_spec": {"name": served.model, "signature_name": "", "version": str(served.version)},
            "metadata": {"signature_def": {"signature_def": {SIGNATURE: signature}}},
        }


def _tensor(spec: TensorSpec) -> Json:
    shape = {"dim": [{"size": str(size), "name": ""} for size in spec.shape], "unknown_rank": False}
    return {"dtype": KINDS[spec.datatype], "tensor_shape": shape, "name": f"{spec.name}:0"}


async def _malformed(scope: Scope, receive: Receive, send: Send) -> None:
    """The endpoint of all other paths: TensorFlow Serving says 400 there, and clients look at its words."""
    if scope["method"] == "GET" and scope["path"].rstrip("/") == "/v1/models":
        raise Malformed("Missing model name in request.")
    raise Malformed(f"Malformed request: {scope['method']} {shown(scope['path'], 200)}")
