"""Every field of every JSON body refuses what it cannot be: named by its pointer, with nothing stored."""

import json
from typing import Any

import httpx
import pytest

from app.domain.network.spec import NetworkSpec
from app.web.intake import RowsBody
from app.web.job_views import BatchRequest
from app.web.predict_options import Options
from app.web.release_views import EvaluateRequest
from app.web.schemas import AliasRequest, RunRequest
from tests.answers import expect_problem, pointers
from tests.service import Service
from tests.stored import counts
from tests.web.bad_values import NEVER_JSON, SYNTAX, Field, fields, wrong_values
from tests.web.predictions import penguin_rows

Json = dict[str, Any]
NETWORK = {"layers": [{"type": "dense"}]}
ROWS = {"target": "y", "rows": [{"x": index + 0.5, "y": index % 2 == 0} for index in range(6)]}
RUN = {"dataset": "ds_unknown", "network": NETWORK, "training": {"epochs": 1}}
PLACES = {
    "network": ("POST", "/api/v1/networks"),
    "network check": ("POST", "/api/v1/networks/check"),
    "run": ("POST", "/api/v1/runs"),
    "run check": ("POST", "/api/v1/runs/check"),
    "rows": ("POST", "/api/v1/datasets"),
    "alias": ("PUT", "/api/v1/models/palmer/aliases/tested"),
    "batch": ("POST", "/api/v1/models/palmer/batch-predictions"),
    "evaluate": ("POST", "/api/v1/models/palmer/evaluate"),
    "predict": ("POST", "/api/v1/models/palmer/predict"),
}
BODIES: dict[str, Json] = {
    "network": NETWORK,
    "network check": NETWORK,
    "run": RUN,
    "run check": RUN,
    "rows": ROWS,
    "alias": {"version": 1},
    "batch": {"dataset": "ds_unknown"},
    "evaluate": {"dataset": "ds_unknown"},
    "predict": {"instances": penguin_rows()[:1]},
}
CASES = [
    *((name, field) for name in ("network", "network check") for field in fields(NetworkSpec, NETWORK, name)),
    *((name, field) for name in ("run", "run check") for field in fields(RunRequest, RUN, name)),
    *(("rows", field) for field in fields(RowsBody, ROWS, "rows")),
    *(("batch", field) for field in fields(BatchRequest, {"dataset": "ds_unknown"}, "batch")),
    *(("evaluate", field) for field in fields(EvaluateRequest, {"dataset": "ds_unknown"}, "evaluate")),
    *(("alias", field) for field in fields(AliasRequest, {"version": 1}, "alias")),
    *(
        ("predict", field.within({**BODIES["predict"], "options": {}}, ("options",)))
        for field in fields(Options, {}, "predict options")
    ),
]
pytestmark = pytest.mark.usefixtures("penguins_run")


def send(api: httpx.Client, name: str, content: bytes, media_type: str = "application/json") -> httpx.Response:
    method, path = PLACES[name]
    return api.request(method, path, content=content, headers={"Content-Type": media_type} if media_type else {})


def test_the_cases_cover_every_layer_and_every_setting() -> None:
    names = {field.name for _, field in CASES}
    assert len(CASES) > 150
    assert "network dropout layers/0/rate" in names
    assert "run training/optimizer/nesterov" in names
    assert "run training/early_stopping/patience" in names
    assert "rows columns/x/role" in names


@pytest.mark.parametrize(("name", "field"), CASES, ids=[field.name for _, field in CASES])
def test_a_field_refuses_what_it_cannot_be(service: Service, api: httpx.Client, name: str, field: Field) -> None:
    before = counts(service)
    for value in wrong_values(field):
        answer = send(api, name, json.dumps(field.with_value(value)).encode())
        document = expect_problem(answer, 422)
        assert _names(document, field), f"{value!r:.80} at {field.pointer}: {document}"
    for meaning, text in NEVER_JSON.items():
        document = expect_problem(send(api, name, field.with_text(text)), (400, 422))
        assert meaning in SYNTAX or _names(document, field), f"{meaning} at {field.pointer}: {document}"
    assert counts(service) == before


def _names(document: Json, field: Field) -> bool:
    """A refusal names the field itself, or what is wrong within the value that was sent."""
    found = pointers(document)
    return bool(found) and all(one == field.pointer or one.startswith(f"{field.pointer}/") for one in found)


