"""Two processes share the port: what one of them changes, the other follows within moments."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.service import Service, accepted
from tests.worker.processes import until

Json = dict[str, Any]
ROWS = [{"x": number % 7 + 0.5, "y": "ab"[number % 2]} for number in range(40)]
QUESTION = {"instances": [{"x": 1.5}]}
CONNECTIONS = 12


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with Service(tmp_path_factory.mktemp("pair"), processes="2") as running:
        yield running


@pytest.fixture
def clients(pair: Service) -> Iterator[list[httpx.Client]]:
    """Clients of one connection each: so many that both processes hold some."""
    made = [httpx.Client(base_url=pair.address, timeout=30) for _ in range(CONNECTIONS)]
    yield made
    for client in made:
        client.close()


def trained(pair: Service, model: str) -> Json:
    dataset = accepted(pair.client.post("/api/v1/datasets", json={"rows": ROWS, "target": "y"}))
    network = {"layers": [{"type": "dense"}]}
    return pair.ended(pair.submit(dataset["id"], network, model=model, training={"epochs": 1, "seed": 1})["id"])


def statuses(clients: list[httpx.Client], path: str) -> set[int]:
    return {client.post(f"/api/v1/{path}/predict", json=QUESTION).status_code for client in clients}


def test_a_deleted_run_answers_in_no_process_for_long(pair: Service, clients: list[httpx.Client]) -> None:
    run = trained(pair, "gone")["id"]
    assert statuses(clients, f"runs/{run}") == {200}
    assert pair.client.delete("/api/v1/models/gone/versions/1").status_code == 204
    assert statuses(clients, f"runs/{run}") == {200}
    assert pair.client.delete(f"/api/v1/runs/{run}").status_code == 204
    until(lambda: statuses(clients, f"runs/{run}") == {404}, 5)


def test_a_deleted_model_answers_in_no_process_for_long(pair: Service, clients: list[httpx.Client]) -> None:
    trained(pair, "ended")
    assert statuses(clients, "models/ended") == {200}
    assert pair.client.delete("/api/v1/models/ended").status_code == 204
    until(lambda: statuses(clients, "models/ended") == {404}, 1)


def test_a_deleted_version_answers_in_no_process_for_long(pair: Service, clients: list[httpx.Client]) -> None:
    trained(pair, "shrunk")
    assert statuses(clients, "models/shrunk") == {200}
    assert pair.client.delete("/api/v1/models/shrunk/versions/1").status_code == 204
    until(lambda: statuses(clients, "models/shrunk") == {404}, 5)
