"""What was there is there again: after `down` and `up`, and on an empty host from a backup."""

from tests.deploy.pages import blocks, commands
from tests.deploy.stack import Json, Stack
from tests.deploy.stream import prediction
from tests.deploy.telling import step


def check_down_and_up(stack: Stack, listed: list[str], run: Json, expected: bytes) -> None:
    """The README's last commands; the same model answers the same bytes."""
    for command in listed:
        with step(command):
            stack.shell(command)
    with step("ready again, with the same prediction"):
        stack.ready()
        assert prediction(stack, run) == expected


def check_backup(stack: Stack, run: Json, expected: bytes) -> None:
    """Backup and restore as docs/operations.md says, with all volumes gone in between."""
    backup, restore = blocks("docs/operations.md", "Backup with Docker")
    for command in commands(backup):
        with step(command):
            stack.shell(command)
    with step("docker compose down --volumes"):
        stack.end()
        left = stack.shell(f"docker volume ls --quiet --filter label=com.docker.compose.project={stack.project}")
        assert left == "", left
        (stack.folder / ".env").unlink()
    for command in commands(restore):
        with step(command):
            stack.shell(command)
    with step("ready again, with the same prediction and the same run"):
        stack.ready()
        assert prediction(stack, run) == expected
        assert stack.get(f"/api/v1/runs/{run['id']}") == run
