"""The whole stack as an operator has it: a fresh copy of the project, a `.env` of its own, and compose."""

import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.deploy.engine import compose
from tests.deploy.pages import ADDRESS
from tests.house.sources import tracked
from tests.service import HOME, free_port

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back over HTTP."""

    status: int
    body: bytes

    def json(self) -> Json:
        answer: Json = json.loads(self.body)
        return answer


class Stack:
    """One project of compose. `folder` gets a copy of what the repository holds."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.folder, self.words, self.project = folder, compose(environment), f"dropnorm-test-{os.getpid()}"
        self.port, self.prometheus_port = free_port(), free_port()
        self.address = f"http://127.0.0.1:{self.port}"
        given = {name: value for name, value in environment.items() if not name.startswith(("DROPNORM_", "POSTGRES_"))}
        self.environment = given | {
            "COMPOSE_PROJECT_NAME": self.project,
            "DROPNORM_IMAGE": "dropnorm-deploy-test",
            "DROPNORM_PUBLISHED_PORT": str(self.port),
            "PROMETHEUS_PUBLISHED_PORT": str(self.prometheus_port),
        }
        for path in tracked("*"):
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(HOME / path, folder / path)

    def shell(self, commands: str, seconds: float = 300, **more: str) -> str:
        """Runs commands as they stand in a page; answers what they print. Raises where one fails."""
        script = commands.replace(ADDRESS, self.address).replace("docker compose", self.words)
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=self.folder,
            env=self.environment | more,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=seconds,
        )
        if done.returncode:
            raise AssertionError(
                f"{script}\nexit status {done.returncode}\n{done.stdout[-4000:]}\n{done.stderr[-8000:]}"
            )
        return done.stdout

    def secrets(self) -> dict[str, str]:
        """What `.env` holds that nobody else may see."""
        lines = (line.partition("=") for line in (self.folder / ".env").read_text().splitlines() if "=" in line)
        return {
            name: value for name, _, value in lines if value and name.endswith(("_KEY", "PASSWORD")) and name[0] != "#"
        }

    def call(self, method: str, path: str, *arguments: str, key: str | None = None) -> Answer:
        """Asks the service by curl, with the first key unless another is given; an empty one means none."""
        key = self.secrets()["DROPNORM_ADMIN_KEY"] if key is None else key
        command = ["curl", "-s", "--max-time", "60", "-X", method, "-w", "\n%{http_code}", *arguments]
        # By standard input, so that no list of processes shows the key.
        header = f'header = "Authorization: Bearer {key}"\n' if key else ""
        done = subprocess.run([*command, "-K", "-", self.address + path], input=header.encode(), capture_output=True)
        body, _, status = done.stdout.rpartition(b"\n")
        return Answer(int(status), body)

    def get(self, path: str) -> Json:
        """What a path answers with 200."""
        answer = self.call("GET", path)
        assert answer.status == 200, (path, answer)
        return answer.json()

    def containers(self, service: str) -> list[str]:
        """The ids of a service's containers, ended ones too."""
        return self.shell(
            f"docker ps --all --quiet --no-trunc --filter label=com.docker.compose.project={self.project} "
            f"--filter label=com.docker.compose.service={service} --filter label=com.docker.compose.oneoff=False"
        ).split()

    def inspect(self, thing: str) -> Json:
        """All that Docker knows of a container or an image."""
        found: list[Json] = json.loads(self.shell(f"docker inspect {thing}"))
        return found[0]

    def running(self) -> dict[str, list[str]]:
        """The services of this project and their running containers."""
        label = '{{.Label "com.docker.compose.service"}} {{.ID}}'
        listed = self.shell(f"docker ps --filter label=com.docker.compose.project={self.project} --format '{label}'")
        services: dict[str, list[str]] = {}
        for service, container in (line.split() for line in listed.splitlines()):
            services.setdefault(service, []).append(container)
        return services

    def ready(self, seconds: float = 120) -> None:
        """Waits until the proxy's answer to `/readyz` is 200."""
        self.until(lambda: self.call("GET", "/readyz", key="").status == 200, seconds, "readyz answers 200")

    def until(self, holds: Callable[[], bool], seconds: float, what: str) -> None:
        """Waits for a condition. Raises where it does not come."""
        end = time.monotonic() + seconds
        while not holds():
            if time.monotonic() > end:
                raise AssertionError(f"after {seconds} seconds this did not hold: {what}")
            time.sleep(0.2)

    def logs(self) -> str:
        """What all services have written."""
        return self.shell("docker compose logs --no-color 2>&1")

    def tails(self) -> str:
        """The last lines of every service, where there are any."""
        return self.shell("docker compose ps --all 2>&1; docker compose logs --no-color --tail 60 2>&1 || true")

    def end(self) -> None:
        """Takes everything away, the volumes too."""
        self.shell("docker compose --profile monitoring down --volumes --remove-orphans --timeout 5 2>&1", 180)
