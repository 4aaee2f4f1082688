"""What cannot be resumed, or not so, is refused with a problem that says why, and nothing is made."""

import json
from typing import Any

import httpx
import pytest

from app.web.resumption import FIXED, ResumeRequest
from tests.answers import expect_problem, pointers
from tests.service import Service, accepted
from tests.stored import counts
from tests.web.bad_values import NEVER_JSON, SYNTAX, Field, fields, wrong_values
from tests.web.events import follow

Json = dict[str, Any]
FIELDS = list(fields(ResumeRequest, {}, "resume"))
VALUES: Json = {
    "seed": 7,
    "batch_size": 32,
    "validation": {"fraction": 0.2},
    "loss": "cross_entropy",
    "class_weight": "balanced",
}


@pytest.fixture
def path(penguins_run: Json) -> str:
    """Where a succeeded run of four epochs is resumed."""
    return f"/api/v1/runs/{penguins_run['id']}/resume"


def send(api: httpx.Client, path: str, content: bytes, media_type: str = "application/json") -> httpx.Response:
    return api.post(path, content=content, headers={"Content-Type": media_type} if media_type else {})


def test_the_fields_are_those_that_may_change() -> None:
    names = {field.pointer for field in FIELDS}
    assert {"/epochs", "/model", "/tags", "/training/epochs", "/training/optimizer/momentum"} <= names
    assert not any(f"/training/{name}" in names for name in FIXED)


@pytest.mark.parametrize("field", FIELDS, ids=[field.name for field in FIELDS])
def test_a_field_refuses_what_it_cannot_be(service: Service, api: httpx.Client, path: str, field: Field) -> None:
    before = counts(service)
    for value in wrong_values(field):
        document = expect_problem(send(api, path, json.dumps(field.with_value(value)).encode()), 422)
        assert names(document, field), f"{value!r:.80} at {field.pointer}: {document}"
    for meaning, text in NEVER_JSON.items():
        document = expect_problem(send(api, path, field.with_text(text)), (400, 422))
        assert meaning in SYNTAX or names(document, field), f"{meaning} at {field.pointer}: {document}"
    assert counts(service) == before


def names(document: Json, field: Field) -> bool:
    """A refusal names the field itself, or what is wrong within the value that was sent."""
    found = pointers(document)
    return bool(found) and all(one == field.pointer or one.startswith(f"{field.pointer}/") for one in found)


@pytest.mark.parametrize("name", FIXED)
def test_what_the_checkpoint_depends_on_cannot_change_and_the_answer_says_why(
    api: httpx.Client, path: str, name: str
) -> None:
    for value in (VALUES[name], None, "word"):
        sent = {"epochs": 9, "training": {name: value}}
        document = expect_problem(api.post(path, json=sent), 422, "invalid")
        assert pointers(document) == [f"/training/{name}"]
        assert FIXED[name] in document["errors"][0]["message"]


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"epochs": 9, "training": {"epochs": 8}}, "/epochs"),
        ({"epochs": 4}, "/epochs"),
        ({"training": {"epochs": 3}}, "/training/epochs"),
        ({"epochs": 9, "training": {"optimizer": {"name": "sgd"}}}, "/training/optimizer/name"),
        (
            {"epochs": 9, "training": {"early_stopping": {"monitor": "validation_r2"}}},
            "/training/early_stopping/monitor",
        ),
        ({"epochs": 9, "model": "stats"}, "/model"),
        ({"epochs": 9, "colour": 1}, "/colour"),
        ({"epochs": 9, "training": {"colour": 1}}, "/training/colour"),
    ],
)
def test_a_setting_that_does_not_fit_is_named(
    service: Service, api: httpx.Client, path: str, body: Json, pointer: str
) -> None:
    before = counts(service)
    assert pointers(expect_problem(api.post(path, json=body), 422)) == [pointer]
    assert counts(service) == before
    assert list((service.data_dir / "incoming").iterdir()) == []


@pytest.mark.parametrize("content", [b"null", b"[]", b"3", b'"x"', b"true", b"{", b" ", b"NaN", b"\xff", b"{} {}"])
def test_a_body_that_is_no_object_is_refused(api: httpx.Client, path: str, content: bytes) -> None:
    expect_problem(send(api, path, content), (400, 422))


def test_a_body_may_be_left_out_but_not_be_of_another_type(api: httpx.Client, path: str) -> None:
    for content, media_type in ((b"", ""), (b"", "application/json"), (b"", "text/plain"), (b"{}", "application/json")):
        expect_problem(send(api, path, content, media_type), 409, "already_complete")
    for media_type in ("text/plain", "application/x-www-form-urlencoded", ""):
        expect_problem(send(api, path, b"{}", media_type), 415)
    expect_problem(send(api, path, b'{"tags": ["' + b"x" * (1 << 20) + b'"]}'), 413)


def test_a_succeeded_run_is_told_how_many_epochs_it_had(api: httpx.Client, path: str) -> None:
    for body in ({}, {"training": {"schedule": "cosine"}}, {"model": "other"}):
        document = expect_problem(api.post(path, json=body), 409, "already_complete")
        assert "4 epochs" in document["detail"]


def test_a_run_that_has_not_ended_or_is_unknown_is_not_resumed(
    service: Service, api: httpx.Client, penguins: Json, table_network: Json
) -> None:
    training = {"epochs": 100_000, "seed": 1}
    running, queued = (service.submit(penguins["id"], table_network, training=training) for _ in range(2))
    next(event for event in follow(api, running["id"]) if event.kind == "epoch")
    before = counts(service)
    for run in (running, queued):
        expect_problem(api.post(f"/api/v1/runs/{run['id']}/resume"), 409, "run_not_ended")
    assert counts(service) == before
    for run in (queued, running):
        accepted(api.post(f"/api/v1/runs/{run['id']}/cancel"))
    service.ended(running["id"])
    # It never ran, so it left nothing to go on from.
    expect_problem(api.post(f"/api/v1/runs/{queued['id']}/resume"), 409, "no_checkpoint")
    assert api.delete(f"/api/v1/runs/{queued['id']}").status_code == 204
    for run_id in (queued["id"], "run_unknown", "..%2f..%2fetc"):
        expect_problem(api.post(f"/api/v1/runs/{run_id}/resume"), 404)


def test_a_key_is_kept_for_what_it_was_used_for(service: Service, api: httpx.Client, path: str) -> None:
    headers = {"Idempotency-Key": "resume-once"}
    # A refusal does not use it up.
    expect_problem(api.post(path, headers=headers), 409, "already_complete")
    first = api.post(path, json={"epochs": 5, "model": "again"}, headers=headers)
    again = api.post(path, json={"model": "again", "epochs": 5}, headers=headers)
    assert (first.status_code, again.status_code, first.json()) == (202, 202, again.json())
    expect_problem(api.post(path, json={"epochs": 6}, headers=headers), 409, "idempotency_key_reused")
    # The schedule that the old run has, sent or left out, are two requests: one means a new horizon.
    other = {"epochs": 5, "model": "again", "training": {"schedule": "constant"}}
    expect_problem(api.post(path, json=other, headers=headers), 409, "idempotency_key_reused")
    run = first.json()
    assert service.ended(run["id"])["status"] == "succeeded"
    assert api.delete("/api/v1/models/again/versions/1").status_code == 204
    assert api.delete(f"/api/v1/runs/{run['id']}").status_code == 204
