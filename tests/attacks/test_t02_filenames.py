"""T02: file names of uploads that climb, are absolute, hold a NUL or 5 kB. A name decides a format by its ending, and
no place on the disk."""

from pathlib import Path

import httpx
import pytest

from tests.answers import expect_problem, strict_json
from tests.attacks.uploads import CSV, send, send_raw
from tests.service import Service, accepted

NAMES = [
    "../../../../tmp/dropnorm-canary.csv",
    "..\\..\\..\\dropnorm-canary.csv",
    "/tmp/dropnorm-canary.csv",
    "C:\\dropnorm-canary.csv",
    "file:///tmp/dropnorm-canary.csv",
    "%2e%2e%2fdropnorm-canary.csv",
    "..%252fdropnorm-canary.csv",
    "\u202evsc.dropnorm-canary.csv",
    "．．／dropnorm-canary.csv",
    "....//dropnorm-canary.csv",
    ".csv",
    "..csv",
    "-rf.csv",
    "$(touch dropnorm-canary).csv",
    "`touch dropnorm-canary`.csv",
    "<script>alert(1)</script>.csv",
    "a" * 5_000 + ".csv",
    "CON.csv",
    "a\u0301.csv",
    "'; DROP TABLE datasets; --.csv",
]


def files_under(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if "dropnorm.db" not in path.name}


@pytest.mark.parametrize("name", NAMES, ids=lambda name: name[:30].encode("unicode_escape").decode())
def test_a_name_moves_nothing(service: Service, api: httpx.Client, name: str) -> None:
    before = files_under(service.data_dir)
    answer = send(api, CSV, name)
    assert not [path for folder in (Path("/tmp"), Path.cwd(), Path("/")) for path in folder.glob("*dropnorm-canary*")]
    new = files_under(service.data_dir) - before
    assert all(path.startswith("datasets/columns_") for path in new)
    assert not [path for path in new if "canary" in path or "script" in path]
    if answer.status_code == 201:
        made = strict_json(answer)
        assert "/" not in made["name"]
        assert "\\" not in made["name"]
        assert made["name"].isprintable()
        assert len(made["name"]) <= 200
        assert api.delete(f"/api/v1/datasets/{made['id']}").status_code == 204
    else:
        expect_problem(answer, (400, 415, 422))


@pytest.mark.parametrize("name", ["Données.csv", "企鹅.csv", "données.csv", "😀.csv", "a b (1).csv"])
def test_an_honest_name_is_kept(api: httpx.Client, name: str) -> None:
    made = accepted(send(api, CSV, name))
    assert made["name"] == name.removesuffix(".csv")
    assert api.delete(f"/api/v1/datasets/{made['id']}").status_code == 204


@pytest.mark.parametrize(
    "name",
    [
        b"a\0.csv",
        b"x.csv\0.png",
        b"\xff\xfe.csv",
        b"\xed\xa0\x80.csv",
        b"a\x1b[31m.csv",
        b"a\x7f.csv",
        b'a\\".csv',
        b"a\rb.csv",
    ],
    ids=repr,
)
def test_a_name_of_strange_bytes_is_refused_or_inert(api: httpx.Client, name: bytes) -> None:
    answer = send_raw(api, name)
    if answer.status_code == 201:
        made = strict_json(answer)
        assert made["name"].isprintable()
        assert api.delete(f"/api/v1/datasets/{made['id']}").status_code == 204
    else:
        expect_problem(answer, (400, 415, 422))


@pytest.mark.parametrize("name", ["a\nb", "\x1b[2J", "\u202egnp", "x" * 201, "\u2028", "\x00"])
def test_a_dataset_has_a_printable_name(api: httpx.Client, name: str) -> None:
    document = expect_problem(send(api, CSV, name=name), 422)
    assert document["errors"][0]["pointer"] == "/name"
