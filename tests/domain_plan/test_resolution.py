"""What a network becomes for a dataset, and which networks no dataset can have."""

import pytest

from app.domain.network.layers import Activation, Dense
from app.domain.network.shapes import check_output
from app.domain.network.spec import NetworkSpec, square_side
from app.domain.task import Task
from app.errors import InvalidNetwork
from tests.domain_plan.forms import FLATTEN, NORM, Form, act, dense, dropout, network

CLASSES, NUMBER = Task.CLASSIFICATION, Task.REGRESSION


def resolved(spec: NetworkSpec, task: Task, classes: int) -> tuple[int | None, str]:
    """Units and function of the output that `spec` gets."""
    done = spec.resolved((4,), task, classes)
    output, last = done.layers[-2:]
    assert isinstance(output, Dense)
    assert isinstance(last, Activation)
    assert output.activation is None
    assert done.input_shape == (4,)
    return output.units, last.function


@pytest.mark.parametrize(
    ("layers", "task", "classes", "units", "function"),
    [
        ([dense()], CLASSES, 3, 3, "softmax"),
        ([dense()], CLASSES, 2, 2, "softmax"),
        ([dense(1)], CLASSES, 2, 1, "sigmoid"),
        ([dense(2)], CLASSES, 2, 2, "softmax"),
        ([dense(3), act("softmax")], CLASSES, 3, 3, "softmax"),
        ([dense(3, activation="softmax")], CLASSES, 3, 3, "softmax"),
        ([dense(1, activation="sigmoid")], CLASSES, 2, 1, "sigmoid"),
        ([dense(3, activation="linear")], CLASSES, 3, 3, "softmax"),
        ([dense(1), act("linear")], CLASSES, 2, 1, "sigmoid"),
        ([dense(), act("softmax")], CLASSES, 5, 5, "softmax"),
        ([dense()], NUMBER, 0, 1, "linear"),
        ([dense(1, activation="linear")], NUMBER, 0, 1, "linear"),
        ([dense(8, activation="relu"), dropout(), dense()], CLASSES, 3, 3, "softmax"),
    ],
)
def test_the_output_is_filled_in_for_the_target(
    layers: list[Form], task: Task, classes: int, units: int, function: str
) -> None:
    assert resolved(network(*layers), task, classes) == (units, function)


@pytest.mark.parametrize(
    ("layers", "task", "classes", "code", "pointer"),
    [
        ([dense(4)], CLASSES, 3, "class_count_mismatch", "/layers/0/units"),
        ([dense(1)], CLASSES, 3, "class_count_mismatch", "/layers/0/units"),
        ([dense(3)], CLASSES, 2, "class_count_mismatch", "/layers/0/units"),
        ([dense(2)], NUMBER, 0, "class_count_mismatch", "/layers/0/units"),
        ([dense(8), dense(2), act("softmax")], CLASSES, 3, "class_count_mismatch", "/layers/1/units"),
        ([dense(3), act("sigmoid")], CLASSES, 3, "output_activation_mismatch", "/layers/1/function"),
        ([dense(3, activation="relu")], CLASSES, 3, "output_activation_mismatch", "/layers/0/activation"),
        ([dense(1, activation="softmax")], CLASSES, 2, "output_activation_mismatch", "/layers/0/activation"),
        ([dense(1, activation="relu")], NUMBER, 0, "output_activation_mismatch", "/layers/0/activation"),
        (
            [dense(3, activation="relu"), act("softmax")],
            CLASSES,
            3,
            "output_activation_doubled",
            "/layers/0/activation",
        ),
        ([dense(3), NORM], CLASSES, 3, "output_missing", "/layers/1/type"),
        ([dense(3), act("relu"), act("softmax")], CLASSES, 3, "output_missing", "/layers/2/type"),
        ([act("softmax")], CLASSES, 3, "output_missing", "/layers/0/type"),
        ([FLATTEN], NUMBER, 0, "output_missing", "/layers/0/type"),
    ],
)
def test_an_output_that_does_not_fit_is_refused_at_its_field(
    layers: list[Form], task: Task, classes: int, code: str, pointer: str
) -> None:
    with pytest.raises(InvalidNetwork) as caught:
        network(*layers).resolved((4,), task, classes)
    assert (caught.value.code, [error.pointer for error in caught.value.errors]) == (code, [pointer])


def test_what_was_resolved_resolves_to_itself() -> None:
    done = network(dense(8), dropout(), dense()).resolved((4,), CLASSES, 3)
    assert done.resolved((4,), CLASSES, 3) == done


def test_one_flat_row_of_answers_is_required() -> None:
    check_output(network(FLATTEN, dense(3), shape=(4, 4, 3)))
    with pytest.raises(InvalidNetwork) as caught:
        check_output(network(dense(3), shape=(4, 4, 3)))
    assert caught.value.code == "output_not_flat"
    assert "[4, 4, 3]" in caught.value.detail


@pytest.mark.parametrize(("elements", "side"), [(3, 1), (12, 2), (12_288, 64)])
def test_a_flat_picture_is_a_square(elements: int, side: int) -> None:
    assert square_side(elements) == side


@pytest.mark.parametrize("elements", [1, 2, 6, 4096, 12_287, 12_289])
def test_a_flat_shape_that_is_no_square_is_refused(elements: int) -> None:
    with pytest.raises(InvalidNetwork, match="no square picture"):
        square_side(elements)
