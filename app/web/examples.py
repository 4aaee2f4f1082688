"""Worked examples of the OpenAPI document; a test sends the requests and checks the answers' form."""

from typing import Any

Json = dict[str, Any]

BATCHNORM_NETWORK: Json = {
    "name": "article-batchnorm",
    "input_shape": [12288],
    "layers": [
        {"type": "dense", "units": 16, "use_bias": False},
        {"type": "batch_normalization"},
        {"type": "activation", "function": "relu"},
        {"type": "dense", "units": 3},
        {"type": "activation", "function": "softmax"},
    ],
}
TABLE_NETWORK: Json = {
    "layers": [
        {"type": "dense", "units": 16, "use_bias": False},
        {"type": "batch_normalization"},
        {"type": "activation", "function": "relu"},
        {"type": "dropout", "rate": 0.2},
        {"type": "dense"},
    ]
}
ROWS_BODY: Json = {
    "name": "flowers",
    "target": "species",
    "rows": [
        {"petal_cm": 1.4, "colour": "white", "species": "daisy"},
        {"petal_cm": 1.6, "colour": "white", "species": "daisy"},
        {"petal_cm": 4.7, "colour": None, "species": "rose"},
        {"petal_cm": 4.5, "colour": "red", "species": "rose"},
    ],
}
RUN_REQUEST: Json = {
    "dataset": "ds_3k1r0q5v9x2m7c4n8b6z",
    "network": TABLE_NETWORK,
    "model": "flowers",
    "training": {"epochs": 30, "batch_size": 2, "seed": 7, "validation": {"fraction": 0.25}},
    "priority": 10,
}
DATASET: Json = {
    "id": "ds_3k1r0q5v9x2m7c4n8b6z",
    "name": "flowers",
    "kind": "table",
    "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "bytes": 228,
    "rows": 4,
    "task": "classification",
    "target": {
        "name": "species",
        "classes": [{"label": "daisy", "count": 2}, {"label": "rose", "count": 2}],
        "minimum": None,
        "maximum": None,
        "mean": None,
    },
    "features": [
        {
            "name": "petal_cm",
            "type": "numeric",
            "missing": 0,
            "minimum": 1.4,
            "maximum": 4.7,
            "mean": 3.05,
            "categories": None,
        },
        {
            "name": "colour",
            "type": "categorical",
            "missing": 1,
            "minimum": None,
            "maximum": None,
            "mean": None,
            "categories": ["white", "red"],
        },
    ],
    "warnings": [{"code": "rare_class", "message": "class daisy has 2 rows"}],
    "created_at": "2026-11-22T10:00:00.000Z",
}
ROWS: Json = {"rows": [{"petal_cm": 1.4, "colour": "white", "species": "daisy"}]}
NETWORK_CHECKED: Json = {
    "input_shape": [12288],
    "layers": BATCHNORM_NETWORK["layers"],
    "summary": [{"index": 0, "type": "dense", "output_shape": [16], "parameters": 196608}],
    "parameters": {"total": 196723, "trainable": 196691, "non_trainable": 32},
    "findings": [],
}
RUN_CHECK: Json = {
    "rows": {"training": 276, "validation": 68},
    "input_shape": [17],
    "steps_per_epoch": 9,
    "batch_size": 32,
    "last_batch": {"rows": 20, "handling": "smaller"},
    "parameters": {"total": 387, "trainable": 355, "non_trainable": 32},
    "memory_bytes": 37324,
    "summary": [],
    "findings": [],
    "notes": ["the last batch of an epoch has 20 rows"],
}
EPOCH: Json = {
    "epoch": 1,
    "learning_rate": 0.001,
    "seconds": 0.012,
    "rows_per_second": 31250.0,
    "train": {"loss": 1.05, "accuracy": 0.46},
    "train_eval": {"loss": 0.88, "accuracy": 0.72},
    "validation": {"loss": 0.91, "accuracy": 0.69},
}
EPOCHS: Json = {"epochs": [EPOCH]}
RUN: Json = {
    "id": "run_7h2m9d4k1x8c5v3b6n0q",
    "status": "queued",
    "priority": 10,
    "attempt": 0,
    "resumed_from": None,
    "dataset": "ds_3k1r0q5v9x2m7c4n8b6z",
    "network": {"input_shape": [3], "layers": TABLE_NETWORK["layers"]},
    "model": "flowers",
    "training": RUN_REQUEST["training"],
    "progress": None,
    "metrics": None,
    "error": None,
    "result": None,
    "environment": None,
    "tags": [],
    "created_at": "2026-11-22T10:00:01.000Z",
    "started_at": None,
    "finished_at": None,
}
RESUME_REQUEST: Json = {"epochs": 60, "training": {"optimizer": {"name": "adam", "learning_rate": 0.0005}}}
RESUMED_RUN: Json = {
    **RUN,
    "id": "run_4b6n0q7h2m9d1x8c5v3k",
    "resumed_from": RUN["id"],
    "training": {**RUN["training"], **RESUME_REQUEST["training"], "epochs": 60},
}
MODEL: Json = {
    "name": "flowers",
    "aliases": {"serving": 1},
    "serving": 1,
    "created_at": "2026-11-22T10:00:03.000Z",
    "versions": [{"version": 1, "run": RUN["id"], "aliases": ["serving"], "created_at": "2026-11-22T10:00:03.000Z"}],
}
VERSION: Json = MODEL["versions"][0]
NETWORK: Json = {
    "id": "net_2c5v8b1n4m7k0j3h6g9f",
    "name": BATCHNORM_NETWORK["name"],
    **NETWORK_CHECKED,
    "created_at": "2026-11-22T10:00:00.500Z",
}
EVENTS = 'id: 9\nevent: end\ndata: {"status":"succeeded","model":"flowers","version":1}\n\n'
INSTANCES: Json = {"instances": [{"petal_cm": 1.5, "colour": None}], "options": {"top": 1}}
PREDICTION: Json = {
    "model": "flowers",
    "version": 1,
    "run": RUN["id"],
    "mode": "eval",
    "predictions": [{"label": "daisy", "probability": 0.93, "probabilities": {"daisy": 0.93}}],
    "input_report": {"imputed": {"colour": 1}, "unseen_categories": {}, "out_of_range": {}},
}
DATASET_BODIES: Json = {
    "required": True,
    "content": {
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "required": ["file"],
                "properties": {
                    "file": {
                        "type": "string",
                        "format": "binary",
                        "description": ".csv, .tsv, .csv.gz, .tsv.gz, .parquet, .npz, .zip",
                    },
                    "name": {"type": "string"},
                    "target": {"type": "string", "description": "column name; default: the last column"},
                    "task": {"type": "string", "enum": ["auto", "classification", "regression"]},
                    "columns": {"type": "string", "description": 'JSON: {"year": {"role": "ignore"}}'},
                },
            }
        },
        "application/json": {
            "schema": {"$ref": "#/components/schemas/RowsBody"},
            "examples": {"flowers": {"value": ROWS_BODY}},
        },
    },
}


def page_of(row: Json) -> Json:
    """A list's answer with one row."""
    return {"items": [row], "next": None}
