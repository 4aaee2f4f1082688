"""Generated requests, filled with what exists: else every path would name nothing, and every row no column."""

from collections.abc import MutableMapping
from random import Random
from typing import Any

from schemathesis.core import Body

from tests.fuzz.resources import MODEL, NETWORK, ROWS, TRAINING, Resources
from tests.fuzz.seeds import seeds

Json = dict[str, Any]
KNOWN_SHARE, BODY_SHARE = 0.8, 0.5
ODD: list[Any] = [None, "", " ", True, 0, -1, 1e39, 10**30, "NaN", [], {}, "red", "2024-02-30", "\u0661", "\ud7ff"]
FORM, FRONTIER = "multipart/form-data", "frontier"


class Filling:
    """Puts `resources` into a request, by chance that is the same for the same request."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources

    def path(self, method: str, path: str, parameters: MutableMapping[str, Any], chance: Random) -> None:
        """Names what exists, most of the time; what Schemathesis found in a list may be the key that it comes with."""
        known = self._resources.known(method, path)
        for name, value in parameters.items():
            if name in known and (chance.random() < KNOWN_SHARE or value == self._resources.own_key):
                parameters[name] = chance.choice(known[name])

    def body(self, path: str, media_type: str, body: Body, chance: Random) -> tuple[Body, str | None]:
        """A body for `path`, and its Content-Type where it is not the one of the document."""
        if chance.random() > BODY_SHARE:
            return body, None
        if media_type == FORM:
            return self._form(path, chance), f"{FORM}; boundary={FRONTIER}"
        if path.endswith("/predict"):
            return self._question(media_type, body, chance), None
        if media_type == "application/json" and isinstance(body, dict):
            return self._document(path, body, chance), None
        return body, None

    def _document(self, path: str, body: Json, chance: Random) -> Body:
        if path.endswith(("/runs", "/runs/check")):
            named = {"dataset": self._resources.dataset, "network": chance.choice([self._resources.network, NETWORK])}
            kept = {name: value for name, value in body.items() if chance.random() < BODY_SHARE}
            return {"training": TRAINING, **kept, **named}
        if path.endswith("/datasets"):
            return {**body, "target": "species", "rows": [_spoiled(row, chance) for row in ROWS]}
        if "/aliases/" in path:
            return {"version": chance.choice([1, 2, 3]), "only_if_not_worse": chance.random() < BODY_SHARE}
        if path.endswith(("/evaluate", "/batch-predictions")):
            kept = {name: value for name, value in body.items() if name not in ("version", "alias")}
            return {**kept, "dataset": self._resources.dataset, "version": chance.choice([1, 2, 3])}
        return body

    def _question(self, media_type: str, body: object, chance: Random) -> Body:
        if media_type == "application/json":
            rows = [_spoiled(row, chance) for row in chance.sample(ROWS, 3)]
            options = body.get("options") if isinstance(body, dict) else None
            lists = [list(row.values())[:-1] for row in rows]
            return {"instances": chance.choice([rows, lists]), **({"options": options} if options else {})}
        if media_type == "text/csv":
            header = ",".join(ROWS[0])
            lines = [",".join(str(value) for value in _spoiled(row, chance).values()) for row in ROWS[:3]]
            return "\n".join([header, *lines])
        kind = {"application/x-npy": "array"}.get(media_type, "picture")
        return _scratched(chance.choice(seeds(kind)), chance)

    def _form(self, path: str, chance: Random) -> bytes:
        """A form written by hand: a file with a name, and fields."""
        if path.endswith("/predict"):
            content = _scratched(chance.choice(seeds("picture")), chance)
            return _part("picture", "a.png", content) + _end()
        content, name = (
            chance.choice(seeds("table"))[1:],
            chance.choice(["table.csv", "table.tsv", "Ü.CSV", "a.csv.gz"]),
        )
        if chance.random() < BODY_SHARE:
            content, name = chance.choice(seeds("archive"))[1:], chance.choice(["a.npz", "a.zip", "a.parquet"])
        field, value = chance.choice([("name", MODEL), ("task", "regression"), ("target", "a"), ("columns", "{}")])
        return _part("file", name, _scratched(content, chance)) + _part(field, None, value.encode()) + _end()


def _spoiled(row: Json, chance: Random) -> Json:
    """The row, one value of which may be odd."""
    if chance.random() < BODY_SHARE:
        return row
    return {**row, chance.choice(list(row)): chance.choice(ODD)}


def _scratched(content: bytes, chance: Random) -> bytes:
    """The bytes, one of which may be another."""
    if not content or chance.random() < BODY_SHARE:
        return content
    at = chance.randrange(len(content))
    return content[:at] + bytes([chance.randrange(256)]) + content[at + 1 :]


def _part(name: str, filename: str | None, content: bytes) -> bytes:
    file = f'; filename="{filename}"' if filename else ""
    head = f'--{FRONTIER}\r\nContent-Disposition: form-data; name="{name}"{file}\r\n\r\n'
    return head.encode() + content + b"\r\n"


def _end() -> bytes:
    return f"--{FRONTIER}--\r\n".encode()
