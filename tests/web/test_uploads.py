"""Datasets over HTTP: what an upload answers, what is stored, and what goes when it is deleted."""

import gzip
import hashlib
import socket
from pathlib import Path
from typing import Any

import httpx

from tests.answers import expect_problem, pointers, strict_json
from tests.service import EXAMPLES, Service, accepted
from tests.worker.processes import until

Json = dict[str, Any]
CSV = b"x,colour,y\n" + b"".join(
    f"{i}.5,{'red' if i % 2 else 'blue'},{'a' if i % 3 else 'b'}\n".encode() for i in range(40)
)


def sent(api: httpx.Client, content: bytes, filename: str = "table.csv", **fields: str) -> httpx.Response:
    return api.post("/api/v1/datasets", files={"file": (filename, content)}, data=fields)


def folders(service: Service) -> int:
    return len(list((service.data_dir / "datasets").iterdir()))


def test_an_upload_answers_its_profile_and_its_place(api: httpx.Client) -> None:
    content = (EXAMPLES / "penguins.csv").read_bytes()
    answer = sent(api, content, "penguins.csv", target="species", name="birds")
    assert answer.status_code == 201
    made = strict_json(answer)
    assert answer.headers["location"] == f"/api/v1/datasets/{made['id']}"
    assert (made["name"], made["kind"], made["rows"], made["task"]) == ("birds", "table", 344, "classification")
    assert (made["sha256"], made["bytes"]) == (hashlib.sha256(content).hexdigest(), len(content))
    assert made["target"]["classes"] == [
        {"label": "Adelie", "count": 152},
        {"label": "Chinstrap", "count": 68},
        {"label": "Gentoo", "count": 124},
    ]
    types = {feature["name"]: feature["type"] for feature in made["features"]}
    assert types == {
        "island": "categorical",
        "bill_length_mm": "numeric",
        "bill_depth_mm": "numeric",
        "flipper_length_mm": "numeric",
        "body_mass_g": "numeric",
        "sex": "categorical",
        "year": "numeric",
    }
    assert next(feature["missing"] for feature in made["features"] if feature["name"] == "sex") == 11
    assert strict_json(api.get(answer.headers["location"])) == made


def test_columns_are_left_out_and_typed_as_asked(api: httpx.Client) -> None:
    columns = '{"year": {"role": "ignore"}, "body_mass_g": {"type": "categorical"}}'
    content = (EXAMPLES / "penguins.csv").read_bytes()
    made = accepted(sent(api, content, target="species", columns=columns))
    types = {feature["name"]: feature["type"] for feature in made["features"]}
    assert "year" not in types
    assert types["body_mass_g"] == "categorical"


def test_rows_sent_inline_make_the_dataset_that_a_file_makes(api: httpx.Client) -> None:
    rows = [{"x": i + 0.5, "colour": "red" if i % 2 else None, "y": "a" if i % 3 else "b"} for i in range(40)]
    made = accepted(api.post("/api/v1/datasets", json={"name": "inline", "target": "y", "rows": rows}))
    assert (made["name"], made["rows"], made["target"]["name"]) == ("inline", 40, "y")
    assert strict_json(api.get(f"/api/v1/datasets/{made['id']}/rows?limit=3"))["rows"] == rows[:3]


def test_the_preview_shows_the_first_rows_as_they_were_read(api: httpx.Client, penguins: Json, pictures: Json) -> None:
    rows = strict_json(api.get(f"/api/v1/datasets/{penguins['id']}/rows?limit=4"))["rows"]
    assert len(rows) == 4
    assert rows[0]["bill_length_mm"] == 39.1
    assert rows[0]["species"] == "Adelie"
    assert rows[3]["bill_length_mm"] is None
    assert len(strict_json(api.get(f"/api/v1/datasets/{penguins['id']}/rows"))["rows"]) == 20
    assert "48" in strict_json(api.get(f"/api/v1/datasets/{pictures['id']}/rows?limit=1"))["rows"][0]["picture"]


def test_a_gzipped_table_is_read_like_the_plain_one(api: httpx.Client) -> None:
    plain = accepted(sent(api, CSV, "gz.csv"))
    packed = accepted(sent(api, gzip.compress(CSV), "gz.csv.gz"))
    assert packed["features"] == plain["features"]
    assert packed["name"] == plain["name"] == "gz"


