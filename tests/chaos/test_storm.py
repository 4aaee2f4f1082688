"""A short storm over each database, with every check of the long one: `make chaos` has that."""

from collections.abc import Mapping
from dataclasses import replace

import pytest

from tests.chaos.arena import Undisturbed
from tests.chaos.checks import summary
from tests.chaos.plan import Plan
from tests.chaos.scenario import play, undisturbed
from tests.chaos.server import NoServer

SEED = 20
SHORT = Plan(runs=8, kinds=3, kills=5, stops=3, terminations=1, cancels=2, pace_seconds=1.0, deadline_seconds=400)

pytestmark = pytest.mark.timeout(500)


@pytest.fixture(scope="module")
def wanted() -> Mapping[str, Undisturbed]:
    return undisturbed(SHORT)


def storm(name: str, plan: Plan, wanted: Mapping[str, Undisturbed]) -> int:
    """Checks a storm; how many attempts it cost."""
    result = play(name, plan, SEED, wanted)
    assert result.verdict.lines() == [], f"{summary(result.verdict.lines())}\nwhat is left is in {result.folder}"
    assert (result.happened["kills"], result.happened["stops"], result.happened["restarts"]) == (5, 3, plan.restarts)
    # It was no calm: attempts were lost, and others went on from what they had left.
    assert result.checkpoints > 0
    return result.crashes


def test_runs_on_sqlite_end_once_and_in_the_same_bytes_whatever_is_killed(wanted: Mapping[str, Undisturbed]) -> None:
    assert storm("sqlite", SHORT, wanted) > 0


def test_runs_on_postgresql_end_once_and_in_the_same_bytes_though_it_is_restarted(
    wanted: Mapping[str, Undisturbed],
) -> None:
    try:
        crashes = storm("restarts", replace(SHORT, restarts=1), wanted)
    except NoServer as error:
        pytest.skip(str(error))
    assert crashes > 0
