"""A PostgreSQL server of its own, which can be stopped as hard as by a power cut and started again."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from itertools import count
from pathlib import Path

from sqlalchemy import create_engine, make_url, text
from sqlalchemy.pool import NullPool

USER = "pgserver"
"""Whom the server runs as where we are root, whom PostgreSQL refuses; the `pgserver` package makes the same."""
FOR_ALL_TO_ENTER = 0o055


class NoServer(Exception):
    """No PostgreSQL could be started on this machine."""


class Server:
    """Syncs every commit to the disk, as a deployment's server does; listens on a socket in its folder alone."""

    def __init__(self, folder: Path) -> None:
        self._data, self._user, self._numbers = folder / "data", _user(), count()
        folder.chmod(0o755)
        self._data.mkdir()
        if self._user is not None:
            shutil.chown(self._data, self._user)
        self._command("initdb", "--auth=trust", "--encoding=utf8", "--username=postgres")
        self.start()
        self.url = f"postgresql+psycopg://postgres@/postgres?host={self._data}"

    def start(self) -> None:
        """Starts it, after a hard stop on the same files, which it repairs by its log."""
        options = f"-h '' -k {self._data}"
        self._command("pg_ctl", "-w", "-t", "60", "-l", str(self._data / "log"), "-o", options, "start")

    def stop(self) -> None:
        """Ends its processes at once: no transaction ends, no connection is closed in order."""
        self._command("pg_ctl", "-w", "-t", "60", "-m", "immediate", "stop")

    def fresh(self) -> str:
        """The address of a new database."""
        name = f"storm_{next(self._numbers)}"
        engine = create_engine(self.url, isolation_level="AUTOCOMMIT", poolclass=NullPool)
        with engine.connect() as connection:
            connection.execute(text(f"CREATE DATABASE {name}"))
        return make_url(self.url).set(database=name).render_as_string(hide_password=False)

    @property
    def runs(self) -> bool:
        return (self._data / "postmaster.pid").exists()

    def _command(self, name: str, *words: str) -> None:
        command = [str(_programs() / name), "-D", str(self._data), *words]
        # The server would hold a pipe open for as long as it runs.
        subprocess.run(command, user=self._user, check=True, timeout=90, stdout=subprocess.DEVNULL)


def _programs() -> Path:
    """Where the package that brings PostgreSQL keeps it. It is not imported: that would choose a folder for good."""
    found = find_spec("pgserver")
    if found is None or found.origin is None:
        raise NoServer("the package pgserver is not installed")
    return Path(found.origin).parent / "pginstall" / "bin"


def _user() -> str | None:
    """Whom the server must run as, if not as ourselves; lets that user reach the programs."""
    if os.geteuid() != 0:
        return None
    if USER not in {entry.pw_name for entry in pwd.getpwall()}:
        subprocess.run(["useradd", USER], check=True, capture_output=True)
    for folder in (_programs(), *_programs().parents):
        mode = folder.stat().st_mode
        if mode & FOR_ALL_TO_ENTER != FOR_ALL_TO_ENTER:
            folder.chmod(mode | FOR_ALL_TO_ENTER)
    return USER


@contextmanager
def server() -> Iterator[Server]:
    """A fresh server, gone at the end. Raises `NoServer`."""
    # Not in a folder of pytest's: the server's own user must be able to reach it.
    folder = Path(tempfile.mkdtemp(prefix="dropnorm-storm-"))
    try:
        try:
            started = Server(folder)
        except (OSError, subprocess.SubprocessError) as error:
            raise NoServer(f"no PostgreSQL could be started here: {error!r}") from error
        try:
            yield started
        finally:
            if started.runs:
                started.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
