"""NPZ archives: honest ones of every kind, and headers that lie."""

import resource
import struct
import zipfile

import numpy as np
import pytest
from numpy.typing import NDArray

from app.domain.data.schema import ColumnRequest, ColumnType, Kind, Task
from app.errors import DropnormError, InvalidDataset, TooLarge
from app.ingest.limits import Limits
from tests.ingest.conftest import Refused, Taker
from tests.ingest.files import archive, npy, npz

NAME = "arrays.npz"
GENERATOR = np.random.default_rng(5)
X = GENERATOR.normal(size=(30, 4))
LABELS = np.arange(30) % 3


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("dtype", ["<f8", ">f8", "<f4", "<f2", "<i8", ">i2", "|u1", "|b1"])
def test_numbers_of_every_width_and_byte_order(take: Taker, dtype: str, compressed: bool) -> None:
    x = (X * 10).astype(dtype)
    taken = take(npz(compressed, x=x, y=LABELS), NAME)
    assert taken.schema.kind is Kind.ARRAY
    assert taken.names == ["x0", "x1", "x2", "x3"]
    np.testing.assert_array_equal(taken.columns.numbers, x.astype(np.float64))


def test_column_major_arrays(take: Taker) -> None:
    taken = take(npz(x=np.asfortranarray(X), y=LABELS), NAME)
    np.testing.assert_array_equal(taken.columns.numbers, X)


def test_large_arrays_come_in_pieces(take: Taker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.ingest.arrays._CHUNK_BYTES", 100)
    taken = take(npz(x=X, y=X[:, 0]), NAME)
    np.testing.assert_array_equal(taken.columns.numbers, np.column_stack([X, X[:, 0]]))


@pytest.mark.parametrize(
    ("y", "classes"),
    [
        (LABELS, ("0", "1", "2")),
        (LABELS.reshape(-1, 1), ("0", "1", "2")),
        (LABELS.astype(np.uint8), ("0", "1", "2")),
        (LABELS.astype(np.float32), ("0", "1", "2")),
        (LABELS * 100, ("0", "100", "200")),
        (np.eye(3)[LABELS], ("0", "1", "2")),
        (np.eye(3, dtype=bool)[LABELS], ("0", "1", "2")),
        (LABELS > 0, ("false", "true")),
        (np.array(["b", "a", "ü"])[LABELS], ("a", "b", "ü")),
        (np.array([b"b", b"a", b"c"])[LABELS], ("a", "b", "c")),
    ],
)
def test_classes_in_every_way_they_are_written(take: Taker, y: NDArray[np.generic], classes: tuple[str, ...]) -> None:
    taken = take(npz(x=X, y=y), NAME)
    assert taken.schema.task is Task.CLASSIFICATION
    assert taken.schema.classes == classes
    assert sum(taken.schema.target.counts) == 30


def test_many_whole_numbers_are_classes_unless_asked_otherwise(take: Taker) -> None:
    assert len(take(npz(x=X, y=np.arange(30)), NAME).schema.classes) == 30
    assert take(npz(x=X, y=np.arange(30)), NAME, task="regression").schema.task is Task.REGRESSION


def test_fractions_are_quantities(take: Taker) -> None:
    taken = take(npz(x=X, y=X[:, 0]), NAME)
    assert taken.schema.task is Task.REGRESSION
    assert taken.values("y") == X[:, 0].tolist()


def test_nan_is_missing_in_x_and_drops_the_row_in_y(take: Taker) -> None:
    x, y = X.copy(), X[:, 0].copy()
    x[3, 1] = y[7] = np.nan
    taken = take(npz(x=x, y=y), NAME)
    assert taken.schema.rows == 29
    assert taken.feature("x1").missing == 1
    assert taken.values("x1")[3] is None


def test_columns_may_be_ignored_or_taken_as_categories(take: Taker) -> None:
    x = np.column_stack([X[:, 0], LABELS, LABELS / 2])
    asked = {"x0": ColumnRequest(role="ignore"), "x1": ColumnRequest(type="categorical")}
    taken = take(npz(x=x, y=X[:, 1]), NAME, columns=asked)
    assert taken.names == ["x1", "x2"]
    assert taken.feature("x1").categories == ("0", "1", "2")


@pytest.mark.parametrize("shape", [(6, 5, 4), (6, 5, 4, 1), (6, 5, 4, 3)])
def test_bytes_are_pictures(take: Taker, shape: tuple[int, ...]) -> None:
    x = GENERATOR.integers(0, 256, shape).astype(np.uint8)
    taken = take(npz(x=x, y=LABELS[:6]), NAME)
    assert [(column.name, column.type) for column in taken.schema.features] == [("picture", ColumnType.PICTURE)]
    assert taken.columns.shapes.tolist() == [[5, 4]] * 6
    wanted = np.broadcast_to(x.reshape(6, 5, 4, -1), (6, 5, 4, 3))
    np.testing.assert_array_equal(taken.columns.pixels.reshape(6, 5, 4, 3), wanted)
    assert "held_as_8bit" not in taken.codes


def test_floats_from_0_to_1_are_pictures_held_as_8_bit(take: Taker) -> None:
    x = np.linspace(0, 1, 6 * 20).reshape(6, 5, 4)
    taken = take(npz(x=x, y=X[:6, 0]), NAME)
    assert taken.schema.task is Task.REGRESSION
    assert "held_as_8bit" in taken.codes
    np.testing.assert_array_equal(taken.columns.pixels.reshape(6, 5, 4, 3)[..., 0], np.rint(x * 255))


def test_large_pictures_are_reduced(take: Taker) -> None:
    taken = take(npz(x=np.zeros((2, 600, 1200), np.uint8), y=LABELS[:2]), NAME)
    assert taken.columns.shapes.tolist() == [[256, 512]] * 2


@pytest.mark.parametrize("bad", [1.5, -0.1, np.nan, np.inf])
def test_pictures_of_other_floats_are_refused_by_row(refused: Refused, bad: float) -> None:
    x = np.zeros((6, 5, 4))
    x[4, 1, 1] = bad
    assert refused(npz(x=x, y=LABELS[:6]), NAME).errors[0].pointer == "/rows/5"


@pytest.mark.parametrize(
    ("x", "said"),
    [
        (np.zeros((6, 3, 5, 4), np.uint8), "channels last"),
        (np.zeros((6, 5, 4, 2), np.uint8), "shape"),
        (np.zeros((6, 5, 4), np.int64), "int64"),
        (np.zeros((6, 0, 4), np.uint8), "empty"),
        (np.zeros(6), "shape"),
        (np.array(["a"] * 6), "numbers"),
        (np.zeros((6, 3), np.complex128), "plain numbers"),
        (np.zeros(6, [("a", "f8")]), "structured"),
        (np.zeros((6, 3), "M8[s]"), "plain numbers"),
    ],
)
def test_other_arrays_are_refused(refused: Refused, x: NDArray[np.generic], said: str) -> None:
    assert said in refused(npz(x=x, y=LABELS[:6]), NAME).detail


@pytest.mark.parametrize("bad", [np.inf, -np.inf, 1e39])
def test_infinite_numbers_are_refused_by_row_and_column(refused: Refused, bad: float) -> None:
    x = X.copy()
    x[17, 2] = bad
    assert refused(npz(x=x, y=LABELS), NAME).errors[0].pointer == "/rows/18/x2"
    y = X[:, 0].copy()
    y[5] = bad
    assert refused(npz(x=X, y=y), NAME, task="regression").errors[0].pointer == "/rows/6/y"


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"x": X, "y": LABELS[:29]}, "30 rows and y has 29"),
        ({"x": X}, "must hold the arrays x and y"),
        ({"x": X, "y": LABELS, "z": LABELS}, "no others"),
        ({"x": X[:1], "y": LABELS[:1]}, "two rows"),
        ({"x": X, "y": np.zeros(30, int)}, "one class only"),
        ({"x": X, "y": np.ones((30, 3))}, "one-hot"),
        ({"x": X, "y": np.ones((30, 3, 2))}, "shape"),
        ({"x": X[:, :0], "y": LABELS}, "No feature"),
    ],
)
def test_archives_that_are_no_dataset_are_refused(
    refused: Refused, arrays: dict[str, NDArray[np.generic]], said: str
) -> None:
    assert said in refused(npz(False, **arrays), NAME).detail


