"""Things of every kind in a running service, for generated requests to name; what is deleted is made again."""

from collections.abc import Mapping, Sequence
from typing import Any

import httpx

from tests.service import Service, accepted
from tests.worker.processes import until

Json = dict[str, Any]
MODEL, ALIAS, PICTURES = "flowers", "serving", "shades"
ROWS: list[Json] = [
    {
        "petal_cm": 1.4 + place / 10,
        "colour": ("white", None, "red")[place % 3],
        "seen": f"2024-03-{place + 1:02d}",
        "wild": place % 4 > 1,
        "species": ("daisy", "rose")[place % 2],
    }
    for place in range(24)
]
TABLE: Json = {"name": "flowers", "target": "species", "rows": ROWS}
NETWORK: Json = {"layers": [{"type": "dense", "units": 4}, {"type": "batch_normalization"}, {"type": "dense"}]}
TRAINING: Json = {"epochs": 2, "batch_size": 8, "seed": 7, "validation": {"fraction": 0.25}}


class Resources:
    """Ids by kind: a base that stays, and a spare of what can be deleted, which is made again once it is."""

    def __init__(self, client: httpx.Client) -> None:
        self._client = client
        self.dataset = self.spare_dataset = self.network = self.queued = self.cancelled = self.run = self.key = ""
        self.queued_job = self.cancelled_job = self.job = ""
        self.artifacts: list[str] = []
        keys = accepted(client.get("/api/v1/keys"))["items"]
        self.own_key = str(keys[0]["id"])

    def train(self, service: Service) -> None:
        """Two versions of `MODEL`, an alias for the first, and runs that a worker is needed for."""
        self.dataset = self._made("datasets", TABLE)
        self.network = self._made("networks", {"name": "small", **NETWORK})
        request = {"dataset": self.dataset, "network": self.network, "model": MODEL, "training": TRAINING}
        runs = [self._made("runs", request) for _ in range(2)]
        for run in runs:
            ended = service.ended(run)
            assert ended["status"] == "succeeded", ended["error"]
        self.run = runs[0]
        result = accepted(self._client.get(f"/api/v1/runs/{self.run}"))["result"]
        self.artifacts = [artifact["name"] for artifact in result["artifacts"]]

        self.job = self._batch()
        until(lambda: accepted(self._client.get(f"/api/v1/jobs/{self.job}"))["status"] == "succeeded", 60)

    def prepare(self) -> None:
        """What needs no worker, and is left alone by none."""
        self.renew_alias()
        self.renew_dataset()
        self.renew_queued()
        self.renew_cancelled()
        self.renew_key()
        self.renew_queued_job()
        self.renew_cancelled_job()

    def renew_alias(self) -> None:
        accepted(self._client.put(f"/api/v1/models/{MODEL}/aliases/{ALIAS}", json={"version": 1}))

    def renew_dataset(self) -> None:
        self.spare_dataset = self._made("datasets", {**TABLE, "name": "spare"})

    def renew_network(self) -> None:
        self.network = self._made("networks", {"name": "small", **NETWORK})

    def renew_queued(self) -> None:
        self.queued = self._made("runs", {"dataset": self.dataset, "network": NETWORK, "training": TRAINING})

    def renew_cancelled(self) -> None:
        self.cancelled = self._made("runs", {"dataset": self.dataset, "network": NETWORK, "training": TRAINING})
        accepted(self._client.post(f"/api/v1/runs/{self.cancelled}/cancel"))

    def renew_queued_job(self) -> None:
        self.queued_job = self._batch()

    def renew_cancelled_job(self) -> None:
        self.cancelled_job = self._batch()
        accepted(self._client.post(f"/api/v1/jobs/{self.cancelled_job}/cancel"))

    def renew_key(self) -> None:
        self.key = self._made("keys", {"name": "spare", "scopes": ["predict"]})

    def renew(self, method: str, path: str) -> None:
        """Makes again what a request with `method` and the document's `path` has just ended or deleted."""
        renewals = {
            ("DELETE", "/api/v1/datasets/{dataset_id}"): self.renew_dataset,
            ("DELETE", "/api/v1/networks/{network_id}"): self.renew_network,
            ("DELETE", "/api/v1/runs/{run_id}"): self.renew_cancelled,
            ("DELETE", "/api/v1/models/{name}/aliases/{alias}"): self.renew_alias,
            ("DELETE", "/api/v1/keys/{key_id}"): self.renew_key,
            ("DELETE", "/api/v1/jobs/{job_id}"): self.renew_cancelled_job,
            ("POST", "/api/v1/jobs/{job_id}/cancel"): self.renew_queued_job,
            ("POST", "/api/v1/runs/{run_id}/cancel"): self.renew_queued,
            ("PUT", "/api/v1/models/{name}/aliases/{alias}"): self.renew_alias,
        }
        renewal = renewals.get((method, path))
        if renewal is not None:
            renewal()

    def known(self, method: str, path: str) -> Mapping[str, Sequence[str | int]]:
        """Values that mean something, by the name of a path's parameter."""
        runs = [self.run, self.run, self.cancelled]
        jobs = [self.job, self.job, self.cancelled_job]
        if path.endswith("/cancel"):
            runs, jobs = [self.queued, self.run], [self.queued_job, self.job]
        elif method == "DELETE":
            runs, jobs = [self.cancelled, self.queued, self.run], [self.cancelled_job, self.queued_job]
        # A model that an alias names is not deleted, so the fuzz keeps its one.
        return {
            "dataset_id": [self.spare_dataset, self.dataset],
            "network_id": [self.network],
            "key_id": [self.key],
            "run_id": runs,
            "job_id": jobs,
            "name": self.artifacts if "/artifacts/" in path else [MODEL],
            "number": [1, 2],
            "alias": [ALIAS],
        }

    def _batch(self) -> str:
        return self._made(f"models/{MODEL}/batch-predictions", {"dataset": self.dataset})

    def _made(self, kind: str, document: Json) -> str:
        return str(accepted(self._client.post(f"/api/v1/{kind}", json=document))["id"])
