"""What reads strangers' bytes, each as a function of bytes that raises only where the service has a fault.

Honest refusals (`DropnormError`) are answered as the service answers them, and the answer is looked at; what is
accepted must keep what the reader promises. Anything else that is raised is a finding.
"""

import tempfile
from collections.abc import Callable
from json import dumps
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import ValidationError

from app.domain.data.columns import LAYOUT
from app.domain.data.encoder import Encoder
from app.domain.data.features import fit
from app.domain.data.preprocessing import Preprocessing
from app.domain.data.raw import InputReporter, RawRows
from app.domain.data.rows import RowReader
from app.domain.data.schema import ColumnType, DatasetSchema, ReadRequest
from app.domain.network.spec import NetworkSpec
from app.errors import DropnormError
from app.ingest.limits import PICTURE_SIDE, Limits
from app.ingest.order import Answer, Failure, Order
from app.ingest.pictures import decode
from app.ingest.read import read
from app.web.errors import answer_of
from app.web.fields import invalid_of
from app.web.npy import read_npy
from app.web.strict_json import read_json
from app.web.views import checked_network
from tests.data.tables import penguins
from tests.data.tables import table as table_of
from tests.fuzz.shells import mended_png, npz_of

Target = Callable[[bytes], None]
LONGEST_ANSWER = 20_000
UPLOADS: tuple[tuple[str, Literal["auto", "classification", "regression"]], ...] = (
    ("table.csv", "auto"),
    ("table.csv", "classification"),
    ("table.csv", "regression"),
    ("table.tsv", "auto"),
    ("table.csv.gz", "auto"),
    ("rows.json", "auto"),
)
"""How the first byte of a table's input has the rest read."""
FITTED = fit(penguins(), np.arange(10))
NUMBERS = fit(table_of({name: (ColumnType.NUMERIC, [1.0, 2.0]) for name in "ab"}, ("y", ["m", "n"])), np.arange(2))


def table(data: bytes) -> None:
    """An uploaded text table, read as the bounded process reads it. The first byte chooses from `UPLOADS`."""
    filename, task = UPLOADS[data[0] % len(UPLOADS)] if data else UPLOADS[0]
    _upload(data[1:], filename, ReadRequest(task=task))


def archive(data: bytes) -> None:
    """An uploaded NPZ archive: a whole one, or (by the first byte) one whose `x` or `y` is the rest of the input."""
    _upload(npz_of(data), "arrays.npz", ReadRequest())


def picture(data: bytes) -> None:
    """A picture; a PNG also with its checksums put right, so that what lies behind them is reached."""
    for file in dict.fromkeys((data, mended_png(data))):
        try:
            pixels = decode(file)
        except DropnormError as error:
            _answered(error)
            continue
        assert pixels.dtype == np.uint8
        assert pixels.ndim == 3
        assert pixels.shape[2] == 3
        assert 0 < min(pixels.shape[:2]) <= max(pixels.shape[:2]) <= PICTURE_SIDE


def network(data: bytes) -> None:
    """The body of a network: strict JSON, then the spec, then its summary and findings."""
    try:
        document = read_json(data)
        try:
            spec = NetworkSpec.model_validate(document)
        except ValidationError as error:
            raise invalid_of(error) from None
        view = checked_network(spec)
    except DropnormError as error:
        _answered(error)
        return
    dumps(view.model_dump(mode="json"), allow_nan=False)
    assert NetworkSpec.model_validate(spec.document()) == spec


def array(data: bytes) -> None:
    """An array in the body of a prediction."""
    try:
        values = read_npy(data)
    except DropnormError as error:
        _answered(error)
        return
    assert values.dtype.kind in "fiu"
    assert values.nbytes <= len(data)
    _encoded(NUMBERS, lambda reader: reader.of_array(values))


def rows(data: bytes) -> None:
    """Rows in the body of a prediction: JSON where they begin with a brace or bracket, CSV otherwise."""
    if data.lstrip()[:1] in (b"{", b"["):
        _encoded(FITTED, lambda reader: reader.of_instances(read_json(data)))
    else:
        text = data.decode("utf-8-sig", "replace")
        _encoded(FITTED, lambda reader: reader.of_csv(text))


TARGETS: dict[str, Target] = {
    "table": table,
    "archive": archive,
    "picture": picture,
    "network": network,
    "array": array,
    "rows": rows,
}


def _upload(content: bytes, filename: str, request: ReadRequest) -> None:
    with tempfile.TemporaryDirectory(prefix="dropnorm-fuzz-") as folder:
        source, output = Path(folder, "source"), Path(folder, "columns")
        source.write_bytes(content)
        output.mkdir()
        order = Order(
            source=str(source), filename=filename, output=str(output), request=request, limits=Limits(), parent=0
        )
        try:
            schema = read(order)
        except DropnormError as error:
            _answered(error)
            _told(Answer(failure=Failure.of(error)))
            return
        _told(Answer(dataset=schema))
        _check_files(output, schema)


def _told(answer: Answer) -> None:
    """What the bounded process says arrives as it was said, odd texts included."""
    assert Answer.model_validate_json(answer.model_dump_json()) == answer


def _check_files(output: Path, schema: DatasetSchema) -> None:
    """The arrays have the rows and columns that the schema tells of."""
    assert schema.rows >= 2
    for path in output.iterdir():
        held, rest = divmod(path.stat().st_size, np.dtype(LAYOUT[path.stem]).itemsize)
        assert rest == 0
        assert path.stem == "pixels" or held % schema.rows == 0


def _encoded(fitted: Preprocessing, read_rows: Callable[[RowReader], RawRows]) -> None:
    """The rows are refused, or become a network's input: finite numbers."""
    try:
        raw = read_rows(RowReader(fitted))
    except DropnormError as error:
        _answered(error)
        return
    InputReporter(fitted).report(raw)
    assert np.isfinite(Encoder(fitted).encode(raw.numbers, raw.codes)).all()


def _answered(error: DropnormError) -> None:
    """The refusal becomes a problem document of the client's fault, and a short one."""
    answer = answer_of(error)
    assert 400 <= answer.status_code < 500, error.code
    assert error.detail
    assert len(answer.body) < LONGEST_ANSWER
