"""T18: two hundred clients that send headers and bodies at a byte a second, and one that never ends. Others are served,
and the slow ones are cut off. How much slower the others are is measured by `python -m benchmarks.slow_clients`.
"""

import time
from collections.abc import Iterator

import httpx
import pytest

from tests.attacks.slow import SlowClients
from tests.attacks.tenants import NETWORK, ROW
from tests.service import Service, accepted
from tests.worker.processes import until

CLIENTS = 200
GRACE_SECONDS = 2
# Headers have ten seconds in all, bodies the grace of this service.
CUT_OFF_SECONDS = 20


@pytest.fixture(scope="module")
def patient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service with a model, that gives bodies two seconds of grace."""
    with Service(tmp_path_factory.mktemp("patient"), body_seconds=str(GRACE_SECONDS)) as running:
        rows = [{"x": index + 0.5, "y": index % 2 == 0} for index in range(20)]
        dataset = accepted(running.client.post("/api/v1/datasets", json={"target": "y", "rows": rows}))["id"]
        run = running.submit(dataset, NETWORK, model="patient", training={"epochs": 1})["id"]
        assert running.ended(run)["status"] == "succeeded"
        yield running


@pytest.mark.parametrize("path", ["/api/v1/models/patient/predict", "/api/v1/datasets"])
def test_others_are_served_and_the_slow_are_cut_off(patient: Service, path: str) -> None:
    with SlowClients(patient, CLIENTS, path) as slow:
        begin, served = time.monotonic(), 0
        while time.monotonic() < begin + GRACE_SECONDS:
            answer = patient.client.post("/api/v1/models/patient/predict", json=ROW)
            assert answer.status_code == 200
            served += 1
        # That they are served at all; how fast is measured where nothing else runs.
        assert served >= 3
        assert patient.client.get("/api/v1/runs").status_code == 200
        until(lambda: slow.ended == CLIENTS, CUT_OFF_SECONDS)
    told = b"".join(slow.answers)
    assert told.count(b"HTTP/1.1 408") == CLIENTS // 2
    assert told.count(b"body_too_slow") == CLIENTS // 2


def test_a_body_that_goes_on_at_a_byte_a_second_for_ever_is_cut_off(patient: Service) -> None:
    def drops() -> Iterator[bytes]:
        for _ in range(60):
            yield b" "
            time.sleep(0.2)

    begin = time.monotonic()
    try:
        answer = httpx.post(
            f"{patient.address}/api/v1/networks", content=drops(), headers={"Content-Type": "application/json"}
        )
        assert answer.status_code == 408
    except httpx.TransportError:
        # Ended while it was still sending.
        pass
    assert time.monotonic() - begin < 3 * GRACE_SECONDS + 2
    assert patient.client.get("/healthz").status_code == 200
