"""Every place of the application that can be asked for, found in the application itself: a new one cannot be missed."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from starlette.convertors import CONVERTOR_TYPES
from starlette.routing import BaseRoute, Mount, compile_path

from app.assembly import context_of
from app.settings import load
from app.web.app import create_inner_app

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")


@dataclass(frozen=True, slots=True)
class Place:
    """A path with its parameters in braces, and the methods that it takes; `methods` is empty for a mount, which
    takes any."""

    path: str
    methods: frozenset[str]

    @property
    def parameters(self) -> tuple[str, ...]:
        """The names in braces, in their order."""
        return tuple(compile_path(self.path)[2])

    def filled(self, **values: str) -> str:
        """The path with `values` in its parameters, byte for byte; what is not given is `1`."""
        path = self.path
        for name in self.parameters:
            for kind in ("", *(f":{kind}" for kind in CONVERTOR_TYPES)):
                path = path.replace(f"{{{name}{kind}}}", values.get(name, "1"))
        return path


def application(folder: Path) -> FastAPI:
    """The application as it is served, over an empty data folder."""
    return create_inner_app(context_of(load({"DROPNORM_DATA_DIR": str(folder)})), "0")


def places(app: FastAPI) -> list[Place]:
    """All places, those of mounted applications and those that no document describes included."""
    return sorted(set(_within(app.router.routes, "")), key=lambda place: place.path)


def _within(routes: list[BaseRoute], prefix: str) -> Iterator[Place]:
    for context in iter_route_contexts(routes):
        route = context.original_route
        if isinstance(route, Mount):
            path = f"{prefix}{route.path}"
            yield Place(f"{path}/{{path}}", frozenset())
            yield from _within(list(route.routes), path)
            continue
        path = str(context.path or getattr(route, "path", ""))
        assert path, f"a kind of route that is not known here: {route!r}"
        methods = context.methods or getattr(route, "methods", None) or ()
        yield Place(f"{prefix}{path}", frozenset(methods))
