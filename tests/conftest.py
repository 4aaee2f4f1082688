"""What all tests may ask for: one running service a test process, started when the first test wants it."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from hypothesis import settings

from tests.service import EXAMPLES, Service

Json = dict[str, Any]

# The same examples every time, so that what passed passes again; `pytest --hypothesis-profile=search` looks for others.
settings.register_profile("steady", derandomize=True, deadline=None, database=None)
settings.register_profile("search", max_examples=1_000, deadline=None)
settings.load_profile("steady")


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A real service with default settings, shared by the tests of one process: leave it as it was found."""
    with Service(tmp_path_factory.mktemp("service")) as running:
        yield running


@pytest.fixture(scope="session")
def api(service: Service) -> httpx.Client:
    """A client of the shared service."""
    return service.client


def network(name: str) -> Json:
    """One of the example networks: `table`, `article-batchnorm`, `article-dropout`."""
    spec: Json = json.loads((EXAMPLES / "networks" / f"{name}.json").read_text())
    return spec


@pytest.fixture(scope="session")
def table_network() -> Json:
    return network("table")


@pytest.fixture(scope="session")
def penguins(service: Service) -> Json:
    """The penguins as a dataset: three species to be told apart."""
    return service.upload(EXAMPLES / "penguins.csv", target="species")


@pytest.fixture(scope="session")
def penguins_run(service: Service, penguins: Json, table_network: Json) -> Json:
    """A succeeded run: a version of the model `palmer`, a name that no other test makes."""
    queued = service.submit(penguins["id"], table_network, model="palmer", training={"epochs": 4, "seed": 7})
    run = service.ended(queued["id"])
    assert run["status"] == "succeeded", run["error"]
    return run


@pytest.fixture(scope="session")
def pictures(service: Service) -> Json:
    """Pictures of three classes as a dataset."""
    return service.upload(EXAMPLES / "pictures.zip")


@pytest.fixture(scope="session")
def pictures_run(service: Service, pictures: Json) -> Json:
    """A succeeded run of the article's network: version 1 of the model `pictures`, which takes 64 × 64 pixels."""
    spec = network("article-batchnorm")
    queued = service.submit(pictures["id"], spec, model="pictures", training={"epochs": 15, "seed": 7})
    run = service.ended(queued["id"])
    assert run["status"] == "succeeded", run["error"]
    return run
