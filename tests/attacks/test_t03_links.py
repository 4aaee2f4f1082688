"""T03: symbolic links, links for folders and hard links planted in the data folder. What they lead to is not read.

A folder that was copied, as a backup is, holds no links and answers as before.
"""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.answers import expect_problem
from tests.service import Service, accepted

Json = dict[str, Any]
SECRET = b'{"secret": "of another folder"}'
ROWS = {"instances": [{"x": 1.5}]}


def symbolic(path: Path, outside: Path) -> None:
    path.unlink()
    path.symlink_to(outside)


def hard(path: Path, outside: Path) -> None:
    path.unlink()
    path.hardlink_to(outside)


def hard_to_itself(path: Path, outside: Path) -> None:
    """The right bytes, under a second name by which they could be changed."""
    outside.with_name(f"also-{path.name}").hardlink_to(path)


def folder(path: Path, outside: Path) -> None:
    """The right bytes too, but elsewhere."""
    moved = outside.with_name(f"moved-{path.parent.name}")
    path.parent.rename(moved)
    path.parent.symlink_to(moved)


def above(path: Path, outside: Path) -> None:
    folder(path.parent, outside)


def fifo(path: Path, outside: Path) -> None:
    path.unlink()
    os.mkfifo(path)


LINKS = [symbolic, hard, hard_to_itself, folder, above, fifo]


@pytest.fixture(scope="module")
def original(service: Service) -> Json:
    rows = [{"x": index + 0.5, "y": index % 2 == 0} for index in range(20)]
    dataset = accepted(service.client.post("/api/v1/datasets", json={"target": "y", "rows": rows}))
    queued = service.submit(
        dataset["id"], {"layers": [{"type": "dense"}]}, model="linked", training={"epochs": 2, "seed": 1}
    )
    run = service.ended(queued["id"])
    assert run["status"] == "succeeded", run["error"]
    return run


@pytest.fixture(scope="module")
def other(service: Service, original: Json, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service on a copy of the data, of which it has no model in its memory."""
    folder = tmp_path_factory.mktemp("other")
    subprocess.run(["cp", "-R", str(service.data_dir), str(folder / "data")], check=True)
    with Service(folder, workers="0") as running:
        yield running


@pytest.fixture
def copied(service: Service, other: Service, tmp_path: Path) -> Service:
    """The same with its files as they were."""
    for room in ("runs", "datasets"):
        path = other.data_dir / room
        shutil.rmtree(path)
        subprocess.run(["cp", "-R", str(service.data_dir / room), str(path)], check=True)
    return other


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """A file outside of the data folder."""
    path = tmp_path / "secret"
    path.write_bytes(SECRET)
    return path


def found(service: Service, pattern: str) -> Path:
    [path] = service.data_dir.glob(pattern)
    return path


def refused(answer: httpx.Response) -> None:
    expect_problem(answer, 404, "file_missing")
    assert b"secret" not in answer.content


@pytest.mark.timeout(120)
def test_no_link_is_followed(copied: Service, original: Json, secret: Path) -> None:
    artifacts = original["result"]["artifacts"]
    plants: list[Callable[[Path, Path], None]] = [symbolic, hard, hard_to_itself, fifo]
    for artifact, plant in zip(artifacts, plants, strict=False):
        plant(found(copied, f"runs/{original['id']}/*/{artifact['name']}"), secret)
        refused(copied.client.get(artifact["url"]))


@pytest.mark.parametrize("plant", LINKS, ids=lambda plant: plant.__name__)
def test_no_model_is_loaded_and_no_row_is_read_through_a_link(
    copied: Service, original: Json, secret: Path, plant: Callable[[Path, Path], None]
) -> None:
    [name] = [one["name"] for one in original["result"]["artifacts"] if one["name"] == "preprocessing.json"]
    plant(found(copied, f"runs/{original['id']}/*/{name}"), secret)
    refused(copied.client.post("/api/v1/models/linked/predict", json=ROWS))
    refused(copied.client.post(f"/api/v1/runs/{original['id']}/predict", json=ROWS))
    if plant is above:
        return
    for path in copied.data_dir.glob("datasets/*/numbers.bin"):
        plant(path, secret.with_name(f"secret-{path.parent.name}") if plant is hard_to_itself else secret)
    refused(copied.client.get(f"/api/v1/datasets/{original['dataset']}/rows"))
    run = {"dataset": original["dataset"], "network": {"layers": [{"type": "dense"}]}}
    refused(copied.client.post("/api/v1/runs/check", json=run))
    refused(copied.client.post("/api/v1/runs", json=run))


def test_what_was_copied_answers_as_the_original(service: Service, copied: Service, original: Json) -> None:
    for artifact in original["result"]["artifacts"]:
        answers = [one.client.get(artifact["url"]) for one in (service, copied)]
        assert answers[0].status_code == answers[1].status_code == 200
        assert answers[0].content == answers[1].content
    rows = f"/api/v1/datasets/{original['dataset']}/rows"
    assert service.client.get(rows).content == copied.client.get(rows).content
    # Last, for a model that was read once stays in the memory.
    answers = [one.client.post("/api/v1/models/linked/predict", json=ROWS) for one in (service, copied)]
    assert answers[0].status_code == answers[1].status_code == 200
    assert answers[0].content == answers[1].content
