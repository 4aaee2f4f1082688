"""Models: numbers that are never given twice, and aliases that always name a version."""

import pytest

from app.errors import Conflict, NotFound
from app.storage import model_records, models
from app.storage.database import Database
from tests.storage.rows import PROJECT, add_run, at_once


def add_version(database: Database, run_id: str, name: str = "penguins", project: str = PROJECT) -> int:
    with database.write() as session:
        return models.add_version(session, project, name, run_id)


def test_versions_count_up_and_a_deleted_number_is_never_given_again(database: Database) -> None:
    run_id = add_run(database)
    assert [add_version(database, run_id) for _ in range(3)] == [1, 2, 3]
    for number in (3, 1, 2):
        with database.write() as session:
            models.remove_version(session, models.get(session, PROJECT, "penguins"), number)
    assert add_version(database, run_id) == 4
    with database.read() as session:
        model = models.get(session, PROJECT, "penguins")
        assert [row.version for row in models.versions(session, model)] == [4]
        with pytest.raises(NotFound, match="no version 3"):
            models.version(session, model, 3)


def test_eight_runs_that_succeed_at_once_get_eight_numbers(database: Database) -> None:
    run_id = add_run(database)
    assert sorted(at_once(8, lambda _: add_version(database, run_id))) == list(range(1, 9))


def test_models_of_two_projects_or_names_share_nothing(database: Database) -> None:
    run_id = add_run(database)
    assert add_version(database, run_id) == 1
    assert add_version(database, run_id, name="Penguins") == 1
    assert add_version(database, run_id, project="another") == 1
    with database.read() as session:
        rows, _ = models.page(session, PROJECT, 10, None)
        assert sorted(row.name for row in rows) == ["Penguins", "penguins"]
        with pytest.raises(NotFound):
            models.get(session, "third", "penguins")


def test_an_alias_is_made_moved_and_removed(database: Database) -> None:
    run_id = add_run(database)
    add_version(database, run_id)
    add_version(database, run_id)
    with database.write() as session:
        model = models.get(session, PROJECT, "penguins")
        assert models.set_alias(session, model, "serving", 1) is None
    with database.write() as session:
        model = models.get(session, PROJECT, "penguins")
        assert models.set_alias(session, model, "serving", 2) == 1
        assert model_records.records(session, [(PROJECT, "penguins")])[PROJECT, "penguins"].aliases == {"serving": 2}
    with database.write() as session:
        model = models.get(session, PROJECT, "penguins")
        models.remove_alias(session, model, "serving")
        assert models.aliases(session, model) == {}
        with pytest.raises(NotFound):
            models.remove_alias(session, model, "serving")


def test_an_alias_names_a_version_that_is_there(database: Database) -> None:
    add_version(database, add_run(database))
    with pytest.raises(NotFound), database.write() as session:
        models.set_alias(session, models.get(session, PROJECT, "penguins"), "serving", 2)
    with database.write() as session:
        models.set_alias(session, models.get(session, PROJECT, "penguins"), "serving", 1)
    with pytest.raises(Conflict, match="alias serving names version 1"), database.write() as session:
        models.remove_version(session, models.get(session, PROJECT, "penguins"), 1)


def test_one_alias_set_eight_times_at_once_is_set(database: Database) -> None:
    add_version(database, add_run(database))

    def work(number: int) -> None:
        with database.write() as session:
            models.set_alias(session, models.get(session, PROJECT, "penguins"), "serving", 1)

    at_once(8, work)
    with database.read() as session:
        assert model_records.records(session, [(PROJECT, "penguins")])[PROJECT, "penguins"].aliases == {"serving": 1}


def test_of_naming_a_version_and_deleting_it_one_is_refused(database: Database) -> None:
    run_id = add_run(database)
    for _ in range(10):
        number = add_version(database, run_id)

        def work(which: int, number: int = number) -> str:
            try:
                with database.write() as session:
                    model = models.get(session, PROJECT, "penguins")
                    if which:
                        models.remove_version(session, model, number)
                    else:
                        models.set_alias(session, model, f"alias-{number}", number)
            except (NotFound, Conflict) as error:
                return error.code
            return "done"

        assert at_once(2, work) in (["done", "version_in_use"], ["version_not_found", "done"])


def test_a_projects_models_are_told_by_name_but_those_without_a_version(database: Database) -> None:
    run_id = add_run(database)
    for name, project in (("b", PROJECT), ("a", PROJECT), ("a", PROJECT), ("gone", PROJECT), ("c", "another")):
        add_version(database, run_id, name, project)
    with database.write() as session:
        models.remove_version(session, models.get(session, PROJECT, "gone"), 1)
        models.set_alias(session, models.get(session, PROJECT, "a"), "serving", 1)
    with database.read() as session:
        found = model_records.of_project(session, PROJECT)
        assert list(found) == ["a", "b"]
        assert found["a"].versions == {1: run_id, 2: run_id}
        assert found["a"].aliases == {"serving": 1}
        assert model_records.names(session, PROJECT, 10) == ["a", "b"]
        assert model_records.names(session, PROJECT, 1) == ["a"]
        assert model_records.names(session, "another", 10) == ["c"]
        assert model_records.names(session, "nobodys", 10) == []
