"""`dropnorm keys`, the keys of the environment, and starts that are refused for want of one."""

import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.cli.commands import dropnorm
from tests.cli.test_commands import refusal
from tests.keys import ADMIN, client, guarded
from tests.service import Service, free_port
from tests.worker.processes import until


@pytest.fixture
def migrated(tmp_path: Path) -> Path:
    assert dropnorm(tmp_path, "migrate").returncode == 0
    return tmp_path


def create(folder: Path, *arguments: str) -> str:
    done = dropnorm(folder, "keys", "create", "--name", "one", *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_made_key_is_printed_alone_and_listed_by_how_it_begins(migrated: Path) -> None:
    key = create(migrated, "--scope", "predict", "--scope", "read", "--project", "shop")
    assert key.startswith("dn_")
    assert len(key.split()) == 1
    listed = dropnorm(migrated, "keys", "list").stdout
    assert key not in listed
    key_id, hint, project, scopes, name = listed.rstrip("\n").split("\t")
    assert (hint, project, scopes, name) == (f"{key[:7]}…", "shop", "read predict", "one")
    assert dropnorm(migrated, "keys", "revoke", key_id).returncode == 0
    assert dropnorm(migrated, "keys", "list").stdout == ""
    assert refusal(migrated, "keys", "revoke", key_id) == "there is no such key"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--scope", "root"), "root is no scope"),
        (("--scope", "read", "--project", "../x"), "a project's name"),
        (("--scope", "read", "--project", ""), "a project's name"),
    ],
)
def test_a_key_that_cannot_be_is_told_in_one_line(migrated: Path, arguments: tuple[str, ...], told: str) -> None:
    assert told in refusal(migrated, "keys", "create", "--name", "one", *arguments)


def test_commands_on_keys_need_a_database(tmp_path: Path) -> None:
    assert "is not there" in refusal(tmp_path, "keys", "list")


def test_a_start_that_asks_for_keys_is_refused_while_there_is_none(tmp_path: Path) -> None:
    port = str(free_port())
    assert "there is none" in refusal(tmp_path, "serve", auth="on", port=port)
    other_machines = {"host": "0.0.0.0", "allowed_hosts": "example.test", "port": port}
    assert "there is none" in refusal(tmp_path, "serve", **other_machines)


def test_whoever_listens_for_other_machines_cannot_do_without_keys(tmp_path: Path) -> None:
    said = refusal(tmp_path, "serve", host="0.0.0.0", auth="off", allowed_hosts="example.test", admin_key=ADMIN)
    assert "DROPNORM_AUTH off is for loopback alone" in said
    said = refusal(tmp_path, "serve", host="0.0.0.0", admin_key=ADMIN)
    assert "DROPNORM_ALLOWED_HOSTS" in said


@pytest.mark.parametrize("variable", ["admin_key", "metrics_key"])
def test_a_key_of_the_environment_that_is_too_weak_is_refused_and_not_shown(tmp_path: Path, variable: str) -> None:
    said = refusal(tmp_path, "serve", **{variable: "dn_letmein"})
    assert f"DROPNORM_{variable.upper()}" in said
    assert "letmein" not in said


def test_one_key_is_not_both_the_first_and_that_of_the_metrics(tmp_path: Path) -> None:
    said = refusal(tmp_path, "serve", admin_key=ADMIN, metrics_key=ADMIN)
    assert said == "DROPNORM_METRICS_KEY must be another key than DROPNORM_ADMIN_KEY"


def test_a_process_with_the_key_before_takes_nothing_from_the_one_that_took_its_place(tmp_path: Path) -> None:
    new = "dn_" + "N" * 40
    for key in (ADMIN, new):
        with Service(tmp_path, workers="0", auth="on", admin_key=key):
            continue
    data = str(tmp_path / "data")
    assert "was revoked" in refusal(tmp_path, "serve", auth="on", admin_key=ADMIN, data_dir=data)
    with Service(tmp_path, workers="0", auth="on", admin_key=new) as service, client(service, new) as first:
        assert first.get("/api/v1/keys").status_code == 200


def test_without_keys_it_says_so(tmp_path: Path) -> None:
    with Service(tmp_path, workers="0") as service:
        assert "WARNING: no keys" in service.log.read_text()


def test_another_first_key_takes_the_place_of_the_one_before_at_the_next_start(tmp_path: Path) -> None:
    other = ADMIN[::-1].replace("_nd", "")
    other = f"dn_{other}"
    with guarded(tmp_path, workers="0", metrics_key="dn_" + "M" * 40) as service:
        assert service.client.get("/api/v1/keys").status_code == 200
        with client(service, "dn_" + "M" * 40) as metrics:
            assert metrics.get("/api/v1/keys").status_code == 403
            assert metrics.get("/metrics").status_code != 401
    with Service(tmp_path, workers="0", auth="on", admin_key=other) as service:
        with client(service, other) as first, client(service, ADMIN) as before:
            assert first.get("/api/v1/keys").status_code == 200
            assert before.get("/api/v1/keys").status_code == 401
        log = service.log.read_text()
    assert ADMIN not in log
    assert other not in log


def test_a_first_key_that_was_revoked_does_not_come_back_with_a_start(tmp_path: Path) -> None:
    with guarded(tmp_path, workers="0") as service:
        key_id = service.client.get("/api/v1/keys").json()["items"][0]["id"]
        assert service.client.delete(f"/api/v1/keys/{key_id}").status_code == 204
        assert service.client.get("/api/v1/keys").status_code == 401
    assert "was revoked" in refusal(tmp_path, "serve", auth="on", admin_key=ADMIN)


@pytest.mark.parametrize("processes", ["1", "2"])
def test_a_service_that_drains_says_so_and_answers_on(tmp_path: Path, processes: str) -> None:
    with Service(tmp_path, workers="0", drain_seconds="3", processes=processes) as service:
        os.kill(service.pid, signal.SIGTERM)
        begin = time.monotonic()
        stopping = until(lambda: answer if (answer := health(service)).status_code == 503 else None, 3)
        assert stopping.json() == {"status": "stopping"}
        assert httpx.get(f"{service.address}/readyz").status_code == 503
        failures: list[str] = []
        over = threading.Event()

        def ask() -> None:
            with httpx.Client(base_url=service.address) as asking:
                while not over.is_set():
                    try:
                        answer = asking.post("/api/v1/networks/check", json={"layers": [{"type": "dense"}]})
                        failures.extend([answer.text] if answer.status_code != 200 else [])
                    except httpx.TransportError as error:
                        failures.extend([repr(error)] if time.monotonic() - begin < 2.5 else [])
                        return

        with ThreadPoolExecutor(4) as pool:
            asked = [pool.submit(ask) for _ in range(4)]
            assert service.process is not None
            assert service.process.wait(20) == 0
            over.set()
            for one in asked:
                one.result()
        assert failures == []
        assert time.monotonic() - begin > 2.5


def health(service: Service) -> httpx.Response:
    # A connection of its own each time: another process may answer it.
    return httpx.get(f"{service.address}/healthz")
