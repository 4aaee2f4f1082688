"""A data folder is a database's only where that can be no mistake; what is refused, a person can adopt."""

import os
import shutil
from pathlib import Path

import pytest
from sqlalchemy import event, select

from app.errors import StorageUnavailable, Unavailable
from app.storage import installation
from app.storage.blobs import Blobs
from app.storage.database import Database
from app.storage.installation import NAME, Installation, adopt, belong_together
from app.storage.service_tables import InstallationRow
from tests.service import free_port
from tests.storage.meanwhile import just_before
from tests.storage.rows import add_dataset, at_once
from tests.storage.servers import Databases

NOWHERE = "postgresql+psycopg://127.0.0.1:{}/dropnorm?connect_timeout=2"


@pytest.fixture
def blobs(tmp_path: Path) -> Blobs:
    return Blobs(tmp_path / "data")


def upload(database: Database, blobs: Blobs, name: str) -> None:
    """A dataset, its columns and its row."""
    (blobs.root / f"datasets/columns_{name}").mkdir()
    with database.write() as session:
        add_dataset(session, folder=f"datasets/columns_{name}")


def id_of(database: Database) -> str | None:
    with database.read() as session:
        return session.scalar(select(InstallationRow.id))


def files(blobs: Blobs) -> list[str]:
    """What lies in the data folder itself, but for its rooms."""
    return sorted(path.name for path in blobs.root.iterdir() if not path.is_dir())


def empty_twin(blobs: Blobs, tmp_path: Path) -> Blobs:
    """The mount point of the same folder, on a machine where it is not mounted."""
    return Blobs(tmp_path / "mount")


def test_a_fresh_folder_and_a_fresh_database_get_one_id(database: Database, blobs: Blobs) -> None:
    for _ in range(2):
        assert belong_together(database, blobs)
    assert (blobs.root / NAME).read_text() == f"{id_of(database)}\n"
    assert files(blobs) == [NAME]


def test_of_several_processes_that_begin_at_once_all_know_their_folder(database: Database, blobs: Blobs) -> None:
    assert at_once(8, lambda _: belong_together(database, blobs)) == [True] * 8
    assert files(blobs) == [NAME]


def test_of_two_machines_that_begin_at_once_the_one_without_its_share_is_refused(
    database: Database, databases: Databases, blobs: Blobs, tmp_path: Path
) -> None:
    """The other gives the database its id when this one has just seen that there was none."""
    bare = empty_twin(blobs, tmp_path)

    def begin_elsewhere() -> None:
        assert belong_together(database, blobs)

    first_of_write = "BEGIN IMMEDIATE" if databases.name == "sqlite" else "INSERT INTO installation"
    with just_before(database, first_of_write, begin_elsewhere):
        assert not belong_together(database, bare)
    assert (files(blobs), files(bare)) == ([NAME], [])
    assert belong_together(database, blobs)


def test_an_empty_mount_point_is_refused_with_and_without_datasets(
    database: Database, blobs: Blobs, tmp_path: Path
) -> None:
    assert belong_together(database, blobs)
    bare = empty_twin(blobs, tmp_path)
    assert not belong_together(database, bare)
    upload(database, blobs, "a")
    assert not belong_together(database, bare)
    assert files(bare) == []
    assert belong_together(database, blobs)


def test_a_start_that_was_killed_before_the_file_was_written_is_finished_by_the_next(
    database: Database, blobs: Blobs, tmp_path: Path
) -> None:
    known = installation._begun(database, blobs)
    assert files(blobs) == [f".{known}"]
    assert not belong_together(database, empty_twin(blobs, tmp_path))
    assert belong_together(database, blobs)
    assert files(blobs) == [NAME]


def test_a_start_that_was_killed_before_the_database_had_the_id_is_begun_anew(database: Database, blobs: Blobs) -> None:
    (blobs.root / ".installation_neverknown").touch()
    assert belong_together(database, blobs)
    assert files(blobs) == [NAME]


def test_after_an_upgrade_the_folder_is_known_by_its_datasets(databases: Databases, blobs: Blobs) -> None:
    """Whatever a crash left there besides: no manual step."""
    database = Database(databases.migrated())
    for number in range(30):
        upload(database, blobs, str(number))
    # Where the database was at 0001 it has no id now, and its folder no file.
    for orphan in ("datasets/columns_orphan", "runs/run_orphan"):
        (blobs.root / orphan).mkdir()
    assert at_once(4, lambda _: belong_together(database, blobs)) == [True] * 4
    assert (blobs.root / NAME).read_text().strip() == id_of(database)
    database.close()


def test_a_backup_without_the_file_is_known_by_its_datasets(database: Database, blobs: Blobs, tmp_path: Path) -> None:
    assert belong_together(database, blobs)
    upload(database, blobs, "a")
    restored = Blobs(tmp_path / "restored")
    for room in ("datasets", "runs"):
        shutil.copytree(blobs.root / room, restored.root / room, dirs_exist_ok=True)
    (restored.root / "runs/run_begun_while_files_were_copied").mkdir()
    assert belong_together(database, restored)
    assert (restored.root / NAME).read_text() == (blobs.root / NAME).read_text()


