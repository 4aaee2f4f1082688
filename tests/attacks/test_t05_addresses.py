"""T05: addresses of other hosts wherever a text is taken. No field is for one, and nothing is ever fetched."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest

from tests.attacks.uploads import send
from tests.house.sources import dotted, imported, modules, tracked
from tests.house.test_code import NETWORK_CLIENTS, calls
from tests.service import HOME

Json = dict[str, Any]
WORDS = {"url", "uri", "href", "link", "callback", "webhook", "endpoint", "host", "proxy", "path"}
FETCHERS = {"socket.create_connection", "socket.socket.connect", "http.client", "asyncio.open_connection"}


@pytest.fixture(scope="module")
def bait() -> Iterator[tuple[str, list[str]]]:
    """An address on this machine, and what has been asked of it."""
    asked: list[str] = []

    class Told(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_error(404)

        do_HEAD = do_POST = do_PUT = do_GET  # noqa: N815 (the names are the server's)

        def log_message(self, format: str, *args: object) -> None:
            asked.append(format % args)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Told)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/bait", asked
    server.shutdown()
    thread.join()
    server.server_close()


def properties(schema: Any) -> Iterator[str]:
    """Every name of a property in a JSON schema, at any depth."""
    if isinstance(schema, dict):
        yield from schema.get("properties", {})
        for part in schema.values():
            yield from properties(part)
    elif isinstance(schema, list):
        for part in schema:
            yield from properties(part)


def references(schema: Any) -> Iterator[str]:
    """The names of the schemas that a schema refers to."""
    if isinstance(schema, dict):
        if "$ref" in schema:
            yield schema["$ref"].rsplit("/", 1)[-1]
        for part in schema.values():
            yield from references(part)
    elif isinstance(schema, list):
        for part in schema:
            yield from references(part)


def test_no_field_of_a_request_is_for_an_address(api: httpx.Client) -> None:
    document = api.get("/openapi.json").json()
    operations = [part for item in document["paths"].values() for part in item.values() if isinstance(part, dict)]
    bodies = [operation["requestBody"] for operation in operations if "requestBody" in operation]
    seen: set[str] = set()
    names = set(properties(bodies))
    while missing := set(references(bodies)) - seen:
        seen |= missing
        bodies = [document["components"]["schemas"][name] for name in missing]
        names |= set(properties(bodies))
    names |= {parameter["name"] for part in operations for parameter in part.get("parameters", [])}
    assert {"dataset", "layers"} <= names
    assert {name for name in names if set(name.lower().split("_")) & WORDS} == set()


def test_an_address_in_any_text_is_not_asked(
    api: httpx.Client, penguins: Json, penguins_run: Json, bait: tuple[str, list[str]]
) -> None:
    address, asked = bait
    network = {"layers": [{"type": "dense"}], "name": address}
    run = {"dataset": penguins["id"], "network": {"layers": [{"type": "dense"}]}}
    table = "".join(f"{index}.5,{address}?{index % 2},{'ab'[index % 2]}\n" for index in range(20))
    made = [
        send(api, f"x,{address},y\n{table}".encode(), "x.csv", name=address),
        send(api, f"{address}\n{address}\n".encode(), f"{address}/x.csv"),
        send(api, address.encode(), "x.zip", target=address, columns=address),
        api.post("/api/v1/networks", json=network),
        api.post("/api/v1/networks", json={"keras": address}),
        api.post("/api/v1/networks", content=address, headers={"Content-Type": "application/json"}),
        api.post("/api/v1/datasets", json={"url": address}),
        api.post("/api/v1/datasets", json={"file": address, "rows": [{"x": 1, "y": 2}]}),
        api.post("/api/v1/runs/check", json={**run, "tags": [address], "model": address}),
        api.post("/api/v1/runs/check", json={**run, "dataset": address}),
        api.post("/api/v1/runs/check", json={**run, "network": address}),
        api.post("/api/v1/models/palmer/predict", json={"instances": [{"island": address}]}),
        api.post("/api/v1/models/palmer/predict", json={"url": address}),
        api.get("/healthz", headers={"Referer": address, "X-Forwarded-Host": address, "Link": address}),
    ]
    assert {answer.status_code for answer in made} <= {200, 201, 400, 404, 415, 422}
    assert asked == []
    for answer in made:
        if answer.status_code == 201:
            assert api.delete(answer.headers["location"]).status_code == 204


def test_no_module_that_serves_can_fetch() -> None:
    for path, tree in modules():
        assert not imported(tree) & NETWORK_CLIENTS, path
        called = {dotted(call.func) for call in calls(tree)}
        assert not {name for name in called if name.endswith("urlopen") or name in FETCHERS}, path


def test_no_name_of_a_registry_or_a_model_hub_stands_in_the_sources() -> None:
    for path in tracked("app/*.py"):
        text = (HOME / path).read_text()
        assert "hf_hub" not in text, path
        assert "from_pretrained" not in text, path
