"""The requests of the serving benchmark, as bytes, and what must be answered to each."""

import json
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import httpx
import numpy as np
from numpy.typing import NDArray

from benchmarks.serving_models import VALUES, Floats, Reference, jpeg, mixed_row, picture, row_of_numbers

API = "/api/v1/models"
JSON, NPY = {"Content-Type": "application/json"}, {"Content-Type": "application/x-npy"}


class Wrong(Exception):
    """A server answered 200 and something else than the reference."""


@dataclass(frozen=True, slots=True)
class Workload:
    """One request. `shape` says which network of other servers takes the same values: `row` or `picture`.

    `expected` makes the probabilities [1, classes] of a reference; None where the answer is drawn by chance.
    `optional`: it is left out where the server does not know the path or the option.
    """

    name: str
    title: str
    model: str
    path: str
    body: bytes
    headers: Mapping[str, str]
    expected: Callable[[Reference], Floats] | None
    probabilities: Callable[[httpx.Response], Floats]
    shape: str | None = None
    file: bytes = b""
    optional: bool = False

    def request(self, path: str, key: str) -> bytes:
        """The whole request, at another path where another server is asked."""
        headers = {"Host": "127.0.0.1", "Authorization": f"Bearer {key}", **self.headers}
        lines = [f"{name}: {value}" for name, value in headers.items()]
        head = "\r\n".join([f"POST {path} HTTP/1.1", *lines, f"Content-Length: {len(self.body)}", "", ""])
        return head.encode() + self.body

    def check(self, response: httpx.Response, reference: Reference) -> None:
        """Raises `Wrong` unless the answer is the reference's, bit for bit."""
        if self.expected is None:
            return
        found, expected = self.probabilities(response), self.expected(reference)
        if found.shape != expected.shape or not np.array_equal(found, expected):
            raise Wrong(f"{self.name}: answered {found.tolist()}, and right is {expected.tolist()}")


def _of_json(response: httpx.Response) -> Floats:
    predictions = response.json()["predictions"]
    return np.array([list(one["probabilities"].values()) for one in predictions], np.float32)


def _of_tensors(response: httpx.Response) -> Floats:
    """The first output of an Open Inference answer with binary data behind its header."""
    length = int(response.headers["inference-header-content-length"])
    output = json.loads(response.content[:length])["outputs"][0]
    return np.frombuffer(response.content[length:], np.float32).reshape(output["shape"])


def _json(document: object) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode()


def _npy(array: NDArray[Any]) -> bytes:
    file = BytesIO()
    np.save(file, array)
    return file.getvalue()


def _tensor(array: Floats) -> tuple[bytes, Mapping[str, str]]:
    """An Open Inference request with its one input as binary data, and the answer asked for likewise."""
    described = {
        "name": "input",
        "shape": list(array.shape),
        "datatype": "FP32",
        "parameters": {"binary_data_size": array.nbytes},
    }
    header = _json({"inputs": [described], "parameters": {"binary_data_output": True}})
    headers = {"Content-Type": "application/octet-stream", "Inference-Header-Content-Length": str(len(header))}
    return header + array.tobytes(), headers


def workloads() -> list[Workload]:
    """All of them, in the order of the table."""
    chance = random.Random(11)
    row, *others = _of_tables(chance)
    *named, monte_carlo = others
    return [row, *named, *_of_pictures(chance), monte_carlo]


def _of_tables(chance: random.Random) -> list[Workload]:
    row, by_name = [row_of_numbers(chance)], [mixed_row(chance)]
    options = {"monte_carlo_samples": 50, "seed": 1}
    sent, drawn = _json({"instances": row}), _json({"instances": row, "options": options})
    right, right_by_name = _rows(row), _rows(by_name)
    of_row, of_mixed = ("row", f"{API}/row/predict"), ("mixed", f"{API}/mixed/predict")
    title = "one row by column name, preprocessing and report"
    return [
        Workload("row", "one row, JSON array", *of_row, sent, JSON, right, _of_json, shape="row"),
        Workload("named", title, *of_mixed, _json({"instances": by_name}), JSON, right_by_name, _of_json),
        Workload("monte-carlo", "one row, 50 Monte Carlo passes", *of_row, drawn, JSON, None, _of_json, optional=True),
    ]


def _of_pictures(chance: random.Random) -> list[Workload]:
    pixels = picture(chance)[None]
    floats = (pixels.reshape(1, VALUES) / np.float32(255)).astype(np.float32)
    numbers = [[round(value, 8) for value in floats[0].tolist()]]
    tensor, header = _tensor(floats.reshape(pixels.shape))
    file = jpeg(pixels[0])
    model, path, in_12_288 = "picture", f"{API}/picture/predict", "12,288 numbers, "
    right, right_of_text, right_of_file = (
        _array(floats),
        _array(np.array(numbers)),
        lambda reference: reference.file(file),
    )
    sent, infer = _json({"instances": numbers}), "/v2/models/picture/infer"
    shown, binary = {"Content-Type": "image/jpeg"}, f"{in_12_288}Open Inference binary"
    return [
        Workload("picture-json", f"{in_12_288}JSON", model, path, sent, JSON, right_of_text, _of_json, shape="picture"),
        Workload("npy-float32", f"{in_12_288}npy float32", model, path, _npy(floats), NPY, right, _of_json),
        Workload("npy-uint8", f"{in_12_288}npy uint8", model, path, _npy(pixels), NPY, _array(pixels), _of_json),
        Workload("oip-binary", binary, model, infer, tensor, header, right, _of_tensors, optional=True),
        Workload("jpeg", "a 64 × 64 JPEG", model, path, file, shown, right_of_file, _of_json, file=file),
    ]


def _rows(rows: list[Any]) -> Callable[[Reference], Floats]:
    return lambda reference: reference.rows(rows)


def _array(array: NDArray[np.generic]) -> Callable[[Reference], Floats]:
    return lambda reference: reference.array(array)
