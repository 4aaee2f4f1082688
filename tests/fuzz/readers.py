"""Coverage-guided fuzzing of the readers: each target in a process of its own, bounded in time and memory."""

import os
import re
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from tests.fuzz.found import FOUND
from tests.fuzz.seeds import seeds
from tests.fuzz.words import words
from tests.service import HOME

INPUT_SECONDS = 20
RESIDENT_MEGABYTES = 2048
LONGEST_INPUT = 16_384
GRACE_SECONDS = 120
LIMITS = [
    f"-timeout={INPUT_SECONDS}",
    # By default half of that is reported, which a busy machine makes of a large picture.
    f"-report_slow_units={INPUT_SECONDS}",
    f"-rss_limit_mb={RESIDENT_MEGABYTES}",
    f"-max_len={LONGEST_INPUT}",
]
_STATUS = re.compile(r"cov: (\d+) ft: (\d+) corp: (\d+)")
_RUNS = re.compile(r"^(?:Done (\d+) runs|#(\d+)\t)", re.MULTILINE)
_SECONDS = re.compile(r"^Done \d+ runs in (\d+) second", re.MULTILINE)


@dataclass
class Searched:
    """What came of fuzzing one target. Coverage counts the places and features that instrumented code has seen."""

    target: str
    executions: int = 0
    seconds: float = 0.0
    places: int = 0
    features: int = 0
    kept: int = 0
    faults: list[Path] = field(default_factory=list)

    @property
    def row(self) -> list[str]:
        counts = (self.executions, round(self.seconds), self.places, self.features, self.kept, len(self.faults))
        return [self.target, *(f"{count:,}" for count in counts)]


COLUMNS = ("target", "executions", "seconds", "coverage", "features", "corpus", "faults")


def search(target: str, seconds: int, seed: int, folder: Path) -> Searched:
    """Fuzzes `target` for `seconds`; what was found lies in `folder`. A process that a bound ends is started again."""
    started, faults = folder / "seeds", folder / "faults"
    for path in (started, faults, folder / "corpus"):
        path.mkdir(parents=True)
    for place, content in enumerate([*seeds(target), *FOUND.get(target, {}).values()]):
        (started / str(place)).write_bytes(content)
    (folder / "words").write_text(words(target))
    found = Searched(target)
    until = time.monotonic() + seconds
    while (left := round(until - time.monotonic())) >= 1:
        since = time.monotonic()
        said = _run(target, folder, left, seed + found.executions)
        done = _SECONDS.search(said)
        # Loading and instrumenting all code takes a while of its own, which is not searching.
        found.seconds += float(done[1]) if done else time.monotonic() - since
        _count(found, said)
        if not _STATUS.search(said):
            raise RuntimeError(f"fuzzing {target} did not begin: {said[-2_000:]}")
    found.faults = sorted(path for path in faults.iterdir() if path.suffix != ".txt")
    return found


def _run(target: str, folder: Path, seconds: int, seed: int) -> str:
    """One process until its time is over or libFuzzer ends it; what it said. Both log and inputs stay in `folder`."""
    options = [f"-max_total_time={seconds}", f"-seed={seed}", f"-dict={folder / 'words'}", *LIMITS]
    command = [sys.executable, "-m", "tests.fuzz.guided", target, str(folder / "faults")]
    places = [f"-artifact_prefix={folder / 'faults'}/", str(folder / "corpus"), str(folder / "seeds")]
    log = folder / "log"
    with log.open("w") as output:
        subprocess.run(
            ["nice", "-n", "10", *command, *options, *places],
            cwd=HOME,
            env={**os.environ, "TMPDIR": _memory_folder(), "OPENBLAS_NUM_THREADS": "1"},
            stdout=output,
            stderr=output,
            timeout=seconds + GRACE_SECONDS,
            check=False,
        )
    return log.read_text(errors="replace")


def _memory_folder() -> str:
    """A folder in memory, where there is one: uploads are files, and a disk would be the slowest part."""
    memory = Path("/dev/shm")
    return str(memory if memory.is_dir() else Path(os.environ.get("TMPDIR", "/tmp")))


def _count(found: Searched, said: str) -> None:
    runs = [int(done or at) for done, at in _RUNS.findall(said)]
    found.executions += max(runs, default=0)
    for places, features, kept in _STATUS.findall(said):
        found.places, found.features = max(found.places, int(places)), max(found.features, int(features))
        found.kept = int(kept)
