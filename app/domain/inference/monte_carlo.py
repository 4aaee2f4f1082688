"""Monte Carlo dropout: a network's answers with dropout on, and everything else as in eval mode.

One row goes in at a time, with a mask for each pass: what lies before the first dropout is computed once, and no row
can meet another. Passes go in blocks of one fixed size, for the reason that rows go in tiles: a pass then has the same
bits however many are asked for.
"""

import json

import numpy as np
from numpy.typing import NDArray

from app.domain.inference.calibration import uncalibrated
from app.domain.inference.dropout_masks import DropoutMasks, Floats, Place
from app.domain.inference.frozen import (
    FORMAT_KEY,
    INPUT,
    LOGITS,
    PROBABILITIES,
    TEMPERATURE_KEY,
    check_finite,
    check_shape,
    opened,
)
from app.domain.inference.passes import MOST_VALUES
from app.domain.inference.uncertainty import Uncertainty, uncertainty
from app.errors import Damaged, InvalidRows, TooLarge

MONTE_CARLO_FORMAT = "monte carlo 1"
BLOCK_KEY, WORK_KEY, RATES_KEY = "block_passes", "block_work", "rates"
"""Names in the metadata of the ONNX file; `rates` is a JSON object from mask input to rate."""
MASK_PREFIX = "mask_"
MOST_SAMPLES = 1_000
MOST_WORK = 10**10
"""Multiplications that a call may take, as `block_work` counts them: some seconds."""
Masks = tuple[Floats, ...]


class MonteCarloNetwork:
    """Answers rows of float32 [n, *input_shape] with their `Uncertainty`; safe to share between threads."""

    def __init__(self, content: bytes) -> None:
        """Reads an ONNX file made by `app.domain.training.freeze`. Raises `Damaged` where it is no such file."""
        self._session = opened(content)
        metadata = self._session.get_modelmeta().custom_metadata_map
        if metadata.get(FORMAT_KEY) != MONTE_CARLO_FORMAT:
            raise Damaged(f"the Monte Carlo network has format {metadata.get(FORMAT_KEY)!r}; not {MONTE_CARLO_FORMAT}")
        shapes = {source.name: tuple(source.shape[1:]) for source in self._session.get_inputs()}
        self.input_shape: tuple[int, ...] = shapes.pop(INPUT)
        rates: dict[str, float] = json.loads(metadata[RATES_KEY])
        self._names = list(shapes)
        self._masks = DropoutMasks(
            tuple(Place(int(name.removeprefix(MASK_PREFIX)), shapes[name], rates[name]) for name in self._names)
        )
        self.block_passes = int(metadata[BLOCK_KEY])
        self._work = int(metadata[WORK_KEY])
        self._output = self._session.get_outputs()[0].name
        self._outputs = int(self._session.get_outputs()[0].shape[1])
        self.temperature = float(metadata.get(TEMPERATURE_KEY, 1))
        self._kept: tuple[int, tuple[Masks, ...]] = (0, ())

    def uncertain(
        self, features: NDArray[np.float32], *, samples: int, seed: int, calibrated: bool = True
    ) -> Uncertainty:
        """Answers `features` [n, *input_shape] by `samples` passes each, whose masks `seed` (from 0 on) decides.

        A row's bits do not depend on the other rows. Raises `InvalidRows` for rows of another shape, for a number of
        samples that is not allowed, and where an answer is not finite; `TooLarge` for too much work.
        """
        check_shape(features, self.input_shape)
        blocks = self._blocks(len(features), samples)
        rows = np.ascontiguousarray(features, dtype=np.float32)
        # As many rows at a time as keep what the passes answered within bounds.
        step = max(1, MOST_VALUES // (blocks * self.block_passes * self._outputs))
        parts = []
        for start in range(0, max(1, len(rows)), step):
            passes = self._passes(rows[start : start + step], blocks, seed, calibrated=calibrated)[:, :samples]
            check_finite(passes, start)
            parts.append(uncertainty(passes, classes=self._output == PROBABILITIES))
        return parts[0] if len(parts) == 1 else _joined(parts)

    def answers(self, row: Floats, masks: Masks, *, calibrated: bool = True) -> Floats:
        """Float32 [passes, outputs] for one `row` [1, *input_shape] under `masks`, of each dropout [passes, *shape]."""
        fed = dict(zip(self._names, masks, strict=True))
        fed[INPUT] = row
        if calibrated or self.temperature == 1:
            answers: Floats = self._session.run([self._output], fed)[0]
            return answers
        return uncalibrated(self._session.run([LOGITS], fed)[0], self.temperature)

    def masks(self, seed: int, block: int) -> Masks:
        """The masks of one block of passes, in the order of the dropouts."""
        return self._masks.draw(seed, block * self.block_passes, self.block_passes)

    def _blocks(self, rows: int, samples: int) -> int:
        if not 1 <= samples <= MOST_SAMPLES:
            raise InvalidRows(
                f"a row takes 1 to {MOST_SAMPLES} Monte Carlo passes; received {samples}", code="samples_invalid"
            )
        blocks = -(-samples // self.block_passes)
        if rows * blocks * self._work > MOST_WORK:
            most = MOST_WORK // (blocks * self._work)
            raise TooLarge(
                f"{samples} Monte Carlo passes for {rows} rows are too much work for one call; with this network and "
                f"as many passes, {most} rows are allowed",
                code="monte_carlo_too_large",
            )
        return blocks

    def _passes(self, rows: Floats, blocks: int, seed: int, *, calibrated: bool) -> Floats:
        """Float32 [n, blocks × passes of a block, outputs]."""
        passes = np.empty((len(rows), blocks * self.block_passes, self._outputs), np.float32)
        for block in range(blocks):
            masks, start = self._kept_masks(seed, block), block * self.block_passes
            for row in range(len(rows)):
                passes[row, start : start + self.block_passes] = self.answers(
                    rows[row : row + 1], masks, calibrated=calibrated
                )
        return passes

    def _kept_masks(self, seed: int, block: int) -> Masks:
        """The masks of a block: those at hand, or else new ones, kept where they are the next and there is room."""
        known, kept = self._kept
        kept = kept if known == seed else ()
        if block < len(kept):
            return kept[block]
        masks = self.masks(seed, block)
        if block == len(kept) and (block + 1) * self.block_passes * self._masks.units <= MOST_VALUES:
            self._kept = (seed, (*kept, masks))
        return masks


def _joined(parts: list[Uncertainty]) -> Uncertainty:
    def together(values: list[Floats | None]) -> Floats | None:
        there = [value for value in values if value is not None]
        return np.concatenate(there) if there else None

    return Uncertainty(
        mean=np.concatenate([part.mean for part in parts]),
        standard_deviation=np.concatenate([part.standard_deviation for part in parts]),
        predictive_entropy=together([part.predictive_entropy for part in parts]),
        mutual_information=together([part.mutual_information for part in parts]),
        samples=parts[0].samples,
    )
