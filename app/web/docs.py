"""`/docs`: the OpenAPI document as a page. Its script and style come from an installed package, so it works offline."""

import re
from base64 import b64encode
from hashlib import sha256
from importlib.resources import files

from fastapi import FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse, Response
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.routing import Route

ASSETS = "/docs/assets"
MEDIA_TYPES = {
    "swagger-ui-bundle.js": "text/javascript",
    "swagger-ui.css": "text/css",
    "favicon.png": "image/png",
}


def add_docs(app: FastAPI) -> None:
    """Serves the page and what it loads; no other host is asked for anything."""
    folder = files("fastapi_offline") / "static"
    page = get_swagger_ui_html(
        openapi_url="/openapi.json",
        title=app.title,
        swagger_js_url=f"{ASSETS}/swagger-ui-bundle.js",
        swagger_css_url=f"{ASSETS}/swagger-ui.css",
        swagger_favicon_url=f"{ASSETS}/favicon.png",
    ).body
    headers = {"Content-Security-Policy": policy(bytes(page).decode())}

    def docs(request: Request) -> HTMLResponse:
        return HTMLResponse(bytes(page), headers=headers)

    def asset(request: Request) -> Response:
        name = request.path_params["name"]
        # Three files, read whole: no other name that is sent reaches the disk, and nothing is answered in parts.
        if name not in MEDIA_TYPES:
            raise HTTPException(404)
        return Response((folder / name).read_bytes(), media_type=MEDIA_TYPES[name])

    app.router.routes += [Route(f"{ASSETS}/{{name}}", asset), Route("/docs", docs)]


def policy(page: str) -> str:
    """The Content-Security-Policy of a page that loads from its own host alone and runs only the scripts in it."""
    inline = re.findall(r"<script>(.*?)</script>", page, flags=re.DOTALL)
    hashes = [f"'sha256-{b64encode(sha256(script.encode()).digest()).decode()}'" for script in inline]
    sources = {
        "default-src": "'none'",
        "script-src": " ".join(["'self'", *hashes]),
        # Swagger UI writes style attributes; a style reads and sends nothing here, for images come from this host.
        "style-src": "'self' 'unsafe-inline'",
        "img-src": "'self' data:",
        "connect-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }
    return "; ".join(f"{name} {value}" for name, value in sources.items())
