"""Datasets: equal bytes share a folder, which goes with the last row that names it."""

import numpy as np
import pytest

from app.domain.data.schema import ReadRequest
from app.domain.task import Task
from app.errors import Conflict, Damaged, NotFound
from app.storage import datasets, runs
from app.storage.blobs import Blobs
from app.storage.database import Database
from tests.storage.rows import PROJECT, SCHEMA, add_dataset, submission


def test_a_shared_folder_is_kept_until_the_last_row_goes(database: Database) -> None:
    with database.write() as session:
        first, second = (add_dataset(session, folder="datasets/shared", project=name) for name in (PROJECT, "another"))
        other = add_dataset(session, folder="datasets/other")
    with database.write() as session:
        assert datasets.remove(session, PROJECT, first) is None
        assert datasets.uses(session, "datasets/shared")
    with database.write() as session:
        assert datasets.remove(session, "another", second) == "datasets/shared"
        assert not datasets.uses(session, "datasets/shared")
        assert datasets.get(session, PROJECT, other).folder == "datasets/other"


def test_equal_columns_are_found_whoever_sent_them(database: Database) -> None:
    with database.write() as session:
        found = add_dataset(session, content="a" * 64, project="another")
    with database.write() as session:
        twin = datasets.stored(session, "a" * 64)
        assert twin is not None
        assert twin.id == found
        assert datasets.stored(session, "b" * 64) is None


def test_columns_are_shared_only_where_the_bytes_and_the_way_to_read_them_are_equal() -> None:
    plain = ReadRequest()
    keys = {
        datasets.content_key("a" * 64, ".csv", plain),
        datasets.content_key("b" * 64, ".csv", plain),
        datasets.content_key("a" * 64, ".tsv", plain),
        datasets.content_key("a" * 64, ".csv", ReadRequest(target="species")),
        datasets.content_key("a" * 64, ".csv", ReadRequest.model_validate({"task": Task.REGRESSION})),
    }
    assert len(keys) == 5
    assert datasets.content_key("a" * 64, ".csv", ReadRequest()) in keys


@pytest.mark.parametrize("role", ["dataset", "validation_dataset_id"])
def test_a_dataset_is_kept_while_a_run_needs_it(database: Database, role: str) -> None:
    with database.write() as session:
        needed, other = add_dataset(session), add_dataset(session)
        run = runs.submit(session, PROJECT, submission(**{"dataset": other, role: needed}))
        runs.cancel(session, PROJECT, run.id)
    with pytest.raises(Conflict, match=r"1 run\(s\) need this dataset"), database.write() as session:
        datasets.remove(session, PROJECT, needed)
    with database.write() as session:
        runs.remove(session, PROJECT, run.id)
    with database.write() as session:
        assert datasets.remove(session, PROJECT, needed) is None


def test_another_projects_dataset_is_not_there(database: Database) -> None:
    with database.write() as session:
        found = add_dataset(session)
        for use in (datasets.get, datasets.remove):
            with pytest.raises(NotFound):
                use(session, "another", found)
        assert datasets.page(session, "another", 10, None) == ([], None)


def test_columns_are_opened_as_they_were_stored(blobs_with_columns: Blobs) -> None:
    files = [blobs_with_columns.write("datasets/a/numbers.bin", np.array([1.5, 2.5]).tobytes())]
    files.append(blobs_with_columns.write("datasets/a/codes.bin", np.array([0, 1], np.int32).tobytes()))
    columns = datasets.open_columns(blobs_with_columns, SCHEMA, files)
    assert columns.numbers.tolist() == [[1.5], [2.5]]
    assert columns.codes.tolist() == [[0], [1]]
    assert columns.pixels.shape == (0,)


def test_columns_of_another_size_than_recorded_are_damaged(blobs_with_columns: Blobs) -> None:
    blobs = blobs_with_columns
    files = [blobs.write("datasets/a/numbers.bin", np.array([1.5, 2.5]).tobytes())]
    files.append(blobs.write("datasets/a/codes.bin", np.array([0, 1], np.int32).tobytes()))
    blobs.write("datasets/a/numbers.bin", b"12345")
    with pytest.raises(Damaged):
        datasets.open_columns(blobs, SCHEMA, files)


@pytest.fixture
def blobs_with_columns(tmp_path_factory: pytest.TempPathFactory) -> Blobs:
    return Blobs(tmp_path_factory.mktemp("data"))
