"""Where there is no room for a resumed run, that is found before its checkpoint is copied."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.answers import expect_problem
from tests.service import EXAMPLES, Service, accepted
from tests.stored import counts, rows

Json = dict[str, Any]
STORED = (
    "SELECT (SELECT sum(stored_bytes) FROM datasets) + (SELECT sum(bytes) FROM artifacts)"
    " + (SELECT sum(bytes) FROM checkpoints), (SELECT min(bytes) FROM checkpoints)"
)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("room")


@pytest.fixture(scope="module")
def ended(home: Path, table_network: Json) -> Json:
    """A succeeded run, in a service that is no more; its checkpoint is damaged, so whoever copies it is found out."""
    with Service(home) as service:
        dataset = service.upload(EXAMPLES / "penguins.csv", target="species")
        run = service.ended(service.submit(dataset["id"], table_network, training={"epochs": 2, "seed": 7})["id"])
        assert run["status"] == "succeeded", run["error"]
    for path in (home / "data" / "runs" / run["id"]).rglob("checkpoint-*"):
        path.write_bytes(bytes(path.stat().st_size))
    return run


@contextmanager
def nobody_works(home: Path, **settings: str) -> Iterator[Service]:
    with Service(home, workers="0", **settings) as service:
        yield service


def resume(service: Service, run: Json, **headers: str) -> httpx.Response:
    return service.client.post(f"/api/v1/runs/{run['id']}/resume", json={"epochs": 3}, headers=headers)


def test_with_room_the_damaged_checkpoint_is_met(home: Path, ended: Json) -> None:
    with nobody_works(home) as service:
        expect_problem(resume(service, ended), 409, "no_checkpoint")


def test_without_a_place_for_a_run_nothing_is_copied(home: Path, ended: Json, table_network: Json) -> None:
    with nobody_works(home, max_unfinished_runs="1") as service:
        queued = service.submit(ended["dataset"], table_network, training={"epochs": 1, "seed": 7})
        before = counts(service)
        expect_problem(resume(service, ended), 429, "too_many_runs")
        expect_problem(resume(service, ended, **{"Idempotency-Key": "full"}), 429, "too_many_runs")
        assert counts(service) == before
        accepted(service.client.post(f"/api/v1/runs/{queued['id']}/cancel"))
        expect_problem(resume(service, ended), 409, "no_checkpoint")


@pytest.mark.parametrize(
    ("missing_bytes", "status", "code"), [(1, 507, "storage_quota_exceeded"), (0, 409, "no_checkpoint")]
)
def test_without_room_for_the_checkpoint_nothing_is_copied(
    home: Path, ended: Json, missing_bytes: int, status: int, code: str
) -> None:
    with nobody_works(home) as service:
        ((stored, least),) = rows(service, STORED)
    room = int(str(stored)) + int(str(least)) - missing_bytes
    with nobody_works(home, max_stored_bytes=str(room)) as service:
        before = counts(service)
        expect_problem(resume(service, ended), status, code)
        assert counts(service) == before
        assert not any((service.data_dir / "incoming").iterdir())
