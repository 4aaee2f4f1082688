"""The Open Inference Protocol on the wire: what curl would send, and what nobody should."""

import gzip
import json
import struct
import zlib
from typing import Any

import httpx
import numpy as np
import pytest
from numpy.typing import NDArray

from tests.answers import expect_failure, strict_json
from tests.protocols.asking import NUMBERS, PICTURES, PRICES, ROWS, TABLE, expected, same
from tests.web.predictions import FEATURES, penguin_rows

Json = dict[str, Any]
pytestmark = pytest.mark.usefixtures("numbers_run", "prices_run", "penguins_run", "pictures_run")
PATH = f"/v2/models/{NUMBERS}/infer"
LENGTH = "Inference-Header-Content-Length"
TENSOR: Json = {"name": "input", "datatype": "FP32", "shape": [4, 3]}


def header(**changes: Any) -> Json:
    """A request for the rows, as JSON; `changes` are of its tensor."""
    return {"inputs": [{**TENSOR, "data": ROWS.ravel().tolist(), **changes}]}


def packed(document: Json, content: bytes = ROWS.tobytes(), length: str | None = None) -> dict[str, Any]:
    """A binary request: its JSON, and bytes behind it."""
    text = json.dumps(document).encode()
    return {"content": text + content, "headers": {LENGTH: str(len(text)) if length is None else length}}


def binary(size: int = ROWS.nbytes, **changes: Any) -> Json:
    return {"inputs": [{**TENSOR, "parameters": {"binary_data_size": size}, **changes}]}


def test_json_is_answered_with_json_flat_or_nested(api: httpx.Client) -> None:
    for data in (ROWS.ravel().tolist(), ROWS.tolist()):
        answer = api.post(PATH, json={"id": "7", **header(data=data)})
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "application/json"
        assert LENGTH not in answer.headers
        found = strict_json(answer)
        assert {name: found[name] for name in ("model_name", "model_version", "id")} == {
            "model_name": NUMBERS,
            "model_version": "1",
            "id": "7",
        }
        [output] = found["outputs"]
        assert (output["name"], output["datatype"], output["shape"]) == ("probabilities", "FP32", [4, 2])
        same(np.reshape(output["data"], (4, 2)), expected(api, ROWS))


def test_a_raw_body_is_the_tensor_and_is_answered_with_bytes(api: httpx.Client) -> None:
    answer = api.post(f"/v2/models/{NUMBERS}/versions/1/infer", content=ROWS.tobytes(), headers={LENGTH: "0"})
    assert answer.headers["content-type"] == "application/octet-stream"
    start = int(answer.headers[LENGTH])
    described = json.loads(answer.content[:start])["outputs"][0]
    assert described["parameters"]["binary_data_size"] == len(answer.content) - start
    same(np.frombuffer(answer.content[start:], np.float32).reshape(described["shape"]), expected(api, ROWS))
    pixels = np.full((1, 64, 64, 3), 0.5, np.float32)
    answer = api.post(f"/v2/models/{PICTURES}/infer", content=pixels.tobytes(), headers={LENGTH: "0"})
    assert answer.status_code == 200


def test_an_outputs_own_word_goes_over_the_requests(api: httpx.Client) -> None:
    for whole, own in ((True, False), (False, True)):
        wanted = {"name": "probabilities", "parameters": {"binary_data": own}}
        body = {**header(), "parameters": {"binary_data_output": whole}, "outputs": [wanted]}
        answer = api.post(PATH, json=body)
        assert (LENGTH in answer.headers) == own
        assert (
            LENGTH in api.post(PATH, json={**header(), "parameters": {"binary_data_output": whole}}).headers
        ) == whole


def test_a_null_is_a_missing_value_and_a_number_is_what_was_written(api: httpx.Client) -> None:
    rows = [[None, 0.1, 1e-9], [0.3, -0.7, 3.3]]
    answer = api.post(PATH, json=header(shape=[2, 3], data=rows))
    same(np.reshape(answer.json()["outputs"][0]["data"], (2, 2)), expected(api, rows))


