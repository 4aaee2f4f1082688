"""Raw rows → network input: the one function that training and serving share."""

from contextlib import nullcontext

import numpy as np
from numpy.typing import NDArray

from app.domain.data.cells import FLOAT32_MAX, within_float32
from app.domain.data.dates import date_parts
from app.domain.data.preprocessing import (
    UNIT,
    BooleanFeature,
    CategoricalFeature,
    DateFeature,
    NumericFeature,
    Preprocessing,
    Scale,
    ScaledFeature,
)
from app.domain.data.raw import chunks
from app.domain.data.schema import MISSING, UNSEEN

FARTHEST = 1e6
"""Most deviations from the mean that reach a network, so that none overflows.

No training row is cut: among n values none lies farther than √(n - 1) deviations from their mean (Samuelson 1968).
"""
_NOWHERE = -1
_LEAST_DEVIATION = 1e-200


class Encoder:
    """Encodes rows by one `Preprocessing` of a table; built once, used for every row."""

    def __init__(self, preprocessing: Preprocessing) -> None:
        self.width = preprocessing.width
        first = preprocessing.first_places()
        self._set_scaled(preprocessing.scaled, first)
        self._set_categorical(preprocessing.categorical, first)
        # Nothing but numbers, each with one place: then a row is encoded as it stands.
        self._in_order = self._scaled_places.tolist() == list(range(self.width))

    def encode(self, numbers: NDArray[np.float64], codes: NDArray[np.int32]) -> NDArray[np.float32]:
        """Float32 [n, width] of raw `numbers` [n, scaled columns] and fitted `codes` [n, categorical columns].

        NaN and `MISSING` are imputed; the arithmetic is float64. All values that come out are finite.
        """
        encoded = (np.empty if self._in_order else np.zeros)((len(numbers), self.width), dtype=np.float32)
        for part in chunks(len(numbers), self.width):
            self._encode_scaled(numbers[part], encoded[part])
            if codes.shape[1]:
                self._encode_categories(codes[part], encoded[part])
        return encoded

    def _encode_scaled(self, numbers: NDArray[np.float64], encoded: NDArray[np.float32]) -> None:
        plain = not len(self._dates) and numbers.size > 0 and within_float32(numbers)
        values = numbers if plain else expanded(numbers, self._dates)
        scaled = (values if plain else np.where(np.isnan(values), self._fills, values)) - self._means
        with np.errstate(over="ignore") if self._may_overflow else nullcontext():
            scaled /= self._deviations
        if scaled.size and not (scaled.max() <= FARTHEST and scaled.min() >= -FARTHEST):
            np.minimum(np.maximum(scaled, -FARTHEST, out=scaled), FARTHEST, out=scaled)
        if self._in_order:
            encoded[:] = scaled
        else:
            encoded[:, self._scaled_places] = scaled
        if len(self._indicated):
            encoded[:, self._indicator_places] = np.isnan(numbers[:, self._indicated])

    def _encode_categories(self, codes: NDArray[np.int32], encoded: NDArray[np.float32]) -> None:
        known = np.where(codes == UNSEEN, self._other_codes, codes)
        places = np.where(codes == MISSING, self._most_frequent, known)
        row, column = np.nonzero(places != _NOWHERE)
        encoded[row, places[row, column] + self._first_category[column]] = 1.0
        encoded[:, self._category_indicator_places] = codes[:, self._category_indicated] == MISSING

    def _set_scaled(self, features: tuple[ScaledFeature, ...], first: dict[str, int]) -> None:
        self._dates = _indices([i for i, feature in enumerate(features) if isinstance(feature, DateFeature)])
        dated = [feature for feature in features if isinstance(feature, DateFeature)]
        places = [first[feature.name] for feature in features]
        scales = [_first_scale(feature) for feature in features]
        fills = [_fill(feature) for feature in features]
        for feature in dated:
            places += [first[feature.name] + part for part in (1, 2, 3)]
            scales += feature.scales[1:]
            fills += [scale.mean for scale in feature.scales[1:]]
        self._scaled_places = _indices(places)
        self._means = np.array([scale.mean for scale in scales])
        self._deviations = np.array([scale.deviation for scale in scales])
        self._fills = np.array(fills)
        # Of what is within float32, only a quotient by next to nothing leaves float64.
        self._may_overflow = bool((self._deviations < _LEAST_DEVIATION).any())
        self._indicated = _indices([i for i, feature in enumerate(features) if feature.indicator])
        self._indicator_places = _indices([_last(f, first) for f in features if f.indicator])

    def _set_categorical(self, features: tuple[CategoricalFeature, ...], first: dict[str, int]) -> None:
        self._first_category = _indices([first[feature.name] for feature in features])
        self._other_codes = _indices([len(f.categories) if f.other else _NOWHERE for f in features])
        self._most_frequent = _indices([_NOWHERE if f.most_frequent is None else f.most_frequent for f in features])
        self._category_indicated = _indices([i for i, feature in enumerate(features) if feature.indicator])
        self._category_indicator_places = _indices([_last(f, first) for f in features if f.indicator])


def expanded(numbers: NDArray[np.float64], dates: NDArray[np.intp]) -> NDArray[np.float64]:
    """`numbers` [n, p], held within float32, with the year, month and weekday of the columns `dates` behind them."""
    held = np.minimum(np.maximum(numbers, -FLOAT32_MAX), FLOAT32_MAX)
    return np.concatenate([held, date_parts(held[:, dates])], axis=1) if len(dates) else held


def _first_scale(feature: ScaledFeature) -> Scale:
    match feature:
        case NumericFeature():
            return feature.scale
        case DateFeature():
            return feature.scales[0]
        case BooleanFeature():
            return UNIT


def _fill(feature: ScaledFeature) -> float:
    return float(feature.most_frequent) if isinstance(feature, BooleanFeature) else _first_scale(feature).mean


def _last(feature: ScaledFeature | CategoricalFeature, first: dict[str, int]) -> int:
    return first[feature.name] + len(feature.encoded)


def _indices(values: list[int]) -> NDArray[np.intp]:
    return np.array(values, dtype=np.intp)
