"""How an answer is to be given: options of a query string or of a JSON body."""

from typing import Annotated
from urllib.parse import parse_qsl

from pydantic import Field, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from app.domain.strict import Strict
from app.errors import Invalid
from app.web.fields import invalid_of

MAX_OPTIONS = 20
MOST_SAMPLES = 1_000


class Options(Strict):
    """How an answer is to be given. With `monte_carlo_samples`, dropout stays on for that many passes."""

    probabilities: bool = True
    top: Annotated[int, Field(ge=1, le=1000)] | None = None
    calibrated: bool = True
    monte_carlo_samples: Annotated[int, Field(ge=1, le=MOST_SAMPLES)] | None = None
    seed: Annotated[int, Field(ge=0, le=2**63 - 1)] | None = None

    @model_validator(mode="after")
    def _seed_has_use(self) -> "Options":
        if self.seed is not None and self.monte_carlo_samples is None:
            raise PydanticCustomError("seed_alone", "seed is for monte_carlo_samples, which is not given")
        return self


USUAL = Options()


def options_of(query: bytes) -> Options:
    """The options of a query string. Raises `Invalid` for one that is unknown or not a value of its kind."""
    if not query:
        return USUAL
    given = dict(parse_qsl(query.decode("latin-1"), keep_blank_values=True))
    if len(given) > MAX_OPTIONS:
        raise Invalid(f"{len(given)} options were given, and there are {len(Options.model_fields)}")
    words: dict[str, object] = {"true": True, "false": False}
    return read_options(
        {
            name: words.get(text, int(text) if text.isascii() and text.isdigit() and len(text) < 20 else text)
            for name, text in given.items()
        }
    )


def read_options(document: object, *place: str) -> Options:
    """The options of a document that stands at `place` in the body. Raises `Invalid`."""
    try:
        return Options.model_validate(document)
    except ValidationError as error:
        raise invalid_of(error, *place) from None