@pytest.mark.parametrize("name", PLACES)
def test_a_key_that_is_unknown_or_stands_twice_is_named(service: Service, api: httpx.Client, name: str) -> None:
    before = counts(service)
    body = json.dumps(BODIES[name])
    unknown = expect_problem(send(api, name, json.dumps({**BODIES[name], "colour": 1}).encode()), 422)
    assert pointers(unknown) == ["/colour"]
    key = next(iter(BODIES[name]))
    twice = f'{{"{key}": {json.dumps(BODIES[name][key])}, {body[1:]}'
    assert pointers(expect_problem(send(api, name, twice.encode()), 400, "duplicate_key")) == [f"/{key}"]
    for strange in ("a/b", "a~b", "\u202e", "x" * 10_000):
        named = expect_problem(send(api, name, json.dumps({**BODIES[name], strange: 1}).encode()), 422)
        assert pointers(named)[0].startswith("/")
    for text in ('"\\ud800": 1', '"a\\u0000": 1'):
        expect_problem(send(api, name, f"{{{text}, {body[1:]}".encode()), 400, "text_invalid")
    assert counts(service) == before


@pytest.mark.parametrize("name", PLACES)
@pytest.mark.parametrize(
    "content",
    [
        b"",
        b" ",
        b"{",
        b"}",
        b'{"a": }',
        b"{'a': 1}",
        b'{"a": 1,}',
        b"{} {}",
        b"\xff\xfe",
        b"\xef\xbb\xbf{}",
        "{}".encode("utf-16"),
        "{}".encode("utf-32"),
        b'{"a": "\x01"}',
        b'{"a": "\xff"}',
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b"[" * 100_000 + b"]" * 100_000,
        b"9" * 5000,
        b"NaN",
        b"[1e999]",
        b'"' + b"x" * 500_000,
    ],
    ids=lambda content: repr(content[:12]),
)
def test_a_body_that_is_not_json_is_refused(api: httpx.Client, name: str, content: bytes) -> None:
    expect_problem(send(api, name, content), 400)


@pytest.mark.parametrize("name", PLACES)
@pytest.mark.parametrize("content", [b"null", b"[]", b"[{}]", b'"text"', b"3", b"true"])
def test_a_body_that_is_no_object_is_refused(api: httpx.Client, name: str, content: bytes) -> None:
    expect_problem(send(api, name, content), 422)


@pytest.mark.parametrize("name", PLACES)
@pytest.mark.parametrize(
    "media_type",
    ["", "text/plain", "application/xml", "application/jsonp", "application/x-www-form-urlencoded", "nonsense", "*/*"],
)
def test_a_body_of_another_type_is_refused(api: httpx.Client, name: str, media_type: str) -> None:
    expect_problem(send(api, name, json.dumps(BODIES[name]).encode(), media_type), 415)


@pytest.mark.parametrize("name", ["network check", "predict"])
@pytest.mark.parametrize("media_type", ["application/json; charset=utf-8", "Application/JSON", "application/json ;x=y"])
def test_json_is_json_however_its_type_is_written(api: httpx.Client, name: str, media_type: str) -> None:
    assert send(api, name, json.dumps(BODIES[name]).encode(), media_type).status_code == 200


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("top=0", "/top"),
        ("top=1001", "/top"),
        ("top=-1", "/top"),
        ("top=1.5", "/top"),
        ("top=nan", "/top"),
        ("top=true", "/top"),
        ("top=" + "9" * 5000, "/top"),
        ("top=١", "/top"),
        ("probabilities=1", "/probabilities"),
        ("probabilities=yes", "/probabilities"),
        ("probabilities=", "/probabilities"),
        ("calibrated=yes", "/calibrated"),
        ("monte_carlo_samples=0", "/monte_carlo_samples"),
        ("%00=1", "/\0"),
    ],
)
def test_a_predictions_query_refuses_what_it_cannot_be(api: httpx.Client, query: str, pointer: str) -> None:
    answer = api.post(f"/api/v1/models/palmer/predict?{query}", json=BODIES["predict"])
    assert pointers(expect_problem(answer, 422)) == [pointer]


@pytest.mark.parametrize(
    "number", ["0", "-1", "+1", "1.0", "nan", "true", "1e3", "2147483648", "9" * 5000, "%00", "١", "1_0", "%201"]
)
def test_a_version_that_is_no_number_is_refused(api: httpx.Client, number: str) -> None:
    for method in ("GET", "DELETE"):
        expect_problem(api.request(method, f"/api/v1/models/palmer/versions/{number}"), 422)
    answer = api.post(f"/api/v1/models/palmer/versions/{number}/predict", json=BODIES["predict"])
    expect_problem(answer, (404, 422))


@pytest.mark.parametrize("limit", ["0", "201", "-1", "1.5", "1_0", "nan", "", "true", "9" * 5000, "%00"])
def test_a_preview_refuses_a_limit_that_cannot_be(api: httpx.Client, penguins: Json, limit: str) -> None:
    answer = api.get(f"/api/v1/datasets/{penguins['id']}/rows?limit={limit}")
    assert pointers(expect_problem(answer, 422)) == ["/limit"]
