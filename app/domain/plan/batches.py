"""The batch planner: how the training rows fall into batches, told before anything runs.

A last batch of one row would have no variance to normalise by, so it joins the batch before it.
"""

from typing import Literal

from app.domain.network.layers import BatchNormalization
from app.domain.network.spec import NetworkSpec
from app.domain.strict import Strict
from app.errors import FieldError, InvalidSettings


class BatchPlan(Strict):
    """`steps` batches an epoch: all of `batch_size` rows but the last, which has `last_batch` rows.

    `last_batch_is`: "full" when the rows divide evenly, "smaller" when it is a batch of its own, "joined" when an
    orphan row was added to the batch before it (so it has `batch_size` + 1 rows).
    """

    rows: int
    batch_size: int
    steps: int
    last_batch: int
    last_batch_is: Literal["full", "smaller", "joined"]

    def bounds(self, step: int) -> tuple[int, int]:
        """First row and one past the last row of batch `step` in the epoch's order."""
        start = step * self.batch_size
        return start, self.rows if step == self.steps - 1 else start + self.batch_size


def plan_batches(rows: int, batch_size: int) -> BatchPlan:
    """Plans one epoch over `rows` training rows. A batch size past the rows is cut to them."""
    size = min(batch_size, rows)
    steps, rest = divmod(rows, size)
    if rest == 0:
        return BatchPlan(rows=rows, batch_size=size, steps=steps, last_batch=size, last_batch_is="full")
    if rest == 1:
        return BatchPlan(rows=rows, batch_size=size, steps=steps, last_batch=size + 1, last_batch_is="joined")
    return BatchPlan(rows=rows, batch_size=size, steps=steps + 1, last_batch=rest, last_batch_is="smaller")


def check_batches(spec: NetworkSpec, plan: BatchPlan) -> None:
    """Raises `InvalidSettings` where a batch norm would see batches of one row."""
    if not any(isinstance(layer, BatchNormalization) for layer in spec.layers):
        return
    if plan.rows < 2:
        raise InvalidSettings(
            f"batch normalization needs two training rows or more; there is {plan.rows}",
            code="too_few_rows",
            errors=(FieldError("/training/validation", "leaves too few training rows", str(plan.rows)),),
        )
    if plan.batch_size < 2:
        raise InvalidSettings(
            "batch normalization cannot train on batches of one row: they have no variance; use 2 or more",
            code="batch_size_too_small",
            errors=(FieldError("/training/batch_size", "must be 2 or more with batch normalization", "1"),),
        )
