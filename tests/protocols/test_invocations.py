"""`/invocations` and `/ping`: SageMaker's container contract and MLflow's scoring forms."""

import json
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from tests.answers import expect_failure, strict_json
from tests.keys import client, guarded, made
from tests.protocols.asking import NUMBERS, PICTURES, PRICES, ROWS, TABLE, expected, same
from tests.service import EXAMPLES, Service
from tests.web.predictions import FEATURES, csv_of, npy_of, penguin_rows

Json = dict[str, Any]
pytestmark = pytest.mark.usefixtures("numbers_run", "prices_run", "penguins_run", "pictures_run")
JSON = "application/json"


def sent(
    api: httpx.Client, body: object, model: str = NUMBERS, media_type: str = JSON, **headers: str
) -> httpx.Response:
    content = body if isinstance(body, bytes | str) else json.dumps(body)
    headers = {"Content-Type": media_type, "X-Amzn-SageMaker-Target-Model": model} | headers
    return api.post("/invocations", content=content, headers=headers)


def predictions(api: httpx.Client, body: object, model: str = NUMBERS, media_type: str = JSON, **headers: str) -> Any:
    answer = sent(api, body, model, media_type, **headers)
    assert answer.status_code == 200, answer.text
    found = strict_json(answer)
    assert list(found) == ["predictions"]
    return found["predictions"]


def test_a_ping_is_answered_by_an_empty_line(api: httpx.Client) -> None:
    for path in ("/ping", "/health"):
        answer = api.get(path)
        assert (answer.status_code, answer.content) == (200, b"\n")
    assert api.get("/version").text == api.get("/v2").json()["version"]
    expect_failure(api.post("/ping"), 405)
    assert api.get("/pings").status_code == 404


def test_every_form_of_numbers_has_the_same_answers(api: httpx.Client) -> None:
    wanted, rows = expected(api, ROWS), ROWS.tolist()
    named = [dict(zip("abc", row, strict=True)) for row in rows]
    for body in (
        rows,
        named,
        {"instances": rows},
        {"instances": named},
        {"instances": [{"input": row} for row in rows]},
        {"inputs": rows},
        {"inputs": {"input": rows}},
        {"inputs": {name: ROWS[:, place].tolist() for place, name in enumerate("abc")}},
        {"inputs": {name: ROWS[:, [place]].tolist() for place, name in enumerate("abc")}},
        {"dataframe_split": {"data": rows}},
        {"dataframe_split": {"columns": [0, 1, 2], "index": [0, 1, 2, 3], "data": rows}},
        {"dataframe_split": {"columns": ["c", "a", "b"], "data": ROWS[:, [2, 0, 1]].tolist()}},
        {"dataframe_records": named},
        {"dataframe_records": named, "params": {"calibrated": True}, "dropped": "silently"},
    ):
        same(predictions(api, body), wanted)
    same(predictions(api, rows[0]), wanted[:1])
    text = "\n".join(",".join(map(str, row)) for row in rows)
    same(predictions(api, text, media_type="text/csv"), wanted)
    same(predictions(api, f"a,b,c\n{text}\n", media_type="text/csv; charset=utf-8"), wanted)
    same(predictions(api, f"\ufeff{text}".encode(), media_type="text/csv"), wanted)
    for kind in (np.float32, np.float64):
        same(predictions(api, npy_of(ROWS.astype(kind)), media_type="application/x-npy"), wanted)


def test_every_form_of_a_table_has_the_same_answers(api: httpx.Client) -> None:
    rows = penguin_rows()[:6]
    wanted = expected(api, rows, TABLE)
    data = [[row[name] for name in FEATURES] for row in rows]
    columns = {name: [row[name] for row in rows] for name in FEATURES}
    for body in (
        rows,
        {"instances": rows},
        {"instances": data},
        {"dataframe_records": rows},
        {"dataframe_split": {"columns": list(FEATURES), "data": data}},
        {"dataframe_split": {"columns": ["species", *FEATURES], "data": [["?", *row] for row in data]}},
        {"inputs": columns},
    ):
        same(predictions(api, body, TABLE), wanted)
    same(predictions(api, csv_of(rows), TABLE, "text/csv"), wanted)


def test_pictures_are_files_arrays_or_numbers(api: httpx.Client) -> None:
    file = (EXAMPLES / "held-out" / "trees.jpg").read_bytes()
    answer = api.post(f"/api/v1/models/{PICTURES}/predict", content=file, headers={"Content-Type": "image/jpeg"})
    wanted = np.array([list(answer.json()["predictions"][0]["probabilities"].values())], np.float32)
    same(predictions(api, file, PICTURES, "image/jpeg"), wanted)
    flat = [[0.25] * 12288]
    wanted = expected(api, flat, PICTURES)
    for body in (flat, {"instances": flat}, {"dataframe_split": {"columns": list(range(12288)), "data": flat}}):
        same(predictions(api, body, PICTURES), wanted)