def test_columns_take_texts_truths_numbers_and_nulls(api: httpx.Client) -> None:
    rows = penguin_rows()[:5]
    inputs = [
        {
            "name": name,
            "datatype": "BYTES" if isinstance(rows[0][name], str) else "FP64",
            "shape": [5, 1] if place % 2 else [5],
            "data": [row[name] for row in rows],
        }
        for place, name in enumerate(FEATURES)
    ]
    answer = api.post(f"/v2/models/{TABLE}/infer", json={"inputs": inputs[::-1]})
    same(np.reshape(answer.json()["outputs"][0]["data"], (5, 3)), expected(api, rows, TABLE))
    truths = [
        {"name": "new", "datatype": "BOOL", "shape": [2, 1], "data": [[True], [None]]},
        {"name": "size", "datatype": "INT16", "shape": [2, 1], "data": [40, 50]},
    ]
    answer = api.post(f"/v2/models/{PRICES}/infer", json={"inputs": truths})
    same(
        np.reshape(answer.json()["outputs"][0]["data"], (2, 1)),
        expected(api, [{"size": 40, "new": True}, {"size": 50, "new": None}], PRICES),
    )


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ([], "JSON object"),
        ({}, "inputs"),
        ({"inputs": []}, "inputs"),
        ({"inputs": {}}, "inputs"),
        ({"inputs": [1]}, "an input is an object"),
        ({"id": 5, **header()}, "id must be a text"),
        (header(name="other"), "received 'other'"),
        (header(name=None), "an input is an object"),
        ({"inputs": header()["inputs"] * 2}, "stands twice"),
        ({"inputs": [*header()["inputs"], {**TENSOR, "name": "more", "data": []}]}, "12 values; received 0"),
        (header(datatype="FP31"), "no datatype that is known"),
        (header(datatype=None), "no datatype that is known"),
        (header(datatype="BYTES"), "BYTES has texts"),
        (header(datatype="BOOL"), "BOOL has true and false"),
        (header(datatype="BF16"), "sent as binary data"),
        (header(datatype="INT8"), "is no INT8"),
        (header(datatype="UINT8", data=[300] * 12), "is no UINT8"),
        (header(shape=[4]), "4 values; received 12"),
        (header(shape=[3, 4]), "[-1, 3]; received [3, 4]"),
        (header(shape=[2, 2, 3]), "[-1, 3]; received"),
        (header(shape=[-1, 3]), "is none that a tensor can have"),
        (header(shape=[4.0, 3]), "whole numbers"),
        (header(shape=[True, 12]), "whole numbers"),
        (header(shape=[1 << 60, 3]), "is none that a tensor can have"),
        (header(shape=[1] * 50), "1 to 8 whole numbers"),
        (header(shape="4,3"), "whole numbers"),
        (header(data=None), "data must be a list"),
        (header(data=5), "data must be a list"),
        (header(data=["1"] * 12), "FP32 has numbers"),
        (header(data=[True] * 12), "FP32 has numbers"),
        (header(data=[10**400] * 12), ""),
        (header(data=[1e39] * 12), "must be finite"),
        (header(data=[[1.0, 2.0], [3.0]] * 2), "not of the shape"),
        (header(data=[[[1.0, 2.0, 3.0]]] * 4), "not of the shape"),
        (header(data=[1.0, [2.0]] * 6), ""),
        (header(parameters={"shared_memory_region": "x"}), "shared memory"),
        (header(parameters=[]), "must be an object"),
        (header(parameters={"binary_data_size": 48}), "stands without data"),
        (binary(48), "unexpected size"),
        ({"outputs": [{"name": "other"}], **header()}, "unexpected inference output 'other'"),
        ({"outputs": [{"name": "probabilities"}] * 2, **header()}, "an output stands twice"),
        ({"outputs": {}, **header()}, "outputs must be a list"),
        ({"outputs": [{}], **header()}, "an output is an object with a name"),
        ({"outputs": [{"name": "probabilities", "parameters": {"classification": -1}}], **header()}, "classification"),
        ({"outputs": [{"name": "probabilities", "parameters": {"binary_data": 1}}], **header()}, "true or false"),
        ({"parameters": {"binary_data_output": "yes"}, **header()}, "true or false"),
        ({"parameters": {"timeout": -1}, **header()}, "microseconds"),
        ({"parameters": {"timeout": "soon"}, **header()}, "microseconds"),
        ({"parameters": {"calibrated": "yes"}, **header()}, "calibrated"),
        ({"parameters": {"seed": 5}, **header()}, "seed"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_with_its_reason(api: httpx.Client, document: Any, words: str) -> None:
    expect_failure(api.post(PATH, content=json.dumps(document)), 400, words)


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"\xff\xfe", b'{"inputs": NaN}', b'{"inputs": 1, "inputs": 2}', b"[" * 100_000, b'{"id": "\\ud800"}',
     json.dumps(header()).replace("2.5", "NaN").encode(), json.dumps(header()).replace("2.5", "1e999").encode(),
     b'{"id": "a", "id": "b", ' + json.dumps(header()).encode()[1:]],
)  # fmt: skip
def test_what_is_no_strict_json_is_refused(api: httpx.Client, content: bytes) -> None:
    expect_failure(api.post(PATH, content=content), 400)
    expect_failure(api.post(PATH, content=content, headers={LENGTH: str(len(content))} if content else {}), 400)


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        (packed(binary(), length="-1"), "number of bytes"),
        (packed(binary(), length="x"), "number of bytes"),
        (packed(binary(), length="9" * 30), "number of bytes"),
        (packed(binary(), length="100000"), "the body has"),
        (packed(binary(), length="5"), ""),
        (packed(binary(), ROWS.tobytes()[:-1]), "unexpected size for input 'input'"),
        (packed(binary(), ROWS.tobytes() + b"\0"), "unexpected additional input data"),
        (packed(binary(44), ROWS.tobytes()[:44]), "[4, 3] has 48 bytes; received 44"),
        (packed(binary(-1)), "a number of bytes"),
        (packed(binary(True)), "a number of bytes"),
        (packed(binary(1 << 62)), "unexpected size"),
        (packed(binary(datatype="FP64")), "has 96 bytes"),
        (packed(binary(shape=[1 << 40, 1 << 40])), "unexpected size"),
        (packed(binary(), np.full((4, 3), np.inf, np.float32).tobytes()), "must be finite"),
        (packed(binary(12, datatype="BOOL"), bytes(12)), "takes numbers"),
        (packed({"inputs": [{**TENSOR, "shape": [4, 3]}]}), "neither data nor binary_data_size"),
        ({"content": ROWS.tobytes()[:-2], "headers": {LENGTH: "0"}}, "a row of FP32"),
        ({"content": b"", "headers": {LENGTH: "0"}}, "a row of FP32"),
    ],
)  # fmt: skip
def test_lengths_that_lie_are_found(api: httpx.Client, sent: Any, words: str) -> None:
    expect_failure(api.post(PATH, **sent), 400, words)


