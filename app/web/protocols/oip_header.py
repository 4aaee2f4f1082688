"""The JSON of an inference request: what its tensors are, and how its answer is wanted.

It says the same again and again: a client's requests for one row differ in the bytes behind it alone. So what was made
of short headers is kept for a while.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from app.errors import shown
from app.web.protocols.datatypes import KNOWN, wrong
from app.web.protocols.json_header import Document, read_header
from app.web.protocols.json_tensors import list_tensor
from app.web.protocols.tensors import Tensor

MOST_AXES = 8
MOST_ELEMENTS = 1 << 40
KEPT, KEPT_BYTES = 256, 1 << 10
Parameters = Mapping[str, object]
_NONE: Parameters = {}


@dataclass(frozen=True, slots=True)
class WantedOutput:
    """An output that was asked for. `classes`: as so many labelled classes; 0 for the numbers themselves."""

    name: str
    binary: bool
    classes: int


@dataclass(frozen=True, slots=True)
class Described:
    """An input whose `size` bytes come behind the header, or `sent` within it."""

    name: str
    datatype: str
    shape: tuple[int, ...]
    size: int = 0
    sent: Tensor | None = None


@dataclass(frozen=True, slots=True)
class Header:
    """What was read, never to be changed. No `outputs`: all of them, as bytes where `binary`."""

    inputs: tuple[Described, ...]
    id: str | None
    parameters: Parameters
    outputs: tuple[WantedOutput, ...]
    binary: bool


def header_of(content: bytes) -> Header:
    """Reads a header. Raises `Malformed` for what is no strict JSON, `InvalidRows` for what does not fit together."""
    return _kept(content) if len(content) <= KEPT_BYTES else _header(read_header(content))


@lru_cache(KEPT)
def _kept(content: bytes) -> Header:
    return _header(read_header(content))


def _header(document: Document) -> Header:
    id = document.get("id")
    if id is not None and not isinstance(id, str):
        raise wrong("id must be a text")
    parameters = _parameters(document, "the request")
    sent = document.get("inputs")
    if not isinstance(sent, list) or not sent:
        raise wrong("inputs must be a list of at least one tensor")
    inputs = tuple(map(_described, sent))
    names = [one.name for one in inputs]
    if len(set(names)) != len(names):
        twice = next(name for place, name in enumerate(names) if name in names[:place])
        raise wrong(f"input '{shown(twice, 40)}' stands twice")
    binary = _flag(parameters, "binary_data_output", default=False)
    return Header(inputs, id, parameters, _outputs(document, default=binary), binary)


def _described(sent: object) -> Described:
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
        return Described(name, datatype, shape, sent=list_tensor(name, datatype, shape, sent["data"]))
    if not isinstance(size, int) or isinstance(size, bool) or size < 0 or "data" in sent:
        raise wrong(f"input '{shown(name, 40)}': binary_data_size is a number of bytes, and stands without data")
    return Described(name, datatype, shape, size)


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