def test_an_answer_is_what_is_accepted_and_json_otherwise(api: httpx.Client) -> None:
    wanted = expected(api, ROWS)
    for accept in ("*/*", "application/json", "image/png", "application/xml, */*", ""):
        same(predictions(api, ROWS.tolist(), Accept=accept), wanted)
    answer = sent(api, ROWS.tolist(), Accept="text/csv, application/json")
    assert answer.headers["content-type"].startswith("text/csv")
    same([[np.float32(cell) for cell in line.split(",")] for line in answer.text.splitlines()], wanted)
    answer = sent(api, {"dataframe_records": [{"size": 30.5, "new": True}]}, PRICES, Accept="text/csv")
    same([[np.float32(answer.text)]], expected(api, [{"size": 30.5, "new": True}], PRICES))
    answer = sent(api, ROWS.tolist(), Accept="application/x-npy")
    assert answer.content == npy_of(wanted)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({}, "received none of them"),
        (5, "object or a list"),
        ([], "at least one row"),
        ([1, 2], "has 2 values"),
        ([[1, 2, 3], [1, 2]], "has 2 values"),
        ([[1, 2, 3], {"a": 1}], "all of one kind"),
        ({"instances": [[1, 2, 3]], "inputs": [[1, 2, 3]]}, "received instances, inputs"),
        ({"instances": []}, "at least one row"),
        ({"instances": [[1, 2, 3]], "signature_name": "x"}, "signature_name"),
        ({"instances": [[1, 2, 3]], "params": {"temperature": 2}}, "temperature"),
        ({"instances": [[1, 2, 3]], "params": 5}, "params"),
        ({"instances": [{"d": 1}]}, "no column of the model"),
        ({"dataframe_records": {"a": 1}}, "at least one row"),
        ({"dataframe_records": [{"a": "1"}]}, "must be a number"),
        ({"dataframe_split": [[1, 2, 3]]}, "columns, index and data"),
        ({"dataframe_split": {"data": [[1, 2, 3]], "dtypes": []}}, "columns, index and data"),
        ({"dataframe_split": {"columns": ["a", "b", "c"]}}, "must have data"),
        ({"dataframe_split": {"columns": ["a", "b"], "data": [[1, 2, 3]]}}, "there are 2 columns"),
        ({"dataframe_split": {"columns": ["a", "a", "b"], "data": [[1, 2, 3]]}}, "stands twice"),
        ({"dataframe_split": {"columns": "abc", "data": [[1, 2, 3]]}}, "a list of names"),
        ({"inputs": {"a": [1], "b": [1, 2], "c": [1]}}, "values; another has"),
        ({"inputs": {"a": 1}}, "lists of at least one row"),
        ({"inputs": {"a": [{"b64": "?"}]}}, "no base64"),
    ],
)
def test_what_does_not_fit_is_refused_in_mlflows_form(api: httpx.Client, body: object, words: str) -> None:
    answer = sent(api, body)
    expect_failure(answer, 400, words)
    assert answer.json()["error_code"] == "BAD_REQUEST"


@pytest.mark.parametrize(
    ("media_type", "content", "status"),
    [
        ("text/csv", b"a,b\n1,2\n\x00", 400),
        ("text/csv", b"1,2\n", 400),
        ("text/csv", b"red,2,3\n", 400),
        ("text/csv", b"", 400),
        ("text/csv", b'"1,2', 400),
        ("text/csv", b"\xff\xff", 400),
        ("text/csv; charset=utf-16", b"1,2,3", 415),
        ("application/json; charset=latin-1", b"[[1,2,3]]", 415),
        ("application/json", b'[[1, 2, NaN]]', 400),
        ("application/x-npy", b"\x93NUMPY", 400),
        ("application/x-npy", npy_of(np.full((1, 3), np.nan)), 400),
        ("application/x-npz", b"PK", 415),
        ("application/x-recordio-protobuf", b"x", 415),
        ("application/vnd.apache.parquet", b"PAR1", 415),
        ("", b"[[1,2,3]]", 415),
    ],
)  # fmt: skip
def test_bodies_of_other_types_and_broken_ones_are_refused(
    api: httpx.Client, media_type: str, content: bytes, status: int
) -> None:
    expect_failure(sent(api, content, media_type=media_type), status)


