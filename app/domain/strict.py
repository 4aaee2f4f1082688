"""The bases of all documents: what a client may send, and what the service itself makes."""

from typing import Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, model_validator
from pydantic_core import PydanticCustomError


class Frozen(BaseModel):
    """Made and stored by the service itself: closed and immutable."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Strict(BaseModel):
    """Closed and immutable; "0.5" and true are not numbers; a field is left out, never null."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _refuse_null(cls, data: object) -> object:
        if isinstance(data, dict):
            for key, value in data.items():
                if value is None:
                    raise PydanticCustomError("null_refused", "leave `{key}` out instead of sending null", {"key": key})
        return data

    def document(self) -> dict[str, Any]:
        """The JSON object that makes an equal value again: what is stored, and what is answered."""
        return self.model_dump(mode="json", exclude_none=True)


def few_enough(most: int) -> BeforeValidator:
    """Refuses a longer list before its items are looked at: hundreds of thousands of them can be wrong at once."""

    def check(value: object) -> object:
        if isinstance(value, list | tuple) and len(value) > most:
            limits = {"most": most, "count": len(value)}
            raise PydanticCustomError("too_many", "should have at most {most} items, not {count}", limits)
        return value

    return BeforeValidator(check)
