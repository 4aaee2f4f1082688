"""Nothing of what the service does is told to anybody."""

import os
import subprocess
import sys
from pathlib import Path

from tests.service import HOME

LOADED = "import app.domain.inference.frozen, onnxruntime; onnxruntime.SessionOptions()"


def test_the_executor_leaves_no_identifier_and_starts_no_uploader(tmp_path: Path) -> None:
    # On a CI machine the library keeps still by itself, which would show nothing.
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "LANG")}
    counted = f"{LOADED}; import os; print(len(os.listdir('/proc/self/task')))"
    threads = [
        int(
            subprocess.run(
                [sys.executable, "-c", program],
                env={**kept, "HOME": str(tmp_path), "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
                cwd=HOME,
                capture_output=True,
                text=True,
                check=True,
            ).stdout
        )
        for program in (counted, "import numpy, os; print(len(os.listdir('/proc/self/task')))")
    ]
    assert list(tmp_path.iterdir()) == []
    assert threads[0] == threads[1]
