"""A JSON object that is read for every request: fast, and as strictly as the contract reads it."""

from orjson import JSONDecodeError, loads

from app.errors import Malformed
from app.web.strict_json import read_json

DEEPEST = 12
"""A tensor's values, of eight dimensions at the most, lie four levels deep."""
Document = dict[str, object]
_PLAIN = frozenset((int, float))


def read_header(content: bytes) -> Document:
    """A JSON object, read by a fast parser, and strictly where that one may have passed something over.

    A key that stands twice is one of two to it: then there are more quotes than what was read has. Raises `Malformed`.
    """
    try:
        found = loads(content)
    except JSONDecodeError:
        found = read_json(content)
    if b"\\" in content or content.count(b'"') != 2 * _texts(found, 0):
        found = read_json(content)
    if not isinstance(found, dict):
        raise Malformed("the request must be a JSON object")
    return found


def _texts(value: object, depth: int) -> int:
    """How many texts, keys among them, a JSON value has; less than there are, where it is nested suspiciously."""
    if isinstance(value, str):
        return 1
    if depth > DEEPEST:
        return -1
    if isinstance(value, dict):
        return len(value) + sum(_texts(part, depth + 1) for part in value.values())
    if isinstance(value, list) and not _PLAIN.issuperset(map(type, value)):
        return sum(_texts(part, depth + 1) for part in value)
    return 0
