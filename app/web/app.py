"""The HTTP application: routes, failures, the OpenAPI document, and the middleware around all of it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from starlette.routing import BaseRoute

from app.web import errors, predict
from app.web.access import Access
from app.web.context import Context
from app.web.docs import add_docs
from app.web.intake import RowsBody
from app.web.predict_docs import PREDICT_PATHS
from app.web.routes import datasets, health, models, networks, run_files, runs
from app.web.schemas import Problem

PREFIX = "/api/v1"
DESCRIPTION = """Train a dropout / batch-norm network over HTTP, and predict from it right, every time.

Upload a dataset, submit a run, follow its events, predict. Every failure is a problem document (RFC 9457)."""


def create_app(context: Context, version: str) -> FastAPI:
    """The application over `context`; it starts and stops what runs in the background."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        context.catalogue.start()
        yield
        await context.broadcast.close()
        context.catalogue.stop()

    app = FastAPI(
        title="dropnorm",
        version=version,
        description=DESCRIPTION,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.context = context
    errors.install(app)
    for router in (datasets.router, networks.router, runs.router, run_files.router, models.router):
        app.include_router(router, prefix=PREFIX)
    app.include_router(health.router)
    add_docs(app)
    hot: list[BaseRoute] = list(predict.routes(context, PREFIX))
    app.router.routes[:0] = hot
    app.add_middleware(
        Access, hosts=context.hosts, body_bytes=context.limits.body_bytes, upload_bytes=context.limits.upload_bytes
    )
    # FastAPI's documented way to extend the document.
    app.openapi = lambda: _document(app)  # type: ignore[method-assign]
    return app


def _document(app: FastAPI) -> dict[str, Any]:
    if app.openapi_schema is None:
        document = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
        schemas = document["components"]["schemas"]
        for name in ("HTTPValidationError", "ValidationError"):
            schemas.pop(name, None)
        for model in (Problem, RowsBody):
            schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
            schemas |= schema.pop("$defs", {})
            schemas[model.__name__] = schema
        document["paths"] |= {f"{PREFIX}{path}": item for path, item in PREDICT_PATHS.items()}
        app.openapi_schema = document
    return app.openapi_schema
