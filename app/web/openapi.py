"""The OpenAPI document: FastAPI's, with what it cannot know of the failures and of the prediction routes."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from app.web import scopes
from app.web.intake import RowsBody
from app.web.predict_docs import PREDICT_PATHS
from app.web.problems import ANY_OTHER, restored
from app.web.schemas import Problem

Json = dict[str, Any]
KEY_SCHEME: Json = {
    "type": "http",
    "scheme": "bearer",
    "bearerFormat": "dn_…",
    "description": "A key, as `dropnorm keys create` or `POST /api/v1/keys` make it. Where the service listens on "
    "loopback alone it may ask for none.",
}


def document_of(app: FastAPI, prefix: str) -> Json:
    """The document of `app`, made once. The prediction routes stand under `prefix`."""
    if app.openapi_schema is None:
        document: Json = restored(
            get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
        )
        schemas = document["components"]["schemas"]
        for model in (Problem, RowsBody):
            schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
            schemas |= schema.pop("$defs", {})
            schemas[model.__name__] = schema
        document["paths"] |= {f"{prefix}{path}": item for path, item in PREDICT_PATHS.items()}
        document["components"]["securitySchemes"] = {"key": KEY_SCHEME}
        for path, item in document["paths"].items():
            for method, operation in item.items():
                if method != "parameters":
                    _complete(operation["responses"])
                    _tell_scope(operation, scopes.needed(method.upper(), path))
        for name in ("HTTPValidationError", "ValidationError"):
            schemas.pop(name, None)
        app.openapi_schema = document
    return app.openapi_schema


def _complete(responses: Json) -> None:
    """Takes out the failure that FastAPI adds by itself and that is never answered; adds what may happen anywhere."""
    if "HTTPValidationError" in str(responses.get("422")):
        del responses["422"]
    responses["default"] = ANY_OTHER


def _tell_scope(operation: Json, scope: str | None) -> None:
    """Says what an operation needs; what needs no key says that it has none."""
    if scope is None:
        operation["security"] = []
        return
    operation["security"] = [{"key": []}]
    needs = f"Needs a key with the scope `{scope}`."
    operation["description"] = f"{operation['description']}\n\n{needs}" if "description" in operation else needs
