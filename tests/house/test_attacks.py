"""Every attack of the design has its tests, by number, and its row in the page that tells of them."""

import ast
import re
from pathlib import Path

import pytest

from tests.house.sources import functions, tracked
from tests.service import HOME

NUMBERS = [f"T{number:02}" for number in range(1, 31)]
PAGE = HOME / "docs/security.md"
FILES = tracked("tests/attacks/test_*.py")
each_number = pytest.mark.parametrize("number", NUMBERS)


def files_of(number: str) -> list[Path]:
    """The files that hold the tests of one attack."""
    return [path for path in FILES if path.name.startswith(f"test_{number.lower()}_")]


def rows() -> dict[str, list[str]]:
    """The cells of each attack's row in the page."""
    found = re.findall(r"^\| (T\d\d) \| (.+) \|$", PAGE.read_text(), flags=re.MULTILINE)
    return {number: [cell.strip() for cell in rest.split(" | ")] for number, rest in found}


@each_number
def test_an_attack_has_a_file_of_tests_that_begins_with_it(number: str) -> None:
    files = files_of(number)
    assert len(files) == 1
    tree = ast.parse((HOME / files[0]).read_text())
    assert (ast.get_docstring(tree) or "").startswith(f"{number}: ")
    assert [function.name for function in functions(tree) if function.name.startswith("test_")]


@each_number
def test_an_attack_has_a_row_that_names_its_tests(number: str) -> None:
    row = rows()[number]
    assert len(row) == 4, row
    assert f"`{files_of(number)[0].name}`" in row[-1]


def test_the_rows_stand_in_their_order_and_are_no_more() -> None:
    assert list(rows()) == NUMBERS


def test_no_test_of_an_attack_stands_outside_of_the_numbers() -> None:
    assert set(FILES) == {path for number in NUMBERS for path in files_of(number)}
