"""One storm from its empty folder to its verdict, and what a quiet worker computes for comparison."""

import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random

from tests.chaos import audit, checks
from tests.chaos.arena import Arena, Undisturbed
from tests.chaos.checks import Verdict
from tests.chaos.crew import Crew
from tests.chaos.kinds import KINDS
from tests.chaos.plan import Plan
from tests.chaos.server import server
from tests.chaos.storm import Storm
from tests.worker.processes import until

SCENARIOS = {"sqlite": "SQLite", "postgresql": "PostgreSQL", "restarts": "PostgreSQL, restarted"}


@dataclass(frozen=True)
class Result:
    """What happened in a storm, and what was found after it. `folder` is kept where something was."""

    scenario: str
    seed: int
    runs: int
    happened: Counter[str]
    claims: int
    crashes: int
    checkpoints: int
    verdict: Verdict
    seconds: float
    folder: Path


@contextmanager
def folder(prefix: str = "dropnorm-storm-") -> Iterator[Path]:
    """A folder that is removed at the end, unless a file named `keep` lies in it."""
    made = Path(tempfile.mkdtemp(prefix=prefix))
    try:
        yield made
    finally:
        if not (made / "keep").exists():
            shutil.rmtree(made, ignore_errors=True)


def undisturbed(plan: Plan) -> dict[str, Undisturbed]:
    """What each of the first kinds leaves, computed by one worker whom nobody disturbs."""
    with folder() as place, ExitStack() as stack:
        arena = Arena(place)
        stack.callback(arena.close)
        crew = Crew(1, arena.settings | plan.settings, place / "workers.log")
        stack.callback(crew.end)
        crew.fill()
        sent = [arena.send(kind) for kind in KINDS[: plan.kinds]]
        until(lambda: not arena.unfinished(), 60 * plan.kinds)
        crew.dismiss()
        assert not crew.faults, crew.faults
        return {one.kind.name: arena.left(one.run_id) for one in sent}


def play(name: str, plan: Plan, seed: int, wanted: Mapping[str, Undisturbed]) -> Result:
    """Lets a storm blow over a fresh place, and judges what it leaves."""
    began = time.monotonic()
    with folder() as place, ExitStack() as stack:
        running = stack.enter_context(server()) if name != "sqlite" else None
        arena = Arena(place, running.url if running else None)
        stack.callback(arena.close)
        crew = Crew(plan.workers, arena.settings | plan.settings, place / "workers.log")
        stack.callback(crew.end)
        storm = Storm(arena, crew, plan, Random(f"{name} {seed}"), running)
        storm.blow()
        crew.dismiss()
        storm.sweep()
        verdict = checks.judge(arena, wanted)
        verdict.others += [*storm.faults, *crew.faults, *checks.unreferenced(arena)]
        made = audit.writes(arena.place.database)
        if verdict.lines():
            (place / "keep").write_text("\n".join([*verdict.lines(), "", *map(repr, made), ""]))
        return Result(
            name,
            seed,
            len(arena.sent),
            storm.happened,
            audit.claims(made),
            audit.crashes(made),
            sum(write.relation == "checkpoints" for write in made),
            verdict,
            time.monotonic() - began,
            place,
        )
