"""After every attack the service is alive, and nothing half-stored is left behind."""

import time
from collections.abc import Iterator

import httpx
import psutil
import pytest

from tests.service import Service, accepted


def folders(service: Service) -> int:
    """How many folders of stored columns there are."""
    return len(list((service.data_dir / "datasets").iterdir()))


def shared_folders(api: httpx.Client) -> int:
    """How many folders the listed datasets need: equal bytes share one, so datasets that were sent twice count once."""
    seen: set[tuple[object, ...]] = set()
    cursor: str | None = None
    while True:
        page = accepted(api.get("/api/v1/datasets", params={"limit": "200"} | ({"cursor": cursor} if cursor else {})))
        for row in page["items"]:
            features = tuple((feature["name"], feature["type"]) for feature in row["features"])
            seen.add((row["sha256"], row["kind"], row["task"], row["target"]["name"], features))
        cursor = page["next"]
        if cursor is None:
            return len(seen)


@pytest.fixture(autouse=True)
def _unharmed(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fails a test that leaves the service dead, a working folder behind, or a folder without a row."""
    service: Service = request.getfixturevalue("service")
    yield
    assert service.client.get("/healthz").json() == {"status": "alive"}
    until = time.monotonic() + 5
    while list((service.data_dir / "incoming").iterdir()) and time.monotonic() < until:
        time.sleep(0.05)
    assert list((service.data_dir / "incoming").iterdir()) == []
    assert folders(service) == shared_folders(service.client)


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
