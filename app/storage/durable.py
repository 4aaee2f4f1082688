"""Files and folders that are on the disk, whole, when the call returns, whatever is killed in between."""

import os
import secrets
from pathlib import Path

from app.failpoints import reach


def write_aside(target: Path, content: bytes) -> None:
    """Writes a file beside its place, synced, and renames it into it; nothing stays beside it. Raises `OSError`."""
    aside = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    reach("file-before", target.name)
    try:
        with aside.open("xb") as file:
            half = len(content) // 2
            file.write(memoryview(content)[:half])
            reach("file-within", target.name)
            file.write(memoryview(content)[half:])
            file.flush()
            reach("file-written", target.name)
            os.fsync(file.fileno())
        reach("file-synced", target.name)
        aside.replace(target)
        reach("file-renamed", target.name)
    finally:
        aside.unlink(missing_ok=True)


def make_folder(folder: Path) -> None:
    """Makes a folder and what is missing above it; each new name is on the disk when this returns."""
    if not folder.is_dir():
        make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        sync_folder(folder.parent)


def sync_folder(folder: Path) -> None:
    """Puts the names in a folder on the disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
