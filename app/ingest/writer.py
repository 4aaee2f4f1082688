"""Parts of columns in, stored arrays and a schema out, in memory that does not grow with the rows."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from app.domain.data.schema import Column, ColumnType
from app.errors import InvalidDataset
from app.ingest.categories import described, recode
from app.ingest.limits import Limits
from app.ingest.profile import Counts, Moments, Room, bound
from app.ingest.stored import ArrayFile
from app.ingest.table import Field, Part, Plan, Texts, rows_of


class Writer:
    """Stores blocks of columns as `numbers` [rows, p] and `codes` [rows, q], dropping rows without a target."""

    def __init__(self, folder: Path, plan: Plan, limits: Limits) -> None:
        self.rows = 0
        self.dropped = 0
        self._plan = plan
        self._limits = limits
        self._folder = folder
        self._numeric = [field for field in plan.fields if field.numeric]
        self._texts = [field for field in plan.fields if not field.numeric]
        self._moments = [Moments() for _ in self._numeric]
        self._counts = [Counts() for _ in self._texts]
        shared = Room(limits.distinct_values, limits.distinct_characters)
        # Classes are never folded: one more than is allowed must be seen to be refused.
        classes = Room(limits.classes + 1, limits.schema_characters)
        self._rooms = [classes if field is plan.target else shared for field in self._texts]
        self._numbers_file = ArrayFile(folder, "numbers") if self._numeric else None
        self._codes_file = ArrayFile(folder, "codes") if self._texts else None

    def add(self, parts: Sequence[Part]) -> None:
        """Store one block, a part for each of the plan's fields."""
        kept = _kept(parts[-1])
        numbers = [part for part in parts if not isinstance(part, Texts)]
        texts = [part for part in parts if isinstance(part, Texts)]
        rows = rows_of(parts[-1])
        if kept is not None:
            self.dropped += rows - int(kept.sum())
            rows = int(kept.sum())
            numbers = [part[kept] for part in numbers]
            texts = [Texts(part.codes[kept], part.values) for part in texts]
        self.rows += rows
        bound(self.rows, self._limits.rows)
        self._add_numbers(numbers, rows)
        self._add_texts(texts, rows)

    def _add_numbers(self, parts: list[NDArray[np.float64]], rows: int) -> None:
        if self._numbers_file is None:
            return
        block = np.empty((rows, len(parts)), np.float64)
        for place, values in enumerate(parts):
            block[:, place] = values
            self._moments[place].add(values)
        self._numbers_file.add(block)

    def _add_texts(self, parts: list[Texts], rows: int) -> None:
        if self._codes_file is None:
            return
        block = np.empty((rows, len(parts)), np.int32)
        for place, (part, counts) in enumerate(zip(parts, self._counts, strict=True)):
            block[:, place] = counts.add(part.codes, part.values, self._rooms[place])
        self._codes_file.add(block)
        classes = len(self._counts[-1].places) if not self._plan.target.numeric else 0
        if classes > self._limits.classes:
            raise InvalidDataset(
                f"The target '{self._plan.target.name}' has more than {self._limits.classes:,} classes. "
                "If it is a quantity, ask for task=regression."
            )

    def close(self) -> None:
        """Close the files."""
        for file in (self._numbers_file, self._codes_file):
            if file is not None:
                file.close()

    def columns(self) -> tuple[Column, ...]:
        """The stored columns in the plan's order; codes on disk become indices into their categories."""
        self.close()
        texts = [described(field, counts, field is self._plan.target) for field, counts in self._described()]
        if texts:
            recode(self._folder / "codes.bin", [table for _, table in texts])
        numbers = iter(self._number_column(field, at) for at, field in enumerate(self._numeric))
        named = iter(column.model_copy(update={"place": place}) for place, (column, _) in enumerate(texts))
        return tuple(next(numbers) if field.numeric else next(named) for field in self._plan.fields)

    def _described(self) -> list[tuple[Field, Counts]]:
        return list(zip(self._texts, self._counts, strict=True))

    def _number_column(self, field: Field, place: int) -> Column:
        seen = self._moments[place]
        if field.type is ColumnType.BOOLEAN:
            true = round(seen.mean * seen.count)
            return Column(
                name=field.name,
                type=field.type,
                place=place,
                missing=seen.missing,
                categories=field.spellings,
                counts=(seen.count - true, true),
            )
        if not seen.count:
            return Column(name=field.name, type=field.type, place=place, missing=seen.missing)
        return Column(
            name=field.name,
            type=field.type,
            place=place,
            missing=seen.missing,
            minimum=seen.minimum,
            maximum=seen.maximum,
            mean=seen.mean,
            deviation=seen.deviation,
        )


def _kept(target: Part) -> NDArray[np.bool_] | None:
    """Which rows have a target, bool [n]; None where all have."""
    if isinstance(target, Texts):
        missing = np.array([text is None for text in target.values], np.bool_)
        absent = missing[target.codes] if len(missing) else np.zeros(0, np.bool_)
    else:
        absent = np.isnan(target)
    return ~absent if absent.any() else None
