"""Predictions without a pause while the API's replicas are restarted and killed: none may fail."""

import threading
from collections import Counter
from types import TracebackType

import httpx

from tests.deploy.stack import Json, Stack
from tests.deploy.telling import step, tell

CALLERS = 3
PAUSE_SECONDS = 0.01
QUESTION = {"instances": [{"island": "Biscoe", "bill_length_mm": 47.5, "year": 2009}]}


class Callers:
    """Some callers that ask one after the other until the `with` ends. `answers` counts what they got."""

    def __init__(self, stack: Stack, path: str) -> None:
        self.answers: Counter[str | bytes] = Counter()
        self._stack, self._path, self._end = stack, path, threading.Event()
        self._threads = [threading.Thread(target=self._ask) for _ in range(CALLERS)]

    def __enter__(self) -> "Callers":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end.set()
        for thread in self._threads:
            thread.join(90)

    def _ask(self) -> None:
        headers = {"Authorization": f"Bearer {self._stack.secrets()['DROPNORM_ADMIN_KEY']}"}
        with httpx.Client(base_url=self._stack.address, headers=headers, timeout=60) as client:
            while not self._end.wait(PAUSE_SECONDS):
                try:
                    answer = client.post(self._path, json=QUESTION)
                except httpx.HTTPError as error:
                    self.answers[repr(error)] += 1
                else:
                    ok = answer.status_code == 200
                    self.answers[answer.content if ok else f"{answer.status_code} {answer.text}"] += 1


def prediction(stack: Stack, run: Json) -> bytes:
    """What the model of a run answers, byte by byte."""
    with httpx.Client(headers={"Authorization": f"Bearer {stack.secrets()['DROPNORM_ADMIN_KEY']}"}) as client:
        answer = client.post(f"{stack.address}/api/v1/runs/{run['id']}/predict", json=QUESTION)
    assert answer.status_code == 200, answer.text
    return answer.content


def check_restarts(stack: Stack, run: Json, restart: str) -> bytes:
    """Replicas are made anew one after the other, and one is killed. Answers the prediction that all callers got."""
    expected = prediction(stack, run)
    before = stack.containers("api-1") + stack.containers("api-2")
    with Callers(stack, f"/api/v1/runs/{run['id']}/predict") as callers:
        with step(f"{restart}, under a stream of predictions"):
            stack.shell(restart)
        assert not {*before} & {*stack.containers("api-1"), *stack.containers("api-2")}
        with step("a replica is killed, under a stream of predictions"):
            (killed,) = stack.containers("api-2")
            stack.shell(f"docker kill --signal KILL {killed}")
            asked = callers.answers.total()
            stack.until(lambda: callers.answers.total() > asked + 200, 60, "predictions go on with one replica")
            stack.shell(f"docker start {killed}")
            stack.until(lambda: stack.inspect(killed)["State"]["Health"]["Status"] == "healthy", 60, "it is back")
    failed = {answer: count for answer, count in callers.answers.items() if answer != expected}
    tell(f"{callers.answers.total()} predictions, {sum(failed.values())} failed")
    assert callers.answers.total() > 500
    assert failed == {}
    return expected
