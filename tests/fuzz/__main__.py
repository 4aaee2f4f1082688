"""`python -m tests.fuzz` asks every endpoint with generated requests, then fuzzes each reader, and prints tables.

The exit status is 1 if anything was found. The same seed makes the same requests; how far mutation comes in its seconds
depends on the machine. What was found is kept in a folder, which is named.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

from rich.box import MARKDOWN
from rich.console import Console
from rich.table import Table

from tests.fuzz.api import Asked, Plan, ask
from tests.fuzz.arena import AUTHORIZATION, arena
from tests.fuzz.readers import COLUMNS, Searched, search
from tests.fuzz.targets import TARGETS

CONSOLE = Console(width=140)
FEWEST_CASES = 5_000


def main() -> None:
    wanted = _arguments()
    folder = Path(tempfile.mkdtemp(prefix="dropnorm-fuzz-"))
    found = 0
    if not wanted.only or "api" in wanted.only:
        found += _ask(folder / "api", wanted)
    searched = [
        search(target, wanted.seconds, wanted.seed, folder / target)
        for target in TARGETS
        if wanted.seconds and (not wanted.only or target in wanted.only)
    ]
    if searched:
        found += _tell_searched(searched)
    CONSOLE.print(f"{found} faults; what was made and found lies in {folder}")
    sys.exit(1 if found else 0)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="of the requests and of the mutations")
    parser.add_argument("--seconds", type=int, default=120, help="for each reader; 0 for none")
    parser.add_argument("--examples", type=int, default=120, help="generated requests an endpoint, with a key")
    parser.add_argument("--api-seconds", type=int, default=1_500, help="for all requests, at most")
    parser.add_argument("--only", action="append", choices=["api", *TARGETS], help="one part; may stand several times")
    return parser.parse_args()


def _ask(folder: Path, wanted: argparse.Namespace) -> int:
    """Both passes, with a key and without; how many faults they found."""
    folder.mkdir()
    found = 0
    with arena(folder) as running:
        plans = {
            "with a key": Plan(wanted.seed, wanted.examples, wanted.api_seconds, authorization=AUTHORIZATION),
            "without a key": Plan(wanted.seed, wanted.examples // 4, wanted.api_seconds),
        }
        for title, plan in plans.items():
            since = time.monotonic()
            asked = ask(running.service.address, running.resources, plan)
            found += _tell_asked(title, asked, time.monotonic() - since)
            if plan.authorization and wanted.examples >= 100 and asked.cases < FEWEST_CASES:
                CONSOLE.print(f"only {asked.cases} requests were made: the time was too short")
                found += 1
    return found


def _tell_asked(title: str, asked: Asked, seconds: float) -> int:
    CONSOLE.print(f"\n{asked.cases:,} requests {title}, in {seconds:.0f} seconds")
    _print(("endpoint", "requests", "statuses"), asked.rows())
    for trouble in asked.errors:
        CONSOLE.print(f"not asked: {trouble}", markup=False)
    for place, text in asked.failures.items():
        CONSOLE.print(f"\nFAULT {place}\n    {text}", markup=False, soft_wrap=True)
    return len(asked.failures) + len(asked.errors)


def _tell_searched(searched: list[Searched]) -> int:
    CONSOLE.print()
    _print(COLUMNS, (one.row for one in searched))
    faults = [path for one in searched for path in one.faults]
    for path in faults:
        told = path.with_suffix(".txt")
        CONSOLE.print(f"\nFAULT {path}\n", told.read_text() if told.exists() else "", markup=False, soft_wrap=True)
    return len(faults)


def _print(columns: Iterable[str], rows: Iterable[list[str]]) -> None:
    table = Table(box=MARKDOWN)
    for column in columns:
        table.add_column(column)
    for row in rows:
        table.add_row(*row)
    CONSOLE.print(table)


if __name__ == "__main__":
    main()
