"""What is sent and answered of keys. A key itself stands in one answer, once."""

from typing import Annotated, Literal

from pydantic import AwareDatetime, BeforeValidator, Field
from pydantic_core import PydanticCustomError

from app.domain.strict import Strict, few_enough
from app.storage.service_tables import KeyRow
from app.web.moments import moment, moment_or_none
from app.web.schemas import View

Scope = Literal["read", "predict", "train", "admin"]
ProjectName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]


def _text(value: object) -> object:
    if not isinstance(value, str) or "T" not in value.upper():
        # The library would take a number of seconds, and a date without a time of day.
        raise PydanticCustomError("moment", "must be a time as RFC 3339 writes it, such as 2027-01-31T00:00:00Z")
    return value


Moment = Annotated[AwareDatetime, Field(strict=False), BeforeValidator(_text)]


class KeyRequest(Strict):
    """`admin` includes all other scopes. Without `project` the key is of the caller's own."""

    name: Annotated[str, Field(min_length=1, max_length=100)]
    scopes: Annotated[tuple[Scope, ...], Field(strict=False, min_length=1, max_length=4), few_enough(4)]
    project: ProjectName | None = None
    expires_at: Moment | None = None

    @property
    def expires_seconds(self) -> float | None:
        return None if self.expires_at is None else self.expires_at.timestamp()


class KeyView(View):
    """`hint` is how the key begins, to tell it by."""

    id: str
    name: str
    project: str
    scopes: list[Scope]
    hint: str
    created_at: str
    expires_at: str | None


class MadeKeyView(KeyView):
    """`key` is shown here and never again: null where an `Idempotency-Key` gives the first answer once more."""

    key: str | None


def key_view(row: KeyRow) -> KeyView:
    return KeyView.model_validate(
        {
            "id": row.id,
            "name": row.name,
            "project": row.project,
            "scopes": row.scopes.split(),
            "hint": row.hint,
            "created_at": moment(row.created_at),
            "expires_at": moment_or_none(row.expires_at),
        }
    )
