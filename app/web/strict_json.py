"""JSON as strictly as the contract reads it: no NaN, no duplicate key, no absurd depth, no lone surrogate."""

import json
import math
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute

from app.domain.data.pointers import pointer
from app.errors import FieldError, Malformed, TooLarge, UnsupportedType, shown

MAX_DEPTH = 64
MAX_DIGITS = 320
MAX_BYTES = 1 << 20
"""Of a body that `StrictRoute` reads: specs and settings, which are small; parsing them must not hold up the rest."""


class _Refused(Exception):
    """What is wrong with a value, and the way to it: each level on the way out adds its part."""

    def __init__(self, detail: str, code: str | None = None, *path: str) -> None:
        self.detail, self.code, self.path = detail, code, list[str | int](path)


def read_json(body: bytes) -> Any:
    """Parses `body`. Raises `Malformed` for anything that strict JSON is not, naming the field where there is one."""
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Malformed(f"the body is not UTF-8: byte {error.start} is wrong") from None
    try:
        value = json.loads(
            text, object_pairs_hook=_unique, parse_constant=_no_number, parse_float=_finite, parse_int=_bounded
        )
        _check(value, 0)
    except json.JSONDecodeError as error:
        raise Malformed(f"the body is not JSON: {error.msg} at line {error.lineno}, column {error.colno}") from None
    except RecursionError:
        raise Malformed("the body is nested too deeply") from None
    except _Refused as refused:
        where = pointer(*(shown(part) if isinstance(part, str) else part for part in reversed(refused.path)))
        field = FieldError(where, refused.detail)
        raise Malformed(f"{where or 'the body'}: {refused.detail}", code=refused.code, errors=(field,)) from None
    return value


class StrictRoute(APIRoute):
    """A route whose JSON body has passed `read_json` before FastAPI sees it. One that is optional may be empty."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handler = super().get_route_handler()
        takes_body = self.body_field is not None
        optional = self.body_field is not None and not self.body_field.field_info.is_required()

        async def strict(request: Request) -> Response:
            if takes_body and (not optional or await request.body()):
                media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
                if media_type != "application/json":
                    raise UnsupportedType(f"send application/json; received {shown(media_type) or 'no Content-Type'}")
                body = await request.body()
                if len(body) > MAX_BYTES:
                    raise TooLarge(
                        f"the body has {len(body)} bytes; {MAX_BYTES} are allowed here", code="body_too_large"
                    )
                read_json(body)
            return await handler(request)

        return strict


def _unique(pairs: list[tuple[str, Any]]) -> Any:
    values = dict(pairs)
    if len(values) != len(pairs):
        twice = next(name for name, count in Counter(name for name, _ in pairs).items() if count > 1)
        return _Refused("the key stands twice in one object", "duplicate_key", twice)
    return values


# What the parser meets it meets without knowing where: the value's place is taken, and the walk finds it there.
def _no_number(name: str) -> Any:
    return _Refused(f"{name} is not a JSON number", "number_not_finite")


def _finite(text: str) -> Any:
    number = float(text)
    return _Refused(f"{shown(text)} is too large for a number", "number_not_finite") if math.isinf(number) else number


def _bounded(text: str) -> Any:
    if len(text) > MAX_DIGITS:
        return _Refused(f"{shown(text, 20)} has too many digits", "number_not_finite")
    return int(text)


def _check(value: object, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise _Refused(f"the body is nested deeper than {MAX_DEPTH} levels")
    if isinstance(value, str):
        _check_text(value)
    elif isinstance(value, dict):
        _check_parts(value.items(), depth)
    elif isinstance(value, list):
        _check_parts(enumerate(value), depth)
    elif isinstance(value, _Refused):
        raise value


def _check_parts(parts: Iterable[tuple[str | int, object]], depth: int) -> None:
    for name, part in parts:
        try:
            if isinstance(name, str):
                _check_text(name)
            if not isinstance(part, float | int):
                _check(part, depth + 1)
        except _Refused as refused:
            refused.path.append(name)
            raise


def _check_text(text: str) -> None:
    if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        raise _Refused("a text holds half a surrogate pair, which is no character", "text_invalid")
    if "\0" in text:
        raise _Refused("a text holds a NUL character", "text_invalid")
