"""A service for generated requests alone: it asks for keys, has things of every kind, and no worker any more."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.fuzz.resources import Resources
from tests.service import HOME, Service

KEY = "dn_" + "Fuzz0" * 8
AUTHORIZATION = {"Authorization": f"Bearer {KEY}"}
MOST_RUNS = "1000000"


@dataclass(frozen=True)
class Arena:
    service: Service
    resources: Resources


@contextmanager
def arena(folder: Path) -> Iterator[Arena]:
    """The service, ended at the end. What is submitted to it stays queued: a generated run might train for days."""
    with Service(folder, workers="0", auth="on", admin_key=KEY, max_unfinished_runs=MOST_RUNS) as service:
        service.client.headers.update(AUTHORIZATION)
        resources = Resources(service.client)
        with _worker(service):
            resources.train(service)
        resources.prepare()
        yield Arena(service, resources)


@contextmanager
def _worker(service: Service) -> Iterator[None]:
    given = {name: value for name, value in os.environ.items() if not name.startswith("DROPNORM_")}
    command = [sys.executable, "-m", "app.cli", "worker", "--data-dir", str(service.data_dir)]
    with service.log.open("ab") as log:
        process = subprocess.Popen(command, cwd=HOME, env=given, stdout=log, stderr=log)
    try:
        yield
    finally:
        process.terminate()
        process.wait(60)
