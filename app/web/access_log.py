"""The access log: one line a request, put aside at once and written a few times a second by a thread of its own.

A request pays for putting a record aside and no more; a reader of the log that is slow holds up nobody.
"""

import os
import threading
import time
from collections import deque
from typing import NamedTuple

from app.logs import Form, json_text, moment, visible

PAUSE_SECONDS = 0.2
MOST_WAITING = 20_000
LONGEST_PATH = 200
ATOMIC_BYTES = 4_096
"""What a pipe takes in one piece (PIPE_BUF): several processes write to the same one. No line is longer.

Of a path, each character may take twelve bytes once it is escaped.
"""


class Record(NamedTuple):
    """What is told of a request. Neither headers nor query nor body: secrets may be there."""

    at: float
    request: str
    method: str
    route: str
    path: str
    status: int
    seconds: float
    bytes_sent: int
    key: str
    project: str


class AccessLog:
    """`add` from any thread; `start` and `stop` once. What is put aside when it stops is written."""

    def __init__(self, form: Form, descriptor: int = 2) -> None:
        self._line = _json if form == "json" else _text
        self._descriptor = descriptor
        self._waiting: deque[Record] = deque()
        self._left_out = 0
        self._asked, self._stop = threading.Event(), threading.Event()
        self._writer = threading.Thread(target=self._write, name="access log", daemon=True)

    def start(self) -> None:
        self._writer.start()

    def stop(self) -> None:
        self._stop.set()
        self._asked.set()
        self._writer.join(5)

    def add(self, record: Record) -> None:
        """Puts a record aside; where more wait than may, it is left out and counted."""
        if len(self._waiting) >= MOST_WAITING:
            self._left_out += 1
            return
        self._waiting.append(record)
        if not self._asked.is_set():
            self._asked.set()

    def _write(self) -> None:
        while not self._stop.is_set():
            self._asked.wait()
            self._stop.wait(PAUSE_SECONDS)
            self._asked.clear()
            self._drain()
        self._drain()

    def _drain(self) -> None:
        piece: list[bytes] = []
        size = 0
        while self._waiting:
            line = self._line(self._waiting.popleft()).encode()
            if size + len(line) > ATOMIC_BYTES:
                self._put(b"".join(piece))
                piece, size = [], 0
            piece.append(line)
            size += len(line)
        if self._left_out:
            self._left_out, count = 0, self._left_out
            piece.append(self._line(_notice(count)).encode())
        self._put(b"".join(piece))

    def _put(self, content: bytes) -> None:
        try:
            while content:
                content = content[os.write(self._descriptor, content) :]
        except OSError:
            # Nobody reads the log any more, and there is no other place to say so.
            return


def _text(record: Record) -> str:
    path = visible(record.path[:LONGEST_PATH])
    return (
        f"{moment(record.at)} INFO dropnorm.access request={record.request}: {visible(record.method)} {path} "
        f"{record.status} {record.seconds * 1000:.1f}ms {record.bytes_sent}B "
        f"route={record.route} key={visible(record.key) or '-'} project={visible(record.project) or '-'}\n"
    )


def _json(record: Record) -> str:
    method, path = json_text(record.method), json_text(record.path[:LONGEST_PATH])
    key = json_text(record.key) if record.key else "null"
    project = json_text(record.project) if record.project else "null"
    # By hand, for it is written once a request: each value is a number, or escaped above, or a name of our own.
    return (
        f'{{"time": "{moment(record.at)}", "level": "INFO", "logger": "dropnorm.access", '
        f'"message": "{method[1:-1]} {record.route} {record.status}", "request": "{record.request}", '
        f'"method": {method}, "route": "{record.route}", "path": {path}, "status": {record.status}, '
        f'"milliseconds": {record.seconds * 1000:.1f}, "bytes": {record.bytes_sent}, "key": {key}, '
        f'"project": {project}}}\n'
    )


def _notice(count: int) -> Record:
    return Record(time.time(), "-", "-", "-", f"{count} requests were left out: the log is not read", 0, 0, 0, "", "")
