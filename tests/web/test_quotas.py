"""What a project may have, over HTTP: refused with a reason, nothing left behind, and everything else goes on."""

import socket
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.answers import expect_problem, strict_json
from tests.conftest import network
from tests.service import EXAMPLES, Service, accepted
from tests.stored import counts, folders_named, folders_there, rows

Json = dict[str, Any]
CSV = b"x,y\n" + b"".join(f"{index}.5,{index % 2}\n".encode() for index in range(30))
PLACES = 3
PENGUINS_BYTES = 344 * (5 * 8 + 2 * 4)
STORED = "SELECT (SELECT sum(stored_bytes) FROM datasets), (SELECT coalesce(sum(bytes), 0) FROM artifacts)"


@pytest.fixture
def crowded(tmp_path: Path) -> Iterator[Service]:
    """A service with three places for runs, and nobody who takes them."""
    with Service(tmp_path, max_unfinished_runs=str(PLACES), workers="0") as service:
        yield service


def body_of(dataset: str) -> Json:
    return {"dataset": dataset, "network": {"layers": [{"type": "dense"}]}, "training": {"epochs": 1, "seed": 7}}


def sent(api: httpx.Client, content: bytes, key: str | None = None) -> httpx.Response:
    headers = {} if key is None else {"Idempotency-Key": key}
    return api.post("/api/v1/datasets", files={"file": ("x.csv", content)}, headers=headers)


def test_twenty_submissions_at_once_fill_the_three_places_and_no_more(crowded: Service) -> None:
    body = body_of(accepted(sent(crowded.client, CSV))["id"])

    def submit(_: int) -> httpx.Response:
        with httpx.Client(base_url=crowded.address, timeout=60) as client:
            return client.post("/api/v1/runs", json=body)

    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(submit, range(20)))
    refused = [answer for answer in answers if answer.status_code != 202]
    assert len(refused) == 20 - PLACES
    for answer in refused:
        expect_problem(answer, 429, "too_many_runs")
        assert int(answer.headers["retry-after"]) > 0
    found = counts(crowded)
    assert found["runs"] == found["jobs"] == PLACES


def test_a_run_that_was_accepted_is_answered_again_however_full_it_is_and_a_cancelled_one_makes_room(
    crowded: Service,
) -> None:
    api, key = crowded.client, {"Idempotency-Key": uuid.uuid4().hex}
    body = body_of(accepted(sent(api, CSV))["id"])
    first = accepted(api.post("/api/v1/runs", json=body, headers=key))
    for _ in range(PLACES - 1):
        accepted(api.post("/api/v1/runs", json=body))
    late = {"Idempotency-Key": uuid.uuid4().hex}
    expect_problem(api.post("/api/v1/runs", json=body, headers=late), 429, "too_many_runs")
    assert accepted(api.post("/api/v1/runs", json=body, headers=key)) == first
    accepted(api.post(f"/api/v1/runs/{first['id']}/cancel"))
    again = accepted(api.post("/api/v1/runs", json=body, headers=late))
    assert again["id"] != first["id"], "a refusal does not use up its key"
    expect_problem(api.post("/api/v1/runs", json=body), 429, "too_many_runs")


def test_where_all_is_stored_that_may_be_uploads_and_runs_are_refused_and_predictions_go_on(tmp_path: Path) -> None:
    with Service(tmp_path, max_stored_bytes=str(PENGUINS_BYTES + 1)) as service:
        api, key = service.client, uuid.uuid4().hex
        content = (EXAMPLES / "penguins.csv").read_bytes()
        dataset = accepted(sent(api, content, key))
        expect_problem(sent(api, CSV), 507, "storage_quota_exceeded")
        run = service.ended(
            service.submit(dataset["id"], network("table"), model="palmer", training={"epochs": 1})["id"]
        )
        assert run["status"] == "succeeded", "a run that was accepted ends, whatever it stores"
        ((data, artifacts),) = rows(service, STORED)
        assert (data, bool(artifacts)) == (PENGUINS_BYTES, True)
        refused = expect_problem(api.post("/api/v1/runs", json=body_of(dataset["id"])), 507, "storage_quota_exceeded")
        assert str(PENGUINS_BYTES + 1) in refused["detail"]
        expect_problem(sent(api, content), 507, "storage_quota_exceeded")
        assert accepted(sent(api, content, key)) == dataset
        answer = api.post("/api/v1/models/palmer/predict", json={"instances": [{"bill_length_mm": 39.1}]})
        assert len(strict_json(answer)["predictions"]) == 1
        assert counts(service)["datasets"] == counts(service)["runs"] == 1
        assert folders_there(service) == folders_named(service)
        assert not any((service.data_dir / "incoming").iterdir())


def test_uploads_at_once_fill_the_room_and_what_is_refused_leaves_no_file(tmp_path: Path) -> None:
    room = 2 * 30 * (8 + 4)
    with Service(tmp_path, max_stored_bytes=str(room), workers="0") as service:

        def upload(number: int) -> int:
            with httpx.Client(base_url=service.address, timeout=60) as client:
                return sent(client, CSV.replace(b"29.5", f"{number}29.5".encode())).status_code

        with ThreadPoolExecutor(5) as pool:
            answers = list(pool.map(upload, range(1, 6)))
        assert sorted(answers) == [201, 201, 507, 507, 507]
        assert counts(service)["datasets"] == len(folders_there(service)) == 2
        assert folders_there(service) == folders_named(service)
        assert not any((service.data_dir / "incoming").iterdir())


def test_an_upload_for_which_there_is_no_room_is_refused_before_it_is_sent(tmp_path: Path) -> None:
    head = "POST /api/v1/datasets HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=B\r\n"
    with Service(tmp_path, max_stored_bytes=str(30 * (8 + 4)), workers="0") as service:
        accepted(sent(service.client, CSV))
        with socket.create_connection(("127.0.0.1", int(service.address.rsplit(":", 1)[1])), timeout=30) as client:
            client.sendall(f"{head}Content-Length: 1000000000\r\n\r\n".encode())
            assert client.recv(1000).startswith(b"HTTP/1.1 507 ")
