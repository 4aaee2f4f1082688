"""The README's console blocks: their commands, what they are said to answer, and what they do answer.

python -m tests.readme.console      # writes the answers of a fresh service into README.md
"""

import os
import re
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.service import Service

HOME = Path(__file__).resolve().parents[2]
README = HOME / "README.md"
BLOCK = re.compile(r"(?<=```console\n).*?(?=```)", re.DOTALL)
DEFAULT_ADDRESS = "http://127.0.0.1:8000"
END = "--- end of answer ---"


@dataclass(frozen=True, slots=True)
class Call:
    """One command (its lines joined by line breaks) and the answer that the README gives to it."""

    command: str
    answer: str


def calls(block: str) -> list[Call]:
    """The commands of a block: lines that start with `$ `, continued by `> `; what follows is the answer."""
    found: list[Call] = []
    command: list[str] = []
    answer: list[str] = []
    for line in [*block.splitlines(), "$ "]:
        if line.startswith("$ ") and command:
            found.append(Call("\n".join(command), "\n".join(answer)))
        if line.startswith("$ "):
            command, answer = [line[2:]], []
        elif line.startswith("> ") and not answer:
            command.append(line[2:])
        else:
            answer.append(line)
    return found


def run_all(text: str, address: str) -> list[tuple[Call, str]]:
    """Runs every command of a page, in its order and in one shell, against the service at `address`."""
    listed = [call for block in BLOCK.findall(text) for call in calls(block)]
    script = "".join(f"{call.command.replace(DEFAULT_ADDRESS, address)}\necho\necho '{END}'\n" for call in listed)
    environment = os.environ | {"LC_ALL": "C.UTF-8"}
    done = subprocess.run(
        ["bash", "-c", script], capture_output=True, text=True, check=True, cwd=HOME, timeout=150, env=environment
    )
    answers = done.stdout.split(f"{END}\n")[:-1]
    return [(call, answer.strip("\n")) for call, answer in zip(listed, answers, strict=True)]


def with_answers(text: str, answered: list[tuple[Call, str]]) -> str:
    """The page with what was really answered."""
    waiting = iter(answered)

    def block(match: re.Match[str]) -> str:
        lines: list[str] = []
        for call in calls(match.group()):
            _, answer = next(waiting)
            first, *rest = call.command.split("\n")
            lines += [f"$ {first}", *(f"> {line}" for line in rest), *answer.splitlines()]
        return "\n".join(lines) + "\n"

    return BLOCK.sub(block, text)


def main() -> None:
    text = README.read_text()
    with tempfile.TemporaryDirectory() as folder, Service(Path(folder)) as service:
        README.write_text(with_answers(text, run_all(text, service.address)))


if __name__ == "__main__":
    main()