def test_objects_are_refused_and_never_unpickled(refused: Refused) -> None:
    assert "no objects" in refused(npz(x=X, y=np.array([{}] * 30, object)), NAME).detail
    assert "no objects" in refused(npz(x=np.array([[{}]] * 30, object), y=LABELS), NAME).detail


@pytest.mark.parametrize("shape", [(10**9, 500), (2**62, 2), (2**70,), (30, 5), (29, 4), (3, 4), (0,), ()])
def test_a_header_that_declares_what_is_not_there_is_refused(refused: Refused, shape: tuple[int, ...]) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    lie = archive({"x.npy": npy("'<f8'", shape, X.tobytes()), "y.npy": npy("'<i8'", (30,), LABELS.tobytes())})
    assert isinstance(refused(lie, NAME), DropnormError)
    lie = archive({"x.npy": npy("'<f8'", (30, 4), X.tobytes()), "y.npy": npy("'<f8'", shape, LABELS.tobytes())})
    assert isinstance(refused(lie, NAME), DropnormError)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"\x93NUMPY",
        b"\x93NUMPY\x01\x00",
        b"\x93NUMPY\x09\x00\x10\x00",
        b"\x93NUMPY\x02\x00" + struct.pack("<I", 2**32 - 1),
        b"\x93NUMPY\x01\x00\x10\x00not a dictionary",
        b"\x80\x04\x95pickle",
        npy("__import__('os').system('true')", (30,), b""),
        npy("'|V8'", (30,), b""),
        npy("'<f8'", (-1, 2), b""),
    ],
)
def test_other_headers_are_refused(refused: Refused, header: bytes) -> None:
    data = archive({"x.npy": header, "y.npy": npy("'<i8'", (30,), LABELS.tobytes())})
    assert isinstance(refused(data, NAME), InvalidDataset)


def test_what_unpacks_to_too_much_is_refused(refused: Refused) -> None:
    zeros = npy("'<f8'", (2_000_000, 8), bytes(128_000_000))
    labels = npy("'|u1'", (2_000_000,), bytes(2_000_000))
    data = archive({"x.npy": zeros, "y.npy": labels}, zipfile.ZIP_DEFLATED)
    assert isinstance(refused(data, NAME), TooLarge)


def test_too_many_columns_are_refused(refused: Refused) -> None:
    assert isinstance(refused(npz(x=np.zeros((3, 50)), y=LABELS[:3]), NAME, limits=Limits(columns=49)), TooLarge)


@pytest.mark.parametrize(
    ("asked", "pointer"),
    [
        ({"target": "x0"}, "/target"),
        ({"columns": {"x9": ColumnRequest(role="ignore")}}, "/columns/x9"),
        ({"columns": {"x0": ColumnRequest(type="date")}}, "/columns/x0"),
    ],
)
def test_requests_that_arrays_cannot_meet_are_refused(refused: Refused, asked: dict[str, object], pointer: str) -> None:
    assert refused(npz(x=X, y=LABELS), NAME, **asked).errors[0].pointer == pointer
