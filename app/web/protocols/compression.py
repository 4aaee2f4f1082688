"""Bodies that come compressed, as the clients of the Open Inference Protocol send them; no other path takes any.

A small body may become a large one: it is made piece by piece, and each piece is counted as if it had been sent.
"""

import gzip
import zlib
from collections.abc import Awaitable, Callable
from functools import partial

from app.errors import Malformed, UnsupportedType, shown
from app.web.bodies import Body

WINDOWS = {"gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}
"""How zlib is told of each encoding's container; the protocol's `deflate` is zlib's own, as HTTP has it."""
PIECE_BYTES = 1 << 20
FASTEST = 1
InThread = Callable[[Callable[[], bytes]], Awaitable[bytes]]


async def inflated(sent: bytes, encoding: str, body: Body | None, in_thread: InThread) -> bytes:
    """What `sent` was before it was compressed.

    Raises `UnsupportedType` for another encoding, `Malformed` for what is none of it, `TooLarge` and `Unavailable` as
    if all of it had come over the wire.
    """
    if encoding not in WINDOWS:
        message = f"send the body as it is, or compressed by gzip or deflate; received {shown(encoding)}"
        raise UnsupportedType(message, code="encoding_unsupported")
    inflater = zlib.decompressobj(WINDOWS[encoding])
    pieces: list[bytes] = []
    left = sent
    try:
        while not inflater.eof:
            piece = await in_thread(partial(inflater.decompress, left, PIECE_BYTES))
            left = inflater.unconsumed_tail
            # Where no input is left, there may still be output of it.
            if not piece and not left:
                break
            pieces.append(piece)
            if body is not None:
                body.hold(len(piece))
    except zlib.error:
        raise Malformed(f"the body is no {encoding}") from None
    if not inflater.eof or inflater.unused_data:
        raise Malformed(f"the body is no whole {encoding}, or has more behind it")
    return b"".join(pieces)


def accepted_encoding(header: bytes) -> str | None:
    """How an answer may be compressed: by the one encoding that is named, and not at all where there is a choice.

    Triton's asyncio client names several, as its HTTP library does by itself, and then reads most answers as they come.
    """
    named = header.decode("latin-1").strip().lower()
    return named if named in WINDOWS else None


def deflated(answer: bytes, encoding: str) -> bytes:
    """`answer`, compressed. Encodings are those of `accepted_encoding`."""
    return gzip.compress(answer, FASTEST, mtime=0) if encoding == "gzip" else zlib.compress(answer, FASTEST)
