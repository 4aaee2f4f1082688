"""What a run leaves for calibrated answers and for Monte Carlo dropout, and a predictor that makes use of it."""

import threading
from typing import Any

import numpy as np
import pytest

from app.domain.data.schema import ColumnType
from app.domain.data.stored import encode_columns
from app.domain.inference.frozen import FrozenNetwork
from app.errors import InvalidRows
from app.serving.catalogue import Served
from app.serving.predictor import Predictor
from app.serving.registry import MONTE_CARLO, Registry
from app.storage.tables import RunRow
from app.worker.attempt import Attempt
from app.worker.orders import Order
from app.worker.outcome import CARD, FROZEN, PREPROCESSING
from tests.data.tables import table
from tests.worker.attempts import Said, order
from tests.worker.conftest import NETWORK, flowers
from tests.worker.workplace import PROJECT, Workplace

PLAIN: list[dict[str, Any]] = [{"type": "dense", "units": 4, "activation": "relu"}, {"type": "dense"}]


@pytest.fixture(scope="module")
def trained(place: Workplace, kinds: str) -> RunRow:
    """A run whose held-out rows are not all answered right."""
    run = place.ended(place.submit(kinds, epochs=4))
    assert run.job.status == "succeeded", run.job.error_message
    return run


def predictor_of(place: Workplace, run_id: str, without: str | None = None) -> Predictor:
    files = {name: file for name, file in place.files(run_id).items() if name != without}
    return Registry(place.blobs, 4, lambda models: None).load(Served(PROJECT, run_id, None, None, files))


def test_the_served_probabilities_are_calibrated_and_the_result_tells_by_how_much(
    place: Workplace, trained: RunRow
) -> None:
    assert trained.result is not None
    evaluation = trained.result["evaluation"]
    found = evaluation["calibration"]
    frozen = FrozenNetwork(place.blobs.read(place.files(trained.id)[FROZEN]))
    assert found["temperature"] == frozen.temperature != 1
    assert (found["rows"], found["bins"]) == (evaluation["rows"]["validation"], 15)
    assert found["log_loss"]["after"] == evaluation["validation"]["log_loss"] < found["log_loss"]["before"]
    assert set(found["expected_calibration_error"]) == {"before", "after"}
    assert sum(entry["count"] for entry in found["reliability"]["after"]) == found["rows"]
    card = place.blobs.read(place.files(trained.id)[CARD]).decode()
    assert f"a temperature of {found['temperature']:g}, fitted on {found['rows']} held-out rows" in card


def calibration_in(wanted: Order) -> dict[str, Any]:
    """What an attempt records of its calibration."""
    found: dict[str, Any] = Attempt(wanted, Said(), threading.Event()).run()["result"]["evaluation"]["calibration"]
    return found


def test_a_run_with_few_held_out_rows_serves_what_the_network_answers_and_says_why(
    trial: tuple[Workplace, str],
) -> None:
    found = calibration_in(order(*trial, NETWORK, {"epochs": 1, "validation": {"fraction": 0.05}}, number=50))
    assert (found["temperature"], found["rows"], found["not_fitted"]["code"]) == (1.0, 15, "too_few_rows")
    assert found["log_loss"]["before"] == found["log_loss"]["after"]


def test_a_run_without_held_out_rows_measures_nothing(trial: tuple[Workplace, str]) -> None:
    place, _ = trial
    tiny = place.add(table({"x": (ColumnType.NUMERIC, [1.0, 2.0])}, ("y", ["p", "q"])))
    found = calibration_in(order(place, tiny, {"layers": PLAIN}, {"epochs": 1}, number=51))
    assert (found["temperature"], found["rows"], found["not_fitted"]["code"]) == (1.0, 0, "no_held_out_rows")
    assert "log_loss" not in found


def test_a_predictor_answers_with_dropout_on(place: Workplace, trained: RunRow) -> None:
    predictor = predictor_of(place, trained.id)
    columns = flowers()
    features = encode_columns(predictor.preprocessing, columns, np.arange(columns.schema.rows))
    found = predictor.uncertain(features, samples=50, seed=3)
    alone = predictor.uncertain(features[:1], samples=50, seed=3)
    raw = predictor.uncertain(features, samples=50, seed=3, calibrated=False)
    assert found.mean[:1].tobytes() == alone.mean.tobytes()
    assert found.mutual_information is not None
    assert (found.mutual_information >= 0).all()
    assert (found.standard_deviation > 0).any(axis=1).all()
    assert not np.allclose(raw.mean, found.mean)
    truth = predictor.network.answer(features)
    assert (found.mean.argmax(axis=1) == truth.argmax(axis=1)).mean() > 0.9


def test_a_model_of_an_earlier_version_and_one_without_dropout_say_what_they_lack(
    place: Workplace, kinds: str, trained: RunRow
) -> None:
    earlier = predictor_of(place, trained.id, without=MONTE_CARLO)
    plain = place.ended(place.submit(kinds, epochs=1, layers=PLAIN))
    assert MONTE_CARLO not in place.files(plain.id)
    without = predictor_of(place, plain.id)
    preprocessing, frozen = (place.blobs.read(place.files(plain.id)[name]) for name in (PREPROCESSING, FROZEN))
    alone = Predictor(preprocessing, frozen)
    for predictor, code in ((earlier, "monte_carlo_unavailable"), (without, "no_dropout"), (alone, "no_dropout")):
        width = predictor.network.input_shape[0]
        with pytest.raises(InvalidRows) as caught:
            predictor.uncertain(np.zeros((1, width), np.float32), samples=5, seed=0)
        assert caught.value.code == code
