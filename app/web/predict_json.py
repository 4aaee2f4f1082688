"""A prediction's JSON: rows by column name or in feature order, or pictures as numbers."""

import numpy as np
from numpy.typing import NDArray
from orjson import JSONDecodeError, loads

from app.errors import DropnormError, FieldError, InvalidRows, shown
from app.serving.predictor import Predictor, Question
from app.web.context import Limits
from app.web.json_rows import JsonRows, document
from app.web.predict_options import Options, read_options
from app.web.sizes import check_size
from app.web.strict_json import read_json

QUICK_BYTES = 256 << 10
"""Up to which reading rows of numbers takes half a millisecond: on the event loop, by whoever calls."""


def rows_of_numbers(predictor: Predictor, body: bytes, limits: Limits, json_rows: JsonRows) -> Question | None:
    """Rows of plain numbers and nothing else, read the short way; None for any other body. Raises `TooLarge`."""
    width = predictor.numbers_a_row
    numbers = json_rows.numbers(body, width) if width is not None else None
    if numbers is None:
        return None
    check_size(len(numbers), predictor, limits)
    return predictor.of_numbers(numbers)


def read_json_rows(predictor: Predictor, body: bytes, options: Options, limits: Limits) -> tuple[Question, Options]:
    """Reads `{"instances": […], "options": {…}}`; `options` are what it has none of. Raises what can be wrong."""
    numbers = rows_of_numbers(predictor, body, limits, JsonRows()) if len(body) > QUICK_BYTES else None
    if numbers is not None:
        return numbers, options
    _check_unread(predictor, body, limits)
    plain = document(body)
    if plain is not None:
        try:
            return _of_document(plain, predictor, options, limits)
        except DropnormError:
            # What is wrong is told by who reads it strictly, which another fault may come before.
            pass
    return _of_document(read_json(body), predictor, options, limits)


def _of_document(found: object, predictor: Predictor, options: Options, limits: Limits) -> tuple[Question, Options]:
    if not isinstance(found, dict) or "instances" not in found:
        raise InvalidRows(
            'send {"instances": [row, …]}',
            code="instances_missing",
            errors=(FieldError("/instances", "is required: a list of rows"),),
        )
    for name in found:
        if name not in ("instances", "options"):
            raise InvalidRows(
                f"{shown(name)} is not a field here; instances and options are",
                code="field_unknown",
                errors=(FieldError(f"/{shown(name)}", "is not a field here"),),
            )
    if "options" in found:
        options = read_options(found["options"], "options")
    instances = found["instances"]
    check_size(len(instances) if isinstance(instances, list) else 0, predictor, limits)
    if predictor.takes_pictures:
        return predictor.of_array(picture_numbers(instances)), options
    return Question(raw=predictor.reader.of_instances(instances)), options


def _check_unread(predictor: Predictor, body: bytes, limits: Limits) -> None:
    """Refuses too many rows before they are read strictly, which would take seconds for a million."""
    if max(body.count(b"{"), body.count(b"[")) <= limits.prediction_rows:
        return
    try:
        found = loads(body)
    except JSONDecodeError:
        # What is wrong with it is told by who reads it strictly.
        return
    instances = found.get("instances") if isinstance(found, dict) else None
    check_size(len(instances) if isinstance(instances, list) else 0, predictor, limits)


def picture_numbers(instances: object) -> NDArray[np.float64]:
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
