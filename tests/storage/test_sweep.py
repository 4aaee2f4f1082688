"""The sweep takes what nobody can name any more, and never what somebody has named or may name yet."""

import fcntl
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import text

from app.storage import checkpoints, datasets, idempotency, jobs, models, records, runs, workers
from app.storage.blobs import Blobs, StoredFile
from app.storage.checkpoints import Checkpoint
from app.storage.database import Database
from app.storage.installation import NAME, belong_together
from app.storage.jobs import Claim
from app.storage.sweep import Swept, sweep
from app.storage.workfolders import LOCK, work_folder
from tests.storage.meanwhile import just_before
from tests.storage.rows import PROJECT, add_dataset, add_run, at_once, claim, expire
from tests.storage.servers import Databases

HOUR = 3600.0
OWNER = """
import subprocess, sys
from pathlib import Path
from app.storage.blobs import Blobs
from app.storage.workfolders import work_folder
with work_folder(Blobs(Path(sys.argv[1]))) as folder:
    (folder / "upload").write_bytes(b"half")
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=sys.stdin, stdout=subprocess.DEVNULL)
    print(child.pid, flush=True)
    child.wait()
"""


@pytest.fixture
def blobs(database: Database, tmp_path: Path) -> Blobs:
    """The database's data folder."""
    made = Blobs(tmp_path / "data")
    assert belong_together(database, made)
    return made


def plant(blobs: Blobs, *keys: str) -> None:
    """Files that no row names."""
    for key in keys:
        path = blobs.root / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"12345")


def there(blobs: Blobs) -> set[str]:
    """Every file and link of the data folder, and every folder that is empty."""
    paths = [
        path for path in blobs.root.rglob("*") if not path.is_dir() or path.is_symlink() or not any(path.iterdir())
    ]
    return {path.relative_to(blobs.root).as_posix() for path in paths} - {"incoming", "datasets", "runs", "jobs", NAME}


def claimed(database: Database, attempts: int = 1) -> tuple[str, Claim]:
    """A run that is running, for the `attempts`th time."""
    run_id = add_run(database)
    held = claim(database)
    for _ in range(attempts - 1):
        expire(database, held.job_id)
        held = claim(database)
    return run_id, held


def end(database: Database, held: Claim) -> None:
    with database.write() as session:
        records.failed(session, held, "diverged", "it diverged")


def release(database: Database, held: Claim) -> None:
    with database.write() as session:
        jobs.release(session, held)


def publish(database: Database, held: Claim, files: list[StoredFile]) -> None:
    with database.write() as session:
        records.succeeded(session, held, {}, {file.key.rsplit("/", 1)[-1]: file for file in files})


def checkpoint(database: Database, held: Claim, file: StoredFile) -> None:
    with database.write() as session:
        records.checkpoint(session, held, Checkpoint(file, "training", 1, 0))


def test_the_folder_of_an_unknown_run_goes_after_the_grace(database: Database, blobs: Blobs) -> None:
    """Not at once: it may be one that somebody has just brought back."""
    run_id, _ = claimed(database)
    plant(blobs, f"runs/{run_id}/attempt-1/weights.safetensors", "runs/run_gone/attempt-1/weights.safetensors")
    before = there(blobs)
    assert not sweep(database, blobs, HOUR)
    assert there(blobs) == before
    assert sweep(database, blobs, 0) == Swept(files=1, folders=2, bytes=5)
    assert there(blobs) == {f"runs/{run_id}/attempt-1/weights.safetensors"}


def test_what_a_run_to_be_inherits_stays_until_the_grace_is_over(database: Database, blobs: Blobs) -> None:
    add_run(database)
    (blobs.root / "runs/run_just_begun").mkdir()
    plant(blobs, "runs/run_to_be/inherited/checkpoint.safetensors")
    before = there(blobs)
    assert not sweep(database, blobs, HOUR)
    assert there(blobs) == before
    sweep(database, blobs, 0)
    assert there(blobs) == set()


def test_what_a_run_to_be_inherits_stays_however_old_while_its_row_is_still_to_come(
    database: Database, blobs: Blobs
) -> None:
    add_run(database)
    with work_folder(blobs, "run_to_be") as work:
        plant(blobs, "runs/run_to_be/inherited/checkpoint.safetensors")
        before = there(blobs)
        sweep(database, blobs, 0)
        assert there(blobs) == before
        assert work.exists()
    sweep(database, blobs, 0)
    assert there(blobs) == set()


