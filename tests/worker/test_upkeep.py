"""A worker sweeps now and then: in the background, whatever it meets, and without being in anybody's way."""

import logging
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.storage import migrations
from app.storage.blobs import Blobs
from app.storage.database import Database
from app.storage.installation import adopt
from app.worker.upkeep import Upkeep
from tests.service import free_port
from tests.storage.rows import add_run
from tests.worker.processes import until

SOON = (0.0, 0.01)
NEVER = (3600.0, 3600.0)
SWEEPING = """
import sys, threading
from pathlib import Path
from app.storage.blobs import Blobs
from app.storage.database import Database
from app.storage.installation import adopt
from app.worker.upkeep import Upkeep
data = Path(sys.argv[1])
upkeep = Upkeep(Database(f"sqlite:///{data / 'dropnorm.db'}"), Blobs(data), threading.Event(), first_seconds=(0, 0),
                every_seconds=(0, 0))
upkeep.start().join(0.5)
"""


@pytest.fixture
def stop() -> Iterator[threading.Event]:
    """Set at the end, so that no thread outlives its test."""
    event = threading.Event()
    yield event
    event.set()


@pytest.fixture
def blobs(tmp_path: Path) -> Blobs:
    return Blobs(tmp_path / "data")


@pytest.fixture
def database(blobs: Blobs) -> Iterator[Database]:
    """Not yet migrated."""
    made = Database(f"sqlite:///{blobs.root / 'dropnorm.db'}")
    yield made
    made.close()


def begin(database: Database, blobs: Blobs) -> str:
    """Lets the folder be the database's, with one run that waits; answers its id."""
    migrations.upgrade(database)
    adopt(database, blobs)
    return add_run(database)


def orphan(blobs: Blobs, run_id: str) -> Path:
    """What an attempt of a run that waits left behind."""
    folder = blobs.root / "runs" / run_id / "attempt-0"
    folder.mkdir(parents=True)
    (folder / "weights.safetensors").write_bytes(b"12345")
    return folder


def gone(folder: Path) -> None:
    until(lambda: not folder.exists(), 30)


def ended(thread: threading.Thread) -> bool:
    thread.join(30)
    return not thread.is_alive()


def test_it_sweeps_again_and_again_until_it_is_stopped(
    database: Database, blobs: Blobs, stop: threading.Event, caplog: pytest.LogCaptureFixture
) -> None:
    run_id = begin(database, blobs)
    caplog.set_level(logging.INFO, "dropnorm.worker")
    thread = Upkeep(database, blobs, stop, first_seconds=SOON, every_seconds=SOON).start()
    for _ in range(2):
        gone(orphan(blobs, run_id))
    stop.set()
    assert ended(thread)
    told = [record.getMessage() for record in caplog.records if record.name == "dropnorm.worker"]
    assert told[0].startswith("swept 1 files (5 bytes)")
    assert len(told) <= 4, "a sweep that finds nothing says nothing"


def test_the_first_sweep_does_not_come_at_once_and_a_stop_is_heard_meanwhile(
    database: Database, blobs: Blobs, stop: threading.Event
) -> None:
    folder = orphan(blobs, begin(database, blobs))
    thread = Upkeep(database, blobs, stop, first_seconds=NEVER).start()
    stop.set()
    assert ended(thread)
    assert folder.exists()


def test_a_database_that_does_not_answer_is_told_and_asked_again_the_next_time(
    database: Database, blobs: Blobs, stop: threading.Event, caplog: pytest.LogCaptureFixture
) -> None:
    Upkeep(database, blobs, stop, first_seconds=SOON, every_seconds=(0.05, 0.1)).start()
    until(lambda: "the sweep is put off: the database does not answer" in caplog.text, 30)
    left = orphan(blobs, begin(database, blobs))
    gone(left)
    assert not left.exists()


def test_a_database_on_another_machine_that_is_away_is_told_too(
    blobs: Blobs, stop: threading.Event, caplog: pytest.LogCaptureFixture
) -> None:
    away = Database(f"postgresql+psycopg://127.0.0.1:{free_port()}/dropnorm?connect_timeout=2")
    thread = Upkeep(away, blobs, stop, first_seconds=SOON, every_seconds=SOON).start()
    until(lambda: caplog.text.count("the sweep is put off") > 1, 30)
    stop.set()
    assert ended(thread)
    assert "Traceback" not in caplog.text


def test_a_process_ends_in_the_middle_of_its_sweeps(database: Database, blobs: Blobs) -> None:
    migrations.upgrade(database)
    done = subprocess.run([sys.executable, "-c", SWEEPING, str(blobs.root)], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
