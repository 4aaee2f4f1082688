"""What pydantic finds wrong with a document, in the service's own words: fields by JSON pointer, values as sent."""

from collections.abc import Sequence
from itertools import islice
from typing import Any, get_args

from pydantic import ValidationError

from app.domain.data.pointers import pointer
from app.domain.network.layers import AnyLayer
from app.domain.plan.settings import Optimizer
from app.errors import FieldError, Invalid, shown

MOST_FIELDS = 20
_TAGS: dict[str, frozenset[object]] = {
    "0": frozenset(get_args(kind.model_fields["type"].annotation)[0] for kind in get_args(get_args(AnyLayer)[0])),
    "optimizer": frozenset(
        get_args(kind.model_fields["name"].annotation)[0] for kind in get_args(get_args(Optimizer)[0])
    ),
    "network": frozenset({"id", "spec"}),
}
"""The tags that pydantic puts into the place of an error, by what stands before them ("0": a position in a list)."""


def invalid_of(error: ValidationError, *place: str) -> Invalid:
    """What pydantic found wrong with a document that stands at `place`, as a failure that names the fields."""
    return invalid([{**part, "loc": (*place, *part["loc"])} for part in error.errors()])


def invalid(parts: Sequence[dict[str, Any]]) -> Invalid:
    """Pydantic's list of errors as one failure; `loc` is the place of each in the body or the query."""
    # Only those that are told are looked at: thousands can be wrong with one body.
    told = islice((part for part in parts if not _consequence(part, parts)), MOST_FIELDS)
    fields = tuple(map(_field, told))
    return Invalid(f"{fields[0].pointer or 'the body'}: {fields[0].message}", errors=fields)


def _consequence(part: dict[str, Any], parts: Sequence[dict[str, Any]]) -> bool:
    """A list whose only items are wrong is called too short as well, which helps nobody."""
    if part["type"] != "too_short":
        return False
    place = part["loc"]
    return any(len(other["loc"]) > len(place) and other["loc"][: len(place)] == place for other in parts)


def _field(part: dict[str, Any]) -> FieldError:
    return FieldError(pointer(*_path((*part["loc"], *_inner(part)))), part["msg"], _received(part))


def _path(location: Sequence[int | str]) -> list[str]:
    """The place without the tags that pydantic puts behind a union's position: a JSON pointer has no place for them."""
    path: list[str] = []
    before = ""
    for name in map(str, location):
        # A tag stands alone behind its position: `activation` is a layer, and then a field of another.
        if name not in _TAGS.get("0" if before.isdigit() else before, ()):
            path.append(shown(name))
        before = name
    return path


def _inner(part: dict[str, Any]) -> tuple[str, ...]:
    """The field within the object that pydantic finds fault with as a whole."""
    if part["type"] == "null_refused":
        return (part["ctx"]["key"],)
    if part["type"] in ("union_tag_invalid", "union_tag_not_found"):
        return (part["ctx"]["discriminator"].strip("'"),)
    return ()


def _received(part: dict[str, Any]) -> str | None:
    if part["type"] == "null_refused":
        return "null"
    if part["type"] in ("missing", "union_tag_not_found"):
        return None
    given = part["ctx"]["tag"] if part["type"] == "union_tag_invalid" else part.get("input")
    return shown(given if isinstance(given, str) else repr(given))
