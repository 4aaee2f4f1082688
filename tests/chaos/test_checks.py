"""The checks can fail: each of these faults, put into a place where all was well, is found."""

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import make_url, text

from app.storage import events, jobs, records
from app.storage.database import Database
from app.storage.runs import get
from app.storage.tables import EpochRow
from tests.chaos.arena import Arena, Undisturbed
from tests.chaos.checks import Verdict, judge, unreferenced
from tests.chaos.lives import Life
from tests.chaos.server import NoServer, Server, server
from tests.worker.workplace import PROJECT


@pytest.fixture(scope="module")
def running() -> Iterator[Server]:
    try:
        with server() as started:
            yield started
    except NoServer as error:
        pytest.skip(str(error))


@pytest.fixture(params=["sqlite", "postgresql"])
def arena(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Arena]:
    url = request.getfixturevalue("running").fresh() if request.param == "postgresql" else None
    made = Arena(tmp_path, url)
    yield made
    made.close()


@pytest.fixture
def life(arena: Arena) -> Life:
    return Life(arena)


def judged(life: Life) -> Verdict:
    """As if the run were left as it should be."""
    wanted = Undisturbed(
        {"network.json": digest("network.json"), "weights.safetensors": digest("weights.safetensors")},
        [{"epoch": 1}, {"epoch": 2}],
    )
    return judge(life.arena, {life.sent.kind.name: wanted})


def digest(content: str) -> str:
    return hashlib.sha256(content.encode()).hexdigest()


def change(life: Life, statement: str) -> None:
    with life.arena.place.database.write() as session:
        run = get(session, PROJECT, life.sent.run_id)
        session.execute(text(statement), {"run": run.id, "job": run.job_id})


def test_a_run_that_was_lost_once_and_then_succeeded_is_as_it_should_be(life: Life) -> None:
    life.succeeds()
    assert judged(life) == Verdict()
    assert unreferenced(life.arena) == []


def test_a_second_end_is_found(life: Life) -> None:
    life.succeeds()
    with life.arena.place.database.write() as session:
        run = get(session, PROJECT, life.sent.run_id)
        events.append(session, run, life.holds.attempt, "end", {"status": "succeeded"})
    assert "has ended 2 times" in judged(life).ends[0]
    assert "its run had ended" in judged(life).stale[0]


def test_a_run_that_never_ends_is_found(life: Life) -> None:
    assert [line.split(" ", 1)[1] for line in judged(life).ends] == [
        "is still running in attempt 2",
        "has ended 0 times",
    ]


def test_a_row_of_an_attempt_that_lost_its_run_is_found(life: Life) -> None:
    with life.arena.place.database.write() as session:
        late = EpochRow(run_id=life.sent.run_id, epoch=3, project=PROJECT, attempt=life.lost.attempt, report={})
        session.add(late)
    life.succeeds()
    assert ["another attempt held it" in line for line in judged(life).stale] == [True]


def test_an_event_of_an_attempt_that_lost_its_run_is_found(life: Life) -> None:
    with life.arena.place.database.write() as session:
        run = get(session, PROJECT, life.sent.run_id)
        events.append(session, run, life.lost.attempt, "log", {"message": "still here"})
    life.succeeds()
    assert len(judged(life).stale) == 2, "the database's record and the events' attempts, both"


def test_a_run_that_is_taken_up_after_its_end_is_found(life: Life) -> None:
    life.succeeds()
    change(life, "UPDATE jobs SET status = 'queued', finished_at = NULL, worker_id = NULL WHERE id = :job")
    assert "its run had ended" in judged(life).stale[0]


@pytest.mark.parametrize("attempt", [1, 4])
def test_an_attempt_that_falls_or_leaps_is_found(life: Life, attempt: int) -> None:
    change(life, f"UPDATE jobs SET attempt = {attempt} WHERE id = :job")
    assert "an attempt grows by one" in judged(life).stale[0]


