"""TensorFlow Serving's REST requests, as its page documents them, and KServe's first protocol with them."""

import base64
import json
from typing import Any

import httpx
import numpy as np
import pytest

from tests.answers import expect_failure, strict_json
from tests.protocols.asking import NUMBERS, PICTURES, PRICES, ROWS, TABLE, expected, same
from tests.service import EXAMPLES
from tests.web.predictions import FEATURES, penguin_rows

Json = dict[str, Any]
pytestmark = pytest.mark.usefixtures("numbers_run", "prices_run", "penguins_run", "pictures_run")
NUMBERS_PATH, TABLE_PATH, PRICES_PATH = (f"/v1/models/{name}" for name in (NUMBERS, TABLE, PRICES))
STATE = {"state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}}
ONE = {"instances": [[1.0, 2.0, 3.0]]}


def asked(api: httpx.Client, path: str, body: object) -> Json:
    # As curl sends it when nobody tells it of a type.
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = api.post(path, content=json.dumps(body), headers=headers)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/json"
    found: Json = strict_json(answer)
    return found


@pytest.mark.parametrize("where", ["", "/versions/1"])
def test_rows_and_columns_of_numbers_are_answered_in_their_own_form(api: httpx.Client, where: str) -> None:
    wanted, path, rows = expected(api, ROWS), f"{NUMBERS_PATH}{where}:predict", ROWS.tolist()
    for body in (
        {"instances": rows},
        {"signature_name": "serving_default", "instances": rows},
        {"instances": [{"input": row} for row in rows]},
    ):
        found = asked(api, path, body)
        assert list(found) == ["predictions"]
        same(found["predictions"], wanted)
    for body in ({"inputs": rows}, {"inputs": {"input": rows, "unknown": 5}}):
        found = asked(api, path, body)
        assert list(found) == ["outputs"]
        same(found["outputs"], wanted)


def test_rows_and_columns_of_a_table_are_answered(api: httpx.Client) -> None:
    rows = penguin_rows()[:6]
    wanted = expected(api, rows, TABLE)
    same(asked(api, f"{TABLE_PATH}:predict", {"instances": rows})["predictions"], wanted)
    in_lists = [{name: [value] for name, value in row.items()} for row in rows]
    same(asked(api, f"{TABLE_PATH}:predict", {"instances": in_lists})["predictions"], wanted)
    columns = {name: [row[name] for row in rows] for name in FEATURES}
    same(asked(api, f"{TABLE_PATH}:predict", {"inputs": columns})["outputs"], wanted)
    island = [{"b64": base64.b64encode(row["island"].encode()).decode()} for row in rows]
    same(asked(api, f"{TABLE_PATH}:predict", {"inputs": {**columns, "island": island}})["outputs"], wanted)


def test_a_label_is_an_alias(api: httpx.Client) -> None:
    assert api.put(f"/api/v1/models/{NUMBERS}/aliases/stable", json={"version": 1}).status_code == 200
    same(
        asked(api, f"{NUMBERS_PATH}/labels/stable:predict", {"instances": ROWS.tolist()})["predictions"],
        expected(api, ROWS),
    )
    assert asked_for(api, f"{NUMBERS_PATH}/labels/stable")["model_version_status"] == [{"version": "1", **STATE}]
    assert api.delete(f"/api/v1/models/{NUMBERS}/aliases/stable").status_code == 204
    expect_failure(api.post(f"{NUMBERS_PATH}/labels/stable:predict", json=ONE), 404, "no alias stable")


def asked_for(api: httpx.Client, path: str) -> Json:
    answer = api.get(path)
    assert answer.status_code == 200, answer.text
    found: Json = strict_json(answer)
    return found


def test_pictures_are_numbers_or_files(api: httpx.Client) -> None:
    path = f"/v1/models/{PICTURES}:predict"
    file = (EXAMPLES / "held-out" / "trees.jpg").read_bytes()
    encoded = {"b64": base64.b64encode(file).decode()}
    answer = api.post(f"/api/v1/models/{PICTURES}/predict", content=file, headers={"Content-Type": "image/jpeg"})
    wanted = np.array([list(answer.json()["predictions"][0]["probabilities"].values())], np.float32)
    same(asked(api, path, {"instances": [encoded]})["predictions"], wanted)
    same(asked(api, path, {"instances": [{"input": encoded}]})["predictions"], wanted)
    same(asked(api, path, {"inputs": [encoded]})["outputs"], wanted)
    flat = np.linspace(0, 1, 12288).round(3)
    wanted = expected(api, [flat.tolist()], PICTURES)
    same(asked(api, path, {"instances": [flat.tolist()]})["predictions"], wanted)
    same(asked(api, path, {"inputs": flat.reshape(1, 64, 64, 3).tolist()})["outputs"], wanted)


def test_classify_answers_with_labels_most_probable_first(api: httpx.Client) -> None:
    rows = penguin_rows()[:4]
    wanted = expected(api, rows, TABLE)
    shared = {"year": rows[0]["year"]}
    examples = [{name: [value] for name, value in row.items() if name != "year"} for row in rows]
    results = asked(api, f"{TABLE_PATH}:classify", {"context": shared, "examples": examples})["results"]
    for pairs, row in zip(results, wanted, strict=True):
        assert [score for _, score in pairs] == sorted((score for _, score in pairs), reverse=True)
        same([np.float32(dict(pairs)[label]) for label in ("Adelie", "Chinstrap", "Gentoo")], row)
    [pairs] = asked(api, f"{NUMBERS_PATH}:classify", {"examples": [{"a": 2.5, "b": -0.75, "c": 4.125}]})["results"]
    same([np.float32(dict(pairs)[label]) for label in ("high", "low")], expected(api, ROWS[:1])[0])


def test_regress_answers_with_numbers(api: httpx.Client) -> None:
    rows = [{"size": 30.5, "new": True}, {"size": 80.0, "new": False}]
    results = asked(api, f"{PRICES_PATH}:regress", {"examples": rows})["results"]
    same(results, expected(api, rows, PRICES)[:, 0])
    same(asked(api, f"{PRICES_PATH}:predict", {"instances": rows})["predictions"], expected(api, rows, PRICES))


def test_status_and_metadata_are_as_documented(api: httpx.Client) -> None:
    assert asked_for(api, NUMBERS_PATH) == {
        "name": NUMBERS,
        "ready": True,
        "model_version_status": [{"version": "1", **STATE}],
    }
    assert asked_for(api, f"{NUMBERS_PATH}/versions/1")["model_version_status"] == [{"version": "1", **STATE}]
    found = asked_for(api, f"{TABLE_PATH}/versions/1/metadata")
    assert found["model_spec"] == {"name": TABLE, "signature_name": "", "version": "1"}
    signature = found["metadata"]["signature_def"]["signature_def"]["serving_default"]
    assert signature["method_name"] == "tensorflow/serving/predict"
    assert set(signature["inputs"]) == set(FEATURES)
    assert signature["inputs"]["island"]["dtype"] == "DT_STRING"
    assert signature["outputs"]["probabilities"] == {
        "dtype": "DT_FLOAT",
        "tensor_shape": {"dim": [{"size": "-1", "name": ""}, {"size": "3", "name": ""}], "unknown_rank": False},
        "name": "probabilities:0",
    }


@pytest.mark.parametrize(
    ("path", "body", "words"),
    [
        (f"{NUMBERS_PATH}:predict", [], "JSON object"),
        (f"{NUMBERS_PATH}:predict", {}, "one of instances and inputs"),
        (f"{NUMBERS_PATH}:predict", {"instances": [[1, 2, 3]], "inputs": [[1, 2, 3]]}, "one of instances and inputs"),
        (f"{NUMBERS_PATH}:predict", {"instances": []}, "at least one row"),
        (f"{NUMBERS_PATH}:predict", {"instances": {"input": 1}}, "at least one row"),
        (f"{NUMBERS_PATH}:predict", {"instances": [[1, 2]]}, "has 2 values"),
        (f"{NUMBERS_PATH}:predict", {"instances": [1, 2, 3]}, "must be objects"),
        (f"{NUMBERS_PATH}:predict", {"instances": [[1, 2, "3"]]}, "must be a number"),
        (f"{NUMBERS_PATH}:predict", {"instances": [[1, 2, 1e39]]}, "must be finite"),
        (f"{NUMBERS_PATH}:predict", {"instances": [[1, 2, 3], {"input": [1, 2, 3]}]}, "all of one kind"),
        (f"{NUMBERS_PATH}:predict", {"instances": [{"inputs": [1, 2, 3]}]}, "'input' is missing"),
        (f"{NUMBERS_PATH}:predict", {"instances": [{"input": [1, 2, 3], "more": 1}]}, "'more' is no input"),
        (f"{NUMBERS_PATH}:predict", {"instances": [{"input": [1, 2, 3]}, {}]}, "'input' is missing"),
        (f"{NUMBERS_PATH}:predict", {"inputs": 5}, "at least one row"),
        (f"{NUMBERS_PATH}:predict", {"inputs": {"x": [[1, 2, 3]]}}, "'input' is missing"),
        (f"{NUMBERS_PATH}:predict", {"signature_name": 5, **ONE}, "must be a text"),
        (f"{NUMBERS_PATH}:predict", {"signature_name": "other", **ONE}, "'other' is not there"),
        (f"{TABLE_PATH}:predict", {"instances": [["Biscoe"] * 7]}, "each row is an object"),
        (f"{TABLE_PATH}:predict", {"inputs": {"island": ["Biscoe"]}}, "is missing"),
        (f"{TABLE_PATH}:predict", {"inputs": {name: ["1", "2"] if name == "sex" else ["1"] for name in FEATURES}}, ""),
        (f"{TABLE_PATH}:predict", {"instances": [{name: [1, 2] for name in FEATURES}]}, "one value a row"),
        (f"{TABLE_PATH}:predict", {"instances": [{name: {"b64": "?"} for name in FEATURES}]}, "no base64"),
        (f"{TABLE_PATH}:predict", {"instances": [{name: {"c": 1} for name in FEATURES}]}, "bytes are sent as"),
        (f"{TABLE_PATH}:predict", {"instances": [{name: {"b64": "/w=="} for name in FEATURES}]}, "not UTF-8"),
        (f"{TABLE_PATH}:classify", {"examples": [{"colour": "red"}]}, "colour"),
        (f"{TABLE_PATH}:classify", {"examples": [], "context": {}}, "at least one object"),
        (f"{TABLE_PATH}:classify", {"examples": [{"year": 1}], "context": 1}, "context"),
        (f"{TABLE_PATH}:classify", {"instances": [{}]}, "examples"),
        (f"{TABLE_PATH}:regress", {"examples": [{"year": 2008}]}, "answers with classes"),
        (f"{PRICES_PATH}:classify", {"examples": [{"size": 1}]}, "answers with numbers"),
        (f"/v1/models/{PICTURES}:predict", {"instances": [{"b64": "eA=="}]}, ""),
        (f"/v1/models/{PICTURES}:predict", {"instances": [{"b64": 5}]}, "bytes are sent as"),
        (f"/v1/models/{PICTURES}:predict", {"instances": [[2.0] * 12288]}, "between 0 and 1"),
        (f"/v1/models/{PICTURES}:classify", {"examples": [{"a": 1}]}, "bytes are sent as"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_with_its_reason(api: httpx.Client, path: str, body: object, words: str) -> None:
    expect_failure(api.post(path, content=json.dumps(body)), 400, words)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_what_json_has_no_number_for_is_neither_taken_nor_given(api: httpx.Client, number: str) -> None:
    expect_failure(api.post(f"{NUMBERS_PATH}:predict", content=f'{{"instances": [[1, 2, {number}]]}}'), 400)


@pytest.mark.parametrize("content", [b"", b"{", b'{"instances": [[1, 2, 3]]} more', b"\xff", b"[" * 100_000])
def test_what_is_no_json_is_refused(api: httpx.Client, content: bytes) -> None:
    expect_failure(api.post(f"{NUMBERS_PATH}:predict", content=content), 400)


@pytest.mark.parametrize(
    ("method", "path", "status", "words"),
    [
        ("POST", f"{NUMBERS_PATH}:foo", 400, f"Malformed request: POST {NUMBERS_PATH}:foo"),
        ("POST", NUMBERS_PATH, 400, "Malformed request"),
        ("GET", f"{NUMBERS_PATH}:predict", 400, "Malformed request: GET"),
        ("DELETE", NUMBERS_PATH, 400, "Malformed request"),
        ("OPTIONS", f"{NUMBERS_PATH}:predict", 400, "Malformed request"),
        ("GET", f"{NUMBERS_PATH}/versions/x", 400, "Malformed request"),
        ("GET", f"{NUMBERS_PATH}/versions/{'9' * 4400}", 400, "Malformed request"),
        ("GET", "/v1/models", 400, "Missing model name in request."),
        ("GET", "/v1/models/", 400, "Missing model name in request."),
        ("GET", "/v1", 400, "Malformed request"),
        ("GET", "/v1/models/nobody", 404, "no such model"),
        ("GET", "/v1/models/nobody/metadata", 404, "no such model"),
        ("POST", "/v1/models/nobody:predict", 404, "no such model"),
        ("POST", f"{NUMBERS_PATH}/versions/99:predict", 404, "no version 99"),
        ("GET", f"{NUMBERS_PATH}/versions/{'9' * 18}", 404, "no version"),
    ],
)
def test_paths_that_lead_nowhere_are_told_in_its_words(
    api: httpx.Client, method: str, path: str, status: int, words: str
) -> None:
    expect_failure(api.request(method, path, json=ONE if method == "POST" else None), status, words)
