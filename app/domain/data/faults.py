"""Gathers what is wrong with rows, so that one answer names it all."""

from app.domain.data.pointers import pointer
from app.errors import FieldError, InvalidRows, shown

_MOST = 20
"""How many faults one failure names."""


class Faults:
    """Values that could not be read. `place` is the first part of their JSON pointers; rows count from `first`."""

    def __init__(self, place: str, first: int = 0) -> None:
        self._place, self._first = place, first
        self._errors: list[FieldError] = []
        self._count = 0

    def add(self, row: int, column: str, message: str, received: object) -> None:
        self._count += 1
        if len(self._errors) < _MOST:
            self._errors.append(FieldError(pointer(self._place, self._first + row, column), message, shown(received)))

    def raise_if_any(self) -> None:
        """Raises `InvalidRows` with the faults so far, the first one as its sentence."""
        if self._errors:
            first = self._errors[0]
            more = f"; {self._count - 1} more values are wrong" if self._count > 1 else ""
            detail = f"{first.pointer} {first.message}; received {first.received}{more}"
            raise InvalidRows(detail, code="value_invalid", errors=tuple(self._errors))


def refuse(message: str, where: str, received: object, code: str = "rows_invalid") -> InvalidRows:
    """A failure about one place."""
    return InvalidRows(message, code=code, errors=(FieldError(where, message, shown(received)),))
