"""T10: numbers that are none, or too large, in rows to predict. Refused by row and column, and never answered.

That holds for every field of every body too: tests/web/test_bad_bodies.py makes the values from the schemas.
"""

import json
from typing import Any

import httpx
import numpy as np
import pytest

from tests.answers import expect_problem, pointers, strict_json
from tests.web.predictions import FEATURES, csv_of, npy_of, penguin_rows

Json = dict[str, Any]
ROW = penguin_rows()[0]
PATH = "/api/v1/models/palmer/predict"
pytestmark = pytest.mark.usefixtures("penguins_run")
NO_NUMBERS = [
    "nan",
    "NaN",
    "inf",
    "-inf",
    "Infinity",
    "1e999",
    "1e39",
    "-1e39",
    "1_000",
    "١٢٣",
    "0x10",
    "1,5",
    "12abc",
    "９",
    "--1",
]


@pytest.mark.parametrize("text", [*NO_NUMBERS, "\ud800", "\0", "9" * 5000, "True"])
def test_a_text_is_no_number_of_a_row(api: httpx.Client, text: str) -> None:
    row = {**ROW, "bill_length_mm": text}
    content = json.dumps({"instances": [ROW, row]}).encode()
    document = expect_problem(api.post(PATH, content=content, headers={"Content-Type": "application/json"}), (400, 422))
    assert pointers(document) == ["/instances/1/bill_length_mm"]


@pytest.mark.parametrize("text", [text for text in NO_NUMBERS if text not in ("nan", "NaN")])
def test_a_cell_that_is_no_number_is_named(api: httpx.Client, text: str) -> None:
    content = csv_of([ROW, {**ROW, "bill_length_mm": text}]).encode()
    document = expect_problem(api.post(PATH, content=content, headers={"Content-Type": "text/csv"}), 422)
    assert pointers(document) == ["/rows/1/bill_length_mm"]


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity", "1e999", "9" * 5000])
def test_what_json_has_no_number_for_is_named(api: httpx.Client, text: str) -> None:
    content = json.dumps({"instances": [ROW, {**ROW, "year": "here"}]}).replace('"here"', text).encode()
    document = expect_problem(api.post(PATH, content=content, headers={"Content-Type": "application/json"}), 400)
    assert document["code"] == "number_not_finite"
    assert pointers(document) == ["/instances/1/year"]


@pytest.mark.parametrize("value", [1e39, -1e39, 10**40, True, [], {}, [1.0]])
def test_a_value_that_float32_cannot_hold_is_named(api: httpx.Client, value: object) -> None:
    document = expect_problem(api.post(PATH, json={"instances": [{**ROW, "year": value}]}), 422)
    assert pointers(document) == ["/instances/0/year"]
    array = [ROW[name] for name in FEATURES]
    document = expect_problem(api.post(PATH, json={"instances": [[*array[:-1], value]]}), 422)
    assert pointers(document) == ["/instances/0/year"]


@pytest.mark.parametrize("value", [3.4e38, -3.4e38, 1e-45, -0.0, 5e-324, 10**30])
def test_the_largest_and_smallest_numbers_are_answered_with_numbers(api: httpx.Client, value: float) -> None:
    row = {**ROW, **dict.fromkeys(("bill_length_mm", "bill_depth_mm", "year"), value)}
    answer = api.post(PATH, json={"instances": [row]})
    if answer.status_code == 200:
        [prediction] = strict_json(answer)["predictions"]
        assert sum(prediction["probabilities"].values()) == pytest.approx(1, abs=1e-5)
    else:
        expect_problem(answer, 422)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e300])
def test_an_array_holds_finite_numbers(api: httpx.Client, pictures_run: Json, value: float) -> None:
    pixels = np.zeros((1, 64, 64, 3), np.float64)
    pixels[0, 3, 3, 0] = value
    headers = {"Content-Type": "application/x-npy"}
    expect_problem(api.post("/api/v1/models/pictures/predict", content=npy_of(pixels), headers=headers), 422)


@pytest.mark.parametrize("text", ["NaN", "Infinity", "1e999", "1e39"])
def test_rows_sent_inline_hold_finite_numbers(api: httpx.Client, text: str) -> None:
    rows = [{"x": index + 0.5, "y": index % 2 == 0} for index in range(8)]
    content = json.dumps({"rows": [*rows, {"x": "here", "y": True}]}).replace('"here"', text).encode()
    answer = api.post("/api/v1/datasets", content=content, headers={"Content-Type": "application/json"})
    assert pointers(expect_problem(answer, (400, 422))) == ["/rows/8/x"]
