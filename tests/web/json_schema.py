"""As much of JSON Schema (draft 2020-12) as the service's OpenAPI document uses: does a value fit?"""

import re
from collections.abc import Iterator
from typing import Any

Json = Any
TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
    "null": (type(None),),
}
KNOWN = frozenset(
    [
        "type",
        "properties",
        "required",
        "additionalProperties",
        "items",
        "anyOf",
        "oneOf",
        "enum",
        "const",
        "minimum",
        "maximum",
        "exclusiveMinimum",
        "exclusiveMaximum",
        "minLength",
        "maxLength",
        "minItems",
        "maxItems",
        "pattern",
        "format",
        "title",
        "description",
        "default",
        "discriminator",
        "$ref",
    ]
)


def faults(document: dict[str, Any], schema: dict[str, Any], value: Json, place: str = "") -> Iterator[str]:
    """What is wrong with `value`; the references of `schema` are resolved in `document`."""
    if "$ref" in schema:
        yield from faults(document, resolved(document, schema["$ref"]), value, place)
        return
    unknown = set(schema) - KNOWN
    assert not unknown, f"the test does not know {unknown}"
    parts = schema.get("anyOf") or schema.get("oneOf")
    if parts:
        if all(any(faults(document, part, value)) for part in parts):
            yield f"{place}: {value!r:.80} fits none of {len(parts)} forms"
        return
    wanted = schema.get("type")
    if wanted and (not isinstance(value, TYPES[wanted]) or (isinstance(value, bool) and wanted != "boolean")):
        yield f"{place}: {value!r:.80} is no {wanted}"
        return
    yield from _of_value(schema, value, place)
    if isinstance(value, dict):
        yield from _of_object(document, schema, value, place)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from faults(document, schema.get("items", {}), item, f"{place}/{index}")


def resolved(document: dict[str, Any], reference: str) -> dict[str, Any]:
    """What a `$ref` names. Raises KeyError where it names nothing."""
    found = document
    for part in reference.removeprefix("#/").split("/"):
        found = found[part]
    return found


def _of_value(schema: dict[str, Any], value: Json, place: str) -> Iterator[str]:
    if "const" in schema and value != schema["const"]:
        yield f"{place}: {value!r:.80} is not {schema['const']!r}"
    if "enum" in schema and value not in schema["enum"]:
        yield f"{place}: {value!r:.80} is none of {schema['enum']}"
    if isinstance(value, str) and not re.search(schema.get("pattern", ""), value):
        yield f"{place}: {value!r:.80} is not of the form {schema['pattern']}"
    if isinstance(value, int | float) and not isinstance(value, bool):
        if value < schema.get("minimum", value) or value > schema.get("maximum", value):
            yield f"{place}: {value!r} is out of range"
        if value == schema.get("exclusiveMinimum") or value == schema.get("exclusiveMaximum"):
            yield f"{place}: {value!r} is out of range"
    if isinstance(value, str | list):
        kind = "Length" if isinstance(value, str) else "Items"
        if not schema.get(f"min{kind}", 0) <= len(value) <= schema.get(f"max{kind}", len(value)):
            yield f"{place}: {value!r:.80} has {len(value)} parts"


def _of_object(document: dict[str, Any], schema: dict[str, Any], value: dict[str, Json], place: str) -> Iterator[str]:
    properties, more = schema.get("properties", {}), schema.get("additionalProperties", True)
    for name in schema.get("required", []):
        if name not in value:
            yield f"{place}: {name} is missing"
    for name, part in value.items():
        if name in properties:
            yield from faults(document, properties[name], part, f"{place}/{name}")
        elif more is False:
            yield f"{place}: {name} is not a field"
        elif isinstance(more, dict):
            yield from faults(document, more, part, f"{place}/{name}")
