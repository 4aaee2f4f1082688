"""Predicting rows of a table: every input form gives a row the same bits, whichever rows come with it."""

import csv
import io
import random
from typing import Any

import httpx
import numpy as np
import pytest

from tests.answers import expect_problem, pointers
from tests.service import EXAMPLES, Service, accepted
from tests.web.predictions import FEATURES, answers, ask, csv_of, npy_of, penguin_rows

Json = dict[str, Any]
pytestmark = pytest.mark.usefixtures("penguins_run")
ROWS = penguin_rows()


def test_an_answer_names_what_answered_and_every_class(api: httpx.Client, penguins_run: Json) -> None:
    answer = ask(api, {"instances": ROWS[:2]})
    assert (answer["model"], answer["run"]) == ("palmer", penguins_run["id"])
    for prediction in answer["predictions"]:
        assert set(prediction["probabilities"]) == {"Adelie", "Chinstrap", "Gentoo"}
        assert prediction["probability"] == max(prediction["probabilities"].values())
        assert prediction["probabilities"][prediction["label"]] == prediction["probability"]
        assert sum(prediction["probabilities"].values()) == pytest.approx(1, abs=1e-6)


def test_objects_arrays_and_csv_give_equal_bits(api: httpx.Client) -> None:
    objects = answers(api, {"instances": ROWS})
    assert answers(api, {"instances": [[row[name] for name in FEATURES] for row in ROWS]}) == objects
    assert answers(api, csv_of(ROWS), "text/csv") == objects
    turned = [dict(reversed(row.items())) for row in ROWS]
    assert answers(api, {"instances": turned}) == objects
    assert answers(api, csv_of(turned), "text/csv; charset=utf-8") == objects


def test_a_row_alone_in_a_batch_or_shuffled_has_the_same_bits(api: httpx.Client) -> None:
    together = answers(api, {"instances": ROWS})
    assert [answers(api, {"instances": [row]})[0] for row in ROWS[:40]] == together[:40]
    order = random.Random(3).sample(range(len(ROWS)), len(ROWS))
    shuffled = answers(api, {"instances": [ROWS[index] for index in order]})
    assert shuffled == [together[index] for index in order]
    assert answers(api, {"instances": ROWS[5:38]}) == together[5:38]


def test_the_ways_to_name_a_model_give_equal_bits(api: httpx.Client, penguins_run: Json) -> None:
    named = answers(api, {"instances": ROWS[:5]})
    for path in (f"models/palmer/versions/{penguins_run['result']['version']}", f"runs/{penguins_run['id']}"):
        answer = accepted(api.post(f"/api/v1/{path}/predict", json={"instances": ROWS[:5]}))
        assert answer["predictions"] == named


def test_a_csv_answer_holds_what_the_json_answer_holds(api: httpx.Client) -> None:
    headers = {"Content-Type": "text/csv", "Accept": "text/csv"}
    answer = api.post("/api/v1/models/palmer/predict", content=csv_of(ROWS), headers=headers)
    assert answer.headers["content-type"].startswith("text/csv")
    table = list(csv.DictReader(io.StringIO(answer.text)))
    for line, prediction in zip(table, answers(api, {"instances": ROWS}), strict=True):
        assert line["label"] == prediction["label"]
        for label, probability in prediction["probabilities"].items():
            assert float(line[f"probability_{label}"]) == probability


def test_options_stand_in_the_body_or_in_the_query(api: httpx.Client) -> None:
    path, body = "/api/v1/models/palmer/predict", {"instances": ROWS[:3]}
    bare = accepted(api.post(path, json=body, params={"probabilities": "false"}))["predictions"]
    assert all(set(prediction) == {"label", "probability"} for prediction in bare)
    assert accepted(api.post(path, json={**body, "options": {"probabilities": False}}))["predictions"] == bare
    best = accepted(api.post(path, json=body, params={"top": "1"}))["predictions"]
    assert all(list(prediction["probabilities"]) == [prediction["label"]] for prediction in best)
    assert accepted(api.post(path, json={**body, "options": {"top": 1}}))["predictions"] == best


def test_the_report_tells_what_was_not_as_in_training(api: httpx.Client) -> None:
    strange = {**ROWS[0], "island": "Atlantis", "sex": None, "body_mass_g": 1e6}
    report = ask(api, {"instances": [ROWS[0], strange]})["input_report"]
    assert report["imputed"] == {"sex": 1}
    assert list(report["unseen_categories"]) == ["island"]
    assert list(report["out_of_range"]) == ["body_mass_g"]


def test_a_column_that_is_left_out_is_a_missing_value(api: httpx.Client) -> None:
    without = [{name: value for name, value in row.items() if name != "island"} for row in ROWS[:9]]
    absent = ask(api, {"instances": without})
    assert absent["input_report"]["imputed"]["island"] == 9
    assert absent == ask(api, {"instances": [{**row, "island": None} for row in without]})
    assert absent["predictions"] == answers(api, csv_of(without), "text/csv")


