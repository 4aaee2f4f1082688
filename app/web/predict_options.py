"""How an answer is to be given: options of a query string or of a JSON body."""

from typing import Annotated

from pydantic import Field, ValidationError

from app.domain.strict import Strict
from app.errors import Invalid
from app.web.fields import invalid_of

MAX_OPTIONS = 20


class Options(Strict):
    """How an answer is to be given."""

    probabilities: bool = True
    top: Annotated[int, Field(ge=1, le=1000)] | None = None


def options_of(query: dict[str, str]) -> Options:
    """The options of a query string. Raises `Invalid` for one that is unknown or not a value of its kind."""
    document: dict[str, object] = {}
    if len(query) > MAX_OPTIONS:
        raise Invalid(f"{len(query)} options were given, and there are {len(Options.model_fields)}")
    for name, text in query.items():
        words: dict[str, object] = {"true": True, "false": False}
        document[name] = words.get(text, int(text) if text.isascii() and text.isdigit() and len(text) < 10 else text)
    return read_options(document)


def read_options(document: object, *place: str) -> Options:
    """The options of a document that stands at `place` in the body. Raises `Invalid`."""
    try:
        return Options.model_validate(document)
    except ValidationError as error:
        raise invalid_of(error, *place) from None
