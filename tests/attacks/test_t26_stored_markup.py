"""T26: markup in every name and label, and each place where it comes back, seen in a real browser. Nothing of it runs.

The payload sets the page's title and asks for a canary's address; a page of the test's own shows that it would. Where
this machine has no browser, that is said and the rest is still shown by the headers.
"""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from tests.attacks.browser import Browser, browser, program
from tests.service import Service, accepted

# The browser may have to be installed first.
pytestmark = pytest.mark.timeout(400)
Json = dict[str, Any]
STRICT = "default-src 'none'; frame-ancestors 'none'"


class Canary:
    """A server that tells what it was asked for; `/page` is a page that has the payload in it."""

    def __init__(self) -> None:
        canary = self

        class Told(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                canary.asked.append(self.path)
                body = f"<title>page</title>{canary.payload}".encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/html")
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                del format, args

        self.asked: list[str] = []
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Told)
        self.address = f"http://127.0.0.1:{self.server.server_port}"
        self.payload = (
            f"<img src=x onerror=\"document.title='ran';new Image().src='{self.address}/hit'\">"
            f"<script>document.title='ran';new Image().src='{self.address}/hit'</script>"
        )


@pytest.fixture(scope="module")
def canary() -> Iterator[Canary]:
    made = Canary()
    thread = threading.Thread(target=made.server.serve_forever, args=(0.05,))
    thread.start()
    yield made
    made.server.shutdown()
    thread.join()
    made.server.server_close()


@pytest.fixture(scope="module")
def visitor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    if program() is None:
        pytest.skip("no chromium on this machine: what a browser does with stored markup is NOT shown")
    with browser(tmp_path_factory.mktemp("browser")) as running:
        yield running


@pytest.fixture(scope="module")
def places(service: Service, api: httpx.Client, canary: Canary) -> list[str]:
    """Every address whose answer holds the payload, or could."""
    mark, short = canary.payload, "<script>document.title='ran'</script>"
    rows = [{mark: f"{mark}{index % 3}", "x": index + 0.5, "y": f"{short}{index % 2}"} for index in range(30)]
    # The longest name of a dataset is 200 characters.
    body = {"target": "y", "rows": rows, "name": mark[:200]}
    dataset = accepted(api.post("/api/v1/datasets", json=body))["id"]
    network = accepted(api.post("/api/v1/networks", json={"name": short, "layers": [{"type": "dense"}]}))["id"]
    run = service.submit(dataset, network, model="marked", tags=[short], training={"epochs": 2, "seed": 1})
    ended = service.ended(run["id"])
    assert ended["status"] == "succeeded", ended["error"]
    path = f"/api/v1/runs/{run['id']}"
    ways = [quote(mark, safe=""), quote(short, safe="")]
    lists = [f"/api/v1/{kind}" for kind in ("datasets", "networks", "runs", "models")]
    errors = [f"{kind}/{way}" for kind in (*lists, "/api/v1", path) for way in ways]
    errors += [f"{kind}?limit={way}&cursor={way}&{way}={way}" for kind in lists for way in ways]
    own = [f"/api/v1/datasets/{dataset}", f"/api/v1/datasets/{dataset}/rows", f"/api/v1/networks/{network}", path]
    own += [f"{path}/metrics", "/api/v1/models/marked", "/api/v1/models/marked/versions/1"]
    return [*lists, *own, *(one["url"] for one in ended["result"]["artifacts"]), *errors, f"/docs?{ways[0]}#{ways[1]}"]


def test_the_payload_is_a_real_one(visitor: Browser, canary: Canary) -> None:
    seen = visitor.visit(f"{canary.address}/page")
    assert seen.title == "ran"
    assert "/hit" in canary.asked
    canary.asked.clear()


def test_markup_comes_back_as_text_and_runs_nowhere(
    service: Service, visitor: Browser, canary: Canary, places: list[str]
) -> None:
    held = 0
    for path in places:
        seen = visitor.visit(service.address + path, settle=0.05)
        assert seen.title != "ran", path
        assert not [address for address in seen.asked if address.startswith(canary.address)], path
        held += "document.title" in seen.text
    assert canary.asked == []
    assert held > 10, "the payload was shown, as text"


def test_no_answer_lets_a_browser_run_frame_or_guess(api: httpx.Client, places: list[str]) -> None:
    for path in [*places, "/", "/healthz", "/readyz", "/openapi.json", "/nothing", "/docs/assets/swagger-ui.css"]:
        headers = api.get(path).headers
        assert headers["x-content-type-options"] == "nosniff", path
        assert "frame-ancestors 'none'" in headers["content-security-policy"], path
        if not path.startswith("/docs?"):
            assert headers["content-security-policy"] == STRICT, path
            assert not headers.get("content-type", "").startswith("text/html"), path
    for answer in (
        api.post("/api/v1/networks", json={}),
        api.options("/api/v1/runs"),
        api.get("/healthz", headers={"Host": "x"}),
        api.get("/healthz", headers={"Origin": "http://x"}),
        api.post("/api/v1/models/marked/predict", json={"instances": [{"x": 1}]}, headers={"Accept": "text/csv"}),
    ):
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["content-security-policy"] == STRICT


def test_files_are_to_be_saved_and_not_shown(api: httpx.Client, places: list[str]) -> None:
    for path in (path for path in places if "/artifacts/" in path and "%" not in path):
        assert api.get(path).headers["content-disposition"].startswith("attachment")


def test_the_page_of_the_documentation_works_under_its_policy(service: Service, visitor: Browser) -> None:
    seen = visitor.visit(f"{service.address}/docs", until="document.querySelectorAll('.opblock').length > 20", settle=1)
    assert "dropnorm" in seen.text
    assert seen.complaints == []
    assert {address.split("/")[2] for address in seen.asked if address.startswith("http")} == {
        service.address.removeprefix("http://")
    }


def test_the_policy_of_the_documentation_lets_no_other_script_run(service: Service, visitor: Browser) -> None:
    policy = httpx.get(f"{service.address}/docs").headers["content-security-policy"]
    assert "'sha256-" in policy
    assert "'unsafe-eval'" not in policy
    [scripts] = [part for part in policy.split("; ") if part.startswith("script-src ")]
    assert "unsafe" not in scripts
    assert json.dumps(policy).isascii()
