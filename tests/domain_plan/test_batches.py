"""The batch planner: every row in one batch, and no batch of one that could be helped."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.network.spec import NetworkSpec
from app.domain.plan.batches import check_batches, plan_batches
from app.errors import InvalidSettings

rows = st.integers(1, 10_000)
sizes = st.integers(1, 12_000)
DENSE = {"type": "dense", "units": 2}
NORMED = NetworkSpec.model_validate({"layers": [DENSE, {"type": "batch_normalization"}, DENSE]})
PLAIN = NetworkSpec.model_validate({"layers": [DENSE, {"type": "layer_normalization"}, DENSE]})


@given(rows, sizes)
def test_every_row_is_in_exactly_one_batch_and_in_order(rows: int, batch_size: int) -> None:
    plan = plan_batches(rows, batch_size)
    covered = 0
    for step in range(plan.steps):
        first, end = plan.bounds(step)
        assert first == covered
        assert end > first
        covered = end
    assert covered == plan.rows == rows


@given(st.integers(2, 10_000), st.integers(2, 12_000))
def test_no_batch_has_one_row_where_there_are_two(rows: int, batch_size: int) -> None:
    plan = plan_batches(rows, batch_size)
    assert all(end - first >= 2 for first, end in map(plan.bounds, range(plan.steps)))


@given(rows, sizes)
def test_all_batches_but_the_last_are_full_and_the_last_is_what_it_is_said_to_be(rows: int, batch_size: int) -> None:
    plan = plan_batches(rows, batch_size)
    lengths = [end - first for first, end in map(plan.bounds, range(plan.steps))]
    assert plan.batch_size == min(batch_size, rows)
    assert set(lengths[:-1]) <= {plan.batch_size}
    assert lengths[-1] == plan.last_batch
    kind = {0: "full", 1: "joined"}.get(rows % plan.batch_size, "smaller")
    assert plan.last_batch_is == kind
    assert plan.last_batch == {"full": plan.batch_size, "joined": plan.batch_size + 1}.get(kind, rows % plan.batch_size)


@pytest.mark.parametrize(
    ("rows", "batch_size", "steps", "last", "kind"),
    [
        (96, 32, 3, 32, "full"),
        (97, 32, 3, 33, "joined"),
        (98, 32, 4, 2, "smaller"),
        (95, 32, 3, 31, "smaller"),
        (10, 32, 1, 10, "full"),
        (1, 1, 1, 1, "full"),
        (3, 2, 1, 3, "joined"),
        (3, 1, 3, 1, "full"),
    ],
)
def test_plans_worked_out_by_hand(rows: int, batch_size: int, steps: int, last: int, kind: str) -> None:
    plan = plan_batches(rows, batch_size)
    assert (plan.steps, plan.last_batch, plan.last_batch_is) == (steps, last, kind)


@pytest.mark.parametrize(
    ("rows", "batch_size", "code", "pointer"),
    [(1, 32, "too_few_rows", "/training/validation"), (40, 1, "batch_size_too_small", "/training/batch_size")],
)
def test_batch_norm_refuses_batches_of_one_row(rows: int, batch_size: int, code: str, pointer: str) -> None:
    with pytest.raises(InvalidSettings) as caught:
        check_batches(NORMED, plan_batches(rows, batch_size))
    assert (caught.value.code, [error.pointer for error in caught.value.errors]) == (code, [pointer])


@given(rows, sizes)
def test_without_batch_norm_any_plan_will_do(rows: int, batch_size: int) -> None:
    check_batches(PLAIN, plan_batches(rows, batch_size))


@given(st.integers(2, 10_000), st.integers(2, 12_000))
def test_batch_norm_takes_every_plan_of_two_rows_or_more(rows: int, batch_size: int) -> None:
    check_batches(NORMED, plan_batches(rows, batch_size))
