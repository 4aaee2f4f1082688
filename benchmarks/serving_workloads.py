"""The requests of the serving benchmark, as bytes, and what must be answered to each."""

import json
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import httpx
import numpy as np
from numpy.typing import NDArray

from benchmarks.serving_models import VALUES, Floats, Reference, jpeg, mixed_row, picture, row_of_numbers

API = "/api/v1/models"
INFER = "/v2/models/picture/infer"


class Wrong(Exception):
    """A server answered 200 and something else than the reference."""


@dataclass(frozen=True, slots=True)
class Request:
    """What is posted, and where."""

    path: str
    body: bytes
    headers: Mapping[str, str]

    def raw(self, key: str) -> bytes:
        """All of it as it goes over the wire, with a key."""
        headers = {"Host": "127.0.0.1", "Authorization": f"Bearer {key}", **self.headers}
        lines = [f"{name}: {value}" for name, value in headers.items()]
        head = "\r\n".join([f"POST {self.path} HTTP/1.1", *lines, f"Content-Length: {len(self.body)}", "", ""])
        return head.encode() + self.body


@dataclass(frozen=True, slots=True)
class Workload:
    """One request to our server. `values` [1, n]: what other servers are sent in their own form; None: nothing.

    `expected` makes the probabilities [1, classes] of a reference; None where the answer is drawn by chance.
    `optional`: it is left out where the server does not know the path or the option. `file` is what Pillow decodes.
    """

    name: str
    title: str
    model: str
    request: Request
    expected: Callable[[Reference], Floats] | None
    probabilities: Callable[[httpx.Response], Floats]
    values: Floats | None = None
    file: bytes = b""
    optional: bool = False

    def is_known(self, response: httpx.Response) -> bool:
        """Whether the server knows the path and the option: what is drawn by chance must tell how sure it is."""
        if not self.optional:
            return True
        drawn = self.expected is None
        return response.status_code not in (404, 422) and (not drawn or b'"uncertainty"' in response.content)

    def check(self, response: httpx.Response, reference: Reference) -> None:
        """Raises `Wrong` unless the answer is the reference's, bit for bit."""
        if self.expected is None:
            return
        found, expected = self.probabilities(response), self.expected(reference)
        if found.shape != expected.shape or not np.array_equal(found, expected):
            raise Wrong(f"{self.name}: answered {found.tolist()}, and right is {expected.tolist()}")


def check_probabilities(response: httpx.Response) -> None:
    """Raises `Wrong` unless the numbers of a JSON answer are probabilities, as another server's must be."""
    if response.headers.get("content-type", "").startswith("application/json"):
        total = sum(_fractions(response.json()))
        if abs(total - 1) > 1e-3:
            raise Wrong(f"these are no probabilities: {response.text[:500]}")


def _fractions(document: object) -> Iterator[float]:
    if isinstance(document, float):
        yield document
    elif isinstance(document, list | dict):
        for value in document.values() if isinstance(document, dict) else document:
            yield from _fractions(value)


def _of_json(response: httpx.Response) -> Floats:
    predictions = response.json()["predictions"]
    return np.array([list(one["probabilities"].values()) for one in predictions], np.float32)


def _of_tensors(response: httpx.Response) -> Floats:
    """The first output of an Open Inference answer with binary data behind its header."""
    length = int(response.headers["inference-header-content-length"])
    output = json.loads(response.content[:length])["outputs"][0]
    return np.frombuffer(response.content[length:], np.float32).reshape(output["shape"])


def of_json(path: str, document: object) -> Request:
    body = json.dumps(document, separators=(",", ":")).encode()
    return Request(path, body, {"Content-Type": "application/json"})


def of_npy(path: str, array: NDArray[Any]) -> Request:
    file = BytesIO()
    np.save(file, array)
    return Request(path, file.getvalue(), {"Content-Type": "application/x-npy"})


def of_tensor(path: str, array: Floats) -> Request:
    """An Open Inference request with its one input as binary data, and the answer asked for likewise."""
    described = {
        "name": "input",
        "shape": list(array.shape),
        "datatype": "FP32",
        "parameters": {"binary_data_size": array.nbytes},
    }
    document = {"inputs": [described], "parameters": {"binary_data_output": True}}
    header = json.dumps(document, separators=(",", ":")).encode()
    headers = {"Content-Type": "application/octet-stream", "Inference-Header-Content-Length": str(len(header))}
    return Request(path, header + array.tobytes(), headers)


def workloads() -> list[Workload]:
    """All of them, in the order of the table."""
    chance = random.Random(11)
    row, named, monte_carlo = _of_tables(chance)
    return [row, named, *_of_pictures(chance), monte_carlo]


def _of_tables(chance: random.Random) -> tuple[Workload, Workload, Workload]:
    row, by_name = [row_of_numbers(chance)], [mixed_row(chance)]
    path, values = f"{API}/row/predict", np.array(row, np.float32)
    sent, sent_by_name = of_json(path, {"instances": row}), of_json(f"{API}/mixed/predict", {"instances": by_name})
    drawn = of_json(path, {"instances": row, "options": {"monte_carlo_samples": 50, "seed": 1}})
    title, passes = "one row by column name, preprocessing and report", "one row, 50 Monte Carlo passes"
    return (
        Workload("row", "one row, JSON array", "row", sent, _rows(row), _of_json, values),
        Workload("named", title, "mixed", sent_by_name, _rows(by_name), _of_json),
        Workload("monte-carlo", passes, "row", drawn, None, _of_json, optional=True),
    )


def _of_pictures(chance: random.Random) -> list[Workload]:
    pixels = picture(chance)[None]
    floats = (pixels.reshape(1, VALUES) / np.float32(255)).astype(np.float32)
    numbers = [[round(value, 8) for value in floats[0].tolist()]]
    file, path, title, model = jpeg(pixels[0]), f"{API}/picture/predict", "12,288 numbers, ", "picture"
    sent, tensor = of_json(path, {"instances": numbers}), of_tensor(INFER, floats.reshape(pixels.shape))
    text, right, right_of_bytes = _array(np.array(numbers)), _array(floats), _array(pixels)
    shown, right_of_file = Request(path, file, {"Content-Type": "image/jpeg"}), _file(file)
    in_floats, in_bytes, binary = f"{title}npy float32", f"{title}npy uint8", f"{title}Open Inference binary"
    return [
        Workload("picture-json", f"{title}JSON", model, sent, text, _of_json, floats),
        Workload("npy-float32", in_floats, model, of_npy(path, floats), right, _of_json),
        Workload("npy-uint8", in_bytes, model, of_npy(path, pixels), right_of_bytes, _of_json),
        Workload("oip-binary", binary, model, tensor, right, _of_tensors, floats, optional=True),
        Workload("jpeg", "a 64 × 64 JPEG", model, shown, right_of_file, _of_json, file=file),
    ]


def _rows(rows: list[Any]) -> Callable[[Reference], Floats]:
    return lambda reference: reference.rows(rows)


def _array(array: NDArray[np.generic]) -> Callable[[Reference], Floats]:
    return lambda reference: reference.array(array)


def _file(content: bytes) -> Callable[[Reference], Floats]:
    return lambda reference: reference.file(content)
