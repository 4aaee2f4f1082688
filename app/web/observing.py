"""Puts the observing layer around an application, and starts and stops what it writes to."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from fastapi import APIRouter, FastAPI
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import ASGIApp

from app.web.context import Context
from app.web.observation import Observation


def observe(app: FastAPI, context: Context, routers: Mapping[str, Sequence[APIRouter]]) -> None:
    """Has all that `app` is asked go through an `Observation`. `routers` are those it includes, by their prefix."""
    routes = _named("", app.routes)
    for prefix, included in routers.items():
        for router in included:
            routes |= _named(prefix, router.routes)
    build = app.build_middleware_stack

    def around() -> ASGIApp:
        return Observation(build(), routes, context.metrics, context.access_log, context.tracing)

    # Middleware that is added stands within the layer that answers what nobody caught, and would not see that.
    app.build_middleware_stack = around  # type: ignore[method-assign]


@contextmanager
def observing(context: Context) -> Iterator[None]:
    """Lines of the access log and spans are written within the block; what waits at its end still is."""
    if context.access_log is not None:
        context.access_log.start()
    try:
        yield
    finally:
        if context.access_log is not None:
            context.access_log.stop()
        if context.tracing is not None:
            context.tracing.close()


def _named(prefix: str, routes: Sequence[BaseRoute]) -> dict[object, str]:
    """The template of each path, by what answers there."""
    named: dict[object, str] = {route.endpoint: prefix + route.path for route in routes if isinstance(route, Route)}
    return named | {route.app: f"{prefix}{route.path}/{{path}}" for route in routes if isinstance(route, Mount)}
