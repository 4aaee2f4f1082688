"""The OpenAPI document tells the truth: its requests are accepted, and what is answered fits its schemas."""

import json
import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.answers import INNER, strict_json
from tests.service import Service, accepted
from tests.web.json_schema import faults, resolved

Json = dict[str, Any]
METHODS = ("get", "post", "put", "delete", "patch")
WITH_QUOTA = {("post", "/api/v1/runs"): {"429", "507"}, ("post", "/api/v1/datasets"): {"507"}}
WITHOUT_EXAMPLE = {("get", "/api/v1/runs/{run_id}/artifacts/{name}"), ("get", "/healthz")}


@pytest.fixture(scope="module")
def document(api: httpx.Client) -> Json:
    found: Json = strict_json(api.get("/openapi.json"))
    return found


def operations(document: Json) -> Iterator[tuple[str, str, Json]]:
    """Every method and path, and what is said of them, the path's own parameters included."""
    for path, item in document["paths"].items():
        for method in METHODS:
            if method in item:
                parameters = [*item.get("parameters", []), *item[method].get("parameters", [])]
                yield method, path, {**item[method], "parameters": parameters}


def examples(content: Json) -> list[Any]:
    """The examples of one media type."""
    named = [one["value"] for one in content.get("examples", {}).values()]
    return [*named, content["example"]] if "example" in content else named


def test_every_reference_of_the_document_names_something(document: Json) -> None:
    references = re.findall(r'"\$ref": "([^"]+)"', json.dumps(document))
    assert len(references) > 20
    for reference in references:
        assert isinstance(resolved(document, reference), dict), reference


def test_every_operation_has_a_summary_of_its_own_and_a_tag(document: Json) -> None:
    found = [operation for _, _, operation in operations(document)]
    assert len(found) >= 27
    summaries = [operation["summary"] for operation in found]
    assert len(set(summaries)) == len(summaries)
    assert len({operation["operationId"] for operation in found}) == len(found)
    assert all(operation["tags"] for operation in found)


def test_every_operation_tells_its_success_with_schema_and_example(document: Json) -> None:
    for method, path, operation in operations(document):
        successes = {status: answer for status, answer in operation["responses"].items() if status.startswith("2")}
        assert len(successes) == (2 if path.endswith("/events") else 1)
        for status, success in successes.items():
            assert success["description"]
            for media_type, content in success.get("content", {}).items():
                assert "schema" in content, f"{method} {path} {media_type}"
            if status != "204" and (method, path) not in WITHOUT_EXAMPLE:
                assert any(examples(content) for content in success["content"].values()), f"{method} {path}"


def test_every_operation_tells_its_failures_as_problems(document: Json) -> None:
    for method, path, operation in operations(document):
        failures = {status: answer for status, answer in operation["responses"].items() if not status.startswith("2")}
        assert "default" in failures, f"{method} {path}"
        if "{" in path:
            assert "404" in failures, f"{method} {path}"
        if "requestBody" in operation:
            assert {"400", "413", "415", "422"} <= set(failures), f"{method} {path}"
        if any(parameter["name"] == "Idempotency-Key" for parameter in operation["parameters"]):
            assert "409" in failures, f"{method} {path}"
        assert WITH_QUOTA.get((method, path), set()) <= set(failures), f"{method} {path}"
        for status, answer in failures.items():
            assert answer["description"]
            assert status == "503" or list(answer["content"]) == ["application/problem+json"], (
                f"{method} {path} {status}"
            )


def test_every_parameter_of_a_path_is_told(document: Json) -> None:
    for method, path, operation in operations(document):
        told = {parameter["name"] for parameter in operation["parameters"] if parameter["in"] == "path"}
        assert told == set(re.findall(r"\{(\w+)\}", path)), f"{method} {path}"


def test_every_example_of_an_answer_fits_its_schema(document: Json) -> None:
    checked = 0
    for method, path, operation in operations(document):
        for answer in operation["responses"].values():
            for media_type, content in answer.get("content", {}).items():
                for example in examples(content):
                    assert list(faults(document, content["schema"], example)) == [], f"{method} {path} {media_type}"
                    checked += 1
    assert checked > 30


