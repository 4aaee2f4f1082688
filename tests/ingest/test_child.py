"""The reading process: what it gives, what bounds it, and what becomes of it."""

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from app.domain.data.schema import ReadRequest
from app.errors import FieldError, InvalidDataset, StorageFull, TooLarge, UnsupportedType
from app.ingest.__main__ import answered
from app.ingest.child import read_upload
from app.ingest.limits import Limits
from app.ingest.order import Answer, Failure, Order
from tests.ingest.files import archive, npz, png

REQUEST = ReadRequest()
LINES = "".join(f"{place % 1000 / 8},{'ab'[place % 2]}\n" for place in range(400_000))


@pytest.fixture
def output(tmp_path: Path) -> Path:
    folder = tmp_path / "output"
    folder.mkdir()
    return folder


def source(tmp_path: Path, data: bytes | str) -> Path:
    path = tmp_path / "upload"
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


def test_a_dataset_comes_back_and_only_its_arrays_lie_there(tmp_path: Path, output: Path) -> None:
    path = source(tmp_path, "x,kind\n1.5,a\n2.5,b\n")
    schema = read_upload(path, "../../Table.CSV", output, REQUEST, Limits())
    assert (schema.rows, schema.classes) == (2, ("a", "b"))
    assert sorted(os.listdir(output)) == ["codes.bin", "numbers.bin"]
    assert np.fromfile(output / "numbers.bin", "<f8").tolist() == [1.5, 2.5]
    assert np.fromfile(output / "codes.bin", "<i4").tolist() == [0, 1]


@pytest.mark.parametrize(
    ("name", "data", "files"),
    [
        ("a.zip", archive({"a/1.png": png(), "b/1.png": png()}), ["codes.bin", "pixels.bin", "shapes.bin"]),
        ("a.npz", npz(x=np.eye(4), y=np.arange(4) / 3), ["numbers.bin"]),
        ("rows.json", b'[{"x": 1, "y": 0.5}, {"x": 2, "y": 1.5}]', ["numbers.bin"]),
    ],
)
def test_every_format_is_read_there(tmp_path: Path, output: Path, name: str, data: bytes, files: list[str]) -> None:
    read_upload(source(tmp_path, data), name, output, REQUEST, Limits())
    assert sorted(os.listdir(output)) == files


@pytest.mark.parametrize("name", ["\ud800.csv", "x" * 100_000 + ".csv", "a\0b.CSV", "../../../x.csv"])
def test_a_name_may_be_anything_before_its_ending(tmp_path: Path, output: Path, name: str) -> None:
    assert read_upload(source(tmp_path, "x,kind\n1.5,a\n2.5,b\n"), name, output, REQUEST, Limits()).rows == 2


def test_failures_come_back_with_their_fields(tmp_path: Path, output: Path) -> None:
    path = source(tmp_path, "x,kind\n1.5,a\n2.5,b\ninf,b\n")
    with pytest.raises(InvalidDataset, match="Row 3, column 'x'") as caught:
        read_upload(path, "a.csv", output, REQUEST, Limits())
    assert caught.value.errors == (FieldError("/rows/3/x", "expected a number", "inf"),)


