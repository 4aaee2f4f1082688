"""The disturbances, drawn by a seeded generator, while a crew of workers computes the runs of an arena."""

import heapq
import time
from collections import Counter
from collections.abc import Callable
from itertools import count
from random import Random

from app.storage.sweep import sweep
from tests.chaos.arena import Arena
from tests.chaos.crew import Computing, Crew, Member
from tests.chaos.kinds import KINDS
from tests.chaos.pauses import pause
from tests.chaos.plan import Plan
from tests.chaos.server import Server

TICK_SECONDS = 0.05
LOOK_SECONDS = 0.5
SWEEP_SECONDS = 5.0
TRAINERS_KILLED = 0.25


class Storm:
    """`blow` returns when everything has happened and every run has ended, or at the deadline.

    `happened` counts the disturbances by name; `server` is restarted hard if the plan says so.
    """

    def __init__(self, arena: Arena, crew: Crew, plan: Plan, generator: Random, server: Server | None = None) -> None:
        self.arena, self.crew, self.plan, self.generator, self.server = arena, crew, plan, generator, server
        self.happened: Counter[str] = Counter()
        self.faults: list[str] = []
        self._agenda: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = count()
        self._stopped: set[int] = set()
        self._away = False
        self._cancels_open = 0
        self._left = [
            *["kill"] * plan.kills,
            *["stop"] * plan.stops,
            *["terminate"] * plan.terminations,
            *["cancel"] * plan.cancels,
            *["restart"] * plan.restarts,
        ]
        generator.shuffle(self._left)
        self._disturbances = len(self._left)
        self._ended = 0

    def blow(self) -> None:
        for number in range(self.plan.runs):
            self.arena.send(KINDS[number % self.plan.kinds])
        self._sweep_now_and_then()
        end = time.monotonic() + self.plan.deadline_seconds
        following = looked = time.monotonic()
        while time.monotonic() < end:
            self.crew.fill()
            self._keep_appointments()
            moment = time.monotonic()
            if moment > following and self._due() and self._disturb(self._left[-1]):
                self._left.pop()
                following = moment + self.generator.uniform(0.2, 1.8) * self.plan.pace_seconds
            if moment - looked > LOOK_SECONDS and not self._away:
                looked = moment
                if self._over():
                    return
            time.sleep(TICK_SECONDS)
        self.faults.append(f"after {self.plan.deadline_seconds:g} s the storm was not over: {self._left} were left")

    def _due(self) -> bool:
        """Whether it is time for the next disturbance: they keep step with the runs, however fast the machine is."""
        happened = self._disturbances - len(self._left)
        return bool(self._left) and happened * self.plan.runs <= self._disturbances * (self._ended + self.plan.workers)

    def _over(self) -> bool:
        unfinished = self.arena.unfinished()
        self._ended = len(self.arena.sent) - unfinished
        if self._left and unfinished < 2 * self.plan.workers:
            for _ in range(self.plan.workers):
                self.arena.send(KINDS[self.generator.randrange(self.plan.kinds)])
        return not (unfinished or self._left or self._stopped or self._away or self._cancels_open)

    def sweep(self) -> None:
        """Removes what no row names, as services do beside their workers."""
        place = self.arena.place
        self.happened["files swept"] += sweep(place.database, place.blobs).files

    def _sweep_now_and_then(self) -> None:
        if not self._away:
            self.sweep()
        self._later(SWEEP_SECONDS, self._sweep_now_and_then)

    def _keep_appointments(self) -> None:
        while self._agenda and self._agenda[0][0] < time.monotonic():
            heapq.heappop(self._agenda)[2]()

    def _later(self, seconds: float, action: Callable[[], None]) -> None:
        heapq.heappush(self._agenda, (time.monotonic() + seconds, next(self._numbers), action))

    def _disturb(self, what: str) -> bool:
        """Answers False where it cannot be done now."""
        if what not in ("cancel", "restart"):
            return self._disturb_a_worker(what)
        if self._away:
            return False
        if what == "cancel":
            self._submit_and_cancel()
        else:
            self._restart()
        return True

    def _disturb_a_worker(self, what: str) -> bool:
        found = [(member, computing) for member in self.crew.members if (computing := self._victim(member))]
        if not found:
            return False
        member, computing = self.generator.choice(found)
        match what:
            case "kill":
                self._kill(member, computing)
            case "stop":
                self._stop(computing)
            case "terminate":
                member.ask_to_end()
                self.happened["terminations"] += 1
        return True

    def _victim(self, member: Member) -> Computing | None:
        """What a worker computes, if it holds that run and is not being disturbed already."""
        if member.asked_at or member.process.pid in self._stopped:
            return None
        computing = member.computing()
        if computing is None or self._away:
            return computing
        return computing if self.arena.holds(computing.run_id, computing.attempt) else None

    def _kill(self, member: Member, computing: Computing) -> None:
        self.happened["kills"] += 1
        if self.generator.random() < TRAINERS_KILLED:
            self.happened["kills of trainers"] += 1
            computing.trainer.kill()
        else:
            member.kill()

    def _stop(self, computing: Computing) -> None:
        """Stops a supervisor, its trainer or both, for less or for more than a lease."""
        both = [computing.supervisor, computing.trainer]
        processes = self.generator.choice([both[:1], both[1:], both])
        longer = self.generator.random() < 0.6
        leases = self.generator.uniform(1.5, 3.0) if longer else self.generator.uniform(0.1, 0.7)
        self.happened["stops"] += 1
        self.happened["stops beyond the lease"] += longer
        self._stopped.add(computing.supervisor.pid)
        pause(
            processes,
            leases * self.plan.lease_seconds,
            then=lambda: self._stopped.discard(computing.supervisor.pid),
        )

    def _submit_and_cancel(self) -> None:
        """Sends a run ahead of all others, to be cancelled when it waits, trains, publishes or has ended."""
        sent = self.arena.send(KINDS[self.generator.randrange(self.plan.kinds)], priority=1)
        self.happened["cancels"] += 1
        self._cancels_open += 1

        def cancel() -> None:
            if self._away:
                self._later(0.2, cancel)
            else:
                self.arena.cancel(sent)
                self._cancels_open -= 1

        self._later(self.generator.uniform(0.0, 10.0), cancel)

    def _restart(self) -> None:
        assert self.server is not None, "only a server can be restarted"
        self.happened["restarts"] += 1
        self.server.stop()
        self._away = True

        def start() -> None:
            assert self.server is not None
            self.server.start()
            self._away = False

        self._later(self.generator.uniform(0.1, 1.5) * self.plan.lease_seconds, start)
