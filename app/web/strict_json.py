"""JSON as strictly as the contract reads it: no NaN, no duplicate key, no absurd depth, no lone surrogate."""

import json
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute

from app.errors import FieldError, Malformed, TooLarge, UnsupportedType, shown

MAX_DEPTH = 64
MAX_BYTES = 1 << 20
"""Of a body that `StrictRoute` reads: specs and settings, which are small; parsing them must not hold up the rest."""


def read_json(body: bytes) -> Any:
    """Parses `body`. Raises `Malformed` for anything that strict JSON is not."""
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Malformed(f"the body is not UTF-8: byte {error.start} is wrong") from None
    try:
        value = json.loads(
            text, object_pairs_hook=_unique, parse_constant=_refuse_constant, parse_float=_finite, parse_int=_bounded
        )
    except json.JSONDecodeError as error:
        raise Malformed(f"the body is not JSON: {error.msg} at line {error.lineno}, column {error.colno}") from None
    except RecursionError:
        raise Malformed("the body is nested too deeply") from None
    _check(value, 0)
    return value


class StrictRoute(APIRoute):
    """A route whose JSON body has passed `read_json` before FastAPI sees it."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handler = super().get_route_handler()
        takes_body = self.body_field is not None

        async def strict(request: Request) -> Response:
            if takes_body:
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


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise Malformed(
            f"the key {shown(repr(twice))} stands twice in one object",
            code="duplicate_key",
            errors=(FieldError(f"/{shown(twice)}", "must stand once"),),
        )
    return values


def _refuse_constant(name: str) -> float:
    raise Malformed(f"{name} is not a JSON number", code="number_not_finite")


def _finite(text: str) -> float:
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise Malformed(f"{shown(text)} is too large for a number", code="number_not_finite")
    return number


def _bounded(text: str) -> int:
    if len(text) > 320:
        raise Malformed(f"{shown(text, 20)} has too many digits", code="number_not_finite")
    return int(text)


def _check(value: object, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise Malformed(f"the body is nested deeper than {MAX_DEPTH} levels")
    if isinstance(value, str):
        _check_text(value)
    elif isinstance(value, dict):
        for key, part in value.items():
            _check_text(key)
            _check(part, depth + 1)
    elif isinstance(value, list):
        for part in value:
            if not isinstance(part, float | int):
                _check(part, depth + 1)


def _check_text(text: str) -> None:
    if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        raise Malformed("a text holds half a surrogate pair, which is no character", code="text_invalid")
    if "\0" in text:
        raise Malformed("a text holds a NUL character", code="text_invalid")
