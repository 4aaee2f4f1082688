"""Every wrong value of every field of a request body, made from its JSON schema: a new field is covered by itself."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

Json = Any
Path = tuple[str | int, ...]
OF_TYPE: dict[str, tuple[Json, ...]] = {
    "string": ("word", "0.5", "nan", ""),
    "integer": (3, 10**30),
    "number": (0.5, 2.0),
    "boolean": (True, False),
    "array": ([], [1]),
    "object": ({}, {"a": 1}),
}
NEVER_JSON = {
    "NaN": "NaN",
    "Infinity": "Infinity",
    "minus Infinity": "-Infinity",
    "1e999": "1e999",
    "-1e999": "-1e999",
    "5000 digits": "9" * 5000,
    "lone surrogate": '"\\ud800"',
    "NUL": '"a\\u0000b"',
    "duplicate key": '{"k": 1, "k": 1}',
    "bare word": "nan",
    "hexadecimal": "0x10",
    "leading zero": "007",
}
"""Texts that are no JSON value as the contract reads JSON."""
SYNTAX = ("bare word", "hexadecimal", "leading zero")
"""Those that no parser of JSON gets past, so that no field can be named."""


@dataclass(frozen=True, slots=True)
class Field:
    """A place in a body that takes a value: `document` is a body that would be accepted."""

    name: str
    document: Json
    path: Path
    schema: dict[str, Any]

    @property
    def pointer(self) -> str:
        return "".join(f"/{part}" for part in self.path)

    def within(self, document: Json, path: Path) -> "Field":
        """The same field where its body stands at `path` in another."""
        return Field(self.name, placed(document, path, self.document), (*path, *self.path), self.schema)

    def with_value(self, value: Json) -> Json:
        """The body with another value in this place."""
        return placed(self.document, self.path, value)

    def with_text(self, text: str) -> bytes:
        """The body with a text in this place that need not be JSON."""
        return json.dumps(self.with_value("\u2603")).replace(json.dumps("\u2603"), text).encode()


def placed(document: Json, path: Path, value: Json) -> Json:
    """A copy of `document` with `value` at `path`."""
    if not path:
        return value
    first, rest = path[0], path[1:]
    if isinstance(first, int):
        return [placed(item, rest, value) if index == first else item for index, item in enumerate(document)]
    return {**document, first: placed(document.get(first), rest, value)}


def fields(model: type[BaseModel], document: Json, name: str) -> Iterator[Field]:
    """Every field of `model`, nested ones and all members of unions included, within the acceptable `document`."""
    schema = model.model_json_schema()
    yield from _of_object(Walk(schema.get("$defs", {}), name), schema, document, ())


@dataclass(frozen=True, slots=True)
class Walk:
    definitions: dict[str, Any]
    name: str

    def resolved(self, schema: dict[str, Any]) -> dict[str, Any]:
        if "$ref" not in schema:
            return schema
        found: dict[str, Any] = self.definitions[schema["$ref"].rsplit("/", 1)[-1]]
        return found

    def members(self, schema: dict[str, Any]) -> list[dict[str, Any]]:
        """What a value may be, each by itself; null is never sent."""
        whole = self.resolved(schema)
        parts = whole.get("anyOf") or whole.get("oneOf") or [whole]
        return [self.resolved(part) for part in parts if part.get("type") != "null"]

    def example(self, schema: dict[str, Any]) -> Json:
        """A value that is accepted as far as the schema tells."""
        member = self.members(schema)[0]
        if "const" in member or "enum" in member:
            return member.get("const", (member.get("enum") or [None])[0])
        if "default" in member:
            return member["default"]
        kind = member.get("type")
        if kind == "object":
            return {name: self.example(member["properties"][name]) for name in member.get("required", [])}
        if kind == "array":
            return [self.example(member["items"])] * max(1, member.get("minItems", 1))
        if kind in ("integer", "number"):
            least = member.get("minimum", member.get("exclusiveMinimum", 0))
            return max(1, least) if kind == "integer" else 0.5 if least <= 0.5 else least
        return True if kind == "boolean" else "word"


def _of_object(walk: Walk, schema: dict[str, Any], document: Json, path: Path) -> Iterator[Field]:
    for name, part in schema.get("properties", {}).items():
        here = (*path, name)
        given = _at(document, here)
        whole = placed(document, here, walk.example(part)) if given is None else document
        yield Field(f"{walk.name} {'/'.join(map(str, here))}", whole, here, {"anyOf": walk.members(part)})
        for member in walk.members(part):
            yield from _within(walk, member, whole, here)


def _within(walk: Walk, member: dict[str, Any], document: Json, path: Path) -> Iterator[Field]:
    if "properties" in member:
        inside = _fits(member, _at(document, path)) or walk.example(member)
        yield from _of_object(walk, member, placed(document, path, inside), path)
    elif member.get("type") == "array" and "items" in member:
        for item in walk.members(member["items"]):
            # In front, so that the rest of an accepted list still follows.
            rest = _at(document, path) or []
            inside = [walk.example(item), *rest] if "properties" in item else rest or [walk.example(item)]
            yield from _within_item(walk, item, placed(document, path, inside), (*path, 0))
    elif isinstance(member.get("additionalProperties"), dict):
        item = walk.resolved(member["additionalProperties"])
        if "properties" in item:
            yield from _of_object(walk, item, placed(document, path, {"x": walk.example(item)}), (*path, "x"))


def _within_item(walk: Walk, item: dict[str, Any], document: Json, path: Path) -> Iterator[Field]:
    if "properties" in item:
        member = next((part.get("const") for part in item["properties"].values() if "const" in part), "")
        yield from _of_object(Walk(walk.definitions, f"{walk.name} {member}".strip()), item, document, path)
    elif item.get("type") in OF_TYPE:
        yield Field(f"{walk.name} {'/'.join(map(str, path))}", document, path, {"anyOf": [item]})


def _fits(member: dict[str, Any], given: Json) -> Json:
    tags = {name: part["const"] for name, part in member["properties"].items() if "const" in part}
    fits = isinstance(given, dict) and all(given.get(name) == tag for name, tag in tags.items())
    return given if fits else None


def _at(document: Json, path: Path) -> Json:
    for part in path:
        if isinstance(part, int):
            document = document[part] if isinstance(document, list) and part < len(document) else None
        else:
            document = document.get(part) if isinstance(document, dict) else None
    return document


def wrong_values(field: Field) -> Iterator[Json]:
    """Values that the field's schema forbids: null, other types, out of range, too long, unknown words and keys."""
    members = field.schema["anyOf"]
    kinds = {"string" if "const" in member or "enum" in member else member.get("type") for member in members}
    yield None
    for kind, values in OF_TYPE.items():
        if kind not in kinds and not (kind == "integer" and "number" in kinds):
            yield from values
    for member in members:
        yield from _out_of_range(member, alone=len(members) == 1)


def _out_of_range(member: dict[str, Any], *, alone: bool) -> Iterator[Json]:
    if "const" in member or "enum" in member:
        yield from ("unknown word", "", str(member.get("const", "X")).upper() + " ")
    if "minimum" in member:
        yield from (member["minimum"] - 1, -(10**30))
    if "exclusiveMinimum" in member:
        yield from (member["exclusiveMinimum"], -1)
    if "maximum" in member:
        yield from (member["maximum"] * 10 + 1, 1e39)
    if "exclusiveMaximum" in member:
        yield from (member["exclusiveMaximum"], 1e39)
    if "maxLength" in member:
        yield from ("x" * (member["maxLength"] + 1), "x" * 100_000)
    if member.get("minLength"):
        yield ""
    if "pattern" in member:
        yield from ("a b", "-a", "a/b", "a" * 101, "é", "a\n")
    if member.get("maxItems", 10_000) < 10_000:
        yield [1] * (member["maxItems"] + 1)
    if member.get("minItems") and alone:
        yield []
    if "properties" in member:
        yield {"unknown key": 1}
