"""The Open Inference Protocol, asked by Triton's own clients."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import numpy as np
import pytest
from tritonclient.http import InferenceServerClient as Client
from tritonclient.http import InferInput, InferRequestedOutput
from tritonclient.http.aio import InferenceServerClient as AsyncClient
from tritonclient.utils import InferenceServerException

from tests.protocols.asking import NUMBERS, PICTURES, PRICES, ROWS, TABLE, expected, same
from tests.service import Service
from tests.web.predictions import FEATURES, ask, penguin_rows

pytestmark = pytest.mark.usefixtures("numbers_run", "penguins_run")
Json = dict[str, Any]
each_form = pytest.mark.parametrize("binary", [True, False], ids=["binary", "json"])


@pytest.fixture(scope="module")
def triton(service: Service) -> Iterator[Client]:
    client = Client(service.address.removeprefix("http://"))
    yield client
    client.close()


def tensor(name: str, values: Any, datatype: str = "FP32", *, binary: bool = True) -> InferInput:
    made = InferInput(name, list(values.shape), datatype)
    made.set_data_from_numpy(values, binary_data=binary)
    return made


def columns(rows: list[Json], *, binary: bool = True) -> list[InferInput]:
    """The penguins as one input a column; a missing value is an empty text."""
    made = []
    for name in FEATURES:
        texts = ["" if row[name] is None else str(row[name]) for row in rows]
        made.append(tensor(name, np.array([[text.encode()] for text in texts], np.object_), "BYTES", binary=binary))
    return made


def test_the_server_lives_is_ready_and_says_what_it_is(triton: Client) -> None:
    assert triton.is_server_live()
    assert triton.is_server_ready()
    found = triton.get_server_metadata()
    assert found["name"] == "dropnorm"
    assert {"binary_tensor_data", "classification", "model_repository", "statistics"} <= set(found["extensions"])


def test_a_model_tells_its_tensors(triton: Client, prices_run: Json, pictures_run: Json) -> None:
    assert triton.is_model_ready(NUMBERS)
    assert triton.is_model_ready(NUMBERS, "1")
    assert not triton.is_model_ready("nobody")
    assert not triton.is_model_ready(NUMBERS, "99")
    found = triton.get_model_metadata(NUMBERS)
    assert found == {
        "name": NUMBERS,
        "versions": ["1"],
        "platform": "onnxruntime_onnx",
        "inputs": [{"name": "input", "datatype": "FP32", "shape": [-1, 3]}],
        "outputs": [{"name": "probabilities", "datatype": "FP32", "shape": [-1, 2]}],
    }
    table = {one["name"]: one["datatype"] for one in triton.get_model_metadata(TABLE, "1")["inputs"]}
    assert list(table) == list(FEATURES)
    assert table["island"] == "BYTES"
    assert table["year"] == "FP32"
    prices = triton.get_model_metadata(PRICES)
    assert [one["datatype"] for one in prices["inputs"]] == ["FP32", "BOOL"]
    assert prices["outputs"] == [{"name": "value", "datatype": "FP32", "shape": [-1, 1]}]
    assert triton.get_model_metadata(PICTURES)["inputs"][0]["shape"] == [-1, 64, 64, 3]
    config = triton.get_model_config(NUMBERS)
    assert config["max_batch_size"] > 0
    assert config["input"] == [{"name": "input", "data_type": "TYPE_FP32", "dims": [3]}]
    assert "dynamic_batching" in config


@each_form
def test_rows_of_numbers_are_answered_as_predict_answers_them(triton: Client, api: httpx.Client, binary: bool) -> None:
    found = triton.infer(NUMBERS, [tensor("input", ROWS, binary=binary)], request_id="mine")
    assert found.get_response()["id"] == "mine"
    assert found.get_response()["model_version"] == "1"
    same(found.as_numpy("probabilities"), expected(api, ROWS))


@pytest.mark.parametrize(
    "datatype", ["FP16", "FP32", "FP64", "INT8", "INT16", "INT32", "INT64", "UINT8", "UINT16", "UINT32", "UINT64"]
)
def test_every_type_of_numbers_is_taken(triton: Client, api: httpx.Client, datatype: str) -> None:
    kinds = {"FP16": np.float16, "FP32": np.float32, "FP64": np.float64}
    rows = np.abs(ROWS) if datatype not in kinds else ROWS
    values = rows.astype(kinds.get(datatype) or datatype.lower())
    found = triton.infer(NUMBERS, [tensor("input", values, datatype)], model_version="1")
    same(found.as_numpy("probabilities"), expected(api, values.astype(np.float64)))


@each_form
def test_columns_are_answered_as_predict_answers_them(triton: Client, api: httpx.Client, binary: bool) -> None:
    rows = penguin_rows()[:12]
    assert any(value is None for row in rows for value in row.values())
    found = triton.infer(TABLE, columns(rows, binary=binary))
    same(found.as_numpy("probabilities"), expected(api, rows, TABLE))


@each_form
def test_a_number_is_answered_in_the_targets_own_units(
    triton: Client, api: httpx.Client, prices_run: Json, binary: bool
) -> None:
    sizes, new = np.array([[30.5], [80.25]], np.float32), np.array([[True], [False]])
    found = triton.infer(PRICES, [tensor("new", new, "BOOL", binary=binary), tensor("size", sizes, binary=binary)])
    same(found.as_numpy("value"), expected(api, [{"size": 30.5, "new": True}, {"size": 80.25, "new": False}], PRICES))


@pytest.mark.parametrize("shape", [(2, 64, 64, 3), (2, 12288)])
def test_pictures_are_bytes_or_numbers_flat_or_not(
    triton: Client, api: httpx.Client, pictures_run: Json, shape: tuple[int, ...]
) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, shape, np.uint8)
    numbers = (np.arange(256) / 255).astype(np.float32)[pixels]
    wanted = expected(api, numbers.reshape(2, -1).astype(np.float64), PICTURES)
    same(triton.infer(PICTURES, [tensor("input", numbers)]).as_numpy("probabilities"), wanted)
    same(triton.infer(PICTURES, [tensor("input", pixels, "UINT8")]).as_numpy("probabilities"), wanted)


@each_form
def test_the_most_probable_classes_come_with_their_labels(triton: Client, api: httpx.Client, binary: bool) -> None:
    wanted = InferRequestedOutput("probabilities", binary_data=binary, class_count=1)
    found = triton.infer(NUMBERS, [tensor("input", ROWS)], outputs=[wanted]).as_numpy("probabilities")
    assert found.shape == (len(ROWS), 1)
    probabilities = expected(api, ROWS)
    for [text], row in zip(found, probabilities, strict=True):
        value, index, label = (text.decode() if binary else text).split(":")
        assert np.float32(value) == row.max()
        assert int(index) == row.argmax()
        assert label == ["high", "low"][int(index)]


@pytest.mark.parametrize("request_encoding", ["gzip", "deflate", None])
@pytest.mark.parametrize("response_encoding", ["gzip", "deflate", None])
def test_both_directions_may_be_compressed(
    triton: Client, api: httpx.Client, request_encoding: str | None, response_encoding: str | None
) -> None:
    found = triton.infer(
        NUMBERS,
        [tensor("input", ROWS)],
        request_compression_algorithm=request_encoding,
        response_compression_algorithm=response_encoding,
    )
    same(found.as_numpy("probabilities"), expected(api, ROWS))


def test_a_request_may_have_a_time_a_priority_and_words_of_its_own(triton: Client, api: httpx.Client) -> None:
    found = triton.infer(NUMBERS, [tensor("input", ROWS)], timeout=60_000_000, priority=1, parameters={"who": "me"})
    same(found.as_numpy("probabilities"), expected(api, ROWS))
    calibrated = triton.infer(NUMBERS, [tensor("input", ROWS)], parameters={"calibrated": False})
    assert calibrated.as_numpy("probabilities").shape == (4, 2)


def test_passes_with_dropout_on_tell_how_they_vary(triton: Client, api: httpx.Client, prices_run: Json) -> None:
    passes = {"monte_carlo_samples": 5, "seed": 3}
    told = ask(api, {"instances": ROWS.tolist(), "options": passes}, model=NUMBERS)["predictions"]
    found = triton.infer(NUMBERS, [tensor("input", ROWS)], parameters=passes)
    for row, one in enumerate(told):
        same(found.as_numpy("probabilities")[row], np.array(list(one["probabilities"].values()), np.float32))
        varies = one["uncertainty"]
        same(found.as_numpy("standard_deviation")[row], np.array([*varies["standard_deviation"].values()], np.float32))
        for name in ("predictive_entropy", "mutual_information"):
            same(found.as_numpy(name)[row], np.array([varies[name]], np.float32))
    body = {"instances": ROWS.tolist(), "params": passes}
    scored = api.post("/invocations", json=body, headers={"X-Amzn-SageMaker-Target-Model": NUMBERS}).json()
    query = "monte_carlo_samples=5&seed=3"
    served = api.post(f"/v1/models/{NUMBERS}:predict?{query}", json={"instances": ROWS.tolist()}).json()
    assert scored == served
    for name in ("probabilities", "standard_deviation", "predictive_entropy", "mutual_information"):
        same([row[name] for row in served["predictions"]], found.as_numpy(name))
    columns = api.post(f"/v1/models/{NUMBERS}:predict?{query}", json={"inputs": ROWS.tolist()}).json()["outputs"]
    same(columns["standard_deviation"], found.as_numpy("standard_deviation"))
    price = api.post(f"/v1/models/{PRICES}:predict?{query}", json={"instances": [{"size": 30.5, "new": True}]}).json()
    assert set(price["predictions"][0]) == {"value", "standard_deviation"}


def test_no_rows_have_no_answers(triton: Client) -> None:
    found = triton.infer(NUMBERS, [tensor("input", np.empty((0, 3), np.float32))])
    assert found.as_numpy("probabilities").shape == (0, 2)


def test_the_repository_lists_loads_and_unloads(triton: Client, api: httpx.Client) -> None:
    index = {(one["name"], one["version"]): one["state"] for one in triton.get_model_repository_index()}
    assert index[(NUMBERS, "1")] == "READY"
    assert index[(TABLE, "1")] == "READY"
    triton.load_model(NUMBERS)
    triton.unload_model(NUMBERS)
    # It is loaded again by whoever asks.
    same(triton.infer(NUMBERS, [tensor("input", ROWS)]).as_numpy("probabilities"), expected(api, ROWS))
    with pytest.raises(InferenceServerException, match="no such model") as refused:
        triton.load_model("nobody")
    assert refused.value.status() == "404"
    with pytest.raises(InferenceServerException, match="made by a run"):
        triton.load_model(NUMBERS, config="{}")


def test_statistics_count_requests_and_rows(triton: Client) -> None:
    def counts() -> Json:
        found: Json
        [found] = triton.get_inference_statistics(NUMBERS, "1")["model_stats"]
        assert (found["name"], found["version"]) == (NUMBERS, "1")
        return found

    before = counts()
    triton.infer(NUMBERS, [tensor("input", ROWS)])
    with pytest.raises(InferenceServerException):
        triton.infer(NUMBERS, [tensor("wrong", ROWS)])
    after = counts()
    assert after["inference_count"] - before["inference_count"] == len(ROWS)
    assert after["execution_count"] - before["execution_count"] == 1
    for kind in ("success", "fail"):
        assert after["inference_stats"][kind]["count"] - before["inference_stats"][kind]["count"] == 1
        assert after["inference_stats"][kind]["ns"] > before["inference_stats"][kind]["ns"]
    assert after["last_inference"] > 0
    assert triton.get_inference_statistics(NUMBERS)["model_stats"] == [after]
    assert NUMBERS in {one["name"] for one in triton.get_inference_statistics()["model_stats"]}


def test_a_failure_keeps_its_words(triton: Client) -> None:
    refused: list[tuple[Callable[[], object], str, str]] = [
        (lambda: triton.infer("nobody", [tensor("input", ROWS)]), "no such model", "404"),
        (lambda: triton.infer(NUMBERS, [tensor("input", ROWS)], model_version="99"), "has no version 99", "404"),
        (lambda: triton.infer(NUMBERS, [tensor("inputs", ROWS)]), "received 'inputs'", "400"),
        (lambda: triton.infer(NUMBERS, [tensor("input", ROWS[:, :2])]), r"\[-1, 3\]; received \[4, 2\]", "400"),
        (lambda: triton.infer(NUMBERS, [tensor("input", ROWS * np.nan)]), "must be finite", "400"),
        (lambda: triton.get_model_metadata("nobody"), "no such model", "404"),
    ]
    for asked, words, status in refused:
        with pytest.raises(InferenceServerException, match=words) as failure:
            asked()
        assert failure.value.status() == status


def test_the_asyncio_client_is_answered_too(service: Service, api: httpx.Client) -> None:
    wanted = expected(api, ROWS)

    async def ask() -> None:
        async with AsyncClient(service.address.removeprefix("http://")) as client:
            assert await client.is_server_live()
            assert await client.is_server_ready()
            assert await client.is_model_ready(NUMBERS)
            assert (await client.get_model_metadata(NUMBERS))["name"] == NUMBERS
            assert (await client.get_model_config(NUMBERS))["name"] == NUMBERS
            assert await client.get_model_repository_index()
            assert (await client.get_inference_statistics(NUMBERS))["model_stats"]
            rows = [client.infer(NUMBERS, [tensor("input", ROWS[index : index + 1])]) for index in range(len(ROWS))]
            found = await asyncio.gather(*rows, client.infer(NUMBERS, [tensor("input", ROWS[::-1].copy())]))
            alone = np.concatenate([one.as_numpy("probabilities") for one in found[:-1]])
            same(alone, wanted)
            same(found[-1].as_numpy("probabilities"), wanted[::-1].copy())
            for encoding in ("gzip", "deflate"):
                one = await client.infer(
                    NUMBERS,
                    [tensor("input", ROWS)],
                    request_compression_algorithm=encoding,
                    response_compression_algorithm=encoding,
                )
                same(one.as_numpy("probabilities"), wanted)

    asyncio.run(ask())
