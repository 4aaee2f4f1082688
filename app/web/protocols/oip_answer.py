"""The Open Inference Protocol's answer: JSON, or a JSON header with the outputs' bytes behind it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from orjson import OPT_SERIALIZE_NUMPY, dumps

from app.errors import shown
from app.web.protocols.datatypes import BYTES, FP32, bytes_of, wrong
from app.web.protocols.oip_header import Header, WantedOutput
from app.web.protocols.outputs import Outputs


@dataclass(frozen=True, slots=True)
class Reply:
    """A body, and of how many bytes its JSON header is; None where all of it is JSON."""

    body: bytes
    header_bytes: int | None


def reply_of(header: Header, model: str, version: int, outputs: Outputs, labels: tuple[str, ...] | None) -> Reply:
    """The answer in the form that was asked for. Raises `InvalidRows` for an output that the model has not."""
    wanted = header.outputs or tuple(WantedOutput(name, header.binary, 0) for name in outputs)
    described: list[dict[str, object]] = []
    pieces: list[bytes] = []
    for one in wanted:
        values = outputs.get(one.name)
        if values is None:
            raise wrong(f"unexpected inference output '{shown(one.name, 40)}'; the model has {', '.join(outputs)}")
        document, content = _classes(one, values, labels) if one.classes else _numbers(one, values)
        described.append(document)
        if content is not None:
            pieces.append(content)
    answer: dict[str, object] = {"model_name": model, "model_version": str(version)}
    if header.id is not None:
        answer["id"] = header.id
    answer["outputs"] = described
    text = dumps(answer, option=OPT_SERIALIZE_NUMPY)
    if not any(one.binary for one in wanted):
        return Reply(text, None)
    return Reply(b"".join((text, *pieces)), len(text))


def _numbers(wanted: WantedOutput, values: NDArray[np.float32]) -> tuple[dict[str, object], bytes | None]:
    document: dict[str, object] = {"name": wanted.name, "datatype": FP32, "shape": list(values.shape)}
    if not wanted.binary:
        document["data"] = np.ascontiguousarray(values).ravel()
        return document, None
    content = values.astype("<f4", copy=False).tobytes()
    document["parameters"] = {"binary_data_size": len(content)}
    return document, content


def _classes(
    wanted: WantedOutput, values: NDArray[np.float32], labels: tuple[str, ...] | None
) -> tuple[dict[str, object], bytes | None]:
    """Triton's classification: of each row the largest values, as texts `value:index:label`."""
    count = min(wanted.classes, values.shape[1])
    # What is no column a class, as an entropy, has no labels.
    named = labels if labels is not None and len(labels) == values.shape[1] else ()
    ranked = np.argsort(-values, axis=1, kind="stable")[:, :count]
    texts = [
        ":".join((str(values[row, index]), str(index), *named[index : index + 1]))
        for row, order in enumerate(ranked.tolist())
        for index in order
    ]
    document: dict[str, object] = {"name": wanted.name, "datatype": BYTES, "shape": [len(values), count]}
    if not wanted.binary:
        document["data"] = texts
        return document, None
    content = bytes_of([text.encode() for text in texts])
    document["parameters"] = {"binary_data_size": len(content)}
    return document, content
