"""Tables over HTTP, in CSV and Parquet, short and long: the same answers as to the same rows in JSON."""

import io
from collections.abc import Iterator
from contextlib import suppress

import httpx
import numpy as np
import psutil
import pyarrow as pa
import pytest
from pyarrow import parquet as pq

from tests.answers import expect_problem
from tests.service import Service
from tests.web.predictions import FEATURES, csv_of, penguin_rows
from tests.worker.processes import until

pytestmark = pytest.mark.usefixtures("penguins_run")
PATH = "/api/v1/models/palmer/predict"
ROWS = penguin_rows()
HEADER, *LINES = csv_of(ROWS).splitlines(keepends=True)
CSV = {"Content-Type": "text/csv", "Accept": "text/csv"}
PARQUET = "application/vnd.apache.parquet"


@pytest.fixture(scope="module")
def answer(api: httpx.Client) -> bytes:
    """What is answered to `ROWS` in one short piece."""
    content: bytes = api.post(PATH, content=csv_of(ROWS), headers=CSV).content
    return content


def parquet() -> bytes:
    file = io.BytesIO()
    pq.write_table(pa.table({name: [row[name] for row in ROWS] for name in FEATURES}), file)
    return file.getvalue()


def in_pieces(content: str) -> Iterator[bytes]:
    """Of a length that nobody is told before."""
    encoded = content.encode()
    return (encoded[start : start + 50_000] for start in range(0, len(encoded), 50_000))


def answering_processes(service: Service) -> list[psutil.Process]:
    found = []
    for process in service.processes():
        # One that ends meanwhile is none.
        with suppress(psutil.Error):
            found += [process] if "app.bulk" in process.cmdline() else []
    return found


def test_a_long_table_is_answered_as_its_rows_are(service: Service, api: httpx.Client, answer: bytes) -> None:
    table = HEADER + "".join(LINES) * 100
    head, _, rows = answer.partition(b"\r\n")
    streamed = api.post(PATH, content=in_pieces(table), headers=CSV)
    assert streamed.status_code == 200
    assert streamed.headers["content-type"] == "text/csv; charset=utf-8"
    assert streamed.content == head + b"\r\n" + rows * 100
    until(lambda: not answering_processes(service), 10)


def test_a_short_table_of_unknown_length_is_answered_alike(api: httpx.Client, answer: bytes) -> None:
    assert api.post(PATH, content=in_pieces(csv_of(ROWS)), headers=CSV).content == answer
    tabbed = csv_of(ROWS).replace(",", "\t")
    assert api.post(PATH, content=tabbed, headers=CSV).content == answer


def test_short_rows_may_be_many(api: httpx.Client) -> None:
    """More than one answer in JSON may hold."""
    table = "year\n" + "2007\n" * 120_000
    lines = api.post(PATH, content=table, headers=CSV).content.split(b"\r\n")
    assert len(lines) == 120_002
    assert len(set(lines[1:-1])) == 1
    expect_problem(api.post(PATH, content=table, headers={"Content-Type": "text/csv"}), 413, "too_many_rows")


def test_a_parquet_file_is_answered_as_its_rows_in_json_are(api: httpx.Client) -> None:
    found = api.post(PATH, content=parquet(), headers={"Content-Type": PARQUET})
    assert found.json() == api.post(PATH, json={"instances": ROWS}).json()


def test_a_table_may_be_answered_in_parquet(api: httpx.Client, answer: bytes) -> None:
    found = api.post(PATH, content=csv_of(ROWS), headers={"Content-Type": "text/csv", "Accept": PARQUET})
    assert found.headers["content-type"] == PARQUET
    table = pq.read_table(io.BytesIO(found.content))
    lines = [line.split(",") for line in answer.decode().split()]
    assert table.column_names == lines[0]
    assert table["label"].to_pylist() == [line[0] for line in lines[1:]]
    assert np.array_equal(table["probability"], np.array([line[1] for line in lines[1:]], np.float32))


def test_options_hold_for_tables_of_any_length(api: httpx.Client) -> None:
    headers = {"Content-Type": PARQUET, "Accept": "text/csv"}
    found = api.post(f"{PATH}?probabilities=false", content=parquet(), headers=headers).text.split("\r\n")
    assert found[0] == "label,probability"
    assert len(found) == len(ROWS) + 2
    refused = api.post(f"{PATH}?monte_carlo_samples=5", content=parquet(), headers=headers)
    expect_problem(refused, 422, "invalid")


def test_what_is_no_table_is_refused(api: httpx.Client) -> None:
    headers = {"Content-Type": PARQUET}
    expect_problem(api.post(PATH, content=b"PNG", headers=headers), 422, "parquet_invalid")
    expect_problem(api.post(PATH, content=parquet()[:-9], headers=headers), 422, "parquet_invalid")
