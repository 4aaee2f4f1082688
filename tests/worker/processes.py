"""Waiting for processes, and for what they do."""

import time
from collections.abc import Callable
from typing import TypeVar

import psutil

Seen = TypeVar("Seen")


def until(look: Callable[[], Seen | None], seconds: float) -> Seen:
    """What `look` answers as soon as that is something."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if seen := look():
            return seen
        time.sleep(0.02)
    raise AssertionError(f"it did not happen within {seconds:g} seconds")


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
