"""Layers and networks, shortly."""

from typing import Any

from app.domain.network.spec import NetworkSpec

Form = dict[str, Any]
NORM: Form = {"type": "batch_normalization"}
FLATTEN: Form = {"type": "flatten"}


def dense(units: int | None = None, **fields: Any) -> Form:
    return {"type": "dense", **({} if units is None else {"units": units}), **fields}


def act(function: str) -> Form:
    return {"type": "activation", "function": function}


def dropout(rate: float = 0.5) -> Form:
    return {"type": "dropout", "rate": rate}


def network(*layers: Form, shape: tuple[int, ...] | None = None) -> NetworkSpec:
    given = {} if shape is None else {"input_shape": list(shape)}
    return NetworkSpec.model_validate({"layers": list(layers), **given})
