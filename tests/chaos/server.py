"""A PostgreSQL server of its own, which can be stopped as hard as by a power cut and started again."""

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import make_url


class Server:
    """Syncs every commit to the disk, as a deployment's server does."""

    def __init__(self, folder: Path) -> None:
        from pgserver.postgres_server import get_server

        self._server = get_server(folder, cleanup_mode="delete")
        information = self._server.get_postmaster_info()
        self._sockets = information.socket_dir
        url = make_url(information.get_uri()).set(drivername="postgresql+psycopg")
        self.url = url.render_as_string(hide_password=False)

    def stop(self) -> None:
        """Ends its processes at once: no transaction ends, no connection is closed in order."""
        self._control("stop", "-m", "immediate")

    def start(self) -> None:
        """Starts it on the same files, which it first repairs by its log."""
        self._control("-l", str(self._server.log), "-o", '-h ""', "-o", f"-k {self._sockets}", "start")
        # So that the package knows whom to stop at the end.
        self._server.ensure_postgres_running()

    def close(self) -> None:
        """Ends it, and removes its files."""
        self._server.cleanup()

    def _control(self, *words: str) -> None:
        from pgserver._commands import POSTGRES_BIN_PATH

        command = [str(POSTGRES_BIN_PATH / "pg_ctl"), "-D", str(self._server.pgdata), "-w", "-t", "60", *words]
        # The server would hold a pipe open for as long as it runs.
        subprocess.run(command, user=self._server.system_user, check=True, timeout=90, stdout=subprocess.DEVNULL)


@contextmanager
def server() -> Iterator[Server]:
    """A fresh server, gone at the end."""
    # Not in a folder of pytest's: the server's own user must be able to reach it.
    folder = Path(tempfile.mkdtemp(prefix="dropnorm-storm-"))
    (folder / "runtime").mkdir(mode=0o700)
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("XDG_RUNTIME_DIR", str(folder / "runtime"))
            started = Server(folder / "data")
        try:
            yield started
        finally:
            started.close()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
