"""One target under coverage-guided fuzzing: `python -m tests.fuzz.guided TARGET FAULTS_FOLDER [libFuzzer's options]`.

The project's own code, Pillow's readers and zip archives are instrumented; Arrow, zlib and libjpeg are native, give no
coverage and are driven blindly. A fault is kept (one input for each place that raises) and the search goes on. What
takes too long or too much memory ends the process, by libFuzzer's own bounds.
"""

import hashlib
import resource
import sys
import traceback
import warnings
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import atheris

INSTRUMENTED = ["app", "PIL", "zipfile"]
LOADED_LATE = ["app.ingest.tables", "app.ingest.arrays", "app.ingest.inline"]
"""Readers that the service loads when their turn comes; code that is loaded later than this gives no coverage."""
MEMORY_BYTES = 2 << 30
"""As much as an uploaded file may take to be read, by default."""


def watched(target: Callable[[bytes], None], folder: Path) -> Callable[[bytes], None]:
    """`target`, whose faults are kept in `folder` instead of ending the search: the input, and the traceback."""
    known: set[str] = set()

    def test_one_input(data: bytes) -> None:
        try:
            target(data)
        except Exception as error:  # noqa: BLE001 - every kind of exception is what is looked for
            frame = traceback.extract_tb(error.__traceback__)[-1]
            place = f"{type(error).__name__} {frame.filename}:{frame.lineno}"
            if place not in known:
                known.add(place)
                path = folder / hashlib.sha256(place.encode()).hexdigest()[:12]
                path.with_suffix(".input").write_bytes(data)
                path.with_suffix(".txt").write_text(place + "\n" + "".join(traceback.format_exception(error)))

    return test_one_input


def main() -> None:
    target, folder = sys.argv[1], Path(sys.argv[2])
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY_BYTES, MEMORY_BYTES))
    with atheris.instrument_imports(include=INSTRUMENTED, exclude=[]):
        from tests.fuzz.targets import TARGETS

        for name in LOADED_LATE:
            import_module(name)
    warnings.simplefilter("error")
    # Pillow warns of animations that begin behind a picture's data, which is passed over.
    warnings.filterwarnings("ignore", module=r"PIL\.")
    atheris.Setup([sys.argv[0], *sys.argv[3:]], watched(TARGETS[target], folder))
    atheris.Fuzz()


if __name__ == "__main__":
    main()