@pytest.mark.parametrize(
    "content",
    [b"", b"\x05", struct.pack("<I", 5) + b"abc", struct.pack("<I", 0xFFFFFFFF) + b"abc",
     struct.pack("<I", 3) + b"abcd", struct.pack("<I", 2) + b"\xff\xff", struct.pack("<I", 0) * 3],
)  # fmt: skip
def test_lengths_of_texts_that_lie_are_found(api: httpx.Client, content: bytes) -> None:
    texts = {"name": "island", "datatype": "BYTES", "shape": [2], "parameters": {"binary_data_size": len(content)}}
    expect_failure(api.post(f"/v2/models/{TABLE}/infer", **packed({"inputs": [texts]}, content)), 400, "island")


def test_inputs_that_are_missing_or_too_many_are_named(api: httpx.Client) -> None:
    inputs = [{"name": name, "datatype": "BYTES", "shape": [1], "data": ["1"]} for name in FEATURES]
    path = f"/v2/models/{TABLE}/infer"
    assert api.post(path, json={"inputs": inputs}).status_code == 200
    expect_failure(api.post(path, json={"inputs": inputs[1:]}), 400, "'island' is missing")
    expect_failure(api.post(path, json={"inputs": [*inputs, {**inputs[0], "name": "x"}]}), 400, "'x' is no input")
    other = {**inputs[0], "shape": [2], "data": ["1", "2"]}
    expect_failure(api.post(path, json={"inputs": [other, *inputs[1:]]}), 400, "1 to 2 rows")
    wide = {**inputs[0], "shape": [1, 2], "data": ["1", "2"]}
    expect_failure(api.post(path, json={"inputs": [wide, *inputs[1:]]}), 400, "[-1, 1]; received [1, 2]")
    year = {**inputs[-1], "data": ["soon"]}
    expect_failure(api.post(path, json={"inputs": [*inputs[:-1], year]}), 400, "input 'year': soon")
    expect_failure(api.post(path, content=b"x", headers={LENGTH: "0"}), 400, "this one has 7")


