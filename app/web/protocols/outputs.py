"""What a model answers, as tensors by name: the answers, and by passes with dropout on also how these vary."""

import numpy as np
from numpy.typing import NDArray
from orjson import OPT_SERIALIZE_NUMPY, dumps

from app.serving.predictor import Answers, Predictor
from app.web.protocols.signature import output_of

Outputs = dict[str, NDArray[np.float32]]
"""Each float32 [n, …], the answers first."""


def outputs_of(predictor: Predictor, answers: Answers | None) -> Outputs:
    """The tensors of some answers; of none (no row was asked for) those without rows."""
    name = output_of(predictor).name
    if answers is None:
        return {name: np.empty((0, predictor.outputs), np.float32)}
    outputs, found = {name: answers.values}, answers.uncertainty
    if found is not None:
        outputs["standard_deviation"] = found.standard_deviation
        if found.predictive_entropy is not None and found.mutual_information is not None:
            outputs["predictive_entropy"] = found.predictive_entropy[:, np.newaxis]
            outputs["mutual_information"] = found.mutual_information[:, np.newaxis]
    return outputs


def rows_of(outputs: Outputs) -> bytes:
    """JSON of a list of rows: the values of the one output, or objects by the outputs' names.

    A float32 is written with as many digits as tell it apart.
    """
    if len(outputs) == 1:
        return columns_of(outputs)
    tables = list(outputs.values())
    rows = [dict(zip(outputs, row, strict=True)) for row in zip(*tables, strict=True)]
    return dumps(rows, option=OPT_SERIALIZE_NUMPY)


def columns_of(outputs: Outputs) -> bytes:
    """JSON of the one output, or of an object by the outputs' names."""
    whole = {name: np.ascontiguousarray(table) for name, table in outputs.items()}
    return dumps(whole.popitem()[1] if len(whole) == 1 else whole, option=OPT_SERIALIZE_NUMPY)