def test_a_heartbeat_of_another_worker_than_the_one_that_claimed_is_found_on_postgresql(
    running: Server, tmp_path: Path
) -> None:
    url = running.fresh()
    arena = Arena(tmp_path, url)
    life = Life(arena)
    named = make_url(url).update_query_dict({"application_name": "worker-2"}).render_as_string(hide_password=False)
    other = Database(named)
    with other.write() as session:
        jobs.heartbeat(session, life.holds)
    other.close()
    life.succeeds()
    assert "worker-2 wrote jobs" in judged(life).stale[0]
    arena.close()


DAMAGES: dict[str, Callable[[Path], object]] = {
    "cannot be read: the stored file weights.safetensors does not": lambda path: path.write_bytes(b"other"),
    "cannot be read: the stored file weights.safetensors is not there": Path.unlink,
}


@pytest.mark.parametrize("told", DAMAGES)
def test_a_file_that_is_not_as_recorded_is_found(life: Life, told: str) -> None:
    life.succeeds()
    DAMAGES[told](life.arena.place.blobs.path(f"{life.folder}/weights.safetensors"))
    assert told in judged(life).unreadable[0]


def test_a_file_outside_of_the_last_attempts_folder_is_found(life: Life) -> None:
    life.succeeds()
    for relation in ("artifacts", "storm_writes"):
        column = "key" if relation == "artifacts" else "detail"
        change(life, f"UPDATE {relation} SET {column} = replace({column}, '/attempt-2/', '/attempt-1/')")
    found = judged(life)
    assert "outside of the last attempt's folder" in found.unreadable[0]
    assert "another attempt held it" in found.stale[0]


def test_other_bytes_than_undisturbed_are_found(life: Life) -> None:
    key = f"{life.folder}/weights.safetensors"
    life.succeeds()
    stored = life.arena.place.blobs.write(key, b"other weights")
    change(life, f"UPDATE artifacts SET sha256 = '{stored.sha256}' WHERE name = 'weights.safetensors'")
    assert "other bytes than undisturbed in weights.safetensors" in judged(life).different[0]


def test_an_epoch_that_is_not_told_of_or_told_otherwise_is_found(life: Life) -> None:
    life.succeeds()
    change(
        life,
        "UPDATE events SET data = '{\"epoch\": 2, \"loss\": 1}' WHERE run_id = :run AND kind = 'epoch' AND attempt = 2",
    )
    other = judged(life).different
    change(life, "DELETE FROM events WHERE run_id = :run AND kind = 'epoch' AND attempt = 1")
    missing = judged(life).different
    assert "reports other numbers of its epochs [2]" in other[0]
    assert "told of its epochs as [2]" in missing[0]


def test_a_run_that_failed_is_found(life: Life) -> None:
    with life.arena.place.database.write() as session:
        records.failed(session, life.holds, "internal", "no reason")
    assert "is failed (internal: no reason), and nobody asked to cancel it" in judged(life).others[0]


@pytest.mark.parametrize("accepted", [True, False])
def test_a_cancel_that_was_answered_otherwise_than_the_run_ended_is_found(life: Life, accepted: bool) -> None:
    if accepted:
        life.succeeds()
    else:
        life.arena.cancel(life.sent)
        with life.arena.place.database.write() as session:
            records.cancelled(session, life.holds)
    life.sent.cancelled = accepted
    assert f"its cancel was {'accepted' if accepted else 'refused'}" in judged(life).others[0]


def test_a_run_without_its_models_version_is_found(life: Life) -> None:
    life.succeeds()
    change(life, "DELETE FROM versions WHERE run_id = :run")
    assert "is succeeded and made 0 versions of its model" in judged(life).others[0]


def test_a_file_that_no_row_names_is_found(life: Life) -> None:
    life.arena.place.blobs.write(f"{life.folder}/checkpoint-9.safetensors", b"forgotten")
    assert unreferenced(life.arena) == [f"no row names {life.folder}/checkpoint-9.safetensors"]
