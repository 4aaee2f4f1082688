"""The Open Inference Protocol (KServe's second), as Triton's clients speak it: the paths below `/v2`."""

import re
from collections.abc import Mapping

from starlette.routing import Route
from starlette.types import Receive, Scope

from app.web.desk import Desk
from app.web.hot import Endpoint
from app.web.protocols.endpoints import Telling, WrongMethod, nothing_here
from app.web.protocols.forms import triton
from app.web.protocols.infer import Infer
from app.web.protocols.oip_models import Models
from app.web.protocols.oip_repository import Repository
from app.web.protocols.probes import Probes
from app.web.protocols.statistics import Statistics

EXTENSIONS = [
    "classification",
    "model_repository",
    "model_configuration",
    "binary_tensor_data",
    "parameters",
    "statistics",
]
_MODEL = re.compile(r"/v2/models/(?P<name>[^/]+)(?:/versions/(?P<version>[0-9]{1,9}))?(?:/(?P<what>[a-z]+))?")
_REPOSITORY = re.compile(r"/v2/repository/models/(?P<name>[^/]+)/(?P<what>load|unload)")
MODEL, VERSION = "/v2/models/{name}", "/v2/models/{name}/versions/{number}"
Found = tuple[str, Endpoint]
"""A method, and what answers to it."""


class OpenInference:
    """The family of paths; `version` is the service's own."""

    prefix = "/v2"

    def __init__(self, desk: Desk, probes: Probes, version: str) -> None:
        statistics = Statistics()
        models, repository = Models(desk, statistics), Repository(desk)
        self._version = version
        self._plain: Mapping[str, Found] = {
            "/v2": ("GET", Telling(self._server)),
            "/v2/health/live": ("GET", probes.live),
            "/v2/health/ready": ("GET", probes.ready),
            "/v2/models/stats": ("GET", Telling(models.statistics)),
            "/v2/repository/index": ("POST", Telling(repository.index)),
        }
        self._of_model: Mapping[str, Found] = {
            "": ("GET", Telling(models.metadata)),
            "ready": ("GET", Telling(models.ready)),
            "config": ("GET", Telling(models.config)),
            "stats": ("GET", Telling(models.statistics)),
            "infer": ("POST", Infer(desk, statistics)),
        }
        self._of_repository: Mapping[str, Found] = {
            "load": ("POST", Telling(repository.load)),
            "unload": ("POST", Telling(repository.unload)),
        }
        self._refusals = {method: WrongMethod(triton, method) for method in ("GET", "POST")}
        self.templates: Mapping[Endpoint, str] = {endpoint: path for path, _, endpoint in self._all()}

    def find(self, scope: Scope) -> Endpoint | None:
        """What answers at a path below `/v2`, and tells of those where there is nothing."""
        path = scope["path"]
        if path != "/v2" and not path.startswith("/v2/"):
            return None
        scope["path_params"] = {}
        if found := self._plain.get(path):
            return self._by_method(scope, found)
        if (named := _MODEL.fullmatch(path)) and (found := self._of_model.get(named["what"] or "")):
            number = named["version"]
            scope["path_params"] = (
                {"name": named["name"]} if number is None else {"name": named["name"], "version": number}
            )
            return self._by_method(scope, found)
        if named := _REPOSITORY.fullmatch(path):
            scope["path_params"] = {"name": named["name"]}
            return self._by_method(scope, self._of_repository[named["what"]])
        return nothing_here

    def routes(self) -> list[Route]:
        """The same as the framework's routes, for whoever walks all paths."""
        return [Route(path, endpoint, methods=[method]) for path, method, endpoint in self._all()]

    def _all(self) -> list[tuple[str, str, Endpoint]]:
        """Path, method and endpoint; of an endpoint with several paths the last one is the most usual."""
        found = [(path, *one) for path, one in self._plain.items()]
        for base in (VERSION, MODEL):
            found += [(f"{base}/{what}" if what else base, *one) for what, one in self._of_model.items()]
        return found + [(f"/v2/repository/models/{{name}}/{what}", *one) for what, one in self._of_repository.items()]

    def _by_method(self, scope: Scope, found: Found) -> Endpoint:
        method, endpoint = found
        return endpoint if scope["method"] == method else self._refusals[method]

    async def _server(self, scope: Scope, receive: Receive) -> dict[str, object]:
        return {"name": "dropnorm", "version": self._version, "extensions": EXTENSIONS}
