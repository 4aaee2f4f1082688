"""The head of a request that may come again, with another length of its body alone."""

import re
from dataclasses import dataclass, replace

from app.web.lane import Head
from app.web.outgoing import HEADERS_BY_NAME

LONGEST_HEAD = 4_096
_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*([0-9]+)(?=\r\n)", re.IGNORECASE)
_UNUSUAL = frozenset((b"transfer-encoding", b"expect", b"upgrade", b"trailer", b"te"))


@dataclass(frozen=True, slots=True)
class Repeated:
    """A head that came before: its bytes before and behind the body's length, and what it said."""

    before: bytes
    behind: bytes
    head: Head

    def places(self, data: bytes) -> tuple[int, int] | None:
        """Where the body of a request begins and ends in `data`, or in what comes after; None for another head."""
        if not data.startswith(self.before):
            return None
        start = len(self.before)
        end = data.find(b"\r", start, start + 8)
        digits = data[start:end]
        if not digits.isdigit() or not data.startswith(self.behind, end):
            return None
        body = end + len(self.behind)
        return body, body + int(digits)


def repeated(head: bytes, found: Head) -> Repeated | None:
    """What to keep of a request that began with the bytes `head`; None for anything unusual."""
    lengths = list(_LENGTH.finditer(head))
    names = [name for name, _ in found.scope["headers"]]
    once = len(lengths) == 1 == names.count(b"content-length")
    plain = head.startswith(b"POST /") and head.count(b"\n") == head.count(b"\r\n") and len(head) <= LONGEST_HEAD
    stays = found.headers.get(b"connection", b"keep-alive").lower() == b"keep-alive" and names.count(b"connection") < 2
    if not (once and plain and stays) or _UNUSUAL.intersection(names) or found.scope["http_version"] != "1.1":
        return None
    # Without the one thing that is another each time, and with nothing that whoever answers puts into its scope.
    headers = {name: value for name, value in found.headers.items() if name != b"content-length"}
    scope = {**found.scope, HEADERS_BY_NAME: headers}
    return Repeated(
        head[: lengths[0].start(1)], head[lengths[0].end(1) :], replace(found, scope=scope, headers=headers)
    )
