"""Bodies of `/invocations`: what SageMaker's containers and MLflow's server take, told apart by what they are."""

import csv
import io

from app.domain.data.cells import is_missing, parse_number
from app.domain.inference.frozen import INPUT
from app.errors import InvalidRows, Malformed, UnsupportedType, shown
from app.serving.csv_text import csv_text
from app.serving.predictor import Predictor, Question
from app.web.context import Limits
from app.web.json_rows import document
from app.web.predict_inputs import Sent, read
from app.web.predict_options import USUAL, Options, read_options
from app.web.protocols.datatypes import wrong
from app.web.protocols.values import by_name, by_row, has_one_input
from app.web.sizes import check_size
from app.web.strict_json import read_json

SPLIT, RECORDS, INSTANCES, INPUTS = "dataframe_split", "dataframe_records", "instances", "inputs"
FORMS = (SPLIT, RECORDS, INSTANCES, INPUTS)
OTHERS = frozenset(("application/x-npy", "image/png", "image/jpeg"))
"""Read as at `/predict`."""
ACCEPTED = "application/json, text/csv, application/x-npy, image/png, image/jpeg"
Document = dict[str, object]


def read_scoring(predictor: Predictor, content_type: str, body: bytes, limits: Limits) -> tuple[Question, Options]:
    """Reads a body by its type. Raises `UnsupportedType`, `Malformed`, `InvalidRows`, `TooLarge`."""
    media_type, _, parameters = content_type.partition(";")
    media_type = media_type.strip().lower()
    charset = parameters.strip().lower().replace('"', "")
    if charset.startswith("charset=") and charset not in ("charset=utf-8", "charset=us-ascii"):
        raise UnsupportedType(f"send UTF-8; received {shown(charset, 40)}")
    if media_type == "application/json":
        return _json(predictor, body, limits)
    if media_type == "text/csv":
        return read(predictor, Sent(media_type, _with_header(predictor, body), [], USUAL), limits)
    if media_type in OTHERS:
        return read(predictor, Sent(media_type, body, [], USUAL), limits)
    raise UnsupportedType(f"send one of {ACCEPTED}; received {shown(media_type, 80) or 'no Content-Type'}")


def _json(predictor: Predictor, body: bytes, limits: Limits) -> tuple[Question, Options]:
    found: object = document(body)
    sent = read_json(body) if found is None else found
    if isinstance(sent, list):
        return _bare(predictor, sent, limits), USUAL
    if not isinstance(sent, dict):
        raise Malformed("the body must be a JSON object or a list of rows")
    forms = [form for form in FORMS if form in sent]
    if len(forms) != 1:
        raise wrong(f"the body has one of {', '.join(FORMS)}; received {', '.join(forms) or 'none of them'}")
    if "signature_name" in sent:
        raise wrong("signature_name is not taken: a model has one signature")
    options = read_options(sent["params"], "params") if "params" in sent else USUAL
    value = sent[forms[0]]
    if forms == [SPLIT]:
        return _split(predictor, value, limits), options
    if forms == [INPUTS] and isinstance(value, dict):
        return _columns(predictor, value, limits), options
    return _rows(predictor, value, limits, forms[0]), options


def _bare(predictor: Predictor, rows: list[object], limits: Limits) -> Question:
    """A list of rows; or of numbers, which are one row."""
    is_one_row = rows and not any(isinstance(row, list | dict) for row in rows)
    return _rows(predictor, [rows] if is_one_row else rows, limits, "the list")


def _rows(predictor: Predictor, rows: object, limits: Limits, place: str) -> Question:
    if not isinstance(rows, list) or not rows:
        raise InvalidRows(f"{place} must be a list of at least one row", code="instances_empty")
    check_size(len(rows), predictor, limits)
    return by_row(predictor, rows)


def _split(predictor: Predictor, value: object, limits: Limits) -> Question:
    """`columns`, `index` and `data`, as pandas splits a frame; without names the columns stand in feature order."""
    if not isinstance(value, dict) or not value.keys() <= {"columns", "index", "data"}:
        raise wrong(f"{SPLIT} has columns, index and data, and nothing else")
    rows, names = value.get("data"), value.get("columns")
    if not isinstance(rows, list) or not rows or not all(isinstance(row, list) for row in rows):
        raise InvalidRows(f"{SPLIT} must have data: a list of at least one row, each a list", code="instances_empty")
    check_size(len(rows), predictor, limits)
    # pandas numbers columns that have no names.
    if names is None or names == list(range(len(rows[0]))) or predictor.takes_pictures:
        return by_row(predictor, rows)
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise wrong("columns must be a list of names")
    if len(set(names)) != len(names):
        raise wrong("a column stands twice in columns")
    for number, row in enumerate(rows):
        if len(row) != len(names):
            raise wrong(f"/{SPLIT}/data/{number} has {len(row)} values; there are {len(names)} columns")
    return by_name(predictor, dict(zip(names, map(list, zip(*rows, strict=True)), strict=True)))


def _columns(predictor: Predictor, inputs: Document, limits: Limits) -> Question:
    columns: dict[str, list[object]] = {}
    for name, values in inputs.items():
        if not isinstance(values, list) or not values:
            raise InvalidRows(
                f"inputs must be lists of at least one row; {shown(name, 40)} is not", code="rows_invalid"
            )
        check_size(len(values), predictor, limits)
        columns[name] = values
    if has_one_input(predictor) and columns.keys() == {INPUT}:
        return by_row(predictor, columns[INPUT])
    return by_name(predictor, columns)


def _with_header(predictor: Predictor, body: bytes) -> bytes:
    """The CSV with a header row before it where it has none: where its first row is numbers alone."""
    start = body[: body.find(b"\n", 1 << 16) + 1] or body
    text = start.decode("utf-8-sig", "replace")
    try:
        first = next((row for row in csv.reader(io.StringIO(text, newline="")) if row), [])
    except csv.Error:
        # What is wrong with it is told by who reads all of it.
        return body
    cells = [cell for cell in first if not is_missing(cell)]
    if not cells or not all(map(_is_number, cells)):
        return body
    names = [feature.name for feature in predictor.preprocessing.features]
    return csv_text(names, ()).encode() + body.removeprefix(b"\xef\xbb\xbf")


def _is_number(cell: str) -> bool:
    try:
        parse_number(cell)
    except ValueError:
        return False
    return True
