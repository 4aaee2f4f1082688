"""Worked examples of batch predictions, for the OpenAPI document."""

from app.web.examples import DATASET, RUN, Json

BATCH: Json = {"dataset": DATASET["id"], "format": "csv", "options": {"probabilities": True, "calibrated": True}}
JOB: Json = {
    "id": "job_5v9x2m7c4n8b6z3k1r0q",
    "kind": "batch_prediction",
    "status": "queued",
    "attempt": 0,
    "model": "flowers",
    "version": 1,
    "run": RUN["id"],
    "dataset": DATASET["id"],
    "format": "csv",
    "options": BATCH["options"],
    "progress": None,
    "error": None,
    "result": None,
    "created_at": "2026-11-22T10:00:05.000Z",
    "started_at": None,
    "finished_at": None,
}
JOB_DONE: Json = {
    **JOB,
    "status": "succeeded",
    "attempt": 1,
    "progress": {"rows": 4, "rows_total": 4, "fraction": 1.0, "rows_per_second": 410000.0, "seconds_left": 0.0},
    "result": {
        "rows": 4,
        "bytes": 164,
        "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "url": f"/api/v1/jobs/{JOB['id']}/result",
    },
    "started_at": "2026-11-22T10:00:05.100Z",
    "finished_at": "2026-11-22T10:00:05.300Z",
}
JOB_CANCELLED: Json = {**JOB, "status": "cancelled", "finished_at": JOB_DONE["finished_at"]}
RESULT = "label,probability,probability_daisy,probability_rose\r\ndaisy,0.93,0.93,0.07\r\n"
