"""`python -m tests.chaos` lets a storm blow over each database, and prints what came of it as a table.

The exit status is 1 if anything was found wrong. The same seed draws the same order of disturbances; when
and whom they strike depends on the machine.
"""

import argparse
import sys
import time
from dataclasses import fields, replace

from rich.box import MARKDOWN
from rich.console import Console
from rich.table import Table

from tests.chaos.checks import summary
from tests.chaos.plan import Plan
from tests.chaos.scenario import SCENARIOS, Result, play, undisturbed

RESTARTS = 3
COLUMNS = (
    "storm over",
    "runs",
    "SIGKILLs (of trainers)",
    "SIGSTOPs (past the lease)",
    "SIGTERMs",
    "cancels",
    "restarts",
    "claims",
    "crashes counted",
    "checkpoints",
    "files swept",
    "ends ≠ 1",
    "stale writes",
    "unreadable",
    "different",
    "other faults",
    "seconds",
)


def row(result: Result) -> list[str]:
    """A result as the table's row."""
    happened, verdict = result.happened, result.verdict
    found = [verdict.ends, verdict.stale, verdict.unreadable, verdict.different, verdict.others]
    return [
        SCENARIOS[result.scenario],
        str(result.runs),
        f"{happened['kills']} ({happened['kills of trainers']})",
        f"{happened['stops']} ({happened['stops beyond the lease']})",
        *(str(happened[name]) for name in ("terminations", "cancels", "restarts")),
        str(result.claims),
        str(result.crashes),
        str(result.checkpoints),
        str(happened["files swept"]),
        *(str(len(lines)) for lines in found),
        f"{result.seconds:.0f}",
    ]


def table(results: list[Result]) -> Table:
    made = Table(box=MARKDOWN)
    for number, name in enumerate(COLUMNS):
        made.add_column(name, justify="right" if number else "left", no_wrap=True)
    for result in results:
        made.add_row(*row(result))
    return made


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("scenarios", nargs="*", metavar="scenario", help=f"of {', '.join(SCENARIOS)}; all, if none")
    parser.add_argument("--seed", type=int, default=time.time_ns() % 1_000_000)
    for field in fields(Plan):
        if field.name != "restarts":
            parser.add_argument(f"--{field.name.replace('_', '-')}", type=type(field.default), default=field.default)
    given = parser.parse_args()
    if unknown := set(given.scenarios) - set(SCENARIOS):
        parser.error(f"there is no scenario {', '.join(sorted(unknown))}; there are {', '.join(SCENARIOS)}")
    return given


def main() -> int:
    """The exit status."""
    given = arguments()
    plan = Plan(**{field.name: getattr(given, field.name) for field in fields(Plan) if field.name != "restarts"})
    console = Console(width=None if sys.stdout.isatty() else 300)
    console.print(f"seed {given.seed}: {plan}", highlight=False)
    wanted = undisturbed(plan)
    results = []
    for name in given.scenarios or SCENARIOS:
        result = play(name, replace(plan, restarts=RESTARTS if name == "restarts" else 0), given.seed, wanted)
        results.append(result)
        console.print(table([result]))
        if lines := result.verdict.lines():
            console.print(f"{summary(lines)}\nseed {given.seed}; workers' log and writes are in {result.folder}")
    console.print(table(results))
    return 1 if any(result.verdict.lines() for result in results) else 0


if __name__ == "__main__":
    sys.exit(main())
