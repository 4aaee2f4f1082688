"""The servers that stand beside ours in the same rounds."""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from benchmarks.servers import peers
from benchmarks.servers.processes import Server, uvicorn
from benchmarks.serving_workloads import Request, Workload

YARDSTICK = "Starlette"
TUTORIAL = "FastAPI tutorial"


def same_bytes(work: Workload) -> Request:
    """What ours is sent, at a path of its own."""
    return replace(work.request, path="/predict")


def started(
    stack: ExitStack, core: int | None, wanted: Sequence[str], cache: Path, folder: Path, *, quick: bool
) -> list[Server]:
    """The yardstick, in longer runs also the others, and the peers that are `wanted`; they end with the stack."""
    servers = [stack.enter_context(uvicorn(YARDSTICK, "constant:starlette", core, same_bytes))]
    if not quick:
        servers.append(stack.enter_context(uvicorn("raw ASGI", "constant:raw", core, same_bytes)))
        servers.append(stack.enter_context(uvicorn(TUTORIAL, "tutorial:app", core, peers.with_rows("/predict"))))
    servers += [stack.enter_context(peers.running(name, cache, folder / name, core)) for name in wanted]
    return servers
