"""What TensorFlow Serving's REST requests mean: rows or columns to predict, examples to classify or regress."""

from dataclasses import dataclass
from enum import Enum

from orjson import OPT_SERIALIZE_NUMPY, dumps

from app.errors import Malformed, shown
from app.serving.predictor import Answers, Predictor, Question
from app.web.context import Limits
from app.web.json_rows import document
from app.web.protocols.datatypes import wrong
from app.web.protocols.outputs import columns_of, outputs_of, rows_of
from app.web.protocols.values import of_columns, of_examples, of_rows
from app.web.strict_json import read_json

SIGNATURE = "serving_default"


class Verb(Enum):
    """What is asked for, by the word behind the colon."""

    PREDICT = "predict"
    CLASSIFY = "classify"
    REGRESS = "regress"


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that was read; `by_row` says in which form its answer is."""

    question: Question
    by_row: bool = True


def read(predictor: Predictor, verb: Verb, body: bytes, limits: Limits) -> Asked:
    """Reads a body, whatever its Content-Type says. Raises `Malformed`, `InvalidRows`, `TooLarge`."""
    found = document(body)
    sent = read_json(body) if found is None else found
    if not isinstance(sent, dict):
        raise Malformed("the request must be a JSON object")
    signature = sent.get("signature_name", SIGNATURE)
    if not isinstance(signature, str):
        raise wrong("signature_name must be a text")
    if signature not in ("", SIGNATURE):
        raise wrong(f"signature '{shown(signature, 40)}' is not there; '{SIGNATURE}' is")
    if verb is not Verb.PREDICT:
        _check_task(predictor, verb)
        return Asked(of_examples(predictor, sent.get("examples"), sent.get("context", {}), limits))
    if ("instances" in sent) == ("inputs" in sent):
        raise wrong("a request has one of instances and inputs")
    if "instances" in sent:
        return Asked(of_rows(predictor, sent["instances"], limits))
    return Asked(of_columns(predictor, sent["inputs"], limits), by_row=False)


def answer_of(predictor: Predictor, verb: Verb, answers: Answers, *, by_row: bool) -> bytes:
    """The answer's JSON; a float32 is written with as many digits as tell it apart."""
    values = answers.values
    if verb is Verb.PREDICT:
        outputs = outputs_of(predictor, answers)
        return b'{"predictions":%b}' % rows_of(outputs) if by_row else b'{"outputs":%b}' % columns_of(outputs)
    if verb is Verb.REGRESS:
        return b'{"results":' + dumps(values[:, 0].copy(), option=OPT_SERIALIZE_NUMPY) + b"}"
    labels = predictor.labels or ()
    ranked = (-values).argsort(axis=1, kind="stable").tolist()
    # A float32 among other values: NumPy's own is written as such.
    rows = [[[labels[index], row[index]] for index in order] for order, row in zip(ranked, values, strict=True)]
    return dumps({"results": rows}, option=OPT_SERIALIZE_NUMPY)


def _check_task(predictor: Predictor, verb: Verb) -> None:
    if (verb is Verb.CLASSIFY) != (predictor.labels is not None):
        kind = "numbers" if predictor.labels is None else "classes"
        raise wrong(f"the model answers with {kind}: it cannot be asked to {verb.value}")
