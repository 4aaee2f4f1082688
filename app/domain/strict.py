"""The base of everything a client may send: exact types, closed keys, finite numbers."""

from typing import Any

from pydantic import BaseModel, ConfigDict, model_validator
from pydantic_core import PydanticCustomError


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
