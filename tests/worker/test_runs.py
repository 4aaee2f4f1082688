"""What a worker makes of the runs it takes."""

import math
import time
from importlib.metadata import version

import pytest
import torch

from app.worker.outcome import CARD, FROZEN, MONTE_CARLO, NETWORK, PREPROCESSING, WEIGHTS
from tests.worker.conftest import ROWS, flowers
from tests.worker.workplace import Workplace


def kinds_of_events(place: Workplace, run_id: str) -> list[str]:
    return [event.kind for event in place.events(run_id)]


def test_a_run_is_trained_evaluated_proved_and_published(place: Workplace, kinds: str) -> None:
    run = place.ended(place.submit(kinds, epochs=4))
    assert (run.job.status, run.job.attempt, run.job.crashes) == ("succeeded", 1, 0)
    assert kinds_of_events(place, run.id) == ["status", "status", *["epoch"] * 4, "status", "end"]
    assert set(place.digests(run.id)) == {NETWORK, PREPROCESSING, WEIGHTS, FROZEN, MONTE_CARLO, CARD}
    assert run.progress is not None
    assert (run.progress["epoch"], run.progress["fraction"], run.progress["seconds_left"]) == (4, 1.0, 0.0)
    assert run.environment is not None
    assert run.environment["threads"] == 1
    assert run.environment["torch"] == version("torch")
    assert run.job.started_at is not None
    assert run.job.finished_at is not None
    assert run.created_at <= run.job.started_at <= run.job.finished_at


def test_the_result_judges_what_is_served_and_holds_the_proof(place: Workplace, kinds: str) -> None:
    run = place.ended(place.submit(kinds, epochs=8, batch_size=8))
    assert run.result is not None
    assert run.metrics is not None
    evaluation, parity = run.result["evaluation"], run.result["parity"]
    validation = round(ROWS * 0.2)
    assert evaluation["rows"]["train"] + evaluation["rows"]["validation"] == ROWS
    assert abs(evaluation["rows"]["validation"] - validation) <= 2
    for scores in (evaluation["train_eval"], evaluation["validation"]):
        assert scores["accuracy"] > 0.8
        assert math.isfinite(scores["loss"])
    assert set(evaluation["before_population_statistics"]) == {"train_eval", "validation"}
    assert parity["bit_equal_alone_batched_shuffled"] is True
    assert parity["rows"] == evaluation["rows"]["validation"]
    assert parity["largest_difference"] < 1e-5
    assert run.metrics["last"]["epoch"] == 8
    assert set(run.metrics["best"]) == {"epoch", "train", "train_eval", "validation"}


def test_a_number_is_judged_in_its_own_units(place: Workplace) -> None:
    run = place.ended(place.submit(place.add(flowers(numbers=True)), epochs=20))
    assert run.job.status == "succeeded", run.job.error_message
    assert run.result is not None
    scores = run.result["evaluation"]["validation"]
    # The target spans some 40 units, and standardised errors would be below one.
    assert 1 < scores["root_mean_squared_error"] < 12
    assert scores["r2"] > 0.5


def test_two_runs_with_one_seed_leave_equal_files_and_another_seed_does_not(place: Workplace, kinds: str) -> None:
    first, again, other = (place.submit(kinds, seed=seed) for seed in (3, 3, 4))
    for run_id in (first, again, other):
        assert place.ended(run_id).job.status == "succeeded"
    assert place.digests(first) == place.digests(again)
    assert place.digests(first)[WEIGHTS] != place.digests(other)[WEIGHTS]
    assert place.files(first)[WEIGHTS].key != place.files(again)[WEIGHTS].key


def test_a_run_may_validate_on_another_dataset(place: Workplace, kinds: str) -> None:
    other = place.add(flowers())
    run = place.ended(place.submit(kinds, validation=other))
    assert run.result is not None
    assert run.result["evaluation"]["rows"] == {"train": ROWS, "validation": ROWS}