def test_of_what_a_run_inherited_the_named_stays_and_the_rest_goes_after_the_grace(
    database: Database, blobs: Blobs
) -> None:
    run_id, held = claimed(database)
    named = blobs.write(f"runs/{run_id}/inherited/checkpoint.safetensors", b"state")
    with database.write() as session:
        checkpoints.add(session, runs.of_job(session, held.job_id), 0, Checkpoint(named, "training", 1, 0))
    plant(blobs, f"runs/{run_id}/inherited/other.safetensors")
    assert not sweep(database, blobs, HOUR)
    sweep(database, blobs, 0)
    assert there(blobs) == {named.key}


@pytest.mark.parametrize(
    ("meanwhile", "kept"),
    [
        (lambda database, held: None, {"attempt-2", "attempt-3"}),
        (release, {"attempt-3"}),
        (end, set()),
    ],
    ids=["running", "queued", "ended"],
)
def test_what_an_attempt_left_goes_once_it_cannot_publish_any_more(
    database: Database, blobs: Blobs, meanwhile: Callable[[Database, Claim], None], kept: set[str]
) -> None:
    """Whatever its age: an attempt that runs may have been asleep for long, and one to come may begin any moment."""
    run_id, held = claimed(database, attempts=2)
    names = ("weights.safetensors", ".weights.safetensors.0a1b2c3d", "checkpoint-1.safetensors")
    plant(blobs, *(f"runs/{run_id}/attempt-{number}/{name}" for number in (1, 2, 3) for name in names))
    meanwhile(database, held)
    for _ in range(2):
        sweep(database, blobs, 0)
        assert there(blobs) == {f"runs/{run_id}/{part}/{name}" for part in kept for name in names}
    assert (blobs.root / "runs" / run_id).exists() == bool(kept)


def test_the_folder_of_a_run_that_goes_on_stays_for_its_next_attempt(database: Database, blobs: Blobs) -> None:
    run_id, held = claimed(database)
    plant(blobs, f"runs/{run_id}/attempt-1/weights.safetensors")
    release(database, held)
    sweep(database, blobs, 0)
    assert there(blobs) == {f"runs/{run_id}"}


def test_a_named_file_stays_whatever_becomes_of_its_attempt(database: Database, blobs: Blobs) -> None:
    run_id, held = claimed(database)
    first = blobs.write(f"runs/{run_id}/attempt-1/checkpoint-1.safetensors", b"first")
    checkpoint(database, held, first)
    expire(database, held.job_id)
    held = claim(database)
    second = blobs.write(f"runs/{run_id}/attempt-2/checkpoint-1.safetensors", b"second")
    checkpoint(database, held, second)
    weights = blobs.write(f"runs/{run_id}/attempt-2/weights.safetensors", b"weights")
    sweep(database, blobs, 0)
    assert there(blobs) == {first.key, second.key, weights.key}
    publish(database, held, [weights])
    plant(blobs, f"runs/{run_id}/attempt-2/unnamed")
    sweep(database, blobs, 0)
    assert there(blobs) == {first.key, second.key, weights.key}
    assert blobs.read(weights) == b"weights"


@pytest.mark.parametrize("words", ["FROM runs JOIN jobs", "FROM artifacts", "FROM checkpoints"])
def test_what_is_published_in_the_middle_of_a_sweep_stays(database: Database, blobs: Blobs, words: str) -> None:
    run_id, held = claimed(database)
    weights = blobs.write(f"runs/{run_id}/attempt-1/weights.safetensors", b"weights")
    state = blobs.write(f"runs/{run_id}/attempt-1/checkpoint-1.safetensors", b"state")

    def finish() -> None:
        checkpoint(database, held, state)
        publish(database, held, [weights])

    with just_before(database, words, finish):
        assert not sweep(database, blobs, 0)
    assert there(blobs) == {weights.key, state.key}


def test_a_run_that_is_submitted_in_the_middle_of_a_sweep_stays(database: Database, blobs: Blobs) -> None:
    add_run(database)
    plant(blobs, "runs/run_gone/attempt-1/weights.safetensors")
    kept: list[str] = []

    def begin() -> None:
        with database.write() as session:
            session.execute(text("UPDATE jobs SET priority = -1"))
        run_id, _ = claimed(database)
        kept.append(f"runs/{run_id}/attempt-1/weights.safetensors")
        plant(blobs, *kept)

    with just_before(database, "FROM runs JOIN jobs", begin):
        sweep(database, blobs, 0)
    assert there(blobs) == set(kept)


def test_a_run_whose_deletion_broke_off_leaves_nothing(database: Database, blobs: Blobs) -> None:
    run_id, held = claimed(database)
    blobs.write(f"runs/{run_id}/attempt-1/weights.safetensors", b"weights")
    end(database, held)
    with database.write() as session:
        folder = runs.remove(session, PROJECT, run_id)
    assert folder == f"runs/{run_id}"
    sweep(database, blobs, 0)
    assert there(blobs) == set()


