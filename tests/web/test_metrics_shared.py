"""Two API processes share a port: a scrape of either answers for both, also after one of them was killed."""

import os
import signal
import tempfile
from collections import Counter
from contextlib import suppress
from pathlib import Path

import httpx
import psutil

from tests.samples import scraped
from tests.service import Service
from tests.worker.processes import until

CONNECTIONS = 16
ONCE = ("dropnorm_database_up", "dropnorm_disk_free_bytes", "dropnorm_workers_seen", "process_resident_memory_bytes")


def servers(service: Service) -> list[psutil.Process]:
    """The processes that answer requests."""
    found = []
    for one in service.processes()[1:]:
        with suppress(psutil.NoSuchProcess):
            if "spawn_main" in " ".join(one.cmdline()):
                found.append(one)
    return found


def answered(service: Service, path: str) -> float:
    return scraped(service.client).value("dropnorm_http_requests_total", method="GET", route=path, status="200")


def asked(service: Service) -> set[str]:
    """Asks on many connections; answers which processes answered, by the first part of their request ids."""
    prefixes = Counter[str]()
    for _ in range(CONNECTIONS):
        with httpx.Client(base_url=service.address, timeout=30) as client:
            prefixes[client.get("/readyz?").headers["x-request-id"].partition("-")[0]] += 1
    return set(prefixes)


def test_a_scrape_answers_for_all_processes_and_nothing_is_lost_with_one(tmp_path: Path) -> None:
    with Service(tmp_path, processes="2") as service:
        before = answered(service, "/readyz")
        assert len(asked(service)) == 2
        assert {answered(service, "/readyz") for _ in range(CONNECTIONS)} == {before + CONNECTIONS}
        both = servers(service)
        assert len(both) == 2
        found = scraped(service.client)
        for name in ONCE:
            assert len(found.of(name)) == 1
        memory = found.value("process_resident_memory_bytes")
        assert memory > 1.5 * max(one.memory_info().rss for one in both)

        both[0].send_signal(signal.SIGKILL)
        until(lambda: len(servers(service)) == 2 and both[0].pid not in {one.pid for one in servers(service)}, 60)
        until(lambda: len(asked(service)) == 2, 60)
        assert answered(service, "/readyz") >= before + 2 * CONNECTIONS
        folders = [one for one in Path(tempfile.gettempdir()).glob("dropnorm-metrics-*") if belongs(one, service)]
        assert len(folders) == 1
        assert len(list(folders[0].glob("counter_*.db"))) == 2
    assert not folders[0].exists()


def belongs(folder: Path, service: Service) -> bool:
    pids = {one.pid for one in servers(service)}
    return any(int(place.read_text() or 0) in pids for place in folder.glob("place-*"))


def test_a_service_of_one_process_needs_no_folder_whatever_the_environment_says(tmp_path: Path) -> None:
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(tmp_path / "none")
    try:
        with Service(tmp_path, workers="0") as service:
            assert scraped(service.client).value("dropnorm_database_up") == 1
    finally:
        del os.environ["PROMETHEUS_MULTIPROC_DIR"]
    assert not (tmp_path / "none").exists()
