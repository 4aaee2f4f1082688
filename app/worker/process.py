"""A trainer: the child process that computes. It dies with its supervisor, so no orphan goes on computing."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from app import logs
from app.worker.channel import Message, Receiver, Sender


class Trainer:
    """Starts at once, and imports torch while it waits for its first order."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and our own module
            [sys.executable, "-m", "app.worker.trainer", str(os.getpid()), *logs.arguments()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._sender = Sender(self._process.stdin)
        self._receiver = Receiver(self._process.stdout.fileno())
        self.ready = self.ended = False

    def order(self, message: Message) -> None:
        """Hands over the run to train, or the wish to stop. A trainer that is gone is noticed in `messages`."""
        try:
            self._sender.send(message)
        except BrokenPipeError:
            return

    def messages(self, timeout_seconds: float) -> Iterator[Message]:
        """What it said meanwhile; `ready` is set once it has said that it is."""
        for message in self._receiver.receive(timeout_seconds):
            self.ready = self.ready or message["kind"] == "ready"
            yield message

    @property
    def gone(self) -> bool:
        """Whether it has closed its end, so that nothing more will come."""
        return self._receiver.closed

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    @property
    def lost(self) -> bool:
        """Whether it is gone and nobody here ended it."""
        return not self.alive and not self.ended

    def resident_bytes(self) -> int:
        """Memory that it holds now; 0 when it is gone."""
        try:
            pages = int(Path(f"/proc/{self._process.pid}/statm").read_text().split()[1])
        except FileNotFoundError:
            return 0
        return pages * os.sysconf("SC_PAGE_SIZE")

    def exit_status(self) -> int:
        """Waits for its end; negative when a signal ended it."""
        return self._process.wait()

    def kill(self) -> None:
        """Ends it now, whatever it does. Nothing more is heard of it."""
        self.ended = True
        self._receiver.closed = True
        self._process.kill()
        self.exit_status()
        for stream in (self._process.stdin, self._process.stdout):
            assert stream is not None
            try:
                stream.close()
            except BrokenPipeError:
                continue
