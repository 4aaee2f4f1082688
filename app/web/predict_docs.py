"""The prediction routes in the OpenAPI document: they are plain ASGI, which FastAPI cannot describe by itself."""

from typing import Any

from app.web.examples import INSTANCES, PREDICTION
from app.web.predict_options import MOST_SAMPLES
from app.web.problems import problems

_BINARY = {"schema": {"type": "string", "format": "binary"}}
_OPTIONS = {
    "type": "object",
    "properties": {
        "probabilities": {"type": "boolean", "default": True, "description": "every class's probability too"},
        "top": {"type": "integer", "minimum": 1, "maximum": 1000, "description": "only so many, most probable first"},
        "calibrated": {
            "type": "boolean",
            "default": True,
            "description": "false: probabilities as the network gives them, without the temperature fitted to it",
        },
        "monte_carlo_samples": {
            "type": "integer",
            "minimum": 1,
            "maximum": MOST_SAMPLES,
            "description": "so many passes with dropout on (batch normalization stays in eval mode), and how they vary",
        },
        "seed": {"type": "integer", "minimum": 0, "description": "of the passes; 0 where it is left out"},
    },
}
_BODIES = {
    "application/json": {
        "schema": {
            "type": "object",
            "required": ["instances"],
            "properties": {
                "instances": {
                    "type": "array",
                    "minItems": 1,
                    "items": {"anyOf": [{"type": "object"}, {"type": "array"}]},
                    "description": "rows by column name, or arrays in feature order",
                },
                "options": _OPTIONS,
            },
        },
        "example": INSTANCES,
    },
    "text/csv": {"schema": {"type": "string"}, "example": "petal_cm,colour\n1.5,white\n"},
    "application/vnd.apache.parquet": _BINARY,
    "image/png": _BINARY,
    "image/jpeg": _BINARY,
    "application/x-npy": _BINARY,
    "multipart/form-data": {
        "schema": {"type": "object", "additionalProperties": {"type": "string", "format": "binary"}}
    },
}

_UNCERTAINTY = {
    "type": "object",
    "additionalProperties": False,
    "required": ["samples", "seed", "standard_deviation"],
    "description": "with `monte_carlo_samples`: how the passes vary, and `probability` is their mean",
    "properties": {
        "samples": {"type": "integer"},
        "seed": {"type": "integer"},
        "standard_deviation": {
            "description": "by class; of a number, its own",
            "anyOf": [{"type": "number"}, {"type": "object", "additionalProperties": {"type": "number"}}],
        },
        "predictive_entropy": {"type": "number", "description": "nats"},
        "mutual_information": {"type": "number", "description": "nats: what the network does not know"},
    },
}
_COUNTS = {"type": "object", "additionalProperties": {"type": "integer"}}
_ANSWER = {
    "type": "object",
    "additionalProperties": False,
    "required": ["model", "version", "run", "mode", "predictions", "input_report"],
    "properties": {
        "model": {
            "anyOf": [{"type": "string"}, {"type": "null"}],
            "description": "null where a run was asked directly",
        },
        "version": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
        "run": {"type": "string"},
        "mode": {"const": "eval"},
        "predictions": {
            "type": "array",
            "items": {
                "type": "object",
                "additionalProperties": False,
                "properties": {
                    "label": {"type": "string"},
                    "probability": {"type": "number"},
                    "probabilities": {"type": "object", "additionalProperties": {"type": "number"}},
                    "value": {"type": "number", "description": "a regression's answer, in the target's own units"},
                    "uncertainty": _UNCERTAINTY,
                },
            },
        },
        "input_report": {
            "type": "object",
            "additionalProperties": False,
            "required": ["imputed", "unseen_categories", "out_of_range"],
            "properties": {
                "imputed": _COUNTS,
                "unseen_categories": {"type": "object", "additionalProperties": _COUNTS},
                "out_of_range": _COUNTS,
            },
        },
    },
}


def _parameter(name: str, kind: str) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": {"type": kind}}


def _query(name: str) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": False, "schema": _OPTIONS["properties"][name]}  # type: ignore[index]


def _path(summary: str, *parameters: dict[str, Any]) -> dict[str, Any]:
    answers = problems(400, 404, 413, 415, 422, 503, 507)
    return {
        "parameters": [*parameters, *map(_query, _OPTIONS["properties"])],
        "post": {
            "tags": ["predict"],
            "summary": summary,
            "operationId": summary.lower().replace(" ", "_"),
            "description": "Eval mode: dropout off, running statistics. A row's answer does not depend on which other "
            "rows came with it. `Accept: text/csv` answers a CSV. A CSV (separated by commas, tabs, semicolons or "
            "bars) or a Parquet file may be of any length where the answer is a CSV, or Parquet by `Accept: "
            "application/vnd.apache.parquet`: rows are answered while they come, and an answer that breaks off tells "
            "of rows that cannot be read.",
            "requestBody": {"required": True, "content": _BODIES},
            "responses": {
                "200": {
                    "description": "The answers, in the order of the rows.",
                    "content": {
                        "application/json": {"schema": _ANSWER, "example": PREDICTION},
                        "text/csv": {"schema": {"type": "string"}},
                        "application/vnd.apache.parquet": _BINARY,
                    },
                },
                **{str(status): answer for status, answer in answers.items()},
            },
        },
    }


PREDICT_PATHS: dict[str, dict[str, Any]] = {
    "/models/{name}/predict": _path("Predict with a model", _parameter("name", "string")),
    "/models/{name}/versions/{number}/predict": _path(
        "Predict with a version", _parameter("name", "string"), _parameter("number", "integer")
    ),
    "/models/{name}/aliases/{alias}/predict": _path(
        "Predict with an alias", _parameter("name", "string"), _parameter("alias", "string")
    ),
    "/runs/{run_id}/predict": _path("Predict with a run", _parameter("run_id", "string")),
}
