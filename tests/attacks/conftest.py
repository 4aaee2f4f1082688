"""After every attack the service is alive, and nothing half-stored is left behind."""

import time
from collections.abc import Iterator

import psutil
import pytest

from tests.attacks.tenants import Tenant, settled
from tests.keys import guarded
from tests.service import Service
from tests.stored import folders_named, folders_there


@pytest.fixture(autouse=True)
def _unharmed(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fails a test that leaves the service dead, a working folder behind, a row without a folder or the reverse."""
    service: Service = request.getfixturevalue("service")
    yield
    assert service.client.get("/healthz").json() == {"status": "alive"}
    incoming = service.data_dir / "incoming"
    until = time.monotonic() + 5
    while list(incoming.iterdir()) and time.monotonic() < until:
        time.sleep(0.02)
    assert list(incoming.iterdir()) == []
    assert folders_there(service) == folders_named(service)


class Memory:
    """The most memory that the API process has held since this was made, in bytes, beyond what it held then."""

    def __init__(self, service: Service) -> None:
        self._process = psutil.Process(service.pid)
        self._pid = service.pid
        self._start = self._peak()

    def grown(self) -> int:
        return self._peak() - self._start

    def _peak(self) -> int:
        with open(f"/proc/{self._pid}/status") as status:
            return next(int(line.split()[1]) << 10 for line in status if line.startswith("VmHWM"))


@pytest.fixture
def memory(service: Service, pictures_run: object, penguins_run: object) -> Memory:
    """Memory from now on; the models are loaded before, so that they do not count."""
    return Memory(service)


@pytest.fixture(scope="session")
def fortress(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service that asks for keys; its own client shows the first one, of all scopes."""
    with guarded(tmp_path_factory.mktemp("fortress")) as running:
        yield running


@pytest.fixture(scope="session")
def ours(fortress: Service) -> Iterator[Tenant]:
    yield from _settled(fortress, "ours")


@pytest.fixture(scope="session")
def theirs(fortress: Service) -> Iterator[Tenant]:
    yield from _settled(fortress, "theirs")


def _settled(service: Service, project: str) -> Iterator[Tenant]:
    tenant = settled(service, project)
    yield tenant
    tenant.client.close()
    tenant.reader.close()
