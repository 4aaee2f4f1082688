"""What differs too much from the trained network is not served."""

import pytest

from app.domain.data.preprocessing import ClassTarget, NumberTarget, Scale, Target
from app.domain.training.parity import Parity, require_faithful
from app.errors import Unfaithful

CLASSES = ClassTarget(name="y", labels=("a", "b"))
NUMBER = NumberTarget(name="y", scale=Scale(mean=-40.0, deviation=2.5))


@pytest.mark.parametrize(("target", "allowed"), [(CLASSES, 1e-3), (NUMBER, 1e-3 * 2.5 + 1e-6 * 40)])
def test_a_difference_that_rounding_does_not_explain_makes_no_model(target: Target, allowed: float) -> None:
    require_faithful(Parity(9, allowed * 0.99, bit_equal_alone_batched_shuffled=True), target)
    for difference in (allowed * 1.01, float("nan")):
        with pytest.raises(Unfaithful, match="no model is made"):
            require_faithful(Parity(9, difference, bit_equal_alone_batched_shuffled=True), target)
