"""T22: every path and method without a key, with another project's, and with one that may only read.

The paths are found in the application itself, mounts and plain callables included, so that a new one cannot be missed.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from app.web import scopes
from tests.answers import expect_refusal
from tests.attacks.places import METHODS, Place, application, places
from tests.attacks.tenants import Tenant
from tests.keys import client
from tests.service import HOME, Service
from tests.stored import counts

PROBES = {"/v2/health/live", "/v2/health/ready", "/ping", "/health", "/version"}
"""What clients of other servers ask to know whether this one lives."""
OPEN = {"/", "/healthz", "/readyz", "/docs", "/openapi.json", "/docs/assets/{name}", *PROBES}
"""All that is answered without a key, to GET and HEAD alone: a new open path must be written here too."""
READ_BY_POST = "/v2/repository/index"
"""Changes nothing; Triton's clients read it by a POST."""
REFUSED = (400, 401, 403, 404, 405, 413, 415, 422)


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> list[Place]:
    return places(application(tmp_path_factory.mktemp("application")))


def paths(found: list[Place], owner: Tenant) -> Iterator[tuple[str, str]]:
    """Every template with the path that leads to what `owner` has there, and paths beside those."""
    for template in sorted({place.path for place in found}):
        names = {**owner.ids, "name": owner.artifact} if "/artifacts/" in template else dict(owner.ids)
        if template == "/docs/assets/{name}":
            names["name"] = "swagger-ui.css"
        yield template, Place(template, frozenset()).filled(**names)
    for path in (
        "/metrics",
        "/nothing",
        "/api",
        "/api/v1/",
        "/api/v1/keys/x/y",
        "/healthz/",
        "/docs/",
        "/v2/x",
        "/ping/",
    ):
        yield path, path


def asked(who: httpx.Client, method: str, path: str) -> httpx.Response:
    with who.stream(method, path, json={} if method in ("POST", "PUT", "PATCH") else None) as answer:
        # An event stream may go on.
        if not answer.headers.get("content-type", "").startswith("text/event-stream"):
            answer.read()
        return answer


def test_the_table_of_open_paths_is_closed(found: list[Place], ours: Tenant) -> None:
    opened = {
        template for template, path in paths(found, ours) for method in METHODS if scopes.needed(method, path) is None
    }
    assert opened == OPEN
    assert all(scopes.needed(method, "/healthz") for method in METHODS if method not in ("GET", "HEAD"))


def test_the_document_describes_no_path_that_is_not_walked(fortress: Service, found: list[Place]) -> None:
    document = fortress.client.get("/openapi.json").json()
    described = {(path, method.upper()) for path, item in document["paths"].items() for method in item}
    walked = {(place.path, method) for place in found for method in place.methods}
    assert {one for one in described if one[1] in METHODS} <= walked
    assert len(walked) > 35


def test_nothing_else_is_answered_without_a_key(fortress: Service, found: list[Place], ours: Tenant) -> None:
    before, walked = counts(fortress), 0
    with client(fortress, None) as nobody:
        for template, path in paths(found, ours):
            for method in METHODS:
                answer = asked(nobody, method, path)
                if template in OPEN and method in ("GET", "HEAD"):
                    assert answer.status_code in (200, 307, 503), (method, path)
                    continue
                assert answer.status_code == 401, (method, path, answer.status_code)
                assert answer.headers["www-authenticate"].startswith("Bearer")
                if method != "HEAD":
                    expect_refusal(answer, 401, "key_required")
                walked += 1
    assert walked > 200
    assert counts(fortress) == before


def test_a_key_of_another_project_reaches_nothing_of_ours(
    fortress: Service, found: list[Place], ours: Tenant, theirs: Tenant
) -> None:
    before = counts(fortress)
    for template, path in paths(found, ours):
        for method in METHODS:
            answer = asked(theirs.client, method, path)
            if template in OPEN and method in ("GET", "HEAD"):
                continue
            if answer.status_code < 300:
                # A list of their own, or what belongs to nobody.
                assert "{" not in template, (method, path)
                assert method in ("GET", "HEAD") or (method, path) == ("POST", READ_BY_POST), (method, path)
                assert not {thing for thing in ours.things() if thing in answer.text}, (method, path)
            else:
                assert answer.status_code in REFUSED, (method, path, answer.status_code)
    assert counts(fortress) == before


def test_a_key_that_may_only_read_changes_nothing(fortress: Service, found: list[Place], ours: Tenant) -> None:
    before = counts(fortress)
    for template, path in paths(found, ours):
        for method in METHODS:
            answer = asked(ours.reader, method, path)
            if method in ("GET", "HEAD"):
                forbidden = template.startswith("/api/v1/keys")
                assert answer.status_code == 403 if forbidden else answer.status_code < 500, (method, path)
            elif (method, path) == ("POST", READ_BY_POST):
                assert answer.status_code == 200
            else:
                # What is of the whole service is not there for a project.
                expect_refusal(answer, 404 if path == "/metrics" else 403)
    assert counts(fortress) == before


def test_everything_of_ours_is_still_there(ours: Tenant) -> None:
    for path in ("datasets/{dataset_id}", "networks/{network_id}", "runs/{run_id}", "models/{name}/versions/{number}"):
        assert ours.client.get("/api/v1/" + path.format(**ours.ids)).status_code == 200


@pytest.mark.parametrize(
    "settings",
    [{"auth": "off"}, {"auth": "off", "allowed_hosts": "example.org"}, {"allowed_hosts": "example.org"}],
    ids=["off", "off for a name", "on without a key"],
)
def test_it_does_not_start_on_all_addresses_without_keys(tmp_path: Path, settings: dict[str, str]) -> None:
    given = {name: value for name, value in os.environ.items() if not name.startswith("DROPNORM_")}
    wanted = {"host": "0.0.0.0", "port": "1", "data_dir": str(tmp_path), **settings}
    ended = subprocess.run(
        [sys.executable, "-m", "app.cli", "serve"],
        cwd=HOME,
        env=given | {f"DROPNORM_{name.upper()}": value for name, value in wanted.items()},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 2, ended.stderr
    assert len(ended.stderr.splitlines()) == 1
    assert "Traceback" not in ended.stderr
