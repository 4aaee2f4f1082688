"""Models: versions by number, aliases that decide what answers, and deletes that the state may forbid."""

from typing import Any

import httpx
import pytest

from tests.answers import expect_problem, strict_json
from tests.service import Service, accepted
from tests.web.predictions import penguin_rows

Json = dict[str, Any]
ROWS = {"instances": penguin_rows()[:3]}


@pytest.fixture
def two(service: Service, penguins: Json, table_network: Json, request: pytest.FixtureRequest) -> str:
    """A model of two versions that answer differently; its name is the test's."""
    name = str(request.node.name)[-60:]
    for seed in (1, 2):
        run = service.submit(penguins["id"], table_network, model=name, training={"epochs": 1, "seed": seed})
        assert service.ended(run["id"])["result"]["version"] == seed
    return name


def version_of(api: httpx.Client, path: str) -> int:
    return int(accepted(api.post(f"/api/v1/models/{path}/predict", json=ROWS))["version"])


def test_the_newest_version_answers_until_serving_names_another(api: httpx.Client, two: str) -> None:
    assert version_of(api, two) == 2
    model = accepted(api.put(f"/api/v1/models/{two}/aliases/serving", json={"version": 1}))
    assert (model["serving"], model["aliases"]) == (1, {"serving": 1})
    assert version_of(api, two) == 1
    accepted(api.put(f"/api/v1/models/{two}/aliases/serving", json={"version": 2}))
    assert version_of(api, two) == 2
    accepted(api.put(f"/api/v1/models/{two}/aliases/serving", json={"version": 1}))
    assert api.delete(f"/api/v1/models/{two}/aliases/serving").status_code == 204
    assert version_of(api, two) == 2


def test_versions_and_aliases_answer_by_their_names(api: httpx.Client, two: str) -> None:
    accepted(api.put(f"/api/v1/models/{two}/aliases/old", json={"version": 1}))
    assert version_of(api, f"{two}/aliases/old") == version_of(api, f"{two}/versions/1") == 1
    first = accepted(api.post(f"/api/v1/models/{two}/versions/1/predict", json=ROWS))["predictions"]
    second = accepted(api.post(f"/api/v1/models/{two}/versions/2/predict", json=ROWS))["predictions"]
    assert first != second
    assert accepted(api.post(f"/api/v1/models/{two}/aliases/old/predict", json=ROWS))["predictions"] == first


def test_a_model_lists_its_versions_newest_first(api: httpx.Client, two: str) -> None:
    accepted(api.put(f"/api/v1/models/{two}/aliases/best", json={"version": 1}))
    model = strict_json(api.get(f"/api/v1/models/{two}"))
    assert [version["version"] for version in model["versions"]] == [2, 1]
    assert [version["aliases"] for version in model["versions"]] == [[], ["best"]]
    one = strict_json(api.get(f"/api/v1/models/{two}/versions/1"))
    assert one == model["versions"][1]
    assert accepted(api.get(f"/api/v1/runs/{one['run']}"))["result"]["version"] == 1


def test_a_version_that_an_alias_names_is_not_deleted(api: httpx.Client, two: str) -> None:
    accepted(api.put(f"/api/v1/models/{two}/aliases/kept", json={"version": 1}))
    expect_problem(api.delete(f"/api/v1/models/{two}/versions/1"), 409, "version_in_use")
    assert version_of(api, f"{two}/versions/1") == 1
    assert api.delete(f"/api/v1/models/{two}/aliases/kept").status_code == 204
    assert api.delete(f"/api/v1/models/{two}/versions/1").status_code == 204


def test_a_deleted_version_stops_answering_and_its_number_is_not_given_again(
    service: Service, api: httpx.Client, two: str, penguins: Json, table_network: Json
) -> None:
    assert api.delete(f"/api/v1/models/{two}/versions/2").status_code == 204
    expect_problem(api.post(f"/api/v1/models/{two}/versions/2/predict", json=ROWS), 404, "version_not_found")
    expect_problem(api.get(f"/api/v1/models/{two}/versions/2"), 404, "version_not_found")
    expect_problem(api.delete(f"/api/v1/models/{two}/versions/2"), 404, "version_not_found")
    assert version_of(api, two) == 1
    run = service.ended(service.submit(penguins["id"], table_network, model=two, training={"epochs": 1})["id"])
    assert run["result"]["version"] == 3
    assert version_of(api, two) == 3


def test_a_run_that_a_version_is_made_of_is_not_deleted(api: httpx.Client, two: str) -> None:
    run = strict_json(api.get(f"/api/v1/models/{two}/versions/1"))["run"]
    expect_problem(api.delete(f"/api/v1/runs/{run}"), 409, "run_in_use")
    assert api.delete(f"/api/v1/models/{two}/versions/1").status_code == 204
    assert version_of_run(api, run) == 200
    assert api.delete(f"/api/v1/runs/{run}").status_code == 204
    expect_problem(api.get(f"/api/v1/runs/{run}"), 404, "run_not_found")
    expect_problem(api.post(f"/api/v1/runs/{run}/predict", json=ROWS), 404, "run_not_found")


def version_of_run(api: httpx.Client, run: str) -> int:
    return api.post(f"/api/v1/runs/{run}/predict", json=ROWS).status_code


def test_what_a_model_has_not_is_named(api: httpx.Client, two: str) -> None:
    expect_problem(api.put(f"/api/v1/models/{two}/aliases/x", json={"version": 9}), 404, "version_not_found")
    expect_problem(api.put("/api/v1/models/nobody/aliases/x", json={"version": 1}), 404, "model_not_found")
    expect_problem(api.delete(f"/api/v1/models/{two}/aliases/x"), 404, "alias_not_found")
    expect_problem(api.post(f"/api/v1/models/{two}/aliases/x/predict", json=ROWS), 404, "alias_not_found")
    expect_problem(api.post("/api/v1/models/nobody/predict", json=ROWS), 404, "model_not_found")
    expect_problem(api.post(f"/api/v1/models/{two}/versions/one/predict", json=ROWS), 422, "version_invalid")


def test_an_alias_has_the_form_of_a_name(api: httpx.Client, two: str) -> None:
    for alias in ("-x", ".x", "a b", "a" * 101, "é"):
        expect_problem(api.put(f"/api/v1/models/{two}/aliases/{alias}", json={"version": 1}), 422)


def test_stats_is_no_name_for_a_model(api: httpx.Client, penguins: Json, table_network: Json) -> None:
    body = {"dataset": penguins["id"], "network": table_network, "model": "stats"}
    for path in ("runs", "runs/check"):
        document = expect_problem(api.post(f"/api/v1/{path}", json=body), 422, "name_reserved")
        assert document["errors"][0]["pointer"] == "/model"
