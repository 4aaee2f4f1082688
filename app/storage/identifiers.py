"""Opaque ids, and the cursor of a list."""

import base64
import binascii
import secrets

from app.errors import FieldError, Invalid

ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyz"


def new_id(prefix: str) -> str:
    """Such as `run_` and 20 random letters and digits (103 bits)."""
    return f"{prefix}_" + "".join(secrets.choice(ALPHABET) for _ in range(20))


def cursor_of(created_at: float, row_id: str) -> str:
    """Where a list goes on: behind the row made at `created_at` with this id."""
    return base64.urlsafe_b64encode(f"{created_at!r} {row_id}".encode()).decode().rstrip("=")


def read_cursor(cursor: str) -> tuple[float, str]:
    """The inverse of `cursor_of`; raises `Invalid` for anything else."""
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode()
        moment, _, row_id = text.partition(" ")
        created_at = float(moment)
    except (ValueError, binascii.Error) as error:
        raise _unknown_cursor(cursor) from error
    if not row_id.isprintable() or not row_id or created_at != created_at:
        raise _unknown_cursor(cursor)
    return created_at, row_id


def _unknown_cursor(cursor: str) -> Invalid:
    error = FieldError("/cursor", "must be a `next` of an earlier answer", cursor[:80])
    return Invalid("the cursor is not one of this service's", code="cursor_invalid", errors=(error,))
