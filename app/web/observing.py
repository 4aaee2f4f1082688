"""Puts the observing layer around an application, and starts and stops what it writes to."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from fastapi import APIRouter, FastAPI
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import ASGIApp

from app.web.context import Context
from app.web.observation import Observation


def observed(app: ASGIApp, inner: FastAPI, routers: Mapping[str, Sequence[APIRouter]], context: Context) -> Observation:
    """Has all that `app` is asked go through an `Observation`, what it refuses too.

    `inner` is the application within it, which has the middleware `Inside`; `routers` are those it includes, by prefix.
    """
    routes = _named("", inner.routes)
    for prefix, included in routers.items():
        for router in included:
            routes |= _named(prefix, router.routes)
    return Observation(app, routes, context.metrics, context.access_log, context.tracing)


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
