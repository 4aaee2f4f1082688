"""The rooms' contracts see what they must: each of these imports would break the build."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.service import HOME

FORBIDDEN = [
    ("app/web/tables.py", "import torch"),
    ("app/web/tables.py", "from app.worker import orders"),
    ("app/web/tables.py", "import sqlalchemy"),
    ("app/worker/orders.py", "from app.web import schemas"),
    ("app/worker/orders.py", "import fastapi"),
    ("app/serving/registry.py", "from app.domain.training import build"),
    ("app/serving/registry.py", "from app.ingest import limits"),
    ("app/domain/training/best.py", "from app.serving import registry"),
    ("app/domain/network/shapes.py", "from app.domain.plan import batches"),
    ("app/domain/plan/batches.py", "import time"),
    ("app/domain/data/split.py", "import pathlib"),
    ("app/bulk/child.py", "import pyarrow"),
    ("app/bulk/blocks.py", "from app.serving import registry"),
    ("app/bulk/blocks.py", "import torch"),
    ("app/ingest/limits.py", "from app.storage import jobs"),
    ("app/storage/paging.py", "from app.settings import load"),
    ("app/storage/paging.py", "from app.domain.training import masks"),
    ("app/logs.py", "from app.settings import load"),
    ("app/tracing.py", "import http"),
    ("app/utils.py", "import json"),
]


def contracts(folder: Path) -> subprocess.CompletedProcess[str]:
    lint = Path(sys.executable).with_name("lint-imports")
    command = [str(lint), "--no-cache", "--config", str(folder / "pyproject.toml")]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """The app and its contracts, to be broken."""
    shutil.copytree(HOME / "app", tmp_path / "app", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(HOME / "pyproject.toml", tmp_path)
    return tmp_path


def test_the_rooms_are_as_their_contracts_say(copied: Path) -> None:
    kept = contracts(copied)
    assert kept.returncode == 0, kept.stdout


@pytest.mark.parametrize(("module", "line"), FORBIDDEN, ids=[f"{module}: {line}" for module, line in FORBIDDEN])
def test_an_import_against_the_rules_is_found(copied: Path, module: str, line: str) -> None:
    path = copied / module
    before = path.read_text() if path.exists() else ""
    path.write_text(f"{line}\n{before}")
    broken = contracts(copied)
    assert broken.returncode == 1, broken.stdout
    assert "BROKEN" in broken.stdout or "Could not" in broken.stdout, broken.stdout + broken.stderr
