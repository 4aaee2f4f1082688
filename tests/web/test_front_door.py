"""Health, readiness, the front door, what is answered where there is nothing, and what the process holds."""

from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.answers import expect_problem
from tests.service import EXAMPLES, Service


def test_a_living_service_says_so(api: httpx.Client) -> None:
    assert api.get("/healthz").json() == {"status": "alive"}


def test_a_ready_service_names_what_it_checked(api: httpx.Client) -> None:
    answer = api.get("/readyz").json()
    assert answer == {"status": "ready", "checks": {"database": "ok", "storage": "ok", "worker": "ok"}}


def test_a_service_without_a_worker_is_not_ready(tmp_path: Path) -> None:
    with Service(tmp_path, workers="0") as alone:
        answer = alone.client.get("/readyz")
        assert answer.status_code == 503
        assert int(answer.headers["retry-after"]) > 0
        assert answer.json()["checks"]["worker"] != "ok"
        assert alone.client.get("/healthz").status_code == 200


def test_the_front_door_sends_browsers_to_the_pages_and_tells_others_that_it_lives(api: httpx.Client) -> None:
    assert api.get("/", headers={"Accept": "*/*"}).json() == {"status": "alive"}
    page = api.get("/", headers={"Accept": "text/html,application/xhtml+xml"})
    assert page.status_code == 307
    assert page.headers["location"].startswith("/")


@pytest.mark.parametrize("path", ["/nothing", "/api/v1", "/api/v1/", "/api/v2/runs", "/api/v1/runs/", "/api/v1/run"])
def test_an_unknown_path_is_a_problem(api: httpx.Client, path: str) -> None:
    expect_problem(api.get(path), 404, "path_not_found")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/api/v1/datasets", {"GET", "POST"}),
        ("PATCH", "/api/v1/runs/run_x", {"GET", "DELETE"}),
        ("GET", "/api/v1/models/palmer/predict", {"POST"}),
        ("DELETE", "/healthz", {"GET"}),
        ("TRACE", "/api/v1/runs", {"GET", "POST"}),
        ("PUT", "/api/v1/networks/check", {"POST"}),
        ("OPTIONS", "/api/v1/runs/check", {"POST"}),
    ],
)
def test_a_method_that_is_not_possible_is_a_problem_and_names_those_that_are(
    api: httpx.Client, method: str, path: str, allowed: set[str]
) -> None:
    answer = api.request(method, path)
    expect_problem(answer, 405, "method_not_allowed")
    named = {name.strip() for name in answer.headers["allow"].split(",")}
    assert named == (allowed | {"HEAD"} if "GET" in allowed else allowed)


def test_head_answers_as_get_without_a_body(api: httpx.Client, penguins: dict[str, Any]) -> None:
    for path in ("/healthz", "/readyz", f"/api/v1/datasets/{penguins['id']}", "/nothing"):
        head, get = api.head(path), api.get(path)
        assert head.status_code == get.status_code
        assert head.headers["content-type"] == get.headers["content-type"]
        assert head.content == b""


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/api/v1/datasets/ds_x", "dataset_not_found"),
        ("/api/v1/datasets/ds_x/rows", "dataset_not_found"),
        ("/api/v1/networks/net_x", "network_not_found"),
        ("/api/v1/runs/run_x", "run_not_found"),
        ("/api/v1/runs/run_x/metrics", "run_not_found"),
        ("/api/v1/runs/run_x/events", "run_not_found"),
        ("/api/v1/runs/run_x/artifacts/weights.safetensors", "run_not_found"),
        ("/api/v1/models/nobody", "model_not_found"),
        ("/api/v1/models/nobody/versions/1", "model_not_found"),
    ],
)
def test_what_is_not_there_is_named(api: httpx.Client, path: str, code: str) -> None:
    expect_problem(api.get(path), 404, code)


def test_every_answer_forbids_guessing_its_type_and_keeping_it(api: httpx.Client, penguins: dict[str, Any]) -> None:
    for path in ("/healthz", "/nothing", f"/api/v1/datasets/{penguins['id']}", "/openapi.json"):
        headers = api.get(path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "no-store"


def test_the_api_process_holds_no_training_library_and_no_parser_of_strangers_tables(
    service: Service, penguins_run: dict[str, Any], pictures_run: dict[str, Any]
) -> None:
    body = (EXAMPLES / "held-out" / "trees.jpg").read_bytes()
    answer = service.client.post(
        "/api/v1/models/pictures/predict", content=body, headers={"Content-Type": "image/jpeg"}
    )
    assert answer.status_code == 200
    mapped = Path(f"/proc/{service.pid}/maps").read_text()
    assert "onnxruntime" in mapped, "the models answer from this process"
    assert "libtorch" not in mapped
    assert "libarrow" not in mapped
