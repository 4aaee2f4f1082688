"""The `dropnorm` command as a person runs it: a process with an environment of its own."""

import os
import subprocess
import sys
from pathlib import Path


def environment(**variables: str) -> dict[str, str]:
    """This environment without its `DROPNORM_` variables, and with those given in lower case."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DROPNORM_")}
    return kept | {f"DROPNORM_{name.upper()}": value for name, value in variables.items()}


def dropnorm(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Runs a command in `folder` to its end."""
    return subprocess.run(
        [sys.executable, "-m", "app.cli", *arguments],
        cwd=folder,
        env=environment(**variables) | {"COLUMNS": "100", "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        timeout=60,
    )
