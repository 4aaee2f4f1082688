"""Rows and columns as JSON values, as TensorFlow Serving, KServe's first protocol and MLflow send them → a question.

Values are read as everywhere in the service: a null is missing, a number is a number. Texts, and pictures as PNG or
JPEG, may come as `{"b64": "…"}`.
"""

import binascii
from base64 import b64decode
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from app.domain.inference.frozen import INPUT
from app.errors import InvalidRows, shown
from app.serving.predictor import Predictor, Question
from app.web.context import Limits
from app.web.predict_inputs import question_of_files
from app.web.predict_json import picture_numbers
from app.web.protocols.datatypes import text_of, wrong
from app.web.sizes import check_size

B64 = "b64"


def has_one_input(predictor: Predictor) -> bool:
    """Whether a row is one value; else it has one for each column."""
    return predictor.takes_pictures or predictor.reader.numbers_a_row is not None


def of_rows(predictor: Predictor, rows: object, limits: Limits, place: str = "instances") -> Question:
    """A question of a list of rows: the input's value each, or objects by the inputs' names.

    Raises `InvalidRows` for rows of both kinds, for inputs that are missing or unknown, and for values that are none.
    """
    if not isinstance(rows, list) or not rows:
        raise InvalidRows(f"{place} must be a list of at least one row", code="instances_empty")
    check_size(len(rows), predictor, limits)
    named = [row for row in rows if isinstance(row, dict) and row.keys() != {B64}]
    if len(named) not in (0, len(rows)):
        raise wrong(f"{place} must be objects, or values, all of one kind")
    if not named:
        return _of_one(predictor, rows)
    names = _names(predictor)
    for number, row in enumerate(named):
        if row.keys() != names:
            name = min(row.keys() ^ names)
            what = "is missing" if name in names else "is no input of the model"
            raise wrong(f"/{place}/{number}: '{shown(name, 40)}' {what}")
    if has_one_input(predictor):
        return _of_one(predictor, [row[INPUT] for row in named])
    return by_name(predictor, {name: [row[name] for row in named] for name in _ordered(predictor)})


def of_columns(predictor: Predictor, inputs: object, limits: Limits) -> Question:
    """A question of whole inputs: the values of the one input, or an object by the inputs' names.

    Names that are none of the model's are passed over. Raises `InvalidRows` for one that is missing.
    """
    if isinstance(inputs, dict) and inputs.keys() != {B64}:
        for name in _ordered(predictor):
            if name not in inputs:
                raise wrong(f"/inputs: '{shown(name, 40)}' is missing")
        columns = {name: _list(inputs[name], f"inputs/{name}", predictor, limits) for name in _ordered(predictor)}
        return _of_one(predictor, columns[INPUT]) if has_one_input(predictor) else by_name(predictor, columns)
    return _of_one(predictor, _list(inputs, "inputs", predictor, limits))


def of_examples(predictor: Predictor, examples: object, context: object, limits: Limits) -> Question:
    """A question of examples: objects by column name (or of the one input), each value alone or in a list.

    `context` holds what all of them share. A column that none of both has is missing.
    """
    if not isinstance(examples, list) or not examples or not all(isinstance(one, dict) for one in examples):
        raise InvalidRows("examples must be a list of at least one object", code="instances_empty")
    if not isinstance(context, dict):
        raise wrong("context must be an object")
    check_size(len(examples), predictor, limits)
    whole: list[dict[str, object]] = [{**context, **one} for one in examples]
    return by_row(predictor, [*whole])


def by_row(predictor: Predictor, rows: list[object]) -> Question:
    """A question of rows as everywhere in the service: objects by column name, arrays in feature order, or pictures.

    A column that an object leaves out is missing. Raises `InvalidRows`.
    """
    if has_one_input(predictor) and all(isinstance(row, dict) and row.keys() == {INPUT} for row in rows):
        rows = [row[INPUT] for row in rows if isinstance(row, dict)]
    if not predictor.takes_pictures:
        whole = [_by_column(row) if isinstance(row, dict) else row for row in rows]
        return Question(raw=predictor.reader.of_instances(whole))
    if any(isinstance(row, dict) for row in rows):
        return question_of_files(predictor, [_file(row) for row in rows])
    return predictor.of_array(_pictures(predictor, picture_numbers(rows)))


def by_name(predictor: Predictor, columns: Mapping[str, list[object]]) -> Question:
    """A question of a table's columns; one that is left out is missing. Raises `InvalidRows`."""
    if predictor.takes_pictures:
        raise InvalidRows(f"the model takes pictures: one input, '{INPUT}'", code="kind_mismatch")
    table = {name: [_scalar(value, name) for value in values] for name, values in columns.items()}
    return Question(raw=predictor.reader.of_columns(table))


def _of_one(predictor: Predictor, values: list[object]) -> Question:
    """Of a model with one input: a list of numbers for each row, or a picture."""
    if not has_one_input(predictor):
        raise wrong("the model has several inputs: each row is an object by their names")
    return by_row(predictor, values)


def _by_column(row: dict[str, object]) -> dict[str, object]:
    return {name: _scalar(value, name) for name, value in row.items()}


def _pictures(predictor: Predictor, numbers: NDArray[np.float64]) -> NDArray[np.float64]:
    """Pictures whose numbers stand in one list each, in their shape."""
    place = predictor.preprocessing.picture
    if place is not None and numbers.ndim == 2 and numbers.shape[1] == place.height * place.width * 3:
        return numbers.reshape(-1, place.height, place.width, 3)
    return numbers


def _scalar(value: object, name: str) -> object:
    """A column's value in one row: alone, or the one value of a list; bytes as the text that they are."""
    if isinstance(value, list):
        if len(value) != 1:
            raise wrong(f"'{shown(name, 40)}' has one value a row; received {shown(value)}")
        value = value[0]
    if isinstance(value, dict):
        return text_of(_file(value), name, 0)
    return value


def _file(value: object) -> bytes:
    if isinstance(value, dict) and value.keys() == {B64} and isinstance(text := value[B64], str):
        try:
            return b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            raise wrong("a b64 holds what is no base64") from None
    raise wrong(f'bytes are sent as {{"b64": "…"}}; received {shown(value)}')


def _list(value: object, place: str, predictor: Predictor, limits: Limits) -> list[object]:
    if not isinstance(value, list) or not value:
        raise InvalidRows(f"/{shown(place)} must be a list of at least one row", code="instances_empty")
    check_size(len(value), predictor, limits)
    return value


def _ordered(predictor: Predictor) -> list[str]:
    if has_one_input(predictor):
        return [INPUT]
    return [feature.name for feature in predictor.preprocessing.features]


def _names(predictor: Predictor) -> set[str]:
    return set(_ordered(predictor))
