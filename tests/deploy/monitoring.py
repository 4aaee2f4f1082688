"""Prometheus as the profile brings it up: it reads every replica, and its rules hold water."""

import json
import subprocess

from tests.deploy.stack import Json, Stack
from tests.deploy.telling import step

STAND_IN = "dropnorm-deploy-test-prometheus"
TARGETS = ["dropnorm up", "dropnorm up", "proxy up"]


def check_monitoring(stack: Stack) -> None:
    """Every replica is read with the key that may do nothing else; the alerts' rules are taken and none is wrong."""
    with step("the profile `monitoring`: Prometheus reads both replicas and the proxy"):
        image = _image(stack)
        up = "docker compose --profile monitoring up --detach --no-deps prometheus 2>&1"
        said = stack.shell(up, PROMETHEUS_IMAGE=image)
        address = f"http://127.0.0.1:{stack.prometheus_port}/api/v1"

        def ask(path: str) -> Json:
            asked = subprocess.run(["curl", "-s", "--max-time", "5", address + path], capture_output=True)
            return json.loads(asked.stdout)["data"] if asked.returncode == 0 and asked.stdout[:1] == b"{" else {}

        def all_are_read() -> bool:
            targets = ask("/targets").get("activeTargets", [])
            return sorted(f"{one['labels']['job']} {one['health']}" for one in targets) == TARGETS

        stack.until(all_are_read, 60, f"all targets are up: {said}")
        rules = [rule for group in ask("/rules")["groups"] for rule in group["rules"]]
        assert len(rules) > 8, rules
        assert [rule["name"] for rule in rules if rule["health"] == "err"] == []


def _image(stack: Stack) -> str:
    """The official image where a registry gives it, else Debian's Prometheus in its place."""
    official = "prom/prometheus:v3.5.0"
    try:
        stack.shell(f"docker image inspect {official} || timeout 120 docker pull {official}")
    except AssertionError:
        stack.shell(f"docker build --tag {STAND_IN} tests/deploy/prometheus", 600)
        return STAND_IN
    return official