@pytest.mark.parametrize(
    ("instance", "pointer"),
    [
        ({**ROWS[0], "bill_length_mm": "long"}, "/instances/1/bill_length_mm"),
        ({**ROWS[0], "bill_length_mm": True}, "/instances/1/bill_length_mm"),
        ({**ROWS[0], "bill_length_mm": [1]}, "/instances/1/bill_length_mm"),
        ({**ROWS[0], "island": 3}, "/instances/1/island"),
        ({**ROWS[0], "wingspan": 3}, "/instances/1/wingspan"),
        ({}, "/instances/1"),
        ([1, 2, 3], "/instances"),
        ("Adelie", "/instances"),
        (None, "/instances"),
        (17, "/instances"),
    ],
)
def test_a_row_that_cannot_be_answered_is_named(api: httpx.Client, instance: object, pointer: str) -> None:
    answer = api.post("/api/v1/models/palmer/predict", json={"instances": [ROWS[0], instance]})
    assert pointers(expect_problem(answer, 422))[0] == pointer


@pytest.mark.parametrize("body", [{}, {"instances": []}, {"instances": {}}, {"instances": None}, [], "rows", 3])
def test_a_body_without_rows_is_refused(api: httpx.Client, body: object) -> None:
    document = expect_problem(api.post("/api/v1/models/palmer/predict", json=body), 422)
    assert pointers(document) == ["/instances"]


def test_a_regression_answers_in_the_targets_own_units(service: Service, api: httpx.Client) -> None:
    rows = [{"x": index / 7, "y": 5000 + 300 * index / 7} for index in range(200)]
    dataset = accepted(api.post("/api/v1/datasets", json={"target": "y", "rows": rows}))
    assert dataset["task"] == "regression"
    layers = [{"type": "dense", "units": 16, "activation": "relu"}, {"type": "dense"}]
    training = {"epochs": 60, "batch_size": 16, "seed": 3, "optimizer": {"name": "adam", "learning_rate": 0.01}}
    run = service.ended(service.submit(dataset["id"], {"layers": layers}, model="line", training=training)["id"])
    evaluation = run["result"]["evaluation"]["validation"]
    assert {"loss", "mean_absolute_error", "root_mean_squared_error", "r2"} <= set(evaluation)
    assert 1 < evaluation["root_mean_squared_error"] < 1000, "the target stands between 5,000 and 13,600"
    assert evaluation["mean_absolute_error"] <= evaluation["root_mean_squared_error"]
    assert evaluation["r2"] > 0.9
    found = [answer["value"] for answer in answers(api, {"instances": [{"x": row["x"]} for row in rows]}, model="line")]
    errors = np.abs(np.array(found) - [row["y"] for row in rows])
    assert errors.mean() == pytest.approx(evaluation["mean_absolute_error"], rel=0.5)
    array = npy_of(np.array([[row["x"]] for row in rows], np.float64))
    assert [answer["value"] for answer in answers(api, array, "application/x-npy", "line")] == found
    text = csv_of([{"x": row["x"]} for row in rows])
    headers = {"Content-Type": "text/csv", "Accept": "text/csv"}
    lines = api.post("/api/v1/models/line/predict", content=text, headers=headers).text.split()
    assert lines[0] == "value"
    assert [float(line) for line in lines[1:]] == found


def test_a_csv_answer_takes_the_same_options(api: httpx.Client) -> None:
    path, body = "/api/v1/models/palmer/predict", {"instances": ROWS[:3]}
    headers = {"Accept": "text/csv"}
    short = api.post(f"{path}?probabilities=false", json=body, headers=headers).text.splitlines()
    assert short[0] == "label,probability"
    top = list(csv.DictReader(api.post(f"{path}?top=1", json=body, headers=headers).text.splitlines()))
    for row in top:
        given = {name: cell for name, cell in row.items() if name.startswith("probability_") and cell}
        assert given == {f"probability_{row['label']}": row["probability"]}


def test_a_class_that_is_a_number_is_no_formula(service: Service, api: httpx.Client) -> None:
    rows = [{"x": index % 7 + 0.5, "sign": "-1" if index < 10 else "1"} for index in range(20)]
    dataset = accepted(api.post("/api/v1/datasets", json={"name": "signs", "rows": rows, "task": "classification"}))
    training = {"epochs": 30, "seed": 1, "batch_size": 4}
    run = service.submit(dataset["id"], {"layers": [{"type": "dense"}]}, model="signs", training=training)
    assert service.ended(run["id"])["status"] == "succeeded"
    answer = api.post("/api/v1/models/signs/predict", json={"instances": [[0]]}, headers={"Accept": "text/csv"}).text
    assert answer.splitlines()[0] == "label,probability,probability_-1,probability_1"
    assert answer.splitlines()[1].split(",")[0] in ("-1", "1")


def test_an_answer_has_a_limit_of_its_own(tmp_path_factory: pytest.TempPathFactory, table_network: Json) -> None:
    with Service(tmp_path_factory.mktemp("few values"), max_prediction_values="30") as service:
        dataset = service.upload(EXAMPLES / "penguins.csv", target="species")
        run = service.submit(dataset["id"], table_network, model="few", training={"epochs": 1})
        assert service.ended(run["id"])["status"] == "succeeded"
        row = {"island": "Biscoe", "year": 2009}
        fits = service.client.post("/api/v1/models/few/predict", json={"instances": [row] * 10})
        assert fits.status_code == 200
        more = service.client.post("/api/v1/models/few/predict", json={"instances": [row] * 11})
        expect_problem(more, 413, "too_many_values")


def test_thousands_of_options_are_refused_at_once(api: httpx.Client, penguins_run: Json) -> None:
    query = "&".join(f"x{number}=1" for number in range(2_000))
    answer = api.post(f"/api/v1/models/palmer/predict?{query}", json={"instances": [{"year": 2009}]})
    expect_problem(answer, 422)
    assert answer.elapsed.total_seconds() < 5
