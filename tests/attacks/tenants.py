"""Two projects of one service that asks for keys, each with everything that can be made."""

from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.keys import holder
from tests.service import Service, accepted
from tests.worker.processes import until

Json = dict[str, Any]
NETWORK: Json = {"layers": [{"type": "dense"}]}
ROW = {"instances": [{"x": 1.5}]}


@dataclass(slots=True)
class Tenant:
    """A project: `client` may read, predict and train, `reader` only read; `ids` are the names in paths of its own."""

    project: str
    client: httpx.Client
    reader: httpx.Client
    ids: dict[str, str] = field(default_factory=dict)
    artifact: str = ""

    def things(self) -> set[str]:
        """The ids that nobody else may see."""
        return {self.ids[name] for name in ("dataset_id", "network_id", "run_id", "name", "job_id")}


def settled(service: Service, project: str) -> Tenant:
    """A project with a dataset, a network, a run, a model that has a version and an alias, and a job."""
    scopes = ("read", "predict", "train")
    tenant = Tenant(project, holder(service, *scopes, project=project), holder(service, "read", project=project))
    rows = [{"x": index + 0.5, "y": index % 2 == 0} for index in range(20)]
    body = {"target": "y", "rows": rows, "name": f"data of {project}"}
    dataset = accepted(tenant.client.post("/api/v1/datasets", json=body))["id"]
    network = accepted(tenant.client.post("/api/v1/networks", json=NETWORK))["id"]
    name = f"model-of-{project}"
    run = {"dataset": dataset, "network": network, "model": name, "training": {"epochs": 1, "seed": 1}}
    queued = accepted(tenant.client.post("/api/v1/runs", json=run))["id"]
    ended = ended_run(tenant.client, queued)
    accepted(tenant.client.put(f"/api/v1/models/{name}/aliases/serving", json={"version": 1}))
    batch = accepted(tenant.client.post(f"/api/v1/models/{name}/batch-predictions", json={"dataset": dataset}))["id"]
    until(lambda: accepted(tenant.client.get(f"/api/v1/jobs/{batch}"))["status"] == "succeeded", 60)
    tenant.ids = {"dataset_id": dataset, "network_id": network, "run_id": queued, "name": name, "job_id": batch}
    tenant.ids |= {"number": "1", "alias": "serving", "key_id": "key_unknown"}
    tenant.artifact = ended["result"]["artifacts"][0]["name"]
    return tenant


def ended_run(client: httpx.Client, run: str) -> Json:
    """The run once it has succeeded, as its event stream tells."""
    with client.stream("GET", f"/api/v1/runs/{run}/events") as stream:
        for _ in stream.iter_lines():
            continue
    found = accepted(client.get(f"/api/v1/runs/{run}"))
    assert found["status"] == "succeeded", found["error"]
    return found
