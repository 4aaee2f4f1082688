"""What all tests may ask for: one running service a test process, started when the first test wants it."""

from collections.abc import Iterator

import httpx
import pytest

from tests.service import Service


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A real service with default settings, shared by the tests of one process: leave it as it was found."""
    with Service(tmp_path_factory.mktemp("service")) as running:
        yield running


@pytest.fixture(scope="session")
def api(service: Service) -> httpx.Client:
    """A client of the shared service."""
    return service.client
