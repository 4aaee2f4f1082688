"""Training that reaches values which are no finite numbers ends soon, and says so."""

import pytest

from app.domain.training.data import TrainingData
from app.errors import Diverged
from tests.training.cases import (
    BATCH_NORM,
    CLASSES,
    NUMBER,
    PLAIN,
    begin,
    class_rows,
    number_rows,
    reports,
    settings,
    spec,
)


@pytest.mark.parametrize(("layers", "rows"), [(PLAIN, 4000), (BATCH_NORM, 64)])
def test_a_run_that_diverges_says_where_and_what_to_do(layers: list[dict[str, object]], rows: int) -> None:
    data = class_rows(rows)
    features = data.features.clone()
    features[5] = float("inf")
    run = begin(spec(*layers, *CLASSES), TrainingData(features, data.targets), settings(epochs=2, batch_size=2))
    with pytest.raises(Diverged, match=r"epoch 1, with a learning rate of 0.001; try") as caught:
        reports(run)
    assert caught.value.code == "diverged"


def test_a_huge_learning_rate_diverges_within_its_first_epoch() -> None:
    run = begin(spec(*PLAIN, *NUMBER), number_rows(64), settings(optimizer={"name": "sgd", "learning_rate": 1e30}))
    with pytest.raises(Diverged):
        reports(run)
    assert run.step.epoch == 1


def test_a_long_epoch_that_diverges_is_not_trained_to_its_end() -> None:
    run = begin(
        spec(*PLAIN, *NUMBER),
        number_rows(2000),
        settings(batch_size=2, optimizer={"name": "sgd", "learning_rate": 1e30}),
    )
    with pytest.raises(Diverged):
        reports(run)
    assert run.step.step == 64