def test_the_same_bytes_are_stored_once_and_stay_while_one_dataset_needs_them(
    service: Service, api: httpx.Client, table_network: Json
) -> None:
    content = CSV + b"1000.5,red,a\n"
    before = folders(service)
    first, second = accepted(sent(api, content, name="one")), accepted(sent(api, content, name="two"))
    assert first["id"] != second["id"]
    assert first["sha256"] == second["sha256"]
    assert folders(service) == before + 1
    assert api.delete(f"/api/v1/datasets/{first['id']}").status_code == 204
    expect_problem(api.get(f"/api/v1/datasets/{first['id']}"), 404, "dataset_not_found")
    assert len(strict_json(api.get(f"/api/v1/datasets/{second['id']}/rows?limit=100"))["rows"]) == 41
    run = service.ended(service.submit(second["id"], table_network, model="kept", training={"epochs": 1})["id"])
    assert run["status"] == "succeeded"
    expect_problem(api.delete(f"/api/v1/datasets/{second['id']}"), 409, "dataset_in_use")
    api.delete("/api/v1/models/kept/versions/1")
    assert api.delete(f"/api/v1/runs/{run['id']}").status_code == 204
    assert api.delete(f"/api/v1/datasets/{second['id']}").status_code == 204
    assert folders(service) == before


def test_the_same_bytes_read_in_another_way_are_another_dataset(api: httpx.Client) -> None:
    one, other = accepted(sent(api, CSV, target="y")), accepted(sent(api, CSV, target="x"))
    assert (one["task"], other["task"]) == ("classification", "regression")


def test_a_dataset_that_is_gone_is_not_deleted_twice(api: httpx.Client) -> None:
    made = accepted(sent(api, CSV + b"2000.5,red,a\n"))
    assert api.delete(f"/api/v1/datasets/{made['id']}").status_code == 204
    expect_problem(api.delete(f"/api/v1/datasets/{made['id']}"), 404, "dataset_not_found")


def test_a_form_that_lacks_a_file_or_has_too_much_is_refused(api: httpx.Client) -> None:
    missing = expect_problem(api.post("/api/v1/datasets", files={"name": (None, "x")}), 422, "file_missing")
    assert pointers(missing) == ["/file"]
    unknown = expect_problem(sent(api, CSV, colour="red"), 422, "form_invalid")
    assert pointers(unknown) == ["/colour"]
    twice = [("file", ("a.csv", CSV)), ("file", ("b.csv", CSV))]
    assert pointers(expect_problem(api.post("/api/v1/datasets", files=twice), 422, "form_invalid")) == ["/file"]
    nameless = expect_problem(api.post("/api/v1/datasets", files={"file": (None, CSV)}), 422, "form_invalid")
    assert pointers(nameless) == ["/file"]


def test_what_the_form_says_wrong_is_named(api: httpx.Client) -> None:
    assert pointers(expect_problem(sent(api, CSV, target="z"), 422)) == ["/target"]
    assert pointers(expect_problem(sent(api, CSV, task="clustering"), 422)) == ["/task"]
    assert pointers(expect_problem(sent(api, CSV, name=""), 422)) == ["/name"]
    assert pointers(expect_problem(sent(api, CSV, columns='{"x": {"role": "none"}}'), 422)) == ["/columns/x/role"]
    assert pointers(expect_problem(sent(api, CSV, columns='{"z": {"role": "ignore"}}'), 422)) == ["/columns/z"]
    assert pointers(expect_problem(sent(api, CSV, columns="{"), 422)) == ["/columns"]


def test_a_file_of_an_unknown_kind_is_refused_and_told_what_is_accepted(api: httpx.Client) -> None:
    answer = expect_problem(sent(api, b"hello", "notes.txt"), 415)
    assert ".csv" in answer["detail"]
    expect_problem(api.post("/api/v1/datasets", content=CSV, headers={"Content-Type": "text/csv"}), 415)


def test_an_upload_that_breaks_off_leaves_nothing_and_is_no_failure_of_the_service(tmp_path: Path) -> None:
    form = b'--B\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\n\r\na,b\r\n1,2\r\n'
    head = "POST /api/v1/datasets HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=B\r\n"
    with Service(tmp_path, workers="0") as service:
        with socket.create_connection(("127.0.0.1", int(service.address.rsplit(":", 1)[1]))) as client:
            client.sendall(f"{head}Content-Length: 1000000\r\n\r\n".encode() + form)
            until(lambda: any((service.data_dir / "incoming").iterdir()), 10)
        until(lambda: "the client went away" in service.log.read_text(), 10)
        until(lambda: not any((service.data_dir / "incoming").iterdir()), 10)
        assert accepted(service.client.get("/api/v1/datasets"))["items"] == []
        assert "Traceback" not in service.log.read_text()