def test_columns_without_a_row_go_after_the_grace_and_named_ones_stay(database: Database, blobs: Blobs) -> None:
    plant(blobs, "datasets/columns_a/numbers.bin", "datasets/columns_b/numbers.bin")
    with database.write() as session:
        add_dataset(session, folder="datasets/columns_a")
    assert not sweep(database, blobs, HOUR)
    assert sweep(database, blobs, 0) == Swept(files=1, folders=1, bytes=5)
    assert there(blobs) == {"datasets/columns_a/numbers.bin"}


def test_columns_stay_however_old_while_their_row_is_still_to_come(database: Database, blobs: Blobs) -> None:
    with database.write() as session:
        add_dataset(session)
    with work_folder(blobs) as work:
        columns = work / "columns"
        columns.mkdir()
        (columns / "numbers.bin").write_bytes(b"12345")
        (file,) = blobs.publish_folder(columns, datasets.new_folder(work))
        sweep(database, blobs, 0)
        assert there(blobs) == {file.key, f"incoming/{work.name}/{LOCK}"}
    sweep(database, blobs, 0)
    assert there(blobs) == set()


def test_two_twins_deleted_at_once_leave_no_folder_behind(database: Database, blobs: Blobs) -> None:
    """On PostgreSQL each may take the other for alive, so that neither removes the folder that they shared."""
    with database.write() as session:
        add_dataset(session)
    for number in range(5):
        plant(blobs, f"datasets/columns_{number}/numbers.bin")
        with database.write() as session:
            twins = [add_dataset(session, folder=f"datasets/columns_{number}") for _ in range(2)]

        def delete(index: int, twins: list[str] = twins) -> None:
            with database.write() as session:
                folder = datasets.remove(session, PROJECT, twins[index])
            if folder is not None:
                blobs.remove(folder)

        at_once(2, delete)
        sweep(database, blobs, 0)
        assert there(blobs) == set()


