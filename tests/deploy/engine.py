"""A Docker Engine to test with: the one that is there, or one that a script beside the checkout brings up."""

import os
import re
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from tests.service import HOME

SCRIPT = HOME.parent / "shared/containers/engine"


def answers(environment: dict[str, str]) -> bool:
    """Is there an engine that this environment's `docker` reaches?"""
    try:
        done = subprocess.run(["docker", "info"], env=environment, capture_output=True, timeout=60)
    except (FileNotFoundError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0 and b"Server Version" in done.stdout


@contextmanager
def engine() -> Iterator[dict[str, str] | None]:
    """The environment in which `docker` reaches an engine, or None. One that was started for this is stopped."""
    there = dict(os.environ)
    beside = there | {"DOCKER_HOST": f"unix://{tempfile.gettempdir()}/containers/docker.sock"}
    if answers(there) or not SCRIPT.exists():
        yield there if answers(there) else None
        return
    running = answers(beside)
    # Run in any case: it keeps what is there, and makes the base images that are not.
    said = subprocess.run(["bash", "-c", f"{SCRIPT} | tail -n 1"], capture_output=True, text=True, timeout=900)
    found = re.search(r"^export DOCKER_HOST=(\S+)$", said.stdout, re.MULTILINE)
    if found is None:
        raise RuntimeError(f"{SCRIPT} brought up no engine: {said.stdout}{said.stderr}")
    try:
        yield there | {"DOCKER_HOST": found[1]}
    finally:
        if not running:
            subprocess.run([SCRIPT, "stop"], check=False, timeout=60)


def compose(environment: dict[str, str]) -> str:
    """How compose is called here: as Docker's plugin, or as the program of its own that it was."""
    plugin = subprocess.run(["docker", "compose", "version"], env=environment, capture_output=True, timeout=60)
    return "docker compose" if plugin.returncode == 0 else "docker-compose"
