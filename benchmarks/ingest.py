"""Taking in a large CSV file, beside Arrow's own reader on the same file.

    python -m benchmarks.ingest --megabytes 1000 --rounds 3

Every measurement is a process of its own; the two sides take turns within each round. `read_csv` leaves a table in
memory; `read_upload` leaves typed arrays on disk, categories, statistics and warnings, and checks every cell. Its
memory is the peak resident size of the reading process beyond that of one which has only imported the same modules.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks.make_csv import write

_ARROW = """
import json, sys, time
from pyarrow import csv
started = time.perf_counter()
rows = len(csv.read_csv(sys.argv[1]))
print(json.dumps({"seconds": time.perf_counter() - started, "rows": rows, "peak": 0}))
"""
_OURS = """
import json, resource, sys, tempfile, time
from pathlib import Path
from app.domain.data.schema import ReadRequest
from app.ingest.child import read_upload
from app.ingest.limits import Limits
source = Path(sys.argv[1])
with tempfile.TemporaryDirectory(dir=source.parent) as folder:
    started = time.perf_counter()
    rows = read_upload(source, "table.csv", Path(folder), ReadRequest(), Limits()).rows
    seconds = time.perf_counter() - started
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
print(json.dumps({"seconds": seconds, "rows": rows, "peak": peak}))
"""
_EMPTY = """
import json, resource, app.ingest.__main__, app.ingest.read, app.ingest.tables
print(json.dumps({"seconds": 0, "rows": 0, "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}))
"""


@dataclass(frozen=True)
class Measured:
    """One process: its time, the rows it saw, and its peak resident size in bytes."""

    seconds: float
    rows: int
    peak: int


def measure(program: str, *arguments: str) -> Measured:
    """Run `program` in a fresh interpreter and read what it measured of itself."""
    done = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, check=True)
    return Measured(**json.loads(done.stdout))


def report(size: int, arrow: Sequence[Measured], ours: Sequence[Measured], empty: Measured) -> str:
    """The Markdown table; `size` is the file's, in bytes."""
    lines = [
        "| round | read_csv MB/s | read_upload MB/s | ratio | extra memory MB |",
        "|---|---|---|---|---|",
    ]
    for number, (theirs, mine) in enumerate(zip(arrow, ours, strict=True), 1):
        lines.append(_line(str(number), size, theirs.seconds, mine.seconds, mine.peak - empty.peak))
    middle = median(run.seconds for run in arrow), median(run.seconds for run in ours)
    lines.append(_line("median", size, *middle, max(run.peak for run in ours) - empty.peak))
    return "\n".join(lines)


def _line(name: str, size: int, theirs: float, mine: float, extra: int) -> str:
    return f"| {name} | {size / theirs / 1e6:.0f} | {size / mine / 1e6:.0f} | {theirs / mine:.2f} | {extra / 1e6:.0f} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "table.csv")
        rows = write(source, asked.megabytes)
        size = source.stat().st_size
        print(f"{size / 1e6:,.0f} MB, {rows:,} rows\n")
        arrow: list[Measured] = []
        ours: list[Measured] = []
        for _ in range(asked.rounds):
            arrow.append(measure(_ARROW, str(source)))
            ours.append(measure(_OURS, str(source)))
        if {run.rows for run in (*arrow, *ours)} != {rows}:
            raise SystemExit("the two sides saw different numbers of rows")
        print(report(size, arrow, ours, measure(_EMPTY)))


if __name__ == "__main__":
    main()