@pytest.mark.parametrize("has_id", [False, True])
def test_a_folder_that_lacks_one_of_the_newest_datasets_is_refused_until_it_is_adopted(
    database: Database, blobs: Blobs, tmp_path: Path, has_id: bool
) -> None:
    if has_id:
        assert belong_together(database, empty_twin(blobs, tmp_path))
    for name in ("a", "b"):
        upload(database, blobs, name)
    (blobs.root / "datasets/columns_b").rmdir()
    assert not belong_together(database, blobs)
    assert files(blobs) == []
    assert (id_of(database) is not None) == has_id
    adopt(database, blobs)
    assert belong_together(database, blobs)


@pytest.mark.parametrize("left", ["datasets/columns_a", "runs/run_a"])
def test_a_blank_database_beside_an_old_folder_is_refused(database: Database, blobs: Blobs, left: str) -> None:
    (blobs.root / left).mkdir()
    assert not belong_together(database, blobs)
    assert (files(blobs), id_of(database)) == ([], None)


def test_what_a_disk_brings_along_is_no_old_folder(database: Database, blobs: Blobs) -> None:
    (blobs.root / "datasets/lost+found").mkdir()
    assert belong_together(database, blobs)


def test_a_fresh_database_beside_the_folder_of_another_is_refused_until_it_adopts_it(
    database: Database, blobs: Blobs, databases: Databases
) -> None:
    other = Database(databases.migrated())
    assert belong_together(other, blobs)
    assert not belong_together(database, blobs)
    assert id_of(database) is None
    adopt(database, blobs)
    assert belong_together(database, blobs)
    assert not belong_together(other, blobs), "it is nobody else's now"
    other.close()


def test_two_databases_with_a_folder_each_refuse_to_change_places(
    database: Database, blobs: Blobs, databases: Databases, tmp_path: Path
) -> None:
    other, theirs = Database(databases.migrated()), Blobs(tmp_path / "theirs")
    assert belong_together(database, blobs)
    assert belong_together(other, theirs)
    assert not belong_together(database, theirs)
    assert not belong_together(other, blobs)
    other.close()


def test_a_file_that_a_power_cut_left_empty_is_as_good_as_none(database: Database, blobs: Blobs) -> None:
    assert belong_together(database, blobs)
    upload(database, blobs, "a")
    whole = (blobs.root / NAME).read_text()
    (blobs.root / NAME).write_text("")
    assert belong_together(database, blobs)
    assert (blobs.root / NAME).read_text() == whole


def test_it_needs_no_hard_link(database: Database, blobs: Blobs, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a share that knows none."""

    def refused(*_: object, **__: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refused)
    monkeypatch.setattr(Path, "hardlink_to", refused)
    assert belong_together(database, blobs)
    assert blobs.root.joinpath(NAME).stat().st_nlink == 1


def test_a_share_that_is_unmounted_meanwhile_is_noticed_and_nothing_is_made_in_its_place(
    database: Database, blobs: Blobs, tmp_path: Path
) -> None:
    known = Installation(database, blobs)
    assert known.check()
    upload(database, blobs, "a")
    away = blobs.root.rename(tmp_path / "away")
    assert not known.check()
    assert not blobs.root.exists()
    blobs.root.mkdir()
    assert not known.check()
    assert list(blobs.root.iterdir()) == []
    (blobs.root / NAME).write_text("installation_ofanother\n")
    assert not known.check()
    shutil.rmtree(blobs.root)
    away.rename(blobs.root)
    assert known.check()


def test_once_the_id_is_known_no_database_is_asked(database: Database, blobs: Blobs) -> None:
    known = Installation(database, blobs)
    assert known.check()
    connection_asked_for: list[object] = []

    def note(*asked: object) -> None:
        connection_asked_for.append(asked)

    event.listen(database.engine, "checkout", note)
    try:
        assert known.check()
    finally:
        event.remove(database.engine, "checkout", note)
    assert connection_asked_for == []


def test_while_the_id_is_not_known_a_database_that_is_away_is_told(blobs: Blobs) -> None:
    known = Installation(Database(NOWHERE.format(free_port())), blobs)
    for _ in range(2):
        with pytest.raises(Unavailable, match="the database does not answer"):
            known.check()
    assert files(blobs) == []


def test_a_folder_that_cannot_be_read_is_told_until_the_id_is_known_and_is_none_after_that(
    database: Database, blobs: Blobs
) -> None:
    known = Installation(database, blobs)
    (blobs.root / NAME).mkdir()
    with pytest.raises(StorageUnavailable, match="the data folder cannot be read or written: Is a directory"):
        known.check()
    (blobs.root / NAME).rmdir()
    assert known.check()
    (blobs.root / NAME).unlink()
    (blobs.root / NAME).mkdir()
    assert not known.check()
