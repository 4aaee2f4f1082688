"""The Open Inference Protocol's inference request: JSON, or a JSON header with the tensors' bytes behind it."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from app.errors import shown
from app.serving.predictor import Predictor
from app.web.protocols.datatypes import BYTES, KNOWN, NUMBERS, numbers_of, text_of, texts_of, wrong
from app.web.protocols.json_header import Document, read_header
from app.web.protocols.json_tensors import list_tensor
from app.web.protocols.signature import inputs_of
from app.web.protocols.tensors import Tensor

MOST_AXES = 8
MOST_ELEMENTS = 1 << 40
Parameters = Mapping[str, object]
_NONE: Parameters = {}


@dataclass(frozen=True, slots=True)
class WantedOutput:
    """An output that was asked for. `classes`: as so many labelled classes; 0 for the numbers themselves."""

    name: str
    binary: bool
    classes: int


@dataclass(frozen=True, slots=True)
class Inference:
    """A request that was read. No `outputs`: all of them, as bytes where `binary`."""

    tensors: list[Tensor]
    id: str | None = None
    parameters: Parameters = field(default_factory=dict)
    outputs: tuple[WantedOutput, ...] = ()
    binary: bool = False


def read_inference(body: bytes, header_bytes: int | None) -> Inference:
    """Reads a request whose first `header_bytes` are JSON; None where all of it is.

    Raises `Malformed` for what is no such JSON, `InvalidRows` for what does not fit together.
    """
    if header_bytes is None:
        return _inference(read_header(body), memoryview(b""))
    if not 0 <= header_bytes <= len(body):
        raise wrong(f"Inference-Header-Content-Length is {header_bytes}; the body has {len(body)} bytes")
    return _inference(read_header(body[:header_bytes]), memoryview(body)[header_bytes:])


def read_raw(predictor: Predictor, body: bytes) -> Inference:
    """A body that is the bytes of a model's one input and nothing else; as many rows as there are bytes for."""
    inputs = inputs_of(predictor)
    if len(inputs) != 1:
        raise wrong(f"a raw binary request is for models with one input; this one has {len(inputs)}")
    [spec] = inputs
    if spec.datatype == BYTES:
        return Inference([Tensor(spec.name, BYTES, (1, 1), listed=[text_of(body, spec.name, 0)])], binary=True)
    row_bytes = math.prod(spec.shape[1:]) * NUMBERS[spec.datatype].itemsize
    rows, over = divmod(len(body), row_bytes)
    if over or not rows:
        raise wrong(f"a row of {spec.datatype} {list(spec.shape)} has {row_bytes} bytes; received {len(body)}")
    shape = (rows, *spec.shape[1:])
    tensor = Tensor(spec.name, spec.datatype, shape, numbers=numbers_of(spec.datatype, memoryview(body), shape))
    return Inference([tensor], binary=True)


def _inference(document: Document, content: memoryview) -> Inference:
    id = document.get("id")
    if id is not None and not isinstance(id, str):
        raise wrong("id must be a text")
    parameters = _parameters(document, "the request")
    sent = document.get("inputs")
    if not isinstance(sent, list) or not sent:
        raise wrong("inputs must be a list of at least one tensor")
    tensors, start, names = [], 0, set()
    for one in sent:
        tensor, start = _tensor(one, content, start)
        if tensor.name in names:
            raise wrong(f"input '{shown(tensor.name, 40)}' stands twice")
        names.add(tensor.name)
        tensors.append(tensor)
    if start != len(content):
        raise wrong(f"unexpected additional input data: {len(content) - start} bytes behind the last input")
    binary = _flag(parameters, "binary_data_output", default=False)
    return Inference(tensors, id, parameters, _outputs(document, default=binary), binary)


def _tensor(sent: object, content: memoryview, start: int) -> tuple[Tensor, int]:
    """An input, and where in `content` the next one's bytes begin."""
    if not isinstance(sent, dict) or not isinstance(name := sent.get("name"), str):
        raise wrong("an input is an object with name, shape and datatype")
    datatype, shape = sent.get("datatype"), _shape(sent.get("shape"), name)
    if not isinstance(datatype, str) or datatype not in KNOWN:
        raise wrong(f"input '{shown(name, 40)}' has no datatype that is known: received {shown(datatype, 40)}")
    parameters = _parameters(sent, f"input '{shown(name, 40)}'")
    if "shared_memory_region" in parameters:
        raise wrong(f"input '{shown(name, 40)}': shared memory is not served")
    size = parameters.get("binary_data_size")
    if size is None:
        if "data" not in sent:
            raise wrong(f"input '{shown(name, 40)}' has neither data nor binary_data_size")
        return list_tensor(name, datatype, shape, sent["data"]), start
    if not isinstance(size, int) or isinstance(size, bool) or size < 0 or "data" in sent:
        raise wrong(f"input '{shown(name, 40)}': binary_data_size is a number of bytes, and stands without data")
    return _binary(name, datatype, shape, content[start : start + size], size), start + size


def _binary(name: str, datatype: str, shape: tuple[int, ...], content: memoryview, size: int) -> Tensor:
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


def _shape(sent: object, name: str) -> tuple[int, ...]:
    if not isinstance(sent, list) or not 1 <= len(sent) <= MOST_AXES or set(map(type, sent)) != {int}:
        raise wrong(f"input '{shown(name, 40)}': shape must be a list of 1 to {MOST_AXES} whole numbers")
    shape: tuple[int, ...] = tuple(sent)
    if min(shape) < 0 or max(shape) > MOST_ELEMENTS:
        raise wrong(f"input '{shown(name, 40)}': the shape {shown(list(shape))} is none that a tensor can have")
    return shape


def _parameters(sent: Document, whose: str) -> Parameters:
    found = sent.get("parameters")
    if found is None:
        return _NONE
    if not isinstance(found, dict):
        raise wrong(f"the parameters of {whose} must be an object")
    return found


def _flag(parameters: Parameters, name: str, *, default: bool) -> bool:
    found = parameters.get(name, default)
    if not isinstance(found, bool):
        raise wrong(f"{name} must be true or false; received {shown(found)}")
    return found


def _outputs(document: Document, *, default: bool) -> tuple[WantedOutput, ...]:
    sent = document.get("outputs")
    if sent is None:
        return ()
    if not isinstance(sent, list):
        raise wrong("outputs must be a list")
    wanted = tuple(_output(one, default=default) for one in sent)
    if len({one.name for one in wanted}) != len(wanted):
        raise wrong("an output stands twice")
    return wanted


def _output(sent: object, *, default: bool) -> WantedOutput:
    if not isinstance(sent, dict) or not isinstance(name := sent.get("name"), str):
        raise wrong("an output is an object with a name")
    parameters = _parameters(sent, f"output '{shown(name, 40)}'")
    if "shared_memory_region" in parameters:
        raise wrong(f"output '{shown(name, 40)}': shared memory is not served")
    classes = parameters.get("classification", 0)
    if not isinstance(classes, int) or isinstance(classes, bool) or classes < 0:
        raise wrong(f"output '{shown(name, 40)}': classification is a number of classes; received {shown(classes)}")
    return WantedOutput(name, _flag(parameters, "binary_data", default=default), classes)
