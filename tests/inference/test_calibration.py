"""Temperature scaling and its measures, held against plain loops."""

import itertools
import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from app.domain.inference.calibration import Fit, fit_temperature, softmax, uncalibrated
from app.domain.inference.reliability import BINS, calibration, expected_calibration_error, reliability

Floats = NDArray[np.float32]
Classes = NDArray[np.int64]


def drawn(seed: int, rows: int, classes: int, sharpness: float) -> tuple[Floats, Classes]:
    """Logits of a network that is `sharpness` times too sure of itself, and the truth."""
    generator = np.random.Generator(np.random.PCG64(seed))
    logits = generator.normal(0, 1.5, (rows, classes))
    targets = (logits + generator.gumbel(size=logits.shape)).argmax(axis=1)
    return (logits * sharpness).astype(np.float32), targets.astype(np.int64)


def loss_at(logits: Floats, targets: Classes, temperature: float) -> float:
    numbers = logits.astype(np.float64) / temperature
    largest = numbers.max(axis=1, keepdims=True)
    logs = numbers - largest - np.log(np.exp(numbers - largest).sum(axis=1, keepdims=True))
    return float(-logs[np.arange(len(targets)), targets].mean())


def error_by_loop(probabilities: Floats, targets: Classes) -> float:
    """Guo et al. 2017, Eq. 3: bins (0, 1/15], (1/15, 2/15] and so on."""
    error, edges = 0.0, [index / BINS for index in range(BINS + 1)]
    for lower, upper in itertools.pairwise(edges):
        inside = [
            (float(row.max()), int(row.argmax()) == target)
            for row, target in zip(probabilities, targets.tolist(), strict=True)
            if lower < float(row.max()) <= upper
        ]
        if inside:
            confidence = sum(one for one, _ in inside) / len(inside)
            accuracy = sum(right for _, right in inside) / len(inside)
            error += len(inside) / len(targets) * abs(accuracy - confidence)
    return error


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**16), st.integers(20, 200), st.integers(2, 5), st.floats(0.2, 8))
def test_no_other_temperature_makes_the_truth_likelier(seed: int, rows: int, classes: int, sharpness: float) -> None:
    logits, targets = drawn(seed, rows, classes, sharpness)
    fit = fit_temperature(logits, targets)
    if fit.hindrance is None:
        assert 0.05 <= fit.temperature <= 20
        best = loss_at(logits, targets, fit.temperature)
        others = [*np.geomspace(0.05, 20, 200), fit.temperature - 1e-3, fit.temperature + 1e-3, 1.0]
        assert all(best <= loss_at(logits, targets, other) + 1e-9 for other in others if 0.05 <= other <= 20)


@pytest.mark.parametrize("sharpness", [0.25, 1, 3, 10])
def test_a_network_that_is_too_sure_gets_the_temperature_that_it_is_too_sure_by(sharpness: float) -> None:
    logits, targets = drawn(1, 20_000, 3, sharpness)
    assert fit_temperature(logits, targets).temperature == pytest.approx(sharpness, rel=0.05)


def test_logits_that_say_nothing_or_the_contrary_get_the_highest_temperature() -> None:
    logits, targets = drawn(1, 200, 2, 1)
    assert fit_temperature(-logits, targets).temperature == 20


def test_where_no_temperature_can_be_fitted_it_is_one_and_the_reason_is_told() -> None:
    logits, targets = drawn(1, 30, 3, 2)
    broken = np.where(logits == logits[3, 1], np.float32("nan"), logits)
    reasons = {
        "no_held_out_rows": (logits[:0], targets[:0]),
        "too_few_rows": (logits[:19], targets[:19]),
        "one_class": (logits, np.zeros_like(targets)),
        "no_mistakes": (logits, logits.argmax(axis=1)),
        "not_finite": (broken, targets),
    }
    for reason, (given_logits, given_targets) in reasons.items():
        assert fit_temperature(given_logits, given_targets) == Fit(1.0, reason)  # type: ignore[arg-type]


@settings(deadline=None)
@given(st.integers(0, 2**16), st.integers(1, 60), st.integers(2, 4), st.sampled_from([15, 30, 7]))
def test_the_expected_calibration_error_is_that_of_a_plain_loop(seed: int, rows: int, classes: int, steps: int) -> None:
    generator = np.random.Generator(np.random.PCG64(seed))
    # Many confidences on the very edges of bins.
    shares = generator.multinomial(steps, np.full(classes, 1 / classes), rows)
    probabilities = (shares / steps).astype(np.float32)
    targets = generator.integers(0, classes, rows)
    bins = reliability(probabilities, targets)
    assert expected_calibration_error(bins) == pytest.approx(error_by_loop(probabilities, targets), abs=1e-12)
    assert sum(found["count"] for found in bins) == rows
    assert len(bins) == BINS


def test_a_record_holds_both_sides_and_can_be_sent() -> None:
    logits, targets = drawn(2, 2000, 3, 4)
    fit = fit_temperature(logits, targets)
    before, after = (softmax(logits.astype(np.float64) / heat) for heat in (1, fit.temperature))
    record = calibration(fit, before, after, targets)
    assert (record["temperature"], record["rows"], record["bins"]) == (fit.temperature, 2000, 15)
    assert record["expected_calibration_error"]["after"] < 0.05 < record["expected_calibration_error"]["before"]
    assert record["log_loss"]["after"] == pytest.approx(loss_at(logits, targets, fit.temperature))
    assert record["log_loss"]["after"] < record["log_loss"]["before"]
    assert [sum(found["count"] for found in side) for side in record["reliability"].values()] == [2000, 2000]  # type: ignore[attr-defined]
    json.dumps(record, allow_nan=False)


def test_a_record_without_rows_says_why_and_holds_no_measure() -> None:
    nothing = np.empty((0, 3), np.float32)
    record = calibration(Fit(1.0, "no_held_out_rows"), nothing, nothing, np.empty(0, np.int64))
    told = {"code": "no_held_out_rows", "message": "no row was held out"}
    assert record == {"temperature": 1.0, "rows": 0, "bins": 15, "not_fitted": told}


def test_uncalibrated_undoes_the_temperature() -> None:
    logits = np.array([[2.0, -1.0, 0.5], [1e4, 0, -1e4]], np.float32)
    found = uncalibrated((logits / 2.5).astype(np.float32), 2.5)
    expected = [math.exp(value) for value in (2.0, -1.0, 0.5)]
    np.testing.assert_allclose(found[0], np.array(expected) / sum(expected), rtol=1e-6)
    assert found[1].tolist() == [1, 0, 0]
