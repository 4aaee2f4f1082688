"""What turns a prediction away at the connection: made once for each protocol, for it must cost next to nothing."""

from functools import cache

from app.errors import Unavailable
from app.web.errors import Form, answer_of
from app.web.outgoing import HEADERS

_OVERLOADED = Unavailable("more predictions wait than can be answered soon; try again", code="overloaded")


@cache
def refusal(form: Form) -> tuple[bytes, bytes]:
    """The header lines (each ended by CRLF) and the body, in the form of the path that was asked."""
    answer = answer_of(_OVERLOADED, form)
    lines = [b"%b: %b\r\n" % header for header in (*answer.raw_headers, *HEADERS) if header[0] != b"content-length"]
    return b"".join(lines), bytes(answer.body)
