"""Asking the service for predictions in each of its input forms."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from numpy.typing import NDArray

from tests.answers import strict_json
from tests.service import EXAMPLES

Json = dict[str, Any]
FEATURES = ("island", "bill_length_mm", "bill_depth_mm", "flipper_length_mm", "body_mass_g", "sex", "year")
NUMBERS = FEATURES[1:5] + FEATURES[6:]


def penguin_rows(path: Path = EXAMPLES / "penguins.csv") -> list[Json]:
    """The penguins without their species, as JSON instances: `NA` is null."""
    with path.open(newline="") as file:
        return [
            {
                name: None if row[name] == "NA" else float(row[name]) if name in NUMBERS else row[name]
                for name in FEATURES
            }
            for row in csv.DictReader(file)
        ]


def csv_of(rows: list[Json]) -> str:
    """The rows as CSV with a header; a missing value is an empty cell."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(rows[0]))
    writer.writeheader()
    writer.writerows([{name: "" if value is None else value for name, value in row.items()} for row in rows])
    return text.getvalue()


def npy_of(array: NDArray[Any]) -> bytes:
    """The array in NumPy's format."""
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()


def ask(api: httpx.Client, body: object, media_type: str = "application/json", model: str = "palmer") -> Json:
    """The whole answer to a body: an object is sent as JSON."""
    content = body if isinstance(body, bytes) else body.encode() if isinstance(body, str) else json.dumps(body).encode()
    answer = api.post(f"/api/v1/models/{model}/predict", content=content, headers={"Content-Type": media_type})
    assert answer.status_code == 200, answer.text
    found = strict_json(answer)
    assert found["mode"] == "eval"
    assert isinstance(found, dict)
    return found


def answers(api: httpx.Client, body: object, media_type: str = "application/json", model: str = "palmer") -> list[Json]:
    """The predictions for a body."""
    found: list[Json] = ask(api, body, media_type, model)["predictions"]
    return found
