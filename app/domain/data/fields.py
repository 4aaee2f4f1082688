"""What one value of a raw row may be, by the type of its column.

JSON values are held to their type: a number column takes no text. CSV cells are read as ingest reads them. Each reader
raises ValueError with what was expected; the caller knows where.
"""

from typing import Protocol

import numpy as np

from app.domain.data.cells import (
    FLOAT32_MAX,
    is_missing,
    parse_boolean,
    parse_date,
    parse_number,
    stripped,
)
from app.domain.data.preprocessing import BooleanFeature, CategoricalFeature, DateFeature, Feature
from app.domain.data.schema import MISSING, UNSEEN


class NotAValue(ValueError):
    """A JSON value of another type than its column's, or out of bounds."""


class ValueReader(Protocol):
    """Reads one value into the number, or the code, that raw rows hold; a missing one into `missing`."""

    missing: float

    def of_json(self, value: object) -> float:
        """Of a JSON value other than null."""

    def of_text(self, text: str) -> float:
        """Of a CSV cell."""


class NumberReader:
    missing = np.nan

    def of_json(self, value: object) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise NotAValue("must be a number, or null where it is missing")
        # Compared before it is converted: an integer past float64 has no float.
        if not abs(value) <= FLOAT32_MAX:
            raise NotAValue("must be finite and within ±3.4e38 (float32)")
        return float(value)

    def of_text(self, text: str) -> float:
        return self.missing if is_missing(text) else parse_number(text)


class DateReader:
    missing = np.nan

    def of_json(self, value: object) -> float:
        if not isinstance(value, str):
            raise NotAValue("must be a date as ISO 8601 text, such as 2024-01-31, or null where it is missing")
        return self.of_text(value)

    def of_text(self, text: str) -> float:
        return self.missing if is_missing(text) else parse_date(text)


class BooleanReader:
    """true and false, or a spelling of them: the training file's, or one that ingest knows."""

    missing = np.nan

    def __init__(self, spellings: tuple[str, ...]) -> None:
        self._spellings = {text: float(index) for index, text in enumerate(spellings)}

    def of_json(self, value: object) -> float:
        if isinstance(value, bool):
            return float(value)
        if isinstance(value, str):
            return self.of_text(value)
        if isinstance(value, int) and str(value) in self._spellings:
            return self._spellings[str(value)]
        raise NotAValue("must be true or false, or null where it is missing")

    def of_text(self, text: str) -> float:
        known = self._spellings.get(stripped(text))
        if known is not None:
            return known
        return self.missing if is_missing(text) else float(parse_boolean(text))


class CategoryReader:
    """Codes by text. Where categories are spelled as numbers, a JSON number is matched by its value."""

    missing: float = MISSING

    def __init__(self, categories: tuple[str, ...]) -> None:
        self._codes = {text: code for code, text in enumerate(categories)}
        self._numbers = {number: code for text, code in self._codes.items() if (number := _number(text)) is not None}

    def of_json(self, value: object) -> float:
        if isinstance(value, str):
            return self.of_text(value)
        if self._numbers and isinstance(value, int | float) and not isinstance(value, bool):
            return self._numbers.get(NumberReader().of_json(value), UNSEEN)
        raise NotAValue("must be text, or null where it is missing")

    def of_text(self, text: str) -> float:
        code = self._codes.get(text, self._codes.get(stripped(text)))
        if code is not None:
            return code
        return MISSING if is_missing(text) else UNSEEN


def reader_for(feature: Feature) -> ValueReader:
    """The reader of a fitted column's values."""
    match feature:
        case CategoricalFeature():
            return CategoryReader(feature.categories)
        case BooleanFeature():
            return BooleanReader(feature.spellings)
        case DateFeature():
            return DateReader()
        case _:
            return NumberReader()


def _number(text: str) -> float | None:
    try:
        return parse_number(text)
    except ValueError:
        return None
