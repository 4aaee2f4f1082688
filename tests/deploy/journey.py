"""The main job from outside: a key, an upload, a run whose worker is killed."""

import json
import re
import subprocess

from tests.deploy.stack import Json, Stack
from tests.deploy.telling import step, tell
from tests.service import EXAMPLES

EPOCHS = 1500
API = "/api/v1"


def check_keys(stack: Stack, listed: list[str]) -> Json:
    """Nothing without a key; a key made as the README says uploads. Answers the dataset."""
    with step("no key: 401; open to all: what a proxy and a reader need"):
        refused = stack.call("GET", f"{API}/runs", key="")
        assert refused.status == 401, refused
        assert stack.call("GET", f"{API}/runs", key="dn_" + 40 * "0").status == 401
        assert stack.call("GET", "/metrics", key="").status == 401
        for path in ("/healthz", "/readyz", "/openapi.json"):
            assert stack.call("GET", path, key="").status == 200, path
    make_key, upload = listed
    with step(make_key):
        stack.shell(make_key)
    with step(upload):
        dataset: Json = json.loads(stack.shell(upload))
        assert dataset["rows"] == 344, dataset
    key = (stack.folder / "laptop.key").read_text().strip()
    assert stack.call("GET", f"{API}/keys", key=key).status == 403
    return dataset


def train_through_a_killed_worker(stack: Stack, dataset: Json) -> Json:
    """A run whose worker's container is killed ends well, by another one. Answers the run."""
    network = json.loads((EXAMPLES / "networks/table.json").read_text())
    training = {"epochs": EPOCHS, "seed": 7}
    spec = {"dataset": dataset["id"], "network": network, "model": "penguins", "training": training}
    sent = stack.call("POST", f"{API}/runs", "-H", "Content-Type: application/json", "-d", json.dumps(spec))
    assert sent.status == 202, sent
    path = f"{API}/runs/{sent.json()['id']}"
    with following(stack, path) as events:
        with step("one of two workers is killed in the middle of its run"):
            stack.until(lambda: checkpointed(stack.get(path)), 120, "the run is on its way")
            (worker,) = [
                one for one in stack.running()["worker"] if sent.json()["id"] in stack.shell(f"docker top {one}")
            ]
            assert len(stack.running()["worker"]) == 2
            stack.shell(f"docker kill --signal KILL {worker}")
        with step("the other one takes the run over and ends it"):
            stack.until(lambda: stack.get(path)["status"] == "succeeded", 240, "the run has succeeded")
        said, _ = events.communicate(timeout=30)
    run = stack.get(path)
    assert run["attempt"] == 2, run
    assert re.findall(r"^event: (\w+)$", said, re.MULTILINE)[-1] == "end", said[-500:]
    tell(f"{EPOCHS} epochs, attempt {run['attempt']}; the stream of events was not cut")
    return run


def checkpointed(run: Json) -> bool:
    """Has it gone on for longer than the first checkpoints take, and is it far from its end?"""
    assert run["status"] in ("queued", "running"), run
    return run["progress"] is not None and int(run["progress"]["epoch"]) > EPOCHS * 0.3


def following(stack: Stack, path: str) -> subprocess.Popen[str]:
    """curl on a run's stream of events, through the proxy."""
    key = stack.secrets()["DROPNORM_ADMIN_KEY"]
    command = ["curl", "-sN", "-H", f"Authorization: Bearer {key}", f"{stack.address}{path}/events"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
