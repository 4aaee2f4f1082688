"""What must be true after a storm, whatever happened in it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import select

from app.errors import DropnormError
from app.storage import checkpoints
from app.storage.jobs import ENDED
from app.storage.model_tables import VersionRow
from app.storage.tables import ArtifactRow, CheckpointRow, DatasetRow, EventRow, RunRow
from tests.chaos import audit, fences
from tests.chaos.arena import Arena, Sent, Undisturbed, timeless

Told = list[EventRow]


@dataclass
class Verdict:
    """What is wrong, a line each; all empty when nothing is."""

    ends: list[str] = field(default_factory=list)
    stale: list[str] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)
    different: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)

    def lines(self) -> list[str]:
        return [*self.ends, *self.stale, *self.unreadable, *self.different, *self.others]


def judge(arena: Arena, undisturbed: Mapping[str, Undisturbed]) -> Verdict:
    """Looks at every run that was sent, at every write, and at every file."""
    verdict = Verdict(stale=fences.stale(audit.writes(arena.place.database)))
    for sent in arena.sent:
        run, told = arena.place.run(sent.run_id), arena.place.events(sent.run_id)
        verdict.ends += _ends(run, told)
        verdict.stale += _fallen(run, told)
        verdict.others += _status(sent, run) + _versions(arena, run)
        verdict.different += _epochs(sent, run, told, undisturbed[sent.kind.name])
        unreadable = _unreadable(arena, run)
        verdict.unreadable += unreadable
        if not unreadable:
            verdict.different += _different(arena, sent, run, undisturbed[sent.kind.name])
    return verdict


def unreferenced(arena: Arena) -> list[str]:
    """Files under the data folder that no row names."""
    with arena.place.database.read() as session:
        named = {row.key for row in session.scalars(select(ArtifactRow))}
        named |= {checkpoints.file_of(row).key for row in session.scalars(select(CheckpointRow))}
        named |= {key for row in session.scalars(select(DatasetRow)) for key in row.files}
    root = arena.place.blobs.root
    folders = (root / name for name in ("incoming", "datasets", "runs"))
    lying = {str(path.relative_to(root)) for folder in folders for path in folder.rglob("*") if not path.is_dir()}
    return [f"no row names {key}" for key in sorted(lying - named)]


def _ends(run: RunRow, told: Told) -> list[str]:
    kinds = [event.kind for event in told]
    found = []
    if run.job.status not in ENDED:
        found.append(f"{run.id} is still {run.job.status} in attempt {run.job.attempt}")
    if kinds.count("end") != 1:
        found.append(f"{run.id} has ended {kinds.count('end')} times")
    elif kinds[-1] != "end" or told[-1].data["status"] != run.job.status:
        found.append(f"{run.id} is {run.job.status}, and the last that was told of it is {kinds[-1]} {told[-1].data}")
    return found


def _fallen(run: RunRow, told: Told) -> list[str]:
    attempts = [event.attempt for event in told]
    return [] if attempts == sorted(attempts) else [f"{run.id} was told of by attempts {attempts}"]


def _status(sent: Sent, run: RunRow) -> list[str]:
    wanted = "cancelled" if sent.cancelled else "succeeded"
    if run.job.status == wanted:
        return []
    asked = {None: "nobody asked to cancel it", True: "its cancel was accepted", False: "its cancel was refused"}
    why = f" ({run.job.error_code}: {run.job.error_message})" if run.job.error_code else ""
    return [f"{run.id} ({sent.kind.name}) is {run.job.status}{why}, and {asked[sent.cancelled]}"]


def _versions(arena: Arena, run: RunRow) -> list[str]:
    with arena.place.database.read() as session:
        made = len(session.scalars(select(VersionRow).where(VersionRow.run_id == run.id)).all())
    wanted = int(run.job.status == "succeeded")
    return [] if made == wanted else [f"{run.id} is {run.job.status} and made {made} versions of its model"]


def _epochs(sent: Sent, run: RunRow, told: Told, undisturbed: Undisturbed) -> list[str]:
    reports = [timeless(event.data) for event in told if event.kind == "epoch"]
    numbers = [report["epoch"] for report in reports]
    if numbers != list(range(1, len(numbers) + 1)):
        return [f"{run.id} told of its epochs as {numbers}"]
    wanted = undisturbed.epochs if run.job.status == "succeeded" else undisturbed.epochs[: len(reports)]
    if len(reports) != len(wanted):
        return [f"{run.id} ({sent.kind.name}) has {len(reports)} epochs, undisturbed {len(wanted)}"]
    differ = [mine["epoch"] for mine, theirs in zip(reports, wanted, strict=True) if mine != theirs]
    return [f"{run.id} ({sent.kind.name}) reports other numbers of its epochs {differ}"] if differ else []


def _unreadable(arena: Arena, run: RunRow) -> list[str]:
    found = []
    folder = f"runs/{run.id}/attempt-{run.job.attempt}/"
    for name, file in arena.place.files(run.id).items():
        if not file.key.startswith(folder):
            found.append(f"{run.id}: {name} lies at {file.key}, outside of the last attempt's folder")
        try:
            arena.place.blobs.check(file)
        except DropnormError as error:
            found.append(f"{run.id}: {name} cannot be read: {error.detail}")
    return found


def _different(arena: Arena, sent: Sent, run: RunRow, undisturbed: Undisturbed) -> list[str]:
    wanted = undisturbed.digests if run.job.status == "succeeded" else {}
    digests = arena.place.digests(run.id)
    names = sorted(name for name in wanted | digests if wanted.get(name) != digests.get(name))
    return [f"{run.id} ({sent.kind.name}): other bytes than undisturbed in {', '.join(names)}"] if names else []


def summary(lines: Sequence[str], most: int = 20) -> str:
    """The first lines, and how many more there are."""
    more = [f"… and {len(lines) - most} more"] if len(lines) > most else []
    return "\n".join([*lines[:most], *more])
