"""The `dropnorm` command as a person runs it: a process with an environment of its own."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import psutil

Seen = TypeVar("Seen")


def environment(**variables: str) -> dict[str, str]:
    """This environment without its `DROPNORM_` variables, and with those given in lower case."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DROPNORM_")}
    return kept | {f"DROPNORM_{name.upper()}": value for name, value in variables.items()}


def dropnorm(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Runs a command in `folder` to its end."""
    return subprocess.run(
        [sys.executable, "-m", "app.cli", *arguments],
        cwd=folder,
        env=environment(**variables) | {"COLUMNS": "100", "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        timeout=60,
    )


def lives(process: psutil.Process) -> bool:
    # An orphan that has ended stays a zombie where the machine's first process does not collect it.
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def left_over(processes: list[psutil.Process], seconds: float) -> list[psutil.Process]:
    """Which of `processes` still live after `seconds`."""
    end = time.monotonic() + seconds
    while (left := [process for process in processes if lives(process)]) and time.monotonic() < end:
        time.sleep(0.02)
    return left


def until(look: Callable[[], Seen | None], seconds: float) -> Seen:
    """What `look` answers as soon as that is something."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if seen := look():
            return seen
        time.sleep(0.02)
    raise AssertionError(f"it did not happen within {seconds:g} seconds")