def test_pictures_of_other_shapes_and_values_are_refused(api: httpx.Client) -> None:
    path = f"/v2/models/{PICTURES}/infer"
    refused: list[tuple[str, NDArray[Any], str]] = [
        ("FP32", np.zeros((1, 63, 64, 3), np.float32), "[-1, 64, 64, 3]"),
        ("FP32", np.full((1, 12288), 1.5, np.float32), "between 0 and 1"),
        ("FP32", np.full((1, 12288), np.nan, np.float32), "between 0 and 1"),
        ("INT32", np.zeros((1, 12288), np.int32), "UINT8"),
        ("UINT8", np.zeros((1, 0, 64, 3), np.uint8), "received [1, 0, 64, 3]"),
        ("UINT8", np.zeros((1, 64, 64, 4), np.uint8), "received"),
    ]
    for kind, array, words in refused:
        size = {"binary_data_size": array.nbytes}
        tensor: Json = {"name": "input", "datatype": kind, "shape": list(array.shape), "parameters": size}
        expect_failure(api.post(path, **packed({"inputs": [tensor]}, array.tobytes())), 400, words)
    small = np.zeros((2, 10, 20, 3), np.uint8)
    tensor = {"name": "input", "datatype": "UINT8", "shape": [2, 10, 20, 3], "parameters": {"binary_data_size": 1200}}
    assert api.post(path, **packed({"inputs": [tensor]}, small.tobytes())).status_code == 200


def test_too_many_rows_are_refused_before_anything_is_made_of_them(api: httpx.Client) -> None:
    rows = np.zeros((100_001, 3), np.float32)
    expect_failure(api.post(PATH, content=rows.tobytes(), headers={LENGTH: "0"}), 413, "100000 are allowed")


@pytest.mark.parametrize(
    ("encoding", "content", "status"),
    [
        ("gzip", b"nothing of the kind", 400),
        ("gzip", gzip.compress(b"{}", mtime=0)[:-3], 400),
        ("gzip", gzip.compress(b"{}", mtime=0) + b"more", 400),
        ("deflate", gzip.compress(b"{}", mtime=0), 400),
        ("deflate", zlib.compress(b"{}")[2:-4], 400),
        ("br", b"x", 501),
        ("gzip, gzip", gzip.compress(gzip.compress(b"{}", mtime=0), mtime=0), 501),
        ("x" * 500, b"x", 501),
    ],
)
def test_what_is_not_compressed_as_it_says_is_refused(
    api: httpx.Client, encoding: str, content: bytes, status: int
) -> None:
    answer = api.post(PATH, content=content, headers={"Content-Encoding": encoding})
    expect_failure(answer, status)
    assert (answer.headers.get("accept-encoding") == "gzip, deflate") == (status == 501)