def test_an_upload_in_progress_stays_and_goes_once_its_process_was_killed(database: Database, blobs: Blobs) -> None:
    command = [sys.executable, "-c", OWNER, str(blobs.root)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as owner:
        assert owner.stdout is not None
        # A process that it started, such as one that reads the upload, may outlive it for a moment.
        child = int(owner.stdout.readline())
        before = there(blobs)
        assert {Path(key).name for key in before} == {"upload", LOCK}
        sweep(database, blobs, 0)
        assert there(blobs) == before
        owner.kill()
        owner.wait(30)
        assert not sweep(database, blobs, HOUR)
        os.kill(child, 0)
        assert sweep(database, blobs, 0) == Swept(files=2, folders=1, bytes=4)
        os.kill(child, signal.SIGKILL)
    assert there(blobs) == set()


def test_what_is_being_deleted_goes_after_the_grace(database: Database, blobs: Blobs) -> None:
    plant(blobs, "incoming/0a1b/attempt-1/weights.safetensors", "incoming/stray")
    assert not sweep(database, blobs, HOUR)
    assert sweep(database, blobs, 0) == Swept(files=2, folders=2, bytes=10)
    assert there(blobs) == set()


def test_no_link_is_ever_followed(database: Database, blobs: Blobs, tmp_path: Path) -> None:
    run_id, held = claimed(database)
    end(database, held)
    outside = tmp_path / "outside"
    outside.mkdir()
    for name in ("weights.safetensors", LOCK):
        (outside / name).write_bytes(b"12345")
    (blobs.root / "runs" / run_id / "attempt-1").mkdir(parents=True)
    links = ["datasets/columns_a", "runs/run_gone", "incoming/0a1b"]
    links += [f"runs/{run_id}/{part}" for part in ("attempt-1/link", "attempt-2", "inherited")]
    for link in links:
        (blobs.root / link).symlink_to(outside)
    (blobs.root / f"runs/{run_id}/attempt-1/dangling").symlink_to(tmp_path / "nowhere")
    with (outside / LOCK).open("rb") as lock:
        # Nor is a lock asked for that is not one of an upload's.
        fcntl.flock(lock, fcntl.LOCK_EX)
        sweep(database, blobs, 0)
    assert there(blobs) == set()
    assert sorted(path.name for path in outside.iterdir()) == [LOCK, "weights.safetensors"]


@pytest.mark.parametrize("room", ["runs", "datasets", "incoming"])
def test_a_room_that_is_itself_a_link_is_left_alone(
    database: Database, blobs: Blobs, tmp_path: Path, room: str
) -> None:
    add_run(database)
    (blobs.root / room).rmdir()
    (tmp_path / "outside").mkdir()
    (blobs.root / room).symlink_to(tmp_path / "outside")
    keys = [f"{room}/{name}/attempt-1/file" for name in ("run_gone", "columns_gone", "0a1b")]
    plant(blobs, *keys)
    assert not sweep(database, blobs, 0)
    assert all((blobs.root / key).exists() for key in keys)


def test_the_folder_of_another_database_is_not_swept(database: Database, blobs: Blobs, databases: Databases) -> None:
    """As where somebody names the wrong one: it has rows of its own, and none of what lies there."""
    plant(blobs, "runs/run_a/attempt-1/weights.safetensors", "datasets/columns_a/numbers.bin")
    other = Database(databases.migrated())
    add_run(other)
    before = there(blobs)
    assert not sweep(other, blobs, 0)
    assert there(blobs) == before
    other.close()


def test_what_it_does_not_know_is_left_alone(database: Database, blobs: Blobs) -> None:
    run_id, held = claimed(database)
    end(database, held)
    known = ["dropnorm.db", "notes/todo", "runs/lost+found/file", "runs/notes", "datasets/lost+found/file"]
    plant(blobs, *known, f"runs/{run_id}/notes", f"runs/{run_id}/attempt-x/file")
    before = there(blobs)
    assert not sweep(database, blobs, 0)
    assert there(blobs) == before


def test_a_blank_database_is_no_proof_that_files_are_orphans(database: Database, blobs: Blobs) -> None:
    """As where somebody forgets to name the database, and a new one is made beside the files of years."""
    plant(blobs, "runs/run_a/attempt-1/weights.safetensors", "datasets/columns_a/numbers.bin", "incoming/0a1b/upload")
    sweep(database, blobs, 0)
    assert there(blobs) == {"runs/run_a/attempt-1/weights.safetensors", "datasets/columns_a/numbers.bin"}
    add_run(database)
    sweep(database, blobs, 0)
    assert there(blobs) == set()


def test_a_database_from_which_all_was_deleted_is_not_blank(database: Database, blobs: Blobs) -> None:
    run_id, held = claimed(database)
    publish(database, held, [])
    plant(blobs, "runs/run_a/attempt-1/weights.safetensors")
    with database.write() as session:
        dataset_id = runs.get(session, PROJECT, run_id).dataset_id
        models.remove_version(session, models.get(session, PROJECT, "penguins"), 1)
        runs.remove(session, PROJECT, run_id)
        datasets.remove(session, PROJECT, dataset_id)
    sweep(database, blobs, 0)
    assert there(blobs) == set()


def test_several_sweeps_at_once_take_everything_once(database: Database, blobs: Blobs) -> None:
    add_run(database)
    rooms = ("runs/run_{}/attempt-1/a", "runs/run_{}/attempt-1/b", "datasets/columns_{}/a", "incoming/{}/a")
    keys = [room.format(number) for number in range(50) for room in rooms]
    plant(blobs, *keys)
    (blobs.root / "incoming/0" / LOCK).touch()
    with database.write() as session:
        for number in range(20):
            workers.seen(session, f"worker-{number}", PROJECT)
        session.execute(text("UPDATE workers SET seen_at = seen_at - 100000"))
    swept = at_once(3, lambda number: sweep(database, blobs, 0))
    sweep(database, blobs, 0)
    assert there(blobs) == set()
    assert sum(one.files for one in swept) == len(keys) + 1
    assert sum(one.workers for one in swept) == 20


def test_old_idempotency_keys_and_workers_go_and_others_stay(database: Database, blobs: Blobs) -> None:
    with database.write() as session:
        for number in range(1100):
            assert idempotency.reserve(session, PROJECT, f"key-{number}", "0" * 64) is None
        for name in ("old", "new"):
            workers.seen(session, name, PROJECT)
        session.execute(text("UPDATE idempotency_keys SET created_at = created_at - 604900 WHERE key <> 'key-0'"))
        session.execute(text("UPDATE idempotency_keys SET created_at = created_at - 604700 WHERE key = 'key-0'"))
        session.execute(text("UPDATE workers SET seen_at = seen_at - 86500 WHERE id = 'old'"))
        session.execute(text("UPDATE workers SET seen_at = seen_at - 86300 WHERE id = 'new'"))
    assert sweep(database, blobs, HOUR) == Swept(idempotency_keys=1099, workers=1)
    with database.write() as session:
        assert idempotency.known(session, PROJECT, "key-0")
        assert list(session.scalars(text("SELECT id FROM workers"))) == ["new"]
        # Whoever was forgotten is noted again.
        for _ in range(2):
            workers.seen(session, "old", PROJECT)
        assert workers.seen_within(session, 30)
