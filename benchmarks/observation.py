"""What observing costs a request: CPU time of the layer around everything, its figures, its log and its spans."""

import asyncio
import os
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.web.access_log import AccessLog
from app.web.metrics import Metrics
from app.web.observation import Inside, Observation
from app.web.shared_metrics import VARIABLE

ROUTE = "/api/v1/models/{name}/predict"
REQUESTS, ROUNDS = 20_000, 5
HEADERS = [(name, b"value") for name in (b"host", b"accept", b"user-agent", b"content-type", b"content-length")]


async def answer(scope: Scope, receive: Receive, send: Send) -> None:
    scope["endpoint"] = answer
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


async def receive() -> Message:
    return {"type": "http.request", "body": b"", "more_body": False}


async def send(message: Message) -> None:
    return


async def asked(app: ASGIApp) -> None:
    for _ in range(REQUESTS):
        await app(
            {"type": "http", "method": "POST", "path": "/api/v1/models/m/predict", "headers": HEADERS}, receive, send
        )


def microseconds(app: ASGIApp, log: AccessLog | None = None) -> float:
    """CPU time a request of the whole process, the log's thread included: the least of some rounds."""
    if log is not None:
        log.start()
    spent = []
    for _ in range(ROUNDS):
        began = time.process_time()
        asyncio.run(asked(app))
        spent.append(time.process_time() - began)
        # What waits is written before the next round, and would be left out where much waits.
        time.sleep(1)
        if log is not None:
            spent[-1] = time.process_time() - began
    if log is not None:
        log.stop()
    return min(spent) / REQUESTS * 1e6


def observed(metrics: Metrics, log: AccessLog | None) -> ASGIApp:
    return Observation(Inside(answer), {answer: ROUTE}, metrics, log, None)


def main() -> None:
    """Prints a line for each way to observe."""
    nothing = os.open(os.devnull, os.O_WRONLY)
    bare = microseconds(answer)
    print(f"{bare:5.1f} µs without any")
    for form in (None, "text", "json"):
        log = AccessLog("json" if form == "json" else "text", nothing) if form else None
        cost = microseconds(observed(Metrics(), log), log) - bare
        print(f"{cost:5.1f} µs for ids, figures" + (f" and the access log as {form}" if form else ""))
    with TemporaryDirectory() as folder:
        os.environ[VARIABLE] = folder
        print(
            f"{microseconds(observed(Metrics(Path(folder)), None)) - bare:5.1f} µs for ids and figures that are shared"
        )
        metrics = Metrics()
    began = time.process_time()
    for _ in range(REQUESTS):
        metrics.prediction("default", "m", 1, 0.001)
        metrics.looked_up(found=True)
    print(f"{(time.process_time() - began) / REQUESTS * 1e6:5.1f} µs for the figures of a prediction")


if __name__ == "__main__":
    main()