def test_only_one_encoding_that_is_asked_for_compresses_an_answer(api: httpx.Client) -> None:
    for accept, encoding in [
        ("gzip", "gzip"),
        ("deflate", "deflate"),
        ("gzip, deflate, br", None),
        ("br", None),
        ("*", None),
    ]:
        answer = api.post(PATH, json=header(), headers={"Accept-Encoding": accept})
        assert answer.headers.get("content-encoding") == encoding
        assert answer.json()["model_name"] == NUMBERS
    plain = api.get(f"/v2/models/{TABLE}", headers={"Accept-Encoding": "gzip"})
    assert "content-encoding" not in plain.headers


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v2/models/nobody", 404),
        ("GET", "/v2/models/nobody/ready", 404),
        ("GET", f"/v2/models/{NUMBERS}/versions/99", 404),
        ("GET", f"/v2/models/{NUMBERS}/versions/99/stats", 404),
        ("GET", f"/v2/models/{NUMBERS}/versions/x/ready", 404),
        ("GET", f"/v2/models/{NUMBERS}/versions/{'9' * 4400}/ready", 404),
        ("GET", f"/v2/models/{NUMBERS}/generate", 404),
        ("GET", "/v2/", 404),
        ("GET", "/v2/models/", 404),
        ("GET", "/v2/trace/setting", 404),
        ("POST", "/v2/systemsharedmemory/region/x/register", 404),
        ("POST", "/v2/repository/models/nobody/load", 404),
        ("POST", "/v2/repository/models/nobody/unload", 404),
        ("GET", f"/v2/models/{NUMBERS}/infer", 405),
        ("POST", "/v2/health/live", 405),
        ("DELETE", f"/v2/models/{NUMBERS}", 405),
    ],
)
def test_what_is_not_there_is_told_in_the_protocols_form(
    api: httpx.Client, method: str, path: str, status: int
) -> None:
    answer = api.request(method, path)
    expect_failure(answer, status)
    if status == 405:
        assert answer.headers["allow"] in ("POST", "GET, HEAD")


def test_probes_answer_both_words_and_by_their_status(api: httpx.Client) -> None:
    for path in ("/v2/health/live", "/v2/health/ready"):
        assert strict_json(api.get(path)) == {"live": True, "ready": True}
    assert strict_json(api.get(f"/v2/models/{NUMBERS}/ready")) == {"name": NUMBERS, "ready": True}


@pytest.mark.parametrize("path", ["/v2", f"/v2/models/{NUMBERS}", f"/v1/models/{NUMBERS}", "/v2/health/ready", "/ping"])
def test_head_answers_without_a_body_and_the_connection_goes_on(api: httpx.Client, path: str) -> None:
    for _ in range(2):
        head, get = api.head(path), api.get(path)
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["content-length"] == get.headers["content-length"] == str(len(get.content))


def test_the_repository_takes_a_body_or_none(api: httpx.Client) -> None:
    for content in (b"", b"{}", b'{"ready": true}'):
        index = strict_json(api.post("/v2/repository/index", content=content))
        assert {"name": NUMBERS, "version": "1", "state": "READY", "reason": ""} in index
    for content in (b"[]", b"{", b'{"ready": 1}', b" " * 100_000):
        expect_failure(api.post("/v2/repository/index", content=content), 400)
    load = f"/v2/repository/models/{NUMBERS}/load"
    assert api.post(load, json={"parameters": {"other": 1}}).status_code == 200
    expect_failure(api.post(load, json={"parameters": {"file:1/x": "aGk="}}), 400, "made by a run")
