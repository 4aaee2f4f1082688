"""Places where tests let a process die, so that what comes after is tried at exactly that point.

`_DROPNORM_FAILPOINT` names one, as `point:part:marker`: the first process to reach `point` for something whose name
holds `part` makes the file `marker` and is killed. Once that file is there, or without the variable, nothing happens.
"""

import os
import signal
from pathlib import Path

VARIABLE = "_DROPNORM_FAILPOINT"
POINTS = (
    "claimed",  # a worker has committed its claim
    "restoring",  # an attempt is about to read the checkpoint of a lost one
    "file-before",  # a file is about to be written aside
    "file-within",  # half of it is written
    "file-written",  # all of it, but it is not on the disk for sure
    "file-synced",  # it is, but has no name yet
    "file-renamed",  # it has its name, but the folder is not on the disk for sure
    "checkpoint-within",  # the row of a checkpoint is written, but not committed
    "checkpoint-committed",  # it is, but older files are still there
    "end-within",  # a run's end is written, but not committed
    "end-committed",  # it is, but nobody was told
)


def reach(point: str, subject: str = "") -> None:
    """Dies here, if a test wants that and no process has died for it yet."""
    wanted = os.environ.get(VARIABLE)
    if not wanted:
        return
    name, part, marker = wanted.split(":", 2)
    if name != point or part not in subject:
        return
    try:
        Path(marker).touch(exist_ok=False)
    except FileExistsError:
        return
    os.kill(os.getpid(), signal.SIGKILL)