def test_early_stopping_ends_a_run_before_its_epochs_and_says_so(place: Workplace, kinds: str) -> None:
    stopping = {"monitor": "validation_loss", "patience": 2, "minimum_change": 10.0}
    run = place.ended(place.submit(kinds, epochs=50, early_stopping=stopping))
    assert run.job.status == "succeeded"
    assert place.epochs(run.id) == 3
    said = [event.data["message"] for event in place.events(run.id) if event.kind == "log"]
    assert said == ["early stopping after epoch 3"]


def test_a_run_ends_well_when_its_time_is_over(place: Workplace, kinds: str) -> None:
    began = time.monotonic()
    run = place.ended(place.submit(kinds, epochs=100_000, batch_size=4, max_seconds=1.0))
    assert run.job.status == "succeeded"
    assert 1 <= place.epochs(run.id) < 1000
    assert time.monotonic() - began < 20
    assert run.result is not None
    assert run.result["parity"]["bit_equal_alone_batched_shuffled"] is True
    said = [event.data["message"] for event in place.events(run.id) if event.kind == "log"]
    assert said == [f"max_seconds reached after epoch {place.epochs(run.id)}"]


def test_an_epoch_that_was_cut_short_is_as_fast_as_the_rows_it_did(place: Workplace, kinds: str) -> None:
    run = place.ended(place.submit(kinds, epochs=100_000, batch_size=4, max_seconds=0.001))
    (report,) = (event.data for event in place.events(run.id) if event.kind == "epoch")
    # It did one step of 4 rows, which takes more than 40 microseconds anywhere.
    assert 0 < report["rows_per_second"] < 1e5


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a CUDA device")
def test_a_device_that_is_not_there_is_told(place: Workplace, kinds: str) -> None:
    run = place.ended(place.submit(kinds, device="cuda"))
    assert (run.job.status, run.job.error_code) == ("failed", "device_unavailable")


def test_a_run_that_diverges_fails_as_such_and_publishes_nothing(place: Workplace, kinds: str) -> None:
    run = place.ended(place.submit(kinds, optimizer={"name": "sgd", "learning_rate": 1e30}))
    assert (run.job.status, run.job.error_code) == ("failed", "diverged")
    assert place.files(run.id) == {}
    assert run.result is None
    assert kinds_of_events(place, run.id)[-1] == "end"


def test_a_running_run_is_cancelled_within_two_seconds_and_the_next_one_begins(place: Workplace, kinds: str) -> None:
    run_id = place.submit(kinds, epochs=100_000)
    place.in_the_middle(run_id)
    following = place.submit(kinds)
    began = time.monotonic()
    place.cancel(run_id)
    assert place.ended(run_id).job.status == "cancelled"
    assert time.monotonic() - began < 2
    assert place.files(run_id) == {}
    assert place.ended(following, 15).job.status == "succeeded"


@pytest.mark.parametrize("harm", ["flipped", "cut", "gone"])
def test_a_poisoned_dataset_fails_its_run_and_the_worker_goes_on(place: Workplace, kinds: str, harm: str) -> None:
    poisoned = place.add(flowers())
    path = place.blobs.path(next(key for key in place.dataset(poisoned).files if key.endswith("numbers.bin")))
    content = bytearray(path.read_bytes())
    content[100] ^= 1
    if harm == "gone":
        path.unlink()
    else:
        path.write_bytes(content if harm == "flipped" else content[:-8])
    run = place.ended(place.submit(poisoned))
    assert (run.job.status, run.job.attempt) == ("failed", 1)
    assert run.job.error_code == ("file_missing" if harm == "gone" else "file_damaged")
    assert str(place.data_dir) not in (run.job.error_message or "")
    assert place.ended(place.submit(kinds)).job.status == "succeeded"


def test_a_run_with_an_orphan_row_says_what_becomes_of_it(place: Workplace, kinds: str) -> None:
    rows = place.ended(place.submit(kinds)).result
    assert rows is not None
    training = rows["evaluation"]["rows"]["train"]
    run = place.ended(place.submit(kinds, batch_size=training - 1))
    said = [event.data["message"] for event in place.events(run.id) if event.kind == "log"]
    assert said == [f"an orphan row joins the last batch, which so has {training} rows"]