def test_an_unknown_ending_starts_no_process(tmp_path: Path, output: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere")
    with pytest.raises(UnsupportedType):
        read_upload(tmp_path / "x", "a.exe", output, REQUEST, Limits())


def test_time_is_bounded(tmp_path: Path, output: Path) -> None:
    started = time.perf_counter()
    with pytest.raises(TooLarge, match=r"longer than 0\.2 seconds"):
        read_upload(source(tmp_path, "x,kind\n" + LINES), "a.csv", output, REQUEST, Limits(seconds=0.2))
    assert time.perf_counter() - started < 2


def test_memory_is_bounded(tmp_path: Path, output: Path) -> None:
    path = source(tmp_path, "x,kind\n" + LINES * 3)
    with pytest.raises(TooLarge, match="more than 180 MB of memory"):
        read_upload(path, "a.csv", output, REQUEST, Limits(memory_bytes=180 << 20))


def test_output_is_bounded(tmp_path: Path, output: Path) -> None:
    path = source(tmp_path, "x,kind\n" + LINES)
    with pytest.raises(TooLarge, match="more room"):
        read_upload(path, "a.csv", output, REQUEST, Limits(output_bytes=100_000))
    assert max(path.stat().st_size for path in output.iterdir()) <= 100_000


def test_the_parents_secrets_are_not_passed_on(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, output: Path) -> None:
    monkeypatch.setenv("PYTHONSTARTUP", "/nowhere")
    monkeypatch.setenv("DATABASE_PASSWORD", "hunter2")
    seen: dict[str, str] = {}
    start = subprocess.Popen.__init__

    def noted(self: subprocess.Popen[bytes], *args: object, **options: dict[str, str]) -> None:
        seen.update(options["env"])
        start(self, *args, **options)  # type: ignore[call-overload]

    monkeypatch.setattr(subprocess.Popen, "__init__", noted)
    read_upload(source(tmp_path, "x,kind\n1.5,a\n2.5,b\n"), "a.csv", output, REQUEST, Limits())
    assert seen
    assert "DATABASE_PASSWORD" not in seen


def test_a_child_that_breaks_off_says_nothing_of_the_inside(
    tmp_path: Path, output: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(InvalidDataset) as caught:
        read_upload(source(tmp_path, "x,kind\n1.5,a\n"), "a.csv", output, REQUEST, Limits(memory_bytes=20 << 20))
    assert "Traceback" not in caught.value.detail
    assert str(tmp_path) not in caught.value.detail
    assert [record.name for record in caplog.records] == ["dropnorm.ingest"]


def test_the_parent_loads_no_parser() -> None:
    program = "import sys, app.ingest.child; sys.exit(any(m in sys.modules for m in ('pyarrow', 'PIL', 'numpy')) * 3)"
    light = program.replace(", 'numpy'", "")
    assert subprocess.run([sys.executable, "-c", light], check=False).returncode == 0


def test_the_child_dies_with_its_parent(tmp_path: Path, output: Path) -> None:
    pipe = tmp_path / "endless"
    os.mkfifo(pipe)
    program = (
        "import sys; from pathlib import Path; from app.ingest.child import read_upload; "
        "from app.ingest.limits import Limits; from app.domain.data.schema import ReadRequest; "
        "read_upload(Path(sys.argv[1]), 'a.csv', Path(sys.argv[2]), ReadRequest(), Limits())"
    )
    # Opening the pipe returns when the child has opened it to read: the child is then at work.
    with subprocess.Popen([sys.executable, "-c", program, str(pipe), str(output)]) as parent, pipe.open("wb"):
        children = Path(f"/proc/{parent.pid}/task/{parent.pid}/children").read_text().split()
        assert len(children) == 1
        parent.send_signal(signal.SIGKILL)
        parent.wait()
        deadline = time.monotonic() + 10
        while _runs(children[0]) and time.monotonic() < deadline:
            time.sleep(0.02)
        assert not _runs(children[0])


def _runs(pid: str) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (OSError(errno.ENOSPC, "full"), StorageFull),
        (OSError(errno.EDQUOT, "quota"), StorageFull),
        (OSError(errno.EFBIG, "big"), TooLarge),
        (OSError(errno.EIO, "/secret/path"), InvalidDataset),
        (MemoryError(), TooLarge),
    ],
)
def test_what_the_disk_and_memory_say_becomes_a_named_failure(
    monkeypatch: pytest.MonkeyPatch, error: Exception, kind: type[Exception]
) -> None:
    def fails(order: Order) -> None:
        raise error

    monkeypatch.setattr("app.ingest.read.read", fails)
    order = Order(source="s", filename="a.csv", output="o", request=REQUEST, limits=Limits(), parent=0)
    failure = answered(order).failure
    assert failure is not None
    assert type(failure.error()) is kind
    assert "/secret" not in failure.detail


def test_a_failure_survives_the_journey() -> None:
    error = InvalidDataset("What.", code="picture_invalid", errors=(FieldError("/a", "b", None),))
    answer = Answer.model_validate_json(Answer(failure=Failure.of(error)).model_dump_json())
    assert answer.failure is not None
    back = answer.failure.error()
    assert (type(back), back.detail, back.code, back.errors) == (InvalidDataset, "What.", error.code, error.errors)
