"""A real browser without a window, driven over its own protocol: what a page did, and what it complained of."""

import fcntl
import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from websockets.sync.client import ClientConnection, connect

Json = dict[str, Any]
PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "chrome")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--remote-debugging-port=0",
)
SECONDS = 60


def program() -> str | None:
    """The browser of this machine. Root gets Debian's where there is none yet."""
    found = _found()
    if found is None and os.geteuid() == 0 and shutil.which("apt-get"):
        with open(tempfile.gettempdir() + "/dropnorm-browser.lock", "w") as lock:
            # Of several test processes one installs it.
            fcntl.flock(lock, fcntl.LOCK_EX)
            found = _found()
            if found is None:
                _install()
                found = _found()
    return found


def _found() -> str | None:
    return next((found for name in PROGRAMS if (found := shutil.which(name))), None)


def _install() -> None:
    unasked = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    for words in (("update", "-qq"), ("install", "-y", "-qq", "--no-install-recommends", "chromium")):
        done = subprocess.run(["apt-get", *words], check=False, timeout=150, env=unasked, stdout=subprocess.DEVNULL)
        if done.returncode != 0:
            return


@dataclass(slots=True)
class Seen:
    """What came of an address: the page's title and its text, its complaints, and the addresses it asked for."""

    title: str = ""
    text: str = ""
    complaints: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)


class Browser:
    """One page, which is sent from address to address."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket, self._number = socket, 0
        self._events: list[Json] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable", self._session)

    def call(self, method: str, session: str | None = None, **parameters: Any) -> Json:
        """The result of one call of the protocol; what happens meanwhile is kept."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        self._socket.send(json.dumps(message | ({"sessionId": session} if session else {})))
        while True:
            answer = self._next(SECONDS)
            if answer.get("id") == self._number:
                assert "error" not in answer, answer
                found: Json = answer["result"]
                return found

    def evaluate(self, expression: str) -> Any:
        """The value of an expression in the page. The protocol asks for it, so no policy of the page forbids it."""
        answer = self.call("Runtime.evaluate", self._session, expression=expression, returnByValue=True)
        return answer["result"].get("value")

    def visit(self, address: str, until: str = "document.readyState === 'complete'", settle: float = 0.3) -> Seen:
        """Goes to an address, waits until the page says so, and `settle` seconds longer for what it does then."""
        self._events.clear()
        went = self.call("Page.navigate", self._session, url=address)
        end = time.monotonic() + SECONDS
        # What is to be saved as a file is no page: the one before it stays.
        while "errorText" not in went and not self.evaluate(f"document.URL !== 'about:blank' && ({until})"):
            assert time.monotonic() < end, f"{address} is not ready: {self._events[-5:]}"
        calm = time.monotonic() + settle
        while (left := calm - time.monotonic()) > 0:
            try:
                self._next(left)
            except TimeoutError:
                break
        seen = Seen(str(self.evaluate("document.title")), str(self.evaluate("document.documentElement.innerText")))
        for event in self._events:
            _note(event["method"], event["params"], seen)
        self.call("Page.navigate", self._session, url="about:blank")
        return seen

    def _next(self, seconds: float) -> Json:
        message: Json = json.loads(self._socket.recv(timeout=seconds))
        if "method" in message:
            self._events.append(message)
        return message


def _note(method: str, parameters: Json, seen: Seen) -> None:
    if method == "Log.entryAdded":
        seen.complaints.append(str(parameters["entry"]["text"]))
    elif method == "Runtime.exceptionThrown":
        seen.complaints.append(str(parameters["exceptionDetails"]["text"]))
    elif method == "Runtime.consoleAPICalled" and parameters["type"] in ("error", "assert"):
        seen.complaints.append(str(parameters["args"]))
    elif method == "Network.requestWillBeSent":
        seen.asked.append(str(parameters["request"]["url"]))


@contextmanager
def browser(folder: Path) -> Iterator[Browser]:
    """A browser with a new profile in `folder`, until the block ends."""
    found = program()
    assert found is not None, "there is no browser"
    command = [found, *FLAGS, f"--user-data-dir={folder / 'profile'}", "about:blank"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        told, end = folder / "profile" / "DevToolsActivePort", time.monotonic() + SECONDS
        while not told.exists() or len(told.read_text().splitlines()) < 2:
            assert process.poll() is None, "the browser did not start"
            assert time.monotonic() < end, "the browser does not answer"
            time.sleep(0.05)
        address = f"http://127.0.0.1:{told.read_text().splitlines()[0]}/json/version"
        with connect(httpx.get(address).json()["webSocketDebuggerUrl"], max_size=None) as socket:
            yield Browser(socket)
    finally:
        process.terminate()
        process.wait(30)
