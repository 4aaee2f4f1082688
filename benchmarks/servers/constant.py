"""Servers that read a body and answer with a constant: a bare Starlette route, the yardstick, and raw ASGI below it."""

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

ANSWER = b'{"predictions":[[0.25,0.75]]}'
HEADERS = [(b"content-type", b"application/json"), (b"content-length", str(len(ANSWER)).encode())]


async def predict(request: Request) -> JSONResponse:
    await request.body()
    return JSONResponse({"predictions": [[0.25, 0.75]]})


starlette = Starlette(routes=[Route("/predict", predict, methods=["POST"])])


async def raw(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] != "http":
        return
    more = True
    while more:
        more = (await receive()).get("more_body", False)
    await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
    await send({"type": "http.response.body", "body": ANSWER})
