"""What the record of writes must look like: each job is written to by the attempt that holds it, until its one end."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from app.storage.jobs import ENDED
from tests.chaos.audit import HARNESS, Write

MOVES = {
    ("running", "running"),
    ("running", "queued"),
    ("queued", "cancelled"),
    *(("running", status) for status in ENDED),
}
"""What may become of a job's status when nobody claims it."""


@dataclass
class _History:
    holder: str = ""
    over: bool = False


def stale(made: Sequence[Write]) -> list[str]:
    """Every write that no holder of its job made, or that came after the job's end."""
    histories: dict[str, _History] = {}
    found = []
    for write in made:
        history = histories.setdefault(write.job_id, _History())
        if why := _wrong(write, history):
            found.append(f"{write}: {why}")
        if write.claims:
            history.holder = write.writer
        history.over = history.over or (write.relation == "events" and write.detail == "end")
    return found


def _wrong(write: Write, history: _History) -> str | None:
    if history.over:
        return "its run had ended"
    if write.writer not in ("", HARNESS, history.holder) and not write.claims:
        return f"{history.holder or 'nobody'} held it"
    return _wrong_move(write) if write.relation == "jobs" else _wrong_row(write)


def _wrong_move(write: Write) -> str | None:
    if write.claims:
        right = write.before in ("queued", "running") and write.after == "running"
        return None if right else f"it was claimed while {write.before}"
    if write.attempt != write.held:
        return "an attempt grows by one, and only when it is claimed"
    if write.held == 0 and write.after == "queued":
        return None  # the harness gives it a priority and a budget
    return None if (write.before, write.after) in MOVES else f"it went from {write.before} to {write.after}"


def _wrong_row(write: Write) -> str | None:
    if attempt_of(write) not in (None, write.held):
        return "another attempt held it"
    if write.relation in ("epochs", "checkpoints") and write.after != "running":
        return f"the job was {write.after}"
    return None


def attempt_of(write: Write) -> int | None:
    """The attempt that wrote a row; a file's row says it by the file's folder."""
    folder = re.search(r"/attempt-(\d+)/", write.detail) if write.relation == "artifacts" else None
    return int(folder[1]) if folder else write.attempt
