"""Small datasets by hand, held as ingest holds them."""

from collections import Counter
from collections.abc import Sequence
from math import nan

import numpy as np

from app.domain.data.columns import Columns
from app.domain.data.schema import Column, ColumnType, DatasetSchema, Kind
from app.domain.task import Task

Cell = float | str | bool | None
Typed = tuple[ColumnType, Sequence[Cell]]


def table(features: dict[str, Typed], target: tuple[str, Sequence[Cell]]) -> Columns:
    """A table of `features`; its target is classes if its values are text. None is "missing"."""
    name, values = target
    task = Task.CLASSIFICATION if isinstance(values[0], str) else Task.REGRESSION
    target_type = ColumnType.CATEGORICAL if task is Task.CLASSIFICATION else ColumnType.NUMERIC
    numbers: list[list[float]] = []
    codes: list[list[int]] = []
    columns = []
    for column, (kind, cells) in {**features, name: (target_type, values)}.items():
        if kind is ColumnType.CATEGORICAL:
            categories = tuple(sorted({str(cell) for cell in cells if cell is not None}))
            columns.append(Column(name=column, type=kind, place=len(codes), categories=categories))
            codes.append([-1 if cell is None else categories.index(str(cell)) for cell in cells])
        else:
            spellings = ("no", "yes") if kind is ColumnType.BOOLEAN else ()
            columns.append(Column(name=column, type=kind, place=len(numbers), categories=spellings))
            numbers.append([nan if cell is None else float(cell) for cell in cells])
    schema = DatasetSchema(
        kind=Kind.TABLE, task=task, rows=len(values), features=tuple(columns[:-1]), target=columns[-1]
    )
    empty = np.empty((len(values), 0))
    return Columns(
        schema=schema,
        numbers=np.array(numbers, np.float64).T if numbers else empty,
        codes=np.array(codes, np.int32).T if codes else empty.astype(np.int32),
        pixels=np.empty(0, np.uint8),
        shapes=np.empty((0, 2), np.int32),
    )


def pictures(
    images: Sequence[np.ndarray[tuple[int, ...], np.dtype[np.uint8]]],
    labels: Sequence[str],
    kind: Kind = Kind.PICTURES,
) -> Columns:
    """A dataset of pictures, each uint8 [height, width, 3]."""
    classes = tuple(sorted(set(labels)))
    counts = Counter(labels)
    schema = DatasetSchema(
        kind=kind,
        task=Task.CLASSIFICATION,
        rows=len(labels),
        features=(Column(name="picture", type=ColumnType.PICTURE, place=0),),
        target=Column(
            name="class",
            type=ColumnType.CATEGORICAL,
            place=0,
            categories=classes,
            counts=tuple(counts[label] for label in classes),
        ),
    )
    return Columns(
        schema=schema,
        numbers=np.empty((len(labels), 0)),
        codes=np.array([[classes.index(label)] for label in labels], np.int32),
        pixels=np.concatenate([image.ravel() for image in images]),
        shapes=np.array([image.shape[:2] for image in images], np.int32),
    )


NOON = 43_200.0
DAY = 86_400.0


def penguins() -> Columns:
    """Twelve rows with a column of every type, and a missing value in most of them; the last two have `Dream`."""
    numeric, boolean, category, date = (
        ColumnType.NUMERIC,
        ColumnType.BOOLEAN,
        ColumnType.CATEGORICAL,
        ColumnType.DATE,
    )
    return table(
        {
            "bill_length_mm": (numeric, [39.1, 39.5, None, 36.7, 39.3, 38.9, 39.2, 34.1, 42.0, 37.8, 41.1, 50.0]),
            "tagged": (boolean, [True, False, True, None, True, True, False, True, True, False, True, False]),
            "island": (category, ["Torgersen"] * 4 + ["Biscoe"] * 5 + [None] + ["Dream"] * 2),
            "seen": (date, [NOON + DAY * 40 * day for day in range(11)] + [None]),
            "year": (numeric, [2007.0] * 12),
        },
        ("species", ["Adelie", "Gentoo", "Chinstrap"] * 4),
    )