def test_every_example_of_a_request_is_accepted_and_its_answer_fits(
    service: Service, api: httpx.Client, document: Json
) -> None:
    names = {"name": "flowers", "number": "1", "alias": "serving"}
    sent = 0
    order = ["/api/v1/datasets", "/api/v1/networks", "/api/v1/networks/check", "/api/v1/runs", "/api/v1/runs/check"]
    told = [(method, path, operation) for method, path, operation in operations(document) if "requestBody" in operation]
    told.sort(key=lambda one: (order.index(one[1]) if one[1] in order else 9, one[0] == "post"))
    for method, path, operation in told:
        for media_type, content in operation["requestBody"]["content"].items():
            for example in examples(content):
                text = example if isinstance(example, str) else json.dumps(example)
                text = text.replace("ds_3k1r0q5v9x2m7c4n8b6z", names.get("dataset_id", ""))
                if isinstance(example, dict) and "schema" in content:
                    assert list(faults(document, content["schema"], example)) == [], path
                answer = api.request(
                    method, path.format(**names), content=text.encode(), headers={"Content-Type": media_type}
                )
                assert answer.is_success, f"{method} {path}: {answer.text}"
                schema = operation["responses"][str(answer.status_code)]["content"]["application/json"]["schema"]
                made = strict_json(answer)
                assert list(faults(document, schema, made)) == [], f"{method} {path}"
                names |= {f"{kind[:-1]}_id": made["id"] for kind in ("datasets", "runs") if path == f"/api/v1/{kind}"}
                if path == "/api/v1/runs":
                    assert service.ended(made["id"])["status"] == "succeeded"
                sent += 1
    assert sent >= 14


def test_what_is_answered_fits_the_schemas(
    api: httpx.Client, document: Json, penguins: Json, pictures: Json, penguins_run: Json
) -> None:
    network = accepted(api.post("/api/v1/networks", json={"layers": [{"type": "dense"}]}))
    key = accepted(api.post("/api/v1/keys", json={"name": "of a test", "scopes": ["read"]}))
    path = f"/api/v1/models/{penguins_run['model']}/batch-predictions"
    job = accepted(api.post(path, json={"dataset": penguins["id"]}))
    names = {
        "job_id": job["id"],
        "key_id": key["id"],
        "dataset_id": penguins["id"],
        "run_id": penguins_run["id"],
        "network_id": network["id"],
        "name": penguins_run["model"],
        "number": str(penguins_run["result"]["version"]),
    }
    for method, path, operation in operations(document):
        content = operation["responses"].get("200", {}).get("content", {})
        if method != "get" or "application/json" not in content:
            continue
        found = strict_json(api.get(path.format(**names)))
        assert list(faults(document, content["application/json"]["schema"], found)) == [], path


def test_the_media_type_of_every_file_of_a_run_is_told(api: httpx.Client, document: Json, penguins_run: Json) -> None:
    path = "/api/v1/runs/{run_id}/artifacts/{name}"
    told = document["paths"][path]["get"]["responses"]["200"]["content"]
    answered = {
        api.get(file["url"]).headers["content-type"].partition(";")[0] for file in penguins_run["result"]["artifacts"]
    }
    assert answered == set(told)


def test_a_problem_fits_the_schema_of_problems(api: httpx.Client, document: Json) -> None:
    found = strict_json(api.post("/api/v1/networks", json={"layers": [{"type": "dropout", "rate": 2}]}))
    assert list(faults(document, document["components"]["schemas"]["Problem"], found)) == []


def test_the_document_tells_nothing_of_the_server(service: Service, api: httpx.Client) -> None:
    text = api.get("/openapi.json").text
    for word in (str(service.data_dir), "/work", "/home", "/root", "site-packages", *INNER):
        assert word not in text


def test_the_page_of_the_documentation_is_there(api: httpx.Client) -> None:
    answer = api.get("/docs")
    assert answer.status_code == 200
    assert "openapi.json" in answer.text
