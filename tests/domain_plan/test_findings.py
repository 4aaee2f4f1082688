"""Each finding: where it is told, and where it is not."""

import pytest

from app.domain.plan.findings import find
from tests.domain_plan.forms import NORM, Form, act, dense, dropout, network

Told = list[tuple[str, str, int | None]]
OUTPUT = dense(3)


def told(*layers: Form) -> Told:
    return [(finding.code, finding.severity, finding.layer) for finding in find(network(*layers))]


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        ([dropout(), dense(8, use_bias=False), NORM, OUTPUT], [("dropout_before_batch_norm", "warning", 0)]),
        (
            [dropout(0.1), dense(8, use_bias=False), NORM, dropout(0.2), dense(8, use_bias=False), NORM, OUTPUT],
            [("dropout_before_batch_norm", "warning", 0), ("dropout_before_batch_norm", "warning", 3)],
        ),
        ([dense(8), OUTPUT, dropout()], [("dropout_on_output", "error", 2)]),
        ([OUTPUT, act("softmax"), dropout()], [("dropout_on_output", "error", 2)]),
        ([OUTPUT, dropout(), act("softmax")], [("dropout_on_output", "error", 1)]),
        ([dense(8), NORM, OUTPUT], [("bias_before_batch_norm", "advice", 0)]),
        ([dense(8, use_bias=False), act("relu"), NORM, OUTPUT], [("batch_norm_after_activation", "advice", 2)]),
        ([dense(8, activation="relu"), NORM, OUTPUT], [("batch_norm_after_activation", "advice", 1)]),
    ],
)
def test_what_is_to_be_said_is_said_of_its_layer(layers: list[Form], expected: Told) -> None:
    assert told(*layers) == expected


@pytest.mark.parametrize(
    "layers",
    [
        [OUTPUT],
        [dense(8, use_bias=False), NORM, act("relu"), dropout(), OUTPUT, act("softmax")],
        [dropout(0.0), dense(8, use_bias=False), NORM, OUTPUT],
        [dropout(), dense(8), dropout(), OUTPUT, act("softmax")],
        [dense(8), act("relu"), {"type": "layer_normalization"}, OUTPUT],
        [NORM, dense(8), OUTPUT],
        [dense(8), dropout(), OUTPUT],
    ],
)
def test_a_network_as_the_papers_have_it_is_passed_without_a_word(layers: list[Form]) -> None:
    assert told(*layers) == []


def test_a_finding_says_why_and_who_says_so() -> None:
    (finding,) = find(network(dropout(0.3), dense(8, use_bias=False), NORM, OUTPUT))
    assert finding.message == "dropout 0.3 stands before a batch normalization"
    assert "0.7" in finding.why
    assert "Li et al. 2019" in finding.source
