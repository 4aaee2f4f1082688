"""Reading a file's bytes as the reading process does, and the arrays that it leaves."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from numpy.typing import NDArray

from app.domain.data.columns import LAYOUT, Columns
from app.domain.data.schema import Column, ColumnRequest, ColumnType, DatasetSchema, ReadRequest
from app.errors import DropnormError
from app.ingest.limits import Limits
from app.ingest.order import Order
from app.ingest.read import read

SHARED = Path(__file__).parents[3] / "shared" / "data"


@dataclass(frozen=True)
class Taken:
    """A dataset as it was stored."""

    schema: DatasetSchema
    columns: Columns

    def feature(self, name: str) -> Column:
        return next(column for column in self.schema.features if column.name == name)

    @property
    def names(self) -> list[str]:
        return [column.name for column in self.schema.features]

    @property
    def codes(self) -> list[str]:
        """The codes of the warnings."""
        return [warning.code for warning in self.schema.warnings]

    def values(self, name: str) -> list[float | str | None]:
        """One column as numbers or texts; None is missing."""
        column = next(column for column in (*self.schema.features, self.schema.target) if column.name == name)
        if column.type is ColumnType.CATEGORICAL:
            return [None if code < 0 else column.categories[code] for code in self.columns.codes[:, column.place]]
        return [None if np.isnan(value) else float(value) for value in self.columns.numbers[:, column.place]]


def loaded(folder: Path, schema: DatasetSchema) -> Columns:
    """The arrays in `folder`."""

    def array(name: str, *shape: int) -> NDArray[np.generic]:
        path = folder / f"{name}.bin"
        held = np.fromfile(path, LAYOUT[name]) if path.exists() else np.empty(0, LAYOUT[name])
        return held.reshape(shape) if held.size else held

    return Columns(
        schema,
        array("numbers", schema.rows, -1).astype(np.float64),
        array("codes", schema.rows, -1).astype(np.int32),
        array("pixels", -1).astype(np.uint8),
        array("shapes", schema.rows, 2).astype(np.int32),
    )


@dataclass(frozen=True)
class Taker:
    """Reads bytes under a file name, in this process."""

    folder: Path

    def __call__(
        self,
        data: bytes | str,
        filename: str = "table.csv",
        *,
        limits: Limits | None = None,
        target: str | None = None,
        task: Literal["classification", "regression", "auto"] = "auto",
        columns: dict[str, ColumnRequest] | None = None,
    ) -> Taken:
        place = self.folder / str(sum(1 for _ in self.folder.iterdir()))
        place.mkdir()
        source = place / "source"
        source.write_bytes(data.encode() if isinstance(data, str) else data)
        output = place / "output"
        output.mkdir()
        request = ReadRequest(target=target, task=task, columns=columns or {})
        order = Order(
            source=str(source),
            filename=filename,
            output=str(output),
            request=request,
            limits=limits or Limits(),
            parent=0,
        )
        schema = read(order)
        return Taken(schema, loaded(output, schema))


@pytest.fixture
def take(tmp_path: Path) -> Taker:
    return Taker(tmp_path)


@pytest.fixture
def refused(take: Taker) -> Callable[..., DropnormError]:
    """Reads what must be refused, and gives the refusal."""

    def refusal(data: bytes | str, filename: str = "table.csv", **asked: object) -> DropnormError:
        with pytest.raises(DropnormError) as caught:
            take(data, filename, **asked)  # type: ignore[arg-type]  # a test passes what `take` accepts
        return caught.value

    return refusal


Refused = Callable[..., DropnormError]
