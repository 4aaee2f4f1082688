"""Of two deletions at once, one deletes and the other finds nothing."""

from collections.abc import Callable

import pytest

from app.errors import NotFound
from app.storage import datasets, models, networks, runs
from app.storage.database import Database, Session
from tests.storage.rows import NETWORK, PROJECT, add_dataset, add_run, at_once, submission

Delete = Callable[[Session], object]


def a_dataset(database: Database) -> Delete:
    with database.write() as session:
        dataset_id = add_dataset(session)
    return lambda session: datasets.remove(session, PROJECT, dataset_id)


def a_network(database: Database) -> Delete:
    with database.write() as session:
        network_id = networks.add(session, PROJECT, NETWORK).id
    return lambda session: networks.remove(session, PROJECT, network_id)


def a_run(database: Database) -> Delete:
    run_id = add_run(database, tags=["a"])
    with database.write() as session:
        runs.cancel(session, PROJECT, run_id)
    return lambda session: runs.remove(session, PROJECT, run_id)


def a_version(database: Database) -> Delete:
    with database.write() as session:
        run = runs.submit(session, PROJECT, submission(add_dataset(session)))
        number = models.add_version(session, PROJECT, "penguins", run.id)
    return lambda session: models.remove_version(session, models.get(session, PROJECT, "penguins"), number)


def an_alias(database: Database) -> Delete:
    a_version(database)
    with database.write() as session:
        model = models.get(session, PROJECT, "penguins")
        models.set_alias(session, model, "serving", model.versions_made)
    return lambda session: models.remove_alias(session, models.get(session, PROJECT, "penguins"), "serving")


@pytest.mark.parametrize("make", [a_dataset, a_network, a_run, a_version, an_alias])
def test_of_two_deletions_at_once_one_finds_nothing(database: Database, make: Callable[[Database], Delete]) -> None:
    for _ in range(5):
        delete = make(database)

        def work(number: int, delete: Delete = delete) -> str:
            try:
                with database.write() as session:
                    delete(session)
            except NotFound:
                return "not found"
            return "deleted"

        assert sorted(at_once(2, work)) == ["deleted", "not found"]
