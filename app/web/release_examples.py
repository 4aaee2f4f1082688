"""Worked examples of releasing and judging, for the OpenAPI document."""

from app.web.examples import DATASET, MODEL, RUN, Json

ALIAS: Json = {"version": 1, "only_if_not_worse": False}
MOVED: Json = {
    **MODEL,
    "aliases": {"serving": 2},
    "serving": 2,
    "versions": [
        {"version": 2, "run": "run_4b6n0q7h2m9d1x8c5v3k", "aliases": ["serving"], "created_at": MODEL["created_at"]},
        {"version": 1, "run": RUN["id"], "aliases": [], "created_at": MODEL["created_at"]},
    ],
    "previous": 1,
    "comparison": {
        "from": 1,
        "to": 2,
        "rows": 68,
        "datasets": {DATASET["id"]: 68},
        "on": "validation rows of the two runs, without those that the other one was trained on, told by their place "
        "in the dataset. Validation rows may have chosen a run's best epoch, and its temperature",
        "metrics": {
            "accuracy": {"from": 0.8824, "to": 0.9853, "difference": 0.1029},
            "log_loss": {"from": 0.31, "to": 0.09, "difference": -0.22},
        },
        "agreement": 0.8971,
        "mean_absolute_difference": None,
        "test": {"name": "exact McNemar test", "p_value": 0.015625, "better_from": 0, "better_to": 7},
        "verdict": "better",
    },
    "reason": None,
}
EVALUATE: Json = {"dataset": DATASET["id"], "version": 1}
EVALUATION: Json = {
    "model": "flowers",
    "version": 1,
    "run": RUN["id"],
    "dataset": DATASET["id"],
    "rows": 4,
    "evaluation": {
        "loss": 0.19,
        "accuracy": 1.0,
        "log_loss": 0.19,
        "roc_auc": 1.0,
        "macro_average": {"precision": 1.0, "recall": 1.0, "f1": 1.0},
        "classes": {
            "daisy": {"precision": 1.0, "recall": 1.0, "f1": 1.0, "support": 2},
            "rose": {"precision": 1.0, "recall": 1.0, "f1": 1.0, "support": 2},
        },
        "confusion_matrix": [[2, 0], [0, 2]],
    },
}
