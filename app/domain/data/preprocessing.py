"""What was fitted on the training rows, as a JSON artifact: all that turns a raw row into a network's input.

An encoded place exists only where training rows could teach the network what it means: "is missing" where a training
row missed the value, `(other)` where a training row had a value outside the categories. Elsewhere a missing value
becomes the column's mean (or its most frequent value) and an unseen category becomes none of the known ones.
"""

from itertools import pairwise
from typing import Annotated, Literal

from pydantic import Field, ValidationError

from app.domain.data.schema import OTHER, Frozen
from app.errors import Damaged

FORMAT: Literal[1] = 1
DATE_PARTS = ("", " year", " month", " weekday")
"""What a date becomes: seconds since 1970 UTC, the year, the month from 1, the weekday from 0 for Monday."""


class Scale(Frozen):
    """x is seen as (x - mean) / deviation: the training rows' mean and population deviation (1 for a constant)."""

    mean: float
    deviation: float


UNIT = Scale(mean=0.0, deviation=1.0)


class _Feature(Frozen):
    name: str
    indicator: bool
    """Whether a place says "is missing"."""

    @property
    def encoded(self) -> tuple[str, ...]:
        """Names of the places this column becomes, without the indicator's."""
        return (self.name,)

    @property
    def places(self) -> tuple[str, ...]:
        """Names of all places this column becomes, in their order."""
        return (*self.encoded, f"{self.name} is missing") if self.indicator else self.encoded


class NumericFeature(_Feature):
    """A missing number becomes the mean. `minimum` and `maximum` are the training rows'; None if all were missing."""

    type: Literal["numeric"] = "numeric"
    scale: Scale
    minimum: float | None
    maximum: float | None


class DateFeature(_Feature):
    """Seconds since 1970 UTC and its parts, each with its scale, in the order of `DATE_PARTS`; missing: their means."""

    type: Literal["date"] = "date"
    scales: tuple[Scale, Scale, Scale, Scale]
    minimum: float | None
    maximum: float | None

    @property
    def encoded(self) -> tuple[str, ...]:
        return tuple(self.name + part for part in DATE_PARTS)


class BooleanFeature(_Feature):
    """0 or 1. `spellings` are the dataset's, false first, if it had any; a missing value becomes `most_frequent`."""

    type: Literal["boolean"] = "boolean"
    spellings: tuple[str, ...]
    most_frequent: bool


class CategoricalFeature(_Feature):
    """One place for each of `categories`, then one for all others if training rows had any (`other`).

    `most_frequent` is the place that a missing value takes; None if all training rows missed it.
    """

    type: Literal["categorical"] = "categorical"
    categories: tuple[str, ...]
    other: bool
    most_frequent: int | None

    @property
    def encoded(self) -> tuple[str, ...]:
        values = (*self.categories, OTHER) if self.other else self.categories
        return tuple(f"{self.name}={value}" for value in values)


Feature = Annotated[
    NumericFeature | DateFeature | BooleanFeature | CategoricalFeature,
    Field(discriminator="type"),
]
ScaledFeature = NumericFeature | DateFeature | BooleanFeature


class PictureInput(Frozen):
    """Pictures are resized to `height` × `width`, divided by 255, centred, and flattened row-major if `flat`.

    `center` is what is subtracted of red, green and blue, on the scale 0–1: the training pictures' mean. Inputs that
    are all positive move every weight of a unit the same way, and a step of 0.001 on 12,288 of them kills it: the
    article's dropout network learns nothing without this (docs/decisions/0011-centred-pictures.md).
    """

    height: int
    width: int
    flat: bool
    center: tuple[float, float, float] = (0.0, 0.0, 0.0)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one row of network input."""
        return (self.height * self.width * 3,) if self.flat else (self.height, self.width, 3)


class ClassTarget(Frozen):
    """The class labels in the order of the network's outputs."""

    type: Literal["classes"] = "classes"
    name: str
    labels: tuple[str, ...]


class NumberTarget(Frozen):
    """The target's scale among the training rows; the network learns (y - mean) / deviation."""

    type: Literal["number"] = "number"
    name: str
    scale: Scale


Target = Annotated[ClassTarget | NumberTarget, Field(discriminator="type")]


class Preprocessing(Frozen):
    """The artifact `preprocessing.json`. `features` is empty for pictures, `picture` is None for everything else."""

    format: Literal[1] = FORMAT
    features: tuple[Feature, ...]
    picture: PictureInput | None
    target: Target

    @property
    def scaled(self) -> tuple[ScaledFeature, ...]:
        """The columns of raw `numbers`, in their order."""
        return tuple(feature for feature in self.features if not isinstance(feature, CategoricalFeature))

    @property
    def categorical(self) -> tuple[CategoricalFeature, ...]:
        """The columns of raw `codes`, in their order."""
        return tuple(feature for feature in self.features if isinstance(feature, CategoricalFeature))

    @property
    def encoded_names(self) -> tuple[str, ...]:
        """What each place of an encoded row holds: `bill_length_mm`, `island=Biscoe`, `sex is missing`."""
        return tuple(name for feature in self.features for name in feature.places)

    @property
    def width(self) -> int:
        """Values in an encoded row of a table; 0 for pictures."""
        return sum(len(feature.places) for feature in self.features)

    @property
    def input_shape(self) -> tuple[int, ...]:
        """The shape of one encoded row."""
        return (self.width,) if self.picture is None else self.picture.shape

    def first_places(self) -> dict[str, int]:
        """Where each column's places start in an encoded row."""
        starts = [0]
        for feature in self.features:
            starts.append(starts[-1] + len(feature.places))
        return {feature.name: start for feature, (start, _) in zip(self.features, pairwise(starts), strict=True)}

    def artifact(self) -> bytes:
        """The bytes of `preprocessing.json`; equal preprocessing makes equal bytes."""
        return self.model_dump_json(indent=1).encode()

    @staticmethod
    def read(content: bytes) -> "Preprocessing":
        """Reads what `artifact` wrote. Raises `Damaged` for anything else, and for a later format."""
        try:
            return Preprocessing.model_validate_json(content)
        except ValidationError as error:
            raise Damaged("preprocessing.json is not of a form that this version reads") from error
