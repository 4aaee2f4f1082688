"""The deployment, tried for real with a Docker Engine: what the README says, and what must hold while parts are killed.

python -m tests.deploy
"""

import sys
import tempfile
import time
from pathlib import Path

from tests.deploy.confinement import check_confinement, check_image, check_secrets
from tests.deploy.engine import engine
from tests.deploy.journey import check_keys, train_through_a_killed_worker
from tests.deploy.keeping import check_backup, check_down_and_up
from tests.deploy.monitoring import check_monitoring
from tests.deploy.pages import blocks, commands
from tests.deploy.stack import Stack
from tests.deploy.stream import check_restarts
from tests.deploy.telling import Step, step, tell
from tests.deploy.tls import check_tls

README = ("README.md", "Docker compose")


def main() -> int:
    with engine() as environment:
        if environment is None:
            tell("SKIPPED: no Docker Engine answers here (`docker info`), so the deployment was NOT tested")
            return 0
        with tempfile.TemporaryDirectory(prefix="dropnorm-deploy-") as folder:
            stack = Stack(Path(folder), environment)
            tell(f"project {stack.project} by `{stack.words}`, at {stack.address}")
            try:
                test(stack)
            except BaseException:
                tell("FAILED; what the services said last:")
                print(stack.tails(), flush=True)
                raise
            finally:
                with step("everything is taken away"):
                    stack.end()
    tell("the deployment holds")
    return 0


def test(stack: Stack) -> None:
    """The whole test. Raises where something does not hold."""
    started, keys, restarts = blocks(*README)
    ready = bring_up(stack, commands(started))
    check_image(stack)
    tell(f"from `up` to ready: {ready.seconds:.0f} seconds")
    check_confinement(stack)
    dataset = check_keys(stack, commands(keys))
    run = train_through_a_killed_worker(stack, dataset)
    restart, *down_and_up = commands(restarts)
    expected = check_restarts(stack, run, restart)
    check_monitoring(stack)
    check_tls(stack)
    check_secrets(stack)
    check_down_and_up(stack, down_and_up, run, expected)
    check_backup(stack, run, expected)
    check_secrets(stack)


def bring_up(stack: Stack, listed: list[str]) -> Step:
    """Runs the README's first block, command by command. Answers the step from `up` on."""
    first_up = next(index for index, command in enumerate(listed) if " up " in command)
    for command in listed[:first_up]:
        with step(command):
            # A first build fetches and unpacks a gigabyte.
            stack.shell(command, 1800)
    refused_without_secrets(stack)
    started = time.monotonic()
    for command in listed[first_up:]:
        with step(command):
            stack.shell(command)
    return Step(time.monotonic() - started)


def refused_without_secrets(stack: Stack) -> None:
    """No password and no key: nothing starts."""
    with step("compose refuses to start without secrets"):
        for name in ("POSTGRES_PASSWORD", "DROPNORM_ADMIN_KEY"):
            said = stack.shell(f"{name}= docker compose config 2>&1 || true")
            assert "see .env.example" in said, (name, said[-500:])


if __name__ == "__main__":
    sys.exit(main())
