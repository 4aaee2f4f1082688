"""The HTTP application: routes, failures, the OpenAPI document, and the layer around all of it that lets in."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from fastapi import APIRouter, FastAPI
from starlette.routing import BaseRoute

from app.web import errors
from app.web.access import Access
from app.web.context import Context
from app.web.desk import Desk
from app.web.docs import add_docs
from app.web.hot import ShortWay
from app.web.observation import Inside, Observation
from app.web.observing import observed, observing
from app.web.openapi import document_of
from app.web.predict import Predictions
from app.web.routes import (
    datasets,
    health,
    jobs,
    keys,
    metrics,
    models,
    networks,
    releases,
    run_files,
    run_resume,
    runs,
)

PREFIX = "/api/v1"
DESCRIPTION = """Train a dropout / batch-norm network over HTTP, and predict from it right, every time.

Upload a dataset, submit a run, follow its events, predict. Every failure is a problem document (RFC 9457)."""


ROUTERS: dict[str, tuple[APIRouter, ...]] = {
    PREFIX: tuple(
        part.router for part in (datasets, networks, runs, run_resume, run_files, models, releases, jobs, keys)
    ),
    "": (health.router, metrics.router),
}


def create_app(context: Context, version: str) -> Observation:
    """Everything that answers, behind the layer that lets in; around both, the one that tells of what was asked."""
    predictions = Predictions(Desk(context), PREFIX)
    inner = create_inner_app(context, version, predictions)
    door = Access(ShortWay(inner, [predictions]), context.keyring if context.keys_required else None, context.rules)
    return observed(door, inner, ROUTERS, context)


def create_inner_app(context: Context, version: str, predictions: Predictions | None = None) -> FastAPI:
    """The application over `context`, with nobody at its door; it starts and stops what runs in the background.

    It has the paths of `predictions` too, to tell what is not possible there.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[Mapping[str, object]]:
        context.catalogue.start()
        if context.keys_required:
            context.keyring.start()
        with observing(context):
            # For the server's connections, which end the streams when it stops.
            yield {"context": context}
            await context.broadcast.close()
        context.catalogue.stop()
        context.keyring.stop()

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
    for prefix, routers in ROUTERS.items():
        for router in routers:
            app.include_router(router, prefix=prefix)
    add_docs(app)
    hot: list[BaseRoute] = list((predictions or Predictions(Desk(context), PREFIX)).routes())
    app.router.routes[:0] = hot
    app.add_middleware(Inside)
    # FastAPI's documented way to extend the document.
    app.openapi = lambda: document_of(app, PREFIX)  # type: ignore[method-assign]
    return app
