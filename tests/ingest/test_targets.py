"""What the target is taken for, what is refused of it, and what the user is told."""

import random

import pytest

from app.domain.data.schema import ColumnRequest, ColumnType, Task
from app.errors import InvalidDataset
from app.ingest.limits import Limits
from tests.ingest.conftest import Refused, Taker


def rows(targets: list[str]) -> str:
    """A CSV file with a feature and these targets."""
    source = random.Random(11)
    return "x,y\n" + "".join(f"{source.random():.6f},{target}\n" for target in targets)


def test_texts_are_classes_in_order_of_text(take: Taker) -> None:
    taken = take(rows(["b", "a", "b", "C"]))
    assert taken.schema.task is Task.CLASSIFICATION
    assert taken.schema.classes == ("C", "a", "b")
    assert taken.schema.target.counts == (1, 1, 2)
    assert taken.values("y") == ["b", "a", "b", "C"]


def test_few_whole_numbers_are_classes_in_order_of_number(take: Taker) -> None:
    taken = take(rows(["10", "9", "-1", "10"]))
    assert taken.schema.classes == ("-1", "9", "10")
    assert taken.schema.target.type is ColumnType.CATEGORICAL


def test_labels_are_the_files_own_text(take: Taker) -> None:
    assert take(rows(["1", "1.0", "01", "1"])).schema.classes == ("01", "1", "1.0")


def test_booleans_are_classes(take: Taker) -> None:
    assert take(rows(["True", "False", "True"])).schema.classes == ("False", "True")


def test_many_whole_numbers_and_fractions_are_quantities(take: Taker) -> None:
    for targets in ([str(place * 3) for place in range(21)], ["0.5", "1", "2"]):
        taken = take(rows(targets))
        assert taken.schema.task is Task.REGRESSION
        assert taken.schema.target.type is ColumnType.NUMERIC
        assert taken.values("y") == [float(target) for target in targets]


def test_the_request_decides_the_task(take: Taker) -> None:
    assert take(rows(["1", "2", "3"]), task="regression").schema.task is Task.REGRESSION
    assert take(rows(["1.5", "2.5", "1.5"]), task="classification").schema.classes == ("1.5", "2.5")
    asked = {"y": ColumnRequest(type="numeric")}
    assert take(rows(["1", "2", "3"]), columns=asked).schema.task is Task.REGRESSION
    asked = {"y": ColumnRequest(type="categorical")}
    assert take(rows([f"{place}" for place in range(30)]), columns=asked).schema.task is Task.CLASSIFICATION


def test_the_target_may_be_any_column(take: Taker) -> None:
    taken = take("y,x\na,1\nb,2\na,3\n", target="y")
    assert taken.names == ["x"]
    assert taken.schema.classes == ("a", "b")


def test_rows_without_a_target_are_dropped_and_counted(take: Taker) -> None:
    taken = take("x,c,y\n1,p,a\n2,q,\n3,r,b\n4,s,?\n5,p,b\n")
    assert taken.schema.rows == 3
    assert taken.values("x") == [1.0, 3.0, 5.0]
    assert taken.feature("x").mean == 3.0
    assert taken.feature("c").categories == ("p", "r")
    assert "missing_target_rows_dropped" in taken.codes
    assert "2 rows" in taken.schema.warnings[0].message


def test_rows_without_a_quantity_are_dropped(take: Taker) -> None:
    taken = take("x,y\n1,0.5\n2,NA\n3,1.5\n")
    assert taken.values("y") == [0.5, 1.5]


@pytest.mark.parametrize(
    "targets", [["a"] * 5, ["1"] * 5, ["1.5"] * 5, [""] * 5, ["a", "", ""], ["2020-01-01", "2020-01-02"]]
)
def test_targets_from_which_nothing_can_be_learned_are_refused(refused: Refused, targets: list[str]) -> None:
    assert isinstance(refused(rows(targets)), InvalidDataset)


def test_one_quantity_only_is_refused(refused: Refused) -> None:
    assert "one value only" in refused(rows(["1.5"] * 5), task="regression").detail


def test_too_many_classes_are_refused(refused: Refused) -> None:
    assert "1,000 classes" in refused(rows([f"c{place}" for place in range(1_001)])).detail
    assert "1,000 classes" in refused(rows([f"c{place}" for place in range(100_000)])).detail


