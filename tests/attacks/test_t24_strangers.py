"""T24: pages of other sites and names that are not the service's own get nothing done. Host and Origin are checked."""

import httpx
import pytest

from tests.answers import expect_problem
from tests.service import Service


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8000", "localhost.evil.example", "evil/..", "[::2]", "127.0.0.2", ""]
)
def test_a_strangers_host_is_refused_everywhere(api: httpx.Client, host: str) -> None:
    for path in ("/healthz", "/", "/docs", "/openapi.json", "/api/v1/datasets", "/api/v1/models/x/predict"):
        expect_problem(api.get(path, headers={"Host": host}), 400, "host_not_allowed")


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST", "127.0.0.1", "[::1]", "localhost:1234", "[::1]:80"])
def test_its_own_hosts_are_not(api: httpx.Client, host: str) -> None:
    assert api.get("/healthz", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "null",
        "file://",
        "http://localhost.evil.example",
        "http://127.0.0.1:1",
        "",
        "evil",
        "http://[",
        "http://[::1",
    ],
)
def test_a_page_of_another_origin_may_do_nothing(api: httpx.Client, origin: str) -> None:
    before = api.get("/api/v1/networks?limit=200").json()
    body = {"layers": [{"type": "dense"}]}
    answer = api.post("/api/v1/networks", json=body, headers={"Origin": origin})
    expect_problem(answer, 403, "origin_not_allowed")
    assert "access-control-allow-origin" not in answer.headers
    expect_problem(
        api.options("/api/v1/networks", headers={"Origin": origin, "Access-Control-Request-Method": "POST"}), 403
    )
    expect_problem(api.delete("/api/v1/datasets/ds_x", headers={"Origin": origin}), 403)
    assert api.get("/api/v1/networks?limit=200").json() == before


def test_a_page_of_its_own_origin_may(api: httpx.Client, service: Service) -> None:
    assert api.get("/healthz", headers={"Origin": service.address}).status_code == 200


def test_a_simple_forms_text_is_no_json(api: httpx.Client) -> None:
    for media_type in ("text/plain", "application/x-www-form-urlencoded"):
        answer = api.post(
            "/api/v1/networks", content=b'{"layers": [{"type": "dense"}]}', headers={"Content-Type": media_type}
        )
        expect_problem(answer, 415)
