"""What docs/operations.md tells an operator to do, done as it is written there, in the state that it is about."""

import os
import re
import signal
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest

from tests.conftest import network
from tests.service import EXAMPLES, HOME, Service, accepted
from tests.stored import rows
from tests.worker.disks import fill, small_disk
from tests.worker.processes import until

PAGE = (HOME / "docs/operations.md").read_text()
DEFAULT_ADDRESS = "http://127.0.0.1:8000"
HURRIED = {"lease_seconds": "2", "checkpoint_seconds": "0.2"}


def environment(service: Service, **more: str) -> dict[str, str]:
    given = {name: value for name, value in os.environ.items() if not name.startswith("DROPNORM_")}
    path = f"{Path(sys.executable).parent}:{given['PATH']}"
    settings = {"DATA_DIR": str(service.data_dir), "LEASE_SECONDS": "2", "CHECKPOINT_SECONDS": "0.2"}
    return given | {"PATH": path} | {f"DROPNORM_{name}": value for name, value in settings.items()} | more


def done(service: Service, heading: str, run: str) -> str:
    """What the commands under a heading of the page answer. Processes that they leave in the background are ended."""
    found = re.search(rf"^\*\*{re.escape(heading)}.*?```sh\n(.*?)```", PAGE, re.DOTALL | re.MULTILINE)
    assert found is not None
    script = "set -e\n" + found[1].replace(DEFAULT_ADDRESS, service.address)
    # A file and not a pipe, which what goes on in the background would hold open.
    with tempfile.TemporaryFile() as answers:
        process = subprocess.Popen(
            ["bash", "-c", script],
            cwd=service.data_dir.parent,
            env=environment(service, RUN=run),
            stdout=answers,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            status = process.wait(120)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(30)
        answers.seek(0)
        said = answers.read().decode()
    assert status == 0, said
    return said


@contextmanager
def worker(service: Service) -> Iterator[subprocess.Popen[bytes]]:
    """A worker of its own beside a service without any."""
    started = subprocess.Popen([sys.executable, "-m", "app.cli", "worker"], cwd=HOME, env=environment(service))
    try:
        yield started
    finally:
        started.kill()
        started.wait(30)


def begun(service: Service, epochs: int = 400) -> str:
    """A run that is computed by now and has a checkpoint."""
    dataset = service.upload(EXAMPLES / "penguins.csv", target="species")
    run: str = service.submit(dataset["id"], network("table"), training={"epochs": epochs, "batch_size": 4})["id"]
    until(lambda: rows(service, f"SELECT 1 FROM checkpoints WHERE run_id = '{run}'") or None, 60)
    return run


def test_a_lost_worker(tmp_path: Path) -> None:
    with Service(tmp_path, workers="0", **HURRIED) as service:
        with worker(service) as lost:
            run = begun(service)
            lost.kill()
            said = done(service, "A worker is lost", run)
        ended = service.ended(run)
    assert '"worker":"no worker was seen lately"' in said or '"status":"ready"' in said
    assert "goes on from checkpoint-" in said
    assert said.rstrip().splitlines()[-2:-1] == ["event: end"]
    assert (ended["status"], ended["attempt"]) == ("succeeded", 2)


def test_a_poisoned_run(tmp_path: Path) -> None:
    with Service(tmp_path, workers="0", **HURRIED) as service:
        with worker(service) as lost:
            run = begun(service)
            lost.kill()
            lost.wait(30)
        with closing(sqlite3.connect(service.data_dir / "dropnorm.db")) as database:
            # As if it had been lost twice before, with no checkpoint since.
            database.execute("UPDATE jobs SET crashes = 2, lease_until = 1")
            database.commit()
        with worker(service):
            assert service.ended(run)["error"]["code"] == "worker_killed"
            said = done(service, "A run is poisoned", run)
            resumed = accepted(service.client.get("/api/v1/runs")).get("items", [])[0]
            assert resumed["resumed_from"] == run, said
            assert service.ended(resumed["id"])["status"] == "succeeded"
    assert "with no checkpoint in between" in said
    assert f'"resumed_from":"{run}"' in said


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a small disk, so a full one was not tried")
def test_a_full_disk(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "40m") as disk, Service(disk, **HURRIED) as service:
        useless = begun(service, epochs=100_000)
        accepted(service.client.post(f"/api/v1/runs/{useless}/cancel"))
        service.ended(useless)
        run = begun(service)
        left = service.data_dir / f"runs/{useless}/attempt-9"
        left.mkdir(parents=True)
        fill(left / "weights.safetensors")
        until(lambda: service.client.get("/readyz").status_code == 503 or None, 30)
        said = done(service, "The disk is full", useless)
        assert not (left / "weights.safetensors").exists()
        log = service.log.read_text()
        assert service.ended(run)["status"] == "succeeded"
        assert service.client.get(f"/api/v1/runs/{useless}").status_code == 404
    # The service's own worker sweeps too, within a minute of its start: where it came first, its log tells of the file.
    assert "removed 1 files" in said or "swept 1 files" in log, said
    assert '"storage":"ok"' in said
