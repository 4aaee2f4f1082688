"""`/healthz` says that the process lives, whatever the database does."""

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from tests.conftest import Json
from tests.service import Service

MORE_THAN_THERE_ARE_THREADS = 60


def test_it_answers_while_every_thread_waits_for_the_database(tmp_path: Path, table_network: Json) -> None:
    with Service(tmp_path, workers="0") as service, ThreadPoolExecutor(MORE_THAN_THERE_ARE_THREADS) as pool:
        with closing(sqlite3.connect(service.data_dir / "dropnorm.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")

            def write(_: int) -> int:
                return service.client.post("/api/v1/networks", json=table_network, timeout=120).status_code

            waiting = [pool.submit(write, number) for number in range(MORE_THAN_THERE_ARE_THREADS)]
            try:
                # So that it is known to wait: nothing that needs the database is answered any more.
                with pytest.raises(httpx.ReadTimeout):
                    service.client.get("/readyz", timeout=3)
                for path in ("/healthz", "/"):
                    assert service.client.get(path, timeout=10).json() == {"status": "alive"}
                assert not any(answer.done() for answer in waiting)
            finally:
                other.execute("ROLLBACK")
        assert {answer.result() for answer in waiting} == {201}
