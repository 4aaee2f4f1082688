"""Real `dropnorm worker` processes: so many are kept alive, whatever becomes of them."""

import os
import re
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import psutil

from tests.worker.processes import left_over, until

STOPPED_WITHIN_SECONDS = 60
TITLE = re.compile(r"dropnorm trainer: runs/(?P<run>\w+)/attempt-(?P<attempt>\d+)")


@dataclass(frozen=True)
class Computing:
    """A worker that computes a run: its supervisor and its trainer."""

    supervisor: psutil.Process
    trainer: psutil.Process
    run_id: str
    attempt: int


class Member:
    """One worker. `asked_at`: when it was asked to end, by the monotonic clock."""

    def __init__(self, name: str, environment: dict[str, str], log: Path) -> None:
        self.name, self.asked_at, self.killed = name, 0.0, False
        command = [sys.executable, "-m", "app.cli", "worker"]
        with log.open("ab") as stream:
            # PostgreSQL's client library gives the connections that name.
            given = {**environment, "PGAPPNAME": name}
            self.popen = subprocess.Popen(command, env=given, stdout=stream, stderr=stream, start_new_session=True)
        self.process = psutil.Process(self.popen.pid)

    def computing(self) -> Computing | None:
        """What it computes now, by the title of its trainer."""
        try:
            for child in self.process.children():
                if title := TITLE.match(" ".join(child.cmdline())):
                    return Computing(self.process, child, title["run"], int(title["attempt"]))
        except psutil.NoSuchProcess:
            pass
        return None

    @property
    def began(self) -> bool:
        """Whether it has come so far as to start its trainer, or has ended."""
        try:
            return self.popen.poll() is not None or bool(self.process.children())
        except psutil.NoSuchProcess:
            return True

    def kill(self) -> None:
        self.killed = True
        self.popen.kill()

    def ask_to_end(self) -> None:
        self.asked_at = time.monotonic()
        # The worker's whole group, as service managers do.
        os.killpg(self.popen.pid, signal.SIGTERM)

    @property
    def fault(self) -> str | None:
        """What is wrong with how it ended, or with that it has not."""
        status = self.popen.poll()
        if status is None:
            late = self.asked_at and time.monotonic() - self.asked_at > STOPPED_WITHIN_SECONDS
            return f"{self.name} did not end within {STOPPED_WITHIN_SECONDS} s of SIGTERM" if late else None
        right = -9 if self.killed else 0 if self.asked_at else None
        return f"{self.name} ended with status {status}, unasked" if right is None else self._unlike(status, right)

    def _unlike(self, status: int, right: int) -> str | None:
        return None if status == right else f"{self.name} ended with status {status}, not {right}"


class Crew:
    """Keeps `size` workers alive, with `settings` as variables; `log` takes what they say."""

    def __init__(self, size: int, settings: dict[str, str], log: Path) -> None:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("DROPNORM_")}
        self._size, self._environment, self._log = size, {**kept, **settings}, log
        self._data_dir = settings["DROPNORM_DATA_DIR"]
        self._numbers = count(1)
        self.members: list[Member] = []
        self.faults: list[str] = []

    def fill(self) -> None:
        """Another worker for each that died or was asked to end."""
        for member in list(self.members):
            if member.popen.poll() is not None or member.fault:
                self._part_with(member)
        while sum(not member.asked_at for member in self.members) < self._size:
            self.members.append(Member(f"worker-{next(self._numbers)}", self._environment, self._log))

    def dismiss(self) -> None:
        """Asks all to end, and waits until they have; then no process may be left."""
        # One that has only just begun would end as any program does that a signal meets unprepared.
        until(lambda: all(member.began for member in self.members), STOPPED_WITHIN_SECONDS)
        for member in self.members:
            member.ask_to_end()
        while self.members:
            for member in list(self.members):
                if member.popen.poll() is not None or member.fault:
                    self._part_with(member)
            time.sleep(0.05)
        found = left_over(self._descendants(), 5)
        self.faults += [f"process {process.pid} is left over: {process.cmdline()}" for process in found]

    def end(self) -> None:
        """Kills whoever is left."""
        for process in self._descendants():
            with suppress(psutil.NoSuchProcess):
                process.kill()
        for member in self.members:
            member.popen.wait(30)

    def _part_with(self, member: Member) -> None:
        self.members.remove(member)
        if fault := member.fault:
            self.faults.append(fault)
        if member.popen.poll() is None:
            member.popen.kill()
        member.popen.wait(30)

    def _descendants(self) -> list[psutil.Process]:
        # By what every descendant inherits, so that one which left its family is found too.
        found = []
        for process in psutil.process_iter():
            try:
                if process.environ().get("DROPNORM_DATA_DIR") == self._data_dir:
                    found.append(process)
            except (psutil.NoSuchProcess, psutil.AccessDenied):
                continue
        return found
