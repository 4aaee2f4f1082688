"""Clients that send so slowly that a server which waits for them has no time for others."""

import selectors
import socket
import threading
import time
from types import TracebackType

from tests.service import Service

BODY_BYTES = 100_000


class SlowClients:
    """`count` connections, half of which send their headers, and half a body, a byte a second each, until the block
    ends or the service is tired of them. `ended` counts those that were ended, `answers` what was said to them.
    """

    def __init__(self, service: Service, count: int, path: str, key: str = "") -> None:
        host, _, port = service.address.removeprefix("http://").partition(":")
        self._address = host, int(port)
        self._head = (
            f"POST {path} HTTP/1.1\r\nHost: {host}\r\n{f'Authorization: Bearer {key}' if key else 'X-Key: none'}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {BODY_BYTES}\r\n"
        ).encode()
        self._count = count
        self.ended, self.answers = 0, list[bytes]()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> "SlowClients":
        self._sockets = [socket.create_connection(self._address) for _ in range(self._count)]
        for number, connection in enumerate(self._sockets):
            # The headers of every second one never come to their end.
            connection.sendall(self._head if number % 2 else self._head + b"\r\n")
            connection.setblocking(False)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping.set()
        self._thread.join()
        for connection in self._sockets:
            connection.close()

    def _run(self) -> None:
        with selectors.DefaultSelector() as selector:
            for connection in self._sockets:
                selector.register(connection, selectors.EVENT_READ)
            beat = time.monotonic()
            while not self._stopping.is_set() and selector.get_map():
                for ready, _ in selector.select(0.1):
                    self._heard(selector, ready.fileobj)
                if time.monotonic() >= beat:
                    beat += 1
                    self._trickle(selector)

    def _heard(self, selector: selectors.BaseSelector, connection: object) -> None:
        assert isinstance(connection, socket.socket)
        try:
            said = connection.recv(65_536)
        except OSError:
            said = b""
        if said:
            self.answers.append(said)
            return
        selector.unregister(connection)
        self.ended += 1

    def _trickle(self, selector: selectors.BaseSelector) -> None:
        for key in list(selector.get_map().values()):
            assert isinstance(key.fileobj, socket.socket)
            try:
                key.fileobj.send(b"x")
            except OSError:
                selector.unregister(key.fileobj)
                self.ended += 1