def test_as_many_classes_as_are_allowed_are_taken(take: Taker) -> None:
    assert len(take(rows([f"c{place}" for place in range(9)] * 2), limits=Limits(classes=9)).schema.classes) == 9


@pytest.mark.parametrize(
    ("asked", "pointer"),
    [
        ({"target": "z"}, "/target"),
        ({"columns": {"p/q": ColumnRequest(role="ignore")}}, "/columns/p~1q"),
        ({"columns": {"y": ColumnRequest(role="ignore")}}, "/columns/y"),
        ({"columns": {"x": ColumnRequest(type="boolean")}}, "/columns/x"),
        ({"columns": {"y": ColumnRequest(type="date")}}, "/columns/y"),
        ({"task": "regression"}, "/task"),
    ],
)
def test_requests_that_the_file_cannot_meet_are_pointed_at(
    refused: Refused, asked: dict[str, object], pointer: str
) -> None:
    error = refused("x,y\n1,a\n2,b\n5,a\n", **asked)
    assert isinstance(error, InvalidDataset)
    assert error.errors[0].pointer == pointer


def test_a_type_that_is_asked_for_is_held_to(refused: Refused, take: Taker) -> None:
    text = "x,y\n1,a\nred,b\n0,a\n"
    assert refused(text, columns={"x": ColumnRequest(type="numeric")}).errors[0].pointer == "/rows/2/x"
    assert refused(text, columns={"x": ColumnRequest(type="date")}).errors[0].pointer == "/rows/1/x"
    assert take(text, columns={"x": ColumnRequest(type="categorical")}).feature("x").categories == ("0", "1", "red")
    zeros = take("x,y\n1,a\n0,b\n0,a\n", columns={"x": ColumnRequest(type="boolean")})
    assert zeros.feature("x").categories == ("0", "1")
    assert zeros.values("x") == [1.0, 0.0, 0.0]


def test_ignoring_every_feature_is_refused(refused: Refused) -> None:
    error = refused("x,y\n1,a\n2,b\n", columns={"x": ColumnRequest(role="ignore")})
    assert "No feature is left" in error.detail


def test_constant_and_mostly_missing_columns_are_told_of(take: Taker) -> None:
    taken = take("c,k,m,x,y\n1,p,,1,a\n1,p,,2,b\n1,p,3,3,a\n")
    assert taken.codes.count("constant_column") == 3
    assert taken.codes.count("high_missing") == 1


def test_rare_classes_are_told_of(take: Taker) -> None:
    taken = take(rows(["a"] * 40 + ["b"] * 5 + ["c"]))
    assert taken.codes == ["one_row_class", "rare_class"]
    assert "'c'" in taken.schema.warnings[0].message
    assert "'b'" in taken.schema.warnings[1].message


def leaky(rows_count: int, feature: str) -> str:
    source = random.Random(13)
    lines = []
    for _ in range(rows_count):
        label = source.choice("abc")
        cell = {"word": f"is-{label}", "code": str("bca".index(label)), "noise": f"{source.random():.4f}"}[feature]
        lines.append(f"{cell},{source.random():.4f},{label}\n")
    return f"{feature},x,y\n" + "".join(lines)


@pytest.mark.parametrize(("feature", "found"), [("word", True), ("code", True), ("noise", False)])
def test_features_that_give_the_class_away_are_told_of(take: Taker, feature: str, found: bool) -> None:
    taken = take(leaky(300, feature))
    assert ("target_leak" in taken.codes) is found
    if found:
        assert f"'{feature}'" in next(w.message for w in taken.schema.warnings if w.code == "target_leak")


def test_in_a_few_rows_no_leak_is_suspected(take: Taker) -> None:
    assert "target_leak" not in take(leaky(20, "word")).codes


def test_a_quantity_in_another_unit_is_told_of(take: Taker) -> None:
    source = random.Random(17)
    values = [source.random() for _ in range(100)]
    lines = [f"{value * 2.54:.6f},{value + source.random() / 3:.6f},{value:.6f}\n" for value in values]
    taken = take("inches,noisy,y\n" + "".join(lines))
    assert [w.message.split("'")[1] for w in taken.schema.warnings if w.code == "target_leak"] == ["inches"]
