"""Requests made from the OpenAPI document: every endpoint answers a key as documented, and refuses who has none."""

from collections.abc import Iterator

import pytest

from tests.fuzz.api import Asked, Plan, ask
from tests.fuzz.arena import AUTHORIZATION, Arena, arena

SEED, SECONDS = 20261126, 160.0
"""Enough for all of it on a machine that other work keeps busy; a quiet one needs a tenth."""
pytestmark = pytest.mark.timeout(400)
OPEN = {"GET /healthz", "GET /readyz"}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Arena]:
    with arena(tmp_path_factory.mktemp("fuzz")) as made:
        yield made


def _operations(asked: Asked, running: Arena) -> None:
    """Every endpoint of the document was asked, and nothing was found."""
    document = running.service.client.get("/openapi.json").json()
    told = {
        f"{method.upper()} {path}"
        for path, item in document["paths"].items()
        for method in item.keys() - {"parameters"}
    }
    assert set(asked.statuses) == told
    assert asked.errors == []
    assert asked.failures == {}


def test_every_endpoint_answers_a_key_as_documented(running: Arena) -> None:
    plan = Plan(SEED, examples=6, seconds=SECONDS, phases=("fuzzing",), authorization=AUTHORIZATION)
    asked = ask(running.service.address, running.resources, plan)
    _operations(asked, running)
    assert asked.cases > 200
    succeeded = {label for label, counts in asked.statuses.items() if any(status < 300 for status in counts)}
    assert len(succeeded) > 0.8 * len(asked.statuses), "most endpoints must be reached behind their checks"


def test_every_endpoint_but_the_open_ones_refuses_who_has_no_key(running: Arena) -> None:
    asked = ask(
        running.service.address, running.resources, Plan(SEED, examples=3, seconds=SECONDS, phases=("fuzzing",))
    )
    _operations(asked, running)
    assert {label for label, counts in asked.statuses.items() if set(counts) != {401}} == OPEN
