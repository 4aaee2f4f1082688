"""Reading a Server-Sent Events stream as a browser does."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx


@dataclass(frozen=True, slots=True)
class Event:
    id: int
    kind: str
    data: dict[str, Any]


def follow(api: httpx.Client, run_id: str, last: str | None = None) -> Iterator[Event]:
    """A run's events as they come, until the service ends the stream."""
    headers = {} if last is None else {"Last-Event-ID": last}
    with api.stream("GET", f"/api/v1/runs/{run_id}/events", headers=headers) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        fields: dict[str, str] = {}
        for line in answer.iter_lines():
            name, _, value = line.partition(":")
            if line and name:
                fields[name] = value.strip()
            elif "event" in fields:
                yield Event(int(fields["id"]), fields["event"], json.loads(fields["data"]))
                fields = {}
