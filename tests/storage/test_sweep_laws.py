"""Whatever lies in the folders of runs, and whatever has become of these: exactly what nobody needs goes."""

import tempfile
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.storage.blobs import Blobs, StoredFile
from app.storage.database import Database, Session
from app.storage.installation import NAME, adopt
from app.storage.jobs import ENDED
from app.storage.sweep import sweep
from app.storage.tables import ArtifactRow, CheckpointRow, JobRow, RunRow
from tests.storage.rows import PROJECT, add_run

NAMES = ("weights.safetensors", "checkpoint-1.safetensors", ".weights.safetensors.0a1b2c3d")
PARTS = ("attempt-1", "attempt-2", "attempt-3", "inherited", "notes")


@dataclass(frozen=True)
class Case:
    """A run, the files in its folder, and which of them its rows name."""

    status: str
    attempt: int
    files: frozenset[tuple[str, str]]
    artifacts: frozenset[tuple[str, str]]
    checkpoints: frozenset[tuple[str, str]]

    def stays(self, part: str, name: str) -> bool:
        if part == "notes" or (part, name) in self.artifacts | self.checkpoints:
            return True
        if part == "inherited" or self.status in ENDED:
            return False
        latest = int(part[-1]) - self.attempt
        return latest > 0 or (latest == 0 and self.status == "running")


def files() -> st.SearchStrategy[frozenset[tuple[str, str]]]:
    return st.frozensets(st.tuples(st.sampled_from(PARTS), st.sampled_from(NAMES)), max_size=8)


CASES = st.builds(Case, st.sampled_from(("queued", "running", *ENDED)), st.integers(1, 3), files(), files(), files())


def record(session: Session, run_id: str, case: Case) -> None:
    """Lets a run that was just submitted stand as in `case`."""
    job = session.get_one(JobRow, session.get_one(RunRow, run_id).job_id)
    running, ended = case.status == "running", case.status in ENDED
    job.status, job.attempt = case.status, case.attempt
    job.worker_id, job.lease_until = ("worker", 1.0) if running else (None, None)
    job.finished_at, job.error_code = 1.0 if ended else None, "diverged" if case.status == "failed" else None
    for number, (part, name) in enumerate(sorted(case.artifacts)):
        key = f"runs/{run_id}/{part}/{name}"
        session.add(ArtifactRow(run_id=run_id, name=str(number), project=PROJECT, key=key, bytes=5, sha256="0" * 64))
    for number, (part, name) in enumerate(sorted(case.checkpoints)):
        file = StoredFile(f"runs/{run_id}/{part}/{name}", 5, "0" * 64)
        row = CheckpointRow(run_id=run_id, number=number + 1, project=PROJECT, attempt=1, key=file.key, bytes=5)
        row.sha256, row.phase, row.epoch, row.step, row.created_at = file.sha256, "training", 1, 0, 1.0
        session.add(row)


@pytest.mark.timeout(120)
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(CASES, min_size=1, max_size=4))
def test_exactly_what_nobody_named_and_nobody_can_publish_goes(database: Database, cases: list[Case]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        blobs = Blobs(Path(folder))
        adopt(database, blobs)
        kept = set()
        for case in cases:
            run_id = add_run(database)
            with database.write() as session:
                record(session, run_id, case)
            for part, name in case.files:
                path = blobs.root / "runs" / run_id / part / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(b"12345")
                if case.stays(part, name):
                    kept.add(path)
        for _ in range(2):
            sweep(database, blobs, 0)
            assert {path for path in blobs.root.rglob("*") if path.is_file() and path.name != NAME} == kept
        assert not sweep(database, blobs, 0)
