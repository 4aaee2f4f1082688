"""T01: every parameter of every path, and every id and name in a body or a query, as something that climbs out.

Refused as unknown; a file outside the data folder is never opened, as the service's own audit hook tells.
"""

import http.client
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from tests.answers import expect_problem, form_at, strict_json
from tests.attacks.places import METHODS, Place, application, places
from tests.service import Service, accepted

Json = dict[str, Any]
WATCH = """
import os, sys
told = os.open(os.environ["OPENED"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
LOOKS = ("open", "os.listdir", "os.scandir", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "sqlite3.connect")
sys.addaudithook(lambda event, given: os.write(told, f"{given[0]!r}\\n".encode()) if event in LOOKS else None)
"""
SPELLINGS = (
    "../x",
    "..%2fx",
    "%2e%2e/x",
    "%252e%252e%252f",
    "..\\x",
    "..%5cx",
    "/etc/passwd",
    "%2fetc%2fpasswd",
    "C:\\x",
    "file:///x",
    "file:%2f%2f%2fetc%2fpasswd",
    "x%00y",
    "x%00.json",
    "a/../../b",
    "a%2f..%2f..%2fb",
    "a" * 300,
    ".",
    "..",
    "%2e",
    "",
    quote("\u202ecod"),
    quote("．．／x"),
    quote("‥/x"),
    "%ff%fe",
    "%ed%a0%80",
    "%0d%0aX-Evil:%201",
    "~root",
    "$HOME",
    "*",
    "%",
)


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service whose processes write down whatever they open, beside a canary that is none of their business."""
    folder = tmp_path_factory.mktemp("watched")
    (folder / "sitecustomize.py").write_text(WATCH)
    (folder / "canary").write_text("not to be seen")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(folder))
        patch.setenv("OPENED", str(folder / "opened"))
        with Service(folder) as running:
            yield running


@pytest.fixture(scope="module")
def run(watched: Service) -> Json:
    rows = [{"x": index + 0.5, "y": index % 2 == 0} for index in range(20)]
    dataset = accepted(watched.client.post("/api/v1/datasets", json={"target": "y", "rows": rows, "name": "canary"}))
    network = {"layers": [{"type": "dense"}]}
    run = watched.ended(watched.submit(dataset["id"], network, model="watched", training={"epochs": 1})["id"])
    assert run["status"] == "succeeded", run["error"]
    return run


def opened(service: Service) -> set[str]:
    """What the service's processes have opened up to now, as they named it."""
    return set((service.data_dir.parent / "opened").read_text().splitlines())


def ask(service: Service, method: str, path: str, body: object = None) -> tuple[int, bytes]:
    """The status and body of the answer to a request whose path is sent byte for byte."""
    host, _, port = service.address.removeprefix("http://").partition(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=30)
    headers = {} if body is None else {"Content-Type": "application/json"}
    connection.request(method, path, None if body is None else json.dumps(body), headers)
    answer = connection.getresponse()
    status, content = answer.status, answer.read()
    connection.close()
    return status, content


def climbing(service: Service) -> list[str]:
    """The spellings, and those that would reach the canary from any folder of the data."""
    canary = str(service.data_dir.parent / "canary")
    ways = [f"{'../' * depth}canary" for depth in range(1, 6)]
    return [*SPELLINGS, canary, quote(canary, safe=""), *ways, *(quote(way, safe="") for way in ways)]


def attacked(place: Place, honest: Json) -> Iterator[tuple[str, str]]:
    """Each parameter of a place by its name, and the path with `{}` there and what is really there elsewhere."""
    known = {"run_id": honest["id"], "name": "watched", "number": "1", "alias": "serving", "job_id": "job_unknown"}
    for name in place.parameters:
        yield name, place.filled(**{**known, name: "{}"})


def test_no_parameter_of_a_path_leads_anywhere(watched: Service, run: Json, tmp_path: Path) -> None:
    asked, before = 0, opened(watched)
    bodies: dict[str, object] = {"POST": {"instances": [{"x": 1.5}]}, "PUT": {"version": 1}}
    for place in places(application(tmp_path)):
        for name, path in attacked(place, run):
            for spelling in climbing(watched):
                for method in place.methods or METHODS:
                    if method == "HEAD":
                        continue
                    status, content = ask(watched, method, path.replace("{}", spelling), bodies.get(method))
                    assert status in (400, 404, 405, 422), (method, path, spelling, status, content[:500])
                    document = strict_json(httpx.Response(status, content=content))
                    if (form := form_at(path)) is None:
                        assert document["status"] == status
                    else:
                        assert set(document) == form
                    assert b"not to be seen" not in content
                    asked += 1
            assert watched.client.get("/healthz").status_code == 200, name
    assert asked > 500
    new = opened(watched) - before
    assert not [name for name in new if "canary" in name or "passwd" in name or ".." in name], new


def test_the_hook_tells_what_is_opened(watched: Service, run: Json) -> None:
    [card] = [one for one in run["result"]["artifacts"] if one["name"] == "model_card.md"] or run["result"][
        "artifacts"
    ][:1]
    before = opened(watched)
    assert watched.client.get(card["url"]).status_code == 200
    assert [name for name in opened(watched) | before if card["name"] in name and str(watched.data_dir) in name]


@pytest.mark.parametrize("spelling", [*SPELLINGS, "x\0y", "\u202ecod", "．．／x", "../../canary", "\ud800"], ids=ascii)
def test_no_id_of_a_body_leads_anywhere(watched: Service, run: Json, spelling: str) -> None:
    network = {"layers": [{"type": "dense"}]}
    bodies: list[Json] = [
        {"dataset": spelling, "network": network},
        {"dataset": run["dataset"], "network": spelling},
        {"dataset": run["dataset"], "network": network, "training": {"validation": {"dataset": spelling}}},
    ]
    for path in ("/api/v1/runs/check", "/api/v1/runs"):
        for body in bodies:
            answer = watched.client.post(path, content=json.dumps(body), headers={"Content-Type": "application/json"})
            expect_problem(answer, (400, 404, 422))
    for body in ({"dataset": run["dataset"], "network": network, "model": spelling},):
        answer = watched.client.post(
            "/api/v1/runs/check", content=json.dumps(body), headers={"Content-Type": "application/json"}
        )
        expect_problem(answer, (400, 422))


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("path", ["datasets", "networks", "runs", "models"])
def test_no_text_of_a_query_leads_anywhere(watched: Service, run: Json, path: str, spelling: str) -> None:
    names = ("cursor", "model", "dataset", "tag", "status") if path == "runs" else ("cursor",)
    for name in names:
        status, content = ask(watched, "GET", f"/api/v1/{path}?{name}={spelling}")
        found = strict_json(httpx.Response(status, content=content))
        assert status in (200, 400, 422), (name, spelling, content)
        assert status != 200 or found["items"] == [] or spelling == ""
    assert not [name for name in opened(watched) if "passwd" in name]
