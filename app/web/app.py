"""The HTTP application: routes, failures, the OpenAPI document, and the layer around all of it that lets in."""

import gc
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

from fastapi import APIRouter, FastAPI
from starlette.routing import BaseRoute

from app.web import errors
from app.web.access import Access
from app.web.context import Context
from app.web.desk import Desk
from app.web.docs import add_docs
from app.web.hot import Hot, ShortWay
from app.web.lane import Lane
from app.web.observation import Inside, Observation
from app.web.observing import observed, observing
from app.web.openapi import document_of
from app.web.predictions import Predictions
from app.web.protocols.oip import OpenInference
from app.web.protocols.probes import Probes
from app.web.protocols.scoring import Scoring
from app.web.protocols.tensorflow import TensorFlowServing
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

Upload a dataset, submit a run, follow its events, predict. Every failure is a problem document (RFC 9457).

The same models answer clients of KServe and Triton at `/v2`, of TensorFlow Serving at `/v1/models`, of SageMaker and
MLflow at `/invocations`, as the specifications of those say, which stand elsewhere. Failures have their form there.
"""


ROUTERS: dict[str, tuple[APIRouter, ...]] = {
    PREFIX: tuple(
        part.router for part in (datasets, networks, runs, run_resume, run_files, models, releases, jobs, keys)
    ),
    "": (health.router, metrics.router),
}


def create_app(context: Context, version: str) -> Observation:
    """Everything that answers, behind the layer that lets in; around both, the one that tells of what was asked."""
    families = short_ways(context, version)
    inner = create_inner_app(context, version, families)
    door = Access(ShortWay(inner, families), context.keyring if context.keys_required else None, context.rules)
    outermost = observed(door, inner, ROUTERS, context)
    inner.state.lane = Lane(outermost, door, families)
    return outermost


def short_ways(context: Context, version: str) -> tuple[Hot, ...]:
    """What is answered before any framework sees it: predictions, in the service's own protocol and in others'."""
    desk, probes = Desk(context), Probes(context, version)
    own = Predictions(desk, PREFIX)
    return own, OpenInference(desk, probes, version), TensorFlowServing(desk), Scoring(desk, probes)


def create_inner_app(context: Context, version: str, families: Sequence[Hot] | None = None) -> FastAPI:
    """The application over `context`, with nobody at its door; it starts and stops what runs in the background.

    It has the paths of `families` too, to tell what is not possible there.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[Mapping[str, object]]:
        context.catalogue.start()
        if context.keys_required:
            context.keyring.start()
        with observing(context):
            # For the server's connections, which end the streams when it stops, and answer small predictions.
            # What stands now stays: to look through all of it for garbage stops everything for a tenth of a second.
            gc.collect()
            gc.freeze()
            yield {"context": context, "lane": getattr(app.state, "lane", None)}
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
    hot: list[BaseRoute] = [route for family in families or short_ways(context, version) for route in family.routes()]
    app.router.routes[:0] = hot
    app.add_middleware(Inside)
    # FastAPI's documented way to extend the document.
    app.openapi = lambda: document_of(app, PREFIX)  # type: ignore[method-assign]
    return app
