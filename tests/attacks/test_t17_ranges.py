"""T17: ten thousand ranges of a file in one request. The whole comes once, or a refusal: never a part per range."""

import time
from typing import Any

import httpx
import pytest

from tests.attacks.conftest import Memory

Json = dict[str, Any]
MEGABYTE = 1 << 20
RANGES = {
    "neighbours": "bytes=" + ",".join(f"{index}-{index}" for index in range(10_000)),
    "gaps": "bytes=" + ",".join(f"{2 * index}-{2 * index}" for index in range(5_000)),
    "the whole, often": "bytes=" + ",".join(["0-"] * 10_000),
    "from the end": "bytes=" + ",".join(f"-{index}" for index in range(1, 5_000)),
    "a few": "bytes=0-0,5-5,10-",
    "backwards": "bytes=9-1",
    "past the end": "bytes=99999999999-",
    "long digits": f"bytes=0-{'9' * 5000}",
    "underscores": "bytes=1_0-2_0",
    "other unit": "rows=0-1",
    "nothing": "bytes=",
    "commas": "bytes=" + "," * 10_000,
}


@pytest.fixture(scope="module")
def files(penguins_run: Json, penguins: Json) -> list[str]:
    """Every route that answers with a file, or with what is as long as one."""
    run = f"/api/v1/runs/{penguins_run['id']}"
    assets = [f"/docs/assets/{name}" for name in ("swagger-ui-bundle.js", "swagger-ui.css", "favicon.png")]
    artifacts = [artifact["url"] for artifact in penguins_run["result"]["artifacts"]]
    return [*artifacts, *assets, "/docs", "/openapi.json", f"{run}/metrics", f"/api/v1/datasets/{penguins['id']}/rows"]


@pytest.mark.parametrize("kind", RANGES)
def test_ranges_cost_no_more_than_the_file(api: httpx.Client, memory: Memory, files: list[str], kind: str) -> None:
    for path in files:
        whole = api.get(path)
        begin = time.monotonic()
        answer = api.get(path, headers={"Range": RANGES[kind]})
        assert time.monotonic() - begin < 5
        # 400 and 431: the header itself is longer than headers may be.
        assert answer.status_code in (200, 400, 431), (path, answer.status_code)
        assert answer.status_code != 200 or answer.content == whole.content
    assert memory.grown() < 30 * MEGABYTE
