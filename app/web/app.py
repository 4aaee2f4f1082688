"""The HTTP application: routes, failures, the OpenAPI document, and the middleware around all of it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from starlette.routing import BaseRoute

from app.web import errors, predict
from app.web.access import Access
from app.web.context import Context
from app.web.docs import add_docs
from app.web.observation import Inside
from app.web.observing import observe, observing
from app.web.openapi import document_of
from app.web.routes import datasets, health, metrics, models, networks, run_files, run_resume, runs

PREFIX = "/api/v1"
DESCRIPTION = """Train a dropout / batch-norm network over HTTP, and predict from it right, every time.

Upload a dataset, submit a run, follow its events, predict. Every failure is a problem document (RFC 9457)."""


def create_app(context: Context, version: str) -> FastAPI:
    """The application over `context`; it starts and stops what runs in the background."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        context.catalogue.start()
        with observing(context):
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
        # It would make spans and figures of its own, and take a collector's address from variables of its own.
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
    )
    app.state.context = context
    errors.install(app)
    routers = (datasets.router, networks.router, runs.router, run_resume.router, run_files.router, models.router)
    for router in routers:
        app.include_router(router, prefix=PREFIX)
    app.include_router(health.router)
    app.include_router(metrics.router)
    add_docs(app)
    hot: list[BaseRoute] = list(predict.routes(context, PREFIX))
    app.router.routes[:0] = hot
    app.add_middleware(Inside)
    app.add_middleware(
        Access, hosts=context.hosts, body_bytes=context.limits.body_bytes, upload_bytes=context.limits.upload_bytes
    )
    # FastAPI's documented way to extend the document.
    app.openapi = lambda: document_of(app, PREFIX)  # type: ignore[method-assign]
    observe(app, context, {PREFIX: routers, "": (health.router, metrics.router)})
    return app
