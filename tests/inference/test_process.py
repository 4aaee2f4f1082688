"""What answers brings no training library along."""

import subprocess
import sys

ANSWERS = (
    "app.domain.inference.frozen, app.domain.inference.monte_carlo, app.domain.inference.reliability, "
    "app.domain.data.rows, app.domain.data.stored"
)


def test_what_answers_imports_neither_torch_nor_onnx() -> None:
    program = f"import sys, {ANSWERS}; print(sorted({{'torch', 'onnx', 'scipy', 'pandas'}} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_what_serves_on_sqlite_imports_no_driver_of_postgresql() -> None:
    program = (
        "import sys, app.main, app.assembly; from app.storage.database import Database; Database('sqlite://'); "
        "print(sorted({'psycopg', 'sqlalchemy.dialects.postgresql'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
