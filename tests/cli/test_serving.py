"""`dropnorm serve` comes and goes in order: no process is left, whatever ends it."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from tests.cli.commands import environment
from tests.service import EXAMPLES, Service, free_port
from tests.worker.processes import left_over, lives, until

LONG = {"epochs": 100_000, "batch_size": 4}
NETWORK: dict[str, Any] = {"layers": [{"type": "dense", "units": 8}, {"type": "dense"}]}
ROWS = {"name": "rows", "target": "y", "rows": [{"x": row * 7 % 13 + 0.5, "y": "ab"[row % 2]} for row in range(100)]}


def train(service: Service) -> str:
    """Submits a run that goes on for long, and waits until it runs; answers its id."""
    answer = service.client.post("/api/v1/datasets", json=ROWS)
    assert answer.status_code == 201, answer.text
    run_id: str = service.submit(answer.json()["id"], NETWORK, training=LONG)["id"]
    until(lambda: state(service, run_id)["progress"], 60)
    return run_id


def state(service: Service, run_id: str) -> dict[str, Any]:
    found: dict[str, Any] = service.client.get(f"/api/v1/runs/{run_id}").json()
    return found


def status(service: Service, run_id: str) -> tuple[str, int]:
    run = state(service, run_id)
    return run["status"], run["attempt"]


@pytest.fixture
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service of the test's own, so that it may be ended; a run of it is in the middle."""
    made = Service(tmp_path_factory.mktemp("serving"))
    made.start()
    yield made
    if made.process is not None and made.process.poll() is None:
        made.kill()
    made.client.close()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_asked_to_stop_it_ends_streams_hands_its_run_back_and_leaves_no_process(
    service: Service, number: signal.Signals
) -> None:
    run_id = train(service)
    heard: list[str] = []
    stream = threading.Thread(target=listen, args=(service, run_id, heard))
    stream.start()
    until(lambda: heard, 30)
    processes = service.processes()
    assert len(processes) >= 3, "the API, its worker, and the trainer"
    os.kill(service.pid, number)
    assert service.process is not None
    assert service.process.wait(30) == 0
    assert left_over(processes, 1.0) == []
    stream.join(10)
    assert not stream.is_alive()
    assert "Traceback" not in service.log.read_text()
    service.start()
    # Handed back politely: the new worker needs no lease to run out before it takes the run.
    until(lambda: status(service, run_id) == ("running", 2), 15)


def listen(service: Service, run_id: str, heard: list[str]) -> None:
    with (
        httpx.Client(timeout=60) as client,
        client.stream("GET", f"{service.address}/api/v1/runs/{run_id}/events") as answer,
    ):
        heard.extend(line for line in answer.iter_lines() if line)


def test_ctrl_c_in_a_terminal_ends_it_in_order_too(tmp_path: Path) -> None:
    """A terminal sends the signal to the whole process group."""
    variables = environment(data_dir=str(tmp_path / "data"), port=str(free_port()))
    command = [sys.executable, "-m", "app.cli", "serve"]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(command, env=variables, start_new_session=True, stdout=log, stderr=log)
    parent = psutil.Process(process.pid)
    until(lambda: len(parent.children(recursive=True)) >= 2, 60)
    processes = [parent, *parent.children(recursive=True)]
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(30) == 0
    assert left_over(processes, 1.0) == []
    said = (tmp_path / "log").read_text()
    assert "Traceback" not in said, said


def test_killed_outright_it_leaves_no_process_either(service: Service) -> None:
    train(service)
    processes = service.processes()
    os.kill(service.pid, signal.SIGKILL)
    assert left_over(processes, 2.0) == []


def test_a_worker_that_is_killed_is_started_again_and_the_api_answers_meanwhile(service: Service) -> None:
    worker = embedded_worker(service)
    worker.kill()
    again = until(lambda: found if (found := embedded_worker(service)).pid != worker.pid else None, 20)
    assert service.client.get("/healthz").status_code == 200
    assert lives(again)
    dataset = service.upload(EXAMPLES / "penguins.csv", target="species")
    run = service.submit(dataset["id"], NETWORK, training={"epochs": 1})
    assert service.ended(run["id"])["status"] == "succeeded"


def embedded_worker(service: Service) -> psutil.Process:
    def found() -> psutil.Process | None:
        for process in psutil.Process(service.pid).children():
            # It may end between two questions.
            with suppress(psutil.NoSuchProcess):
                if lives(process) and "worker" in process.cmdline():
                    return process
        return None

    return until(found, 20)


def test_several_processes_share_the_port_and_all_end_together(tmp_path: Path) -> None:
    with Service(tmp_path, processes="2", workers="0") as service:
        processes = service.processes()
        assert len(processes) >= 3
        run_id = queued(service)
        heard: list[list[str]] = [[] for _ in range(6)]
        with ThreadPoolExecutor(len(heard)) as streams:
            ends = [streams.submit(listen, service, run_id, lines) for lines in heard]
            until(lambda: all(heard), 30)
            begin = time.monotonic()
            assert service.stop() == 0
            assert time.monotonic() - begin < 4, "the streams were cut, not ended"
            for end in ends:
                end.result(5)
        assert left_over(processes, 1.0) == []
        assert "Traceback" not in service.log.read_text()


def test_several_processes_all_end_when_the_first_is_killed_outright(tmp_path: Path) -> None:
    with Service(tmp_path, processes="2") as service:
        processes = service.processes()
        assert len(processes) >= 4, "the parent, two that serve, and a worker"
        os.kill(service.pid, signal.SIGKILL)
        assert left_over(processes, 3.0) == []


def queued(service: Service) -> str:
    """Submits a run that nobody takes; answers its id."""
    dataset = service.client.post("/api/v1/datasets", json=ROWS).json()["id"]
    run_id: str = service.submit(dataset, NETWORK)["id"]
    return run_id
