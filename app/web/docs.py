"""`/docs`: the OpenAPI document as a page. Its script and style come from an installed package, so it works offline."""

from importlib.resources import files

from fastapi import FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse
from starlette.requests import Request
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

ASSETS = "/docs/assets"


def add_docs(app: FastAPI) -> None:
    """Serves the page and what it loads; no other host is asked for anything."""
    folder = str(files("fastapi_offline") / "static")
    page = get_swagger_ui_html(
        openapi_url="/openapi.json",
        title=app.title,
        swagger_js_url=f"{ASSETS}/swagger-ui-bundle.js",
        swagger_css_url=f"{ASSETS}/swagger-ui.css",
        swagger_favicon_url=f"{ASSETS}/favicon.png",
    ).body

    def docs(request: Request) -> HTMLResponse:
        return HTMLResponse(bytes(page))

    app.router.routes += [Mount(ASSETS, StaticFiles(directory=folder)), Route("/docs", docs)]
