"""Lists: newest first, filtered, and walked page by page with no row twice and none left out."""

from typing import Any

import httpx
import pytest

from tests.answers import expect_problem, pointers, strict_json
from tests.service import Service, accepted

Json = dict[str, Any]


def walk(api: httpx.Client, path: str, limit: int, **filters: str) -> list[Json]:
    """All rows of a list, page by page."""
    rows: list[Json] = []
    cursor: str | None = None
    while True:
        given = {"limit": str(limit), **filters} | ({"cursor": cursor} if cursor else {})
        page = accepted(api.get(path, params=given))
        assert set(page) == {"items", "next"}
        assert len(page["items"]) <= limit
        rows += page["items"]
        cursor = page["next"]
        if cursor is None:
            return rows
        assert len(page["items"]) == limit


@pytest.fixture(scope="module")
def many(service: Service, penguins: Json, table_network: Json) -> list[str]:
    """Thirteen ended runs, each with a tag of its own and one they share, oldest first."""
    made = [
        service.submit(
            penguins["id"],
            table_network,
            model=f"listed-{index % 2}",
            tags=["listed", f"tag {index}"],
            training={"epochs": 1},
        )["id"]
        for index in range(13)
    ]
    for run_id in made:
        service.ended(run_id)
    return made


@pytest.mark.parametrize("limit", [1, 3, 12, 13, 14, 200])
def test_pages_of_any_size_hold_every_run_once_newest_first(api: httpx.Client, many: list[str], limit: int) -> None:
    found = [run["id"] for run in walk(api, "/api/v1/runs", limit, tag="listed")]
    assert found == many[::-1]


def test_a_row_that_comes_while_one_walks_moves_nothing(
    service: Service, api: httpx.Client, many: list[str], penguins: Json, table_network: Json
) -> None:
    first = accepted(api.get("/api/v1/runs", params={"limit": "5", "tag": "listed"}))
    late = service.submit(penguins["id"], table_network, model="late", tags=["late"], training={"epochs": 1})
    rest = accepted(api.get("/api/v1/runs", params={"limit": "200", "tag": "listed", "cursor": first["next"]}))
    assert [run["id"] for run in first["items"] + rest["items"]] == many[::-1]
    service.ended(late["id"])


def test_runs_are_filtered_by_what_they_are(api: httpx.Client, many: list[str], penguins: Json) -> None:
    assert [run["id"] for run in walk(api, "/api/v1/runs", 50, tag="tag 4")] == [many[4]]
    assert [run["id"] for run in walk(api, "/api/v1/runs", 50, model="listed-1")] == many[1::2][::-1]
    assert len(walk(api, "/api/v1/runs", 50, model="listed-1", tag="tag 4")) == 0
    assert {run["dataset"] for run in walk(api, "/api/v1/runs", 50, dataset=penguins["id"])} == {penguins["id"]}
    assert walk(api, "/api/v1/runs", 50, dataset="ds_none") == []
    assert {run["status"] for run in walk(api, "/api/v1/runs", 50, status="succeeded")} == {"succeeded"}
    assert all(run["status"] == "failed" for run in walk(api, "/api/v1/runs", 50, status="failed"))


@pytest.mark.parametrize("name", ["datasets", "networks", "models"])
def test_the_other_lists_are_walked_the_same_way(
    service: Service, api: httpx.Client, many: list[str], name: str
) -> None:
    for index in range(3):
        accepted(api.post("/api/v1/networks", json={"name": f"n{index}", "layers": [{"type": "dense"}]}))
        rows = [{"x": index + 0.5 + place, "y": place % 2 == 0} for place in range(4)]
        accepted(api.post("/api/v1/datasets", json={"rows": rows}))
    key = "name" if name == "models" else "id"
    whole = [row[key] for row in walk(api, f"/api/v1/{name}", 200)]
    assert len(whole) >= 2
    assert len(set(whole)) == len(whole)
    assert [row[key] for row in walk(api, f"/api/v1/{name}", 1)] == whole
    moments = [row["created_at"] for row in walk(api, f"/api/v1/{name}", 200)]
    assert moments == sorted(moments, reverse=True)


@pytest.mark.parametrize("name", ["datasets", "networks", "models", "runs", "jobs"])
@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("limit=-1", "limit"),
        ("limit=1.5", "limit"),
        ("limit=nan", "limit"),
        ("limit=1_0", "limit"),
        ("limit=%201", "limit"),
        ("limit=true", "limit"),
        ("limit=", "limit"),
        ("limit=" + "9" * 5000, "limit"),
        ("cursor=x", "cursor"),
        ("cursor=", "cursor"),
        ("cursor=" + "A" * 300, "cursor"),
        ("cursor=bmFuIHJ1bl94", "cursor"),
        ("cursor=%00", "cursor"),
        ("cursor=%ff%fe", "cursor"),
        ("unknown=1", "unknown"),
        ("Limit=1", "Limit"),
    ],
)
def test_a_query_that_cannot_be_is_refused_where_it_is_wrong(
    api: httpx.Client, name: str, query: str, field: str
) -> None:
    document = expect_problem(api.get(f"/api/v1/{name}?{query}"), 422)
    assert pointers(document) == [f"/{field}"]


@pytest.mark.parametrize(
    "query", ["status=done", "status=", "status=QUEUED", "tag=" + "x" * 101, "dataset=" + "x" * 101]
)
def test_a_filter_that_cannot_be_is_refused(api: httpx.Client, query: str) -> None:
    document = expect_problem(api.get(f"/api/v1/runs?{query}"), 422)
    assert pointers(document) == ["/" + query.partition("=")[0]]


def test_a_list_answers_strict_json(api: httpx.Client, many: list[str]) -> None:
    for name in ("datasets", "networks", "models", "runs", "jobs"):
        page = strict_json(api.get(f"/api/v1/{name}?limit=200"))
        assert page.keys() == {"items", "next"}
        assert len(page["items"]) >= (len(many) if name == "runs" else 0)
