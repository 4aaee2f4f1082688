"""The failures a user can meet. No HTTP here: the web decides statuses in one table.

DropnormError
├── Invalid              understood, but not valid (a field, a row, a column is named)
│   ├── InvalidNetwork   a network spec that cannot be built
│   ├── InvalidSettings  training settings that cannot be run
│   ├── InvalidDataset   a file that cannot be read as data
│   └── InvalidRows      rows that a model cannot answer
├── Malformed            not even readable: broken JSON, duplicate keys, NaN
├── Unauthenticated      no key, or one that is unknown, revoked or expired
├── Forbidden            a key that may not do this
├── TooSlow              a body that did not come in time
├── NotFound             unknown, or not yours
├── Conflict             the state of the thing forbids it
├── TooLarge             over a limit on size
├── UnsupportedType      a media type or file format that is not accepted
├── QuotaExceeded        over a limit on number; may be tried again later
├── Unavailable          not ready, or overloaded; may be tried again soon
│   └── StorageUnavailable  the disk cannot be read or written just now
├── StorageFull          the disk has no room left
├── Diverged             training reached values that are not finite numbers
├── Unfaithful           what would be served does not answer as the trained network does
└── Damaged              a stored file does not have the digest that was recorded
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FieldError:
    """One thing that was wrong, where (a JSON pointer), and what was received (a short text, never a secret)."""

    pointer: str
    message: str
    received: str | None = None


class DropnormError(Exception):
    """A failure that a user can meet: a stable code, a sentence, and the fields it is about."""

    code = "error"

    def __init__(self, detail: str, *, code: str | None = None, errors: tuple[FieldError, ...] = ()) -> None:
        super().__init__(detail)
        self.detail = detail
        self.code = code or type(self).code
        self.errors = errors


class Invalid(DropnormError):
    code = "invalid"


class InvalidNetwork(Invalid):
    code = "network_invalid"


class InvalidSettings(Invalid):
    code = "settings_invalid"


class InvalidDataset(Invalid):
    code = "dataset_invalid"


class InvalidRows(Invalid):
    code = "rows_invalid"


class Malformed(DropnormError):
    code = "body_malformed"


class Unauthenticated(DropnormError):
    code = "key_required"


class Forbidden(DropnormError):
    code = "forbidden"


class TooSlow(DropnormError):
    code = "body_too_slow"


class NotFound(DropnormError):
    code = "not_found"


class Conflict(DropnormError):
    code = "conflict"


class TooLarge(DropnormError):
    code = "too_large"


class UnsupportedType(DropnormError):
    code = "type_unsupported"


class QuotaExceeded(DropnormError):
    code = "quota_exceeded"


class Unavailable(DropnormError):
    code = "unavailable"


class StorageUnavailable(Unavailable):
    code = "storage_unavailable"


class StorageFull(DropnormError):
    code = "storage_full"


class Diverged(DropnormError):
    code = "diverged"


class Unfaithful(DropnormError):
    code = "parity_failed"


class Damaged(DropnormError):
    code = "file_damaged"


def shown(value: object, limit: int = 80) -> str:
    """`value` as a message may show it: its repr, cut at `limit` characters."""
    text = repr(value) if not isinstance(value, str) else value
    return text if len(text) <= limit else text[: limit - 1] + "…"