def test_an_unknown_target_is_not_another_model(api: httpx.Client) -> None:
    answer = sent(api, [[1, 2, 3]], "nobody")
    expect_failure(answer, 404, "no such model")
    assert answer.json()["error_code"] == "RESOURCE_DOES_NOT_EXIST"
    said = expect_failure(api.post("/invocations", json=[[1, 2, 3]]), 400, "names none")
    assert {NUMBERS, PRICES, TABLE} <= set(said.split(": ")[1].split(", "))


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service with keys, one of them for calls that show none, and a default model that is not there yet."""
    key = "dn_" + "ForCallsThatShowNone" * 2
    with guarded(tmp_path_factory.mktemp("alone"), invocations_key=key, default_model="second") as running:
        yield running


def trained(service: Service, model: str) -> None:
    rows = [{"x": index + 0.5, "y": index % 2 == 0} for index in range(20)]
    dataset = service.client.post("/api/v1/datasets", json={"target": "y", "rows": rows}).json()["id"]
    run = service.submit(dataset, {"layers": [{"type": "dense"}]}, model=model, training={"epochs": 1, "seed": 1})
    assert service.ended(run["id"])["status"] == "succeeded"


def test_the_model_is_the_only_one_or_the_default_and_a_call_may_show_no_key(alone: Service) -> None:
    with client(alone, None) as nobody:
        assert nobody.get("/ping").status_code == 200
        expect_failure(nobody.post("/invocations", json=[[1.5]]), 404, "no such model")
        trained(alone, "first")
        one = nobody.post("/invocations", json=[[1.5]])
        assert one.status_code == 200
        expect_failure(nobody.post("/invocations", json=[[1.5]], headers={"Authorization": "Bearer dn_wrong"}), 401)
        trained(alone, "second")
        both = nobody.post("/invocations", json=[[1.5]])
        assert both.status_code == 200
        assert nobody.post("/v1/models/second:predict", json={"instances": [[1.5]]}).json() == {
            "error": "send a key: `Authorization: Bearer dn_…`"
        }
        for method, path in [
            ("GET", "/invocations"),
            ("POST", "/api/v1/models/first/predict"),
            ("GET", "/v2/models/first"),
        ]:
            assert nobody.request(method, path).status_code == 401
    assert "ForCallsThatShowNone" not in alone.log.read_text()


def test_the_key_that_stands_for_none_can_be_revoked(alone: Service) -> None:
    [key] = [one for one in alone.client.get("/api/v1/keys").json()["items"] if one["name"] == "invocations"]
    assert key["scopes"] == ["predict"]
    assert alone.client.delete(f"/api/v1/keys/{key['id']}").status_code == 204
    with client(alone, None) as nobody:
        expect_failure(nobody.post("/invocations", json=[[1.5]]), 401)
    with client(alone, made(alone, "predict")["key"]) as somebody:
        assert somebody.post("/invocations", json=[[1.5]]).status_code == 200
    with client(alone, made(alone, "read")["key"]) as reader:
        expect_failure(reader.post("/invocations", json=[[1.5]]), 403, "predict")


def test_a_key_for_no_key_must_be_its_own(tmp_path: Path) -> None:
    key = "dn_" + "A" * 40
    with pytest.raises(RuntimeError, match="DROPNORM_INVOCATIONS_KEY must be another key than DROPNORM_ADMIN_KEY"):
        Service(tmp_path, auth="on", admin_key=key, invocations_key=key).start()


def test_a_container_of_sagemaker_answers_from_the_backup_that_it_was_given(alone: Service, tmp_path: Path) -> None:
    backup = tmp_path / "model"
    backup.mkdir()
    with closing(sqlite3.connect(alone.data_dir / "dropnorm.db")) as database:
        database.execute("VACUUM INTO ?", (str(backup / "dropnorm.db"),))
    for name in ("installation", "datasets", "runs"):
        path = alone.data_dir / name
        (shutil.copytree if path.is_dir() else shutil.copy)(path, backup / name)
    key = "dn_" + "AnotherForNone" * 3
    # On all addresses it would be, as it says when it starts; a test stays on this machine.
    settings = {"sagemaker": "on", "host": "127.0.0.1", "auth": "on", "invocations_key": key}
    with Service(tmp_path, restore_from=str(backup), workers="0", default_model="first", **settings) as container:
        answer = container.client.post("/invocations", json=[[1.5]], headers={"Host": "whatever.it.is.called"})
        assert answer.status_code == 200, answer.text
        assert container.client.get("/ping").status_code == 200
    with pytest.raises(RuntimeError, match="holds no dropnorm"):
        Service(tmp_path, restore_from=str(tmp_path / "nothing")).start()


def test_a_version_that_is_deleted_stops_in_every_protocol(alone: Service) -> None:
    ask = alone.client
    rows = {"inputs": [{"name": "input", "datatype": "FP32", "shape": [1, 1], "data": [1.5]}]}
    assert ask.post("/v2/models/second/infer", json=rows).status_code == 200
    assert ask.delete("/api/v1/models/second/versions/1").status_code == 204
    for path, body in [
        ("/v2/models/second/infer", rows),
        ("/v2/models/second/versions/1/infer", rows),
        ("/v1/models/second:predict", {"instances": [[1.5]]}),
        ("/v2/repository/models/second/load", {}),
    ]:
        expect_failure(ask.post(path, json=body), 404)
    for path in ("/v2/models/second", "/v2/models/second/ready", "/v2/models/second/stats", "/v1/models/second"):
        expect_failure(ask.get(path), 404)
    expect_failure(sent(ask, [[1.5]], "second"), 404)
    assert "second" not in {one["name"] for one in ask.post("/v2/repository/index").json()}
