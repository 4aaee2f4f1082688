"""The Open Inference Protocol's inference request: JSON, or a JSON header with the tensors' bytes behind it."""

import math
from dataclasses import dataclass

from app.errors import shown
from app.serving.predictor import Predictor
from app.web.protocols.datatypes import BYTES, NUMBERS, numbers_of, text_of, texts_of, wrong
from app.web.protocols.oip_header import Described, Header, header_of
from app.web.protocols.signature import inputs_of
from app.web.protocols.tensors import Tensor

RAW = Header((), None, {}, (), binary=True)
"""Of a body that has no header."""


@dataclass(frozen=True, slots=True)
class Inference:
    """A request that was read."""

    tensors: list[Tensor]
    header: Header


def read_inference(body: bytes, header_bytes: int | None) -> Inference:
    """Reads a request whose first `header_bytes` are JSON; None where all of it is.

    Raises `Malformed` for what is no such JSON, `InvalidRows` for what does not fit together.
    """
    if header_bytes is None:
        header_bytes = len(body)
    if header_bytes > len(body):
        raise wrong(f"Inference-Header-Content-Length is {header_bytes}; the body has {len(body)} bytes")
    header = header_of(body[:header_bytes])
    content, start = memoryview(body), header_bytes
    tensors: list[Tensor] = []
    for described in header.inputs:
        tensors.append(described.sent or _binary(described, content[start : start + described.size]))
        start += described.size
    if start != len(body):
        raise wrong(f"unexpected additional input data: {len(body) - start} bytes behind the last input")
    return Inference(tensors, header)


def read_raw(predictor: Predictor, body: bytes) -> Inference:
    """A body that is the bytes of a model's one input and nothing else; as many rows as there are bytes for."""
    inputs = inputs_of(predictor)
    if len(inputs) != 1:
        raise wrong(f"a raw binary request is for models with one input; this one has {len(inputs)}")
    [spec] = inputs
    if spec.datatype == BYTES:
        return Inference([Tensor(spec.name, BYTES, (1, 1), listed=[text_of(body, spec.name, 0)])], RAW)
    row_bytes = math.prod(spec.shape[1:]) * NUMBERS[spec.datatype].itemsize
    rows, over = divmod(len(body), row_bytes)
    if over or not rows:
        raise wrong(f"a row of {spec.datatype} {list(spec.shape)} has {row_bytes} bytes; received {len(body)}")
    shape = (rows, *spec.shape[1:])
    tensor = Tensor(spec.name, spec.datatype, shape, numbers=numbers_of(spec.datatype, memoryview(body), shape))
    return Inference([tensor], RAW)


def _binary(described: Described, content: memoryview) -> Tensor:
    """The tensor of the bytes that are there for it. Raises `InvalidRows` where they are too few or too many."""
    name, datatype, shape, size = described.name, described.datatype, described.shape, described.size
    if len(content) != size:
        raise wrong(f"unexpected size for input '{shown(name, 40)}': {size} bytes declared, {len(content)} are left")
    count = math.prod(shape)
    if datatype == BYTES:
        return Tensor(name, datatype, shape, listed=[*texts_of(content, count, shown(name, 40))])
    expected = count * NUMBERS[datatype].itemsize
    if size != expected:
        raise wrong(
            f"unexpected size for input '{shown(name, 40)}': {datatype} {list(shape)} has {expected} bytes; "
            f"received {size}"
        )
    return Tensor(name, datatype, shape, numbers=numbers_of(datatype, content, shape))
