"""The bodies that a prediction takes: JSON rows, CSV, pictures, arrays."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from orjson import JSONDecodeError, loads
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request

from app.errors import FieldError, InvalidRows, Malformed, TooLarge, UnsupportedType, shown
from app.ingest.pictures import declared_pixels, decode
from app.serving.predictor import Answers, Predictor
from app.web.npy import read_npy
from app.web.predict_options import Options, read_options
from app.web.strict_json import read_json

ACCEPTED = "application/json, text/csv, image/png, image/jpeg, multipart/form-data, application/x-npy"
MAX_PICTURES = 256
MAX_PIXELS = 150_000_000
"""Of all pictures of a form: some seconds of decoding."""


@dataclass(frozen=True, slots=True)
class Question:
    """A body that was received whole (or the pictures of a form), and how it is to be answered."""

    media_type: str
    body: bytes
    pictures: list[bytes]
    options: Options
    most_rows: int
    most_cells: int
    most_values: int
    wants_csv: bool


def answer(predictor: Predictor, question: Question) -> tuple[Answers, Options]:
    """Reads the body as its media type says and answers it. Raises what a client can get wrong."""
    if question.media_type == "application/json":
        return _json(predictor, question)
    readers: dict[str, Callable[[Predictor, Question], Answers]] = {
        "text/csv": _csv,
        "image/png": _picture,
        "image/jpeg": _picture,
        "application/x-npy": _array,
        "multipart/form-data": _form,
    }
    reader = readers.get(question.media_type)
    if reader is None:
        raise UnsupportedType(f"send one of {ACCEPTED}; received {shown(question.media_type) or 'no Content-Type'}")
    return reader(predictor, question), question.options


async def pictures_of_form(request: Request) -> list[bytes]:
    """The pictures of a multipart form, in their order. Raises `InvalidRows` for anything else in it."""
    try:
        async with request.form(max_files=MAX_PICTURES, max_fields=0) as form:
            files = [part for _, part in form.multi_items() if isinstance(part, UploadFile)]
            pictures = [await file.read() for file in files]
    except HTTPException as error:
        raise Malformed(f"the form cannot be read: {shown(str(error.detail))}") from None
    if not pictures:
        raise InvalidRows("the form has no picture", code="instances_empty")
    return pictures


def _json(predictor: Predictor, question: Question) -> tuple[Answers, Options]:
    _check_unread(predictor, question)
    document = read_json(question.body)
    if not isinstance(document, dict) or "instances" not in document:
        raise InvalidRows(
            'send {"instances": [row, …]}',
            code="instances_missing",
            errors=(FieldError("/instances", "is required: a list of rows"),),
        )
    for name in document:
        if name not in ("instances", "options"):
            raise InvalidRows(
                f"{shown(name)} is not a field here; instances and options are",
                code="field_unknown",
                errors=(FieldError(f"/{shown(name)}", "is not a field here"),),
            )
    options = read_options(document["options"], "options") if "options" in document else question.options
    instances = document["instances"]
    _check_size(len(instances) if isinstance(instances, list) else 0, predictor, question)
    if predictor.takes_pictures:
        return predictor.answer_array(_numbers(instances)), options
    return predictor.answer_rows(predictor.reader.of_instances(instances)), options


def _check_unread(predictor: Predictor, question: Question) -> None:
    """Refuses too many rows before they are read strictly, which would take seconds for a million."""
    if max(question.body.count(b"{"), question.body.count(b"[")) <= question.most_rows:
        return
    try:
        document = loads(question.body)
    except JSONDecodeError:
        # What is wrong with it is told by who reads it strictly.
        return
    instances = document.get("instances") if isinstance(document, dict) else None
    _check_size(len(instances) if isinstance(instances, list) else 0, predictor, question)


def _numbers(instances: object) -> NDArray[np.float64]:
    """Pictures as JSON numbers 0–1: [n, height × width × 3], or [n, height, width, 3]."""
    if not isinstance(instances, list) or not instances:
        raise InvalidRows(
            "instances must be a list of at least one row",
            code="instances_empty",
            errors=(FieldError("/instances", "must be a list of at least one row"),),
        )
    for row, instance in enumerate(instances):
        if not _only_numbers(instance):
            raise InvalidRows(
                "a picture as JSON is a list of numbers between 0 and 1",
                code="value_invalid",
                errors=(FieldError(f"/instances/{row}", "must be a list of numbers"),),
            )
    try:
        return np.array(instances, np.float64)
    except ValueError:
        raise InvalidRows("the rows differ in length", code="row_width_mismatch") from None


def _only_numbers(value: object) -> bool:
    if not isinstance(value, list) or not value:
        return False
    kinds = set(map(type, value))
    return kinds <= {int, float} or (kinds == {list} and all(map(_only_numbers, value)))


def _csv(predictor: Predictor, question: Question) -> Answers:
    if predictor.takes_pictures:
        raise InvalidRows("the model takes pictures, not rows of a table", code="kind_mismatch")
    try:
        text = question.body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Malformed(f"the body is not UTF-8: byte {error.start} is wrong") from None
    # Lines may end in carriage returns alone.
    _check_size(max(text.count("\n"), text.count("\r")) - 1, predictor, question)
    return predictor.answer_rows(predictor.reader.of_csv(text))


def _picture(predictor: Predictor, question: Question) -> Answers:
    return _pictures(predictor, [question.body])


def _form(predictor: Predictor, question: Question) -> Answers:
    _check_size(len(question.pictures), predictor, question)
    return _pictures(predictor, question.pictures)


def _pictures(predictor: Predictor, files: list[bytes]) -> Answers:
    """Decodes no more than is sure to be answered."""
    if not predictor.takes_pictures:
        raise InvalidRows("the model takes rows of a table, not pictures", code="kind_mismatch")
    if len(files) > 1 and (pixels := sum(map(declared_pixels, files))) > MAX_PIXELS:
        raise TooLarge(
            f"the pictures have {pixels:,} pixels together; {MAX_PIXELS:,} are allowed a call", code="too_many_pixels"
        )
    return predictor.answer_pictures([decode(file) for file in files])


def _array(predictor: Predictor, question: Question) -> Answers:
    array = read_npy(question.body)
    _check_size(len(array) if array.ndim else 0, predictor, question)
    return predictor.answer_array(array)


def _check_size(rows: int, predictor: Predictor, question: Question) -> None:
    """Before anything is made of the rows: their number, and that of the values which the network would take in."""
    if rows > question.most_rows:
        raise TooLarge(f"{rows} rows were sent; {question.most_rows} are allowed a call", code="too_many_rows")
    values = rows * predictor.outputs
    if values > question.most_values:
        raise TooLarge(
            f"{rows} rows are {values} probabilities to answer; {question.most_values} are allowed a call",
            code="too_many_values",
        )
    cells = rows * predictor.inputs
    if cells > question.most_cells:
        raise TooLarge(
            f"{rows} rows are {cells} inputs of the network; {question.most_cells} are allowed a call",
            code="too_many_cells",
        )
