"""The paths of predictions: the four ways to name what answers."""

from collections.abc import Mapping

from starlette.routing import Route
from starlette.types import Scope

from app.errors import FieldError, Invalid
from app.web.desk import Desk
from app.web.hot import Endpoint
from app.web.predict import Predict


class Predictions:
    """The four ways to name what answers, as paths that begin with `prefix`."""

    def __init__(self, desk: Desk, prefix: str) -> None:
        self.prefix = f"{prefix}/"
        self._by_name = Predict(
            desk,
            lambda project, names: desk.find(project, names["name"]),
            lambda project, names: desk.model(project, names["name"]),
        )
        self._by_version = Predict(
            desk,
            lambda project, names: desk.find(project, names["name"], version=_number(names["number"])),
            lambda project, names: desk.model(project, names["name"], version=_number(names["number"])),
        )
        self._by_alias = Predict(
            desk,
            lambda project, names: desk.find(project, names["name"], alias=names["alias"]),
            lambda project, names: desk.model(project, names["name"], alias=names["alias"]),
        )
        self._by_run = Predict(
            desk,
            lambda project, names: None,
            lambda project, names: desk.model_of_run(project, names["run_id"]),
        )
        self.templates: Mapping[Endpoint, str] = {
            self._by_name: f"{prefix}/models/{{name}}/predict",
            self._by_version: f"{prefix}/models/{{name}}/versions/{{number}}/predict",
            self._by_alias: f"{prefix}/models/{{name}}/aliases/{{alias}}/predict",
            self._by_run: f"{prefix}/runs/{{run_id}}/predict",
        }

    def find(self, scope: Scope) -> Endpoint | None:
        """The endpoint of a POST to one of the paths."""
        parts = scope["path"][len(self.prefix) :].split("/")
        if parts[-1] != "predict" or scope["method"] != "POST" or "" in parts:
            return None
        if len(parts) == 3 and parts[0] == "models":
            scope["path_params"] = {"name": parts[1]}
            return self._by_name
        if len(parts) == 3 and parts[0] == "runs":
            scope["path_params"] = {"run_id": parts[1]}
            return self._by_run
        if len(parts) != 5 or parts[0] != "models" or parts[2] not in ("versions", "aliases"):
            return None
        by_version = parts[2] == "versions"
        scope["path_params"] = {"name": parts[1], "number" if by_version else "alias": parts[3]}
        return self._by_version if by_version else self._by_alias

    def routes(self) -> list[Route]:
        """The same as the framework's routes, which tell what else is asked of these paths that it is not possible."""
        return [Route(template, endpoint, methods=["POST"]) for endpoint, template in self.templates.items()]


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 0 < len(text) < 10):
        raise Invalid(
            "a version is a number",
            code="version_invalid",
            errors=(FieldError("/version", "must be a number", text[:80]),),
        )
    return int(text)
