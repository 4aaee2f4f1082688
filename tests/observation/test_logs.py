"""What a real service logs: every request once, with its id, in the form that was asked for, and no secret."""

import json
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import network
from tests.service import EXAMPLES, Service, accepted
from tests.web.events import follow
from tests.worker.processes import until

Json = dict[str, Any]
NAME = "peng\r\n{} INFO forged\x1b[31m\u202e"
LINE = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z [A-Z]+ [\w.]+( request=\S+)?( run=\S+)?: ")


@pytest.fixture(scope="module")
def talkative(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service that logs JSON."""
    with Service(tmp_path_factory.mktemp("json"), log_format="json", log_level="DEBUG") as running:
        yield running


@pytest.fixture(scope="module")
def run(talkative: Service) -> str:
    """A run that succeeded; its stream of events was followed to the end."""
    dataset = talkative.upload(EXAMPLES / "penguins.csv", target="species")
    submitted: str = talkative.submit(dataset["id"], network("table"), training={"epochs": 2, "seed": 1})["id"]
    assert [event.kind for event in follow(talkative.client, submitted)][-1] == "end"
    return submitted


def told(service: Service, **wanted: object) -> list[Json]:
    """The lines of a JSON log that have these values. Every line is an object."""
    whole = [line for line in service.log.read_text().splitlines(keepends=True) if line.endswith("\n")]
    assert [line for line in whole if not line.startswith("{")] == []
    lines = [json.loads(line) for line in whole]
    return [line for line in lines if wanted.items() <= line.items()]


def awaited(service: Service, **wanted: object) -> Json:
    """The one line that has these values, as soon as it is written."""
    found = until(lambda: told(service, **wanted), 15)
    assert len(found) == 1
    return found[0]


def test_every_request_is_one_line_with_its_id_route_and_outcome(talkative: Service) -> None:
    given = talkative.client.get("/api/v1/runs/run_none", headers={"X-Request-ID": "my.request_1"})
    assert given.headers["x-request-id"] == "my.request_1"
    line = awaited(talkative, request="my.request_1")
    assert (line["logger"], line["level"], line["method"], line["status"]) == ("dropnorm.access", "INFO", "GET", 404)
    assert (line["route"], line["path"]) == ("/api/v1/runs/{run_id}", "/api/v1/runs/run_none")
    assert line["bytes"] == len(given.content)
    assert 0 < line["milliseconds"] < 60_000
    assert (line["key"], line["project"]) == (None, "default")


@pytest.mark.parametrize("bad", ["", "a" * 65, "a b", "a/b", "ünï", 'x"y', "a\tb"], ids=repr)
def test_a_request_id_that_could_do_harm_is_replaced(talkative: Service, bad: str) -> None:
    answer = talkative.client.get("/healthz", headers={b"X-Request-ID": bad.encode()})
    made = answer.headers["x-request-id"]
    assert made != bad
    assert re.fullmatch(r"[0-9a-f]+-[0-9a-f]+", made)
    awaited(talkative, request=made)


def test_what_is_refused_before_any_route_has_an_id_and_a_line_too(talkative: Service) -> None:
    for headers, status in (({"Host": "evil"}, 400), ({"Origin": "http://evil"}, 403)):
        answer = talkative.client.get("/healthz", headers=headers)
        assert answer.status_code == status
        assert awaited(talkative, request=answer.headers["x-request-id"])["status"] == status


def test_a_hostile_name_and_path_stay_on_one_line_each(talkative: Service) -> None:
    rows = [{"x": number, "y": "ab"[number % 2]} for number in range(8)]
    made = talkative.client.post("/api/v1/datasets", json={"name": NAME, "rows": rows, "target": "y"})
    assert made.status_code == 422
    columns = [{f"x{NAME}": number, f"y{NAME}": f"{NAME}{number % 2}"} for number in range(8)]
    talkative.client.post("/api/v1/datasets", json={"name": "named", "rows": columns, "target": f"y{NAME}"})
    answer = talkative.client.get("/api/v1/runs/a%0d%0aforged%1b[31m%e2%80%a8b")
    line = awaited(talkative, request=answer.headers["x-request-id"])
    assert line["path"] == "/api/v1/runs/a\r\nforged\x1b[31m\u2028b"
    raw = talkative.log.read_bytes()
    assert b"\x1b" not in raw
    assert all(part.startswith(b"{") for part in raw.splitlines())


def test_neither_query_nor_headers_nor_body_come_into_the_log(talkative: Service) -> None:
    secret = "dn_thisIsNoBodysBusiness0123456789"
    headers = {"Authorization": f"Bearer {secret}", "Cookie": secret, "X-Request-ID": "secretive"}
    talkative.client.post(f"/api/v1/networks?key={secret}", headers=headers, content=secret)
    awaited(talkative, request="secretive")
    text = talkative.log.read_text()
    assert secret not in text
    assert [
        word for word in (str(talkative.data_dir), "Traceback", "sqlite:///", "SELECT") if word in line_texts(text)
    ] == []


def line_texts(text: str) -> str:
    """The log without the line that greets, which tells its owner where the data is."""
    return "\n".join(line for line in text.splitlines() if "dropnorm serves" not in line)


def test_a_stream_of_events_is_told_when_it_has_ended_and_the_run_is_named_by_whoever_works_on_it(
    talkative: Service, run: str
) -> None:
    path = f"/api/v1/runs/{run}/events"
    line = awaited(talkative, path=path)
    assert (line["status"], line["route"]) == (200, "/api/v1/runs/{run_id}/events")
    assert line["bytes"] > 500
    messages = until(lambda: found if len(found := told(talkative, run=run)) >= 2 else None, 15)
    assert [line["message"].split(" ")[-1] for line in messages] == ["begins", "succeeded"]


def test_a_client_that_goes_away_in_the_middle_is_told(talkative: Service) -> None:
    port = int(talkative.address.rsplit(":", 1)[1])
    head = (
        "POST /api/v1/networks HTTP/1.1\r\nHost: localhost\r\nX-Request-ID: gone\r\nContent-Type: application/json\r\n"
    )
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(f"{head}Content-Length: 100\r\n\r\n{{".encode())
    found = until(lambda: told(talkative, request="gone", logger="dropnorm.access"), 15)
    assert [line["status"] for line in found] == [499]
    assert [line["message"] for line in told(talkative, request="gone", logger="dropnorm.web")] == [
        "the client went away during POST /api/v1/networks"
    ]


def test_what_threads_log_names_their_request(talkative: Service, run: str) -> None:
    frozen = next((talkative.data_dir / "runs" / run).glob("attempt-*/frozen.onnx"))
    content = frozen.read_bytes()
    frozen.write_bytes(b"broken")
    answer = talkative.client.post(
        f"/api/v1/runs/{run}/predict", json={"instances": [{}]}, headers={"X-Request-ID": "damaged"}
    )
    frozen.write_bytes(content)
    assert answer.status_code == 500
    line = until(lambda: told(talkative, request="damaged", logger="dropnorm.web"), 15)
    assert "file_damaged" in line[0]["message"]


def test_text_is_the_default_and_each_of_its_lines_begins_as_one(service: Service) -> None:
    service.client.get("/a%0d%0a2026-01-01T00:00:00.000Z INFO forged%1b[31m", headers={"X-Request-ID": "texted"})
    until(lambda: "request=texted" in service.log.read_text(), 15)
    lines = service.log.read_text().splitlines()
    greeted = next(place for place, line in enumerate(lines) if LINE.match(line))
    assert all(LINE.match(line) or line.startswith(("  ", "dropnorm serves")) for line in lines[greeted:])
    assert [line for line in lines if "forged" in line and "request=texted" not in line] == []
    assert "\x1b" not in service.log.read_text()


def test_the_access_log_can_be_off_and_a_level_leaves_out_what_is_below(tmp_path: Path) -> None:
    with Service(tmp_path, workers="0", access_log="off", log_level="ERROR") as quiet:
        answer = quiet.client.get("/healthz", headers={"X-Request-ID": "unseen"})
        assert answer.headers["x-request-id"] == "unseen"
        accepted(answer)
    assert "unseen" not in quiet.log.read_text()
    assert "INFO" not in quiet.log.read_text()
