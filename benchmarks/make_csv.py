"""A CSV file of any size, the same for the same seed: numbers, whole numbers, categories, dates, some missing.

python -m benchmarks.make_csv --megabytes 1000 /tmp/table.csv
"""

import argparse
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow import csv

ROWS_AT_ONCE = 100_000
NUMBERS, WHOLE, CATEGORIES = 8, 4, 4


def write(path: Path, megabytes: int, seed: int = 7) -> int:
    """Write a file of at least `megabytes` MB (10^6 bytes); the number of its rows."""
    generator = np.random.default_rng(seed)
    words = pa.array([f"word{place:03d}" for place in range(150)])
    rows = 0
    with path.open("wb") as file:
        while file.tell() < megabytes * 1_000_000:
            table = _block(generator, words)
            csv.write_csv(table, file, csv.WriteOptions(include_header=rows == 0, quoting_style="needed"))
            rows += len(table)
    return rows


def _block(generator: np.random.Generator, words: pa.StringArray) -> pa.Table:
    columns: dict[str, pa.Array] = {}  # type: ignore[type-arg]  # the class takes no arguments when the program runs
    for place in range(NUMBERS):
        values = generator.normal(size=ROWS_AT_ONCE).round(6)
        missing = generator.random(ROWS_AT_ONCE) < (0.03 if place % 2 else 0.0)
        columns[f"number{place}"] = pa.array(values, mask=missing)
    for place in range(WHOLE):
        columns[f"whole{place}"] = pa.array(generator.integers(0, 100_000, ROWS_AT_ONCE))
    for place in range(CATEGORIES):
        columns[f"category{place}"] = words.take(generator.integers(0, 10 * (place + 1), ROWS_AT_ONCE))
    columns["target"] = words.take(generator.integers(0, 5, ROWS_AT_ONCE))
    return pa.table(columns)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("path", type=Path)
    parser.add_argument("--megabytes", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=7)
    asked = parser.parse_args()
    rows = write(asked.path, asked.megabytes, asked.seed)
    print(f"{asked.path}: {asked.path.stat().st_size:,} bytes, {rows:,} rows")


if __name__ == "__main__":
    main()
