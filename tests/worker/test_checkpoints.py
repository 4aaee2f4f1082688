"""Checkpoints: how often, what they hold, and what happens to damaged ones and where there is no room."""

from pathlib import Path

import pytest
import safetensors.torch
import torch
from hypothesis import given
from hypothesis import strategies as st

from app.errors import Damaged
from app.worker.checkpoints import SHARE, Allowance, unpack
from tests.conftest import Json
from tests.worker.attempts import Said, StopAt, carried_out, order, stored
from tests.worker.conftest import NETWORK, SETTINGS
from tests.worker.workplace import LAYERS, Workplace


def lines(said: Said) -> list[str]:
    return [message["message"] for message in said.of("log")]


@given(
    least=st.floats(0.01, 60),
    expected=st.floats(0, 100),
    costs=st.lists(st.floats(0, 30), min_size=1, max_size=40),
    step=st.floats(0.0001, 50),
)
def test_checkpoints_take_less_than_their_share_of_all_time_but_for_the_last_one(
    least: float, expected: float, costs: list[float], step: float
) -> None:
    """Whatever they cost and however far apart the yields are at which one may be taken."""
    allowance, clock, spent, last = Allowance(least, expected, 0.0), 0.0, 0.0, 0.0
    for before, cost in zip([expected, *costs], costs, strict=False):
        # The next yield at or behind the due time.
        clock = max(clock, step * -(-allowance.due_at // step))
        assert clock >= last + least * 0.999
        assert spent + before <= SHARE * clock * 1.001
        allowance.spent(clock, clock + cost)
        clock, spent = clock + cost, spent + cost
        last = clock


def test_a_short_attempt_leaves_one_checkpoint_and_it_is_of_the_end_of_training(trial: tuple[Workplace, str]) -> None:
    said, digests = carried_out(order(*trial, NETWORK, SETTINGS, number=10))
    assert digests is not None
    (made,) = said.of("checkpoint")
    assert (made["phase"], made["epoch"], made["step"]) == ("training", 7, 0)


def test_a_checkpoint_is_tensors_and_json_and_nothing_else(trial: tuple[Workplace, str]) -> None:
    said, _ = carried_out(order(*trial, NETWORK, SETTINGS, number=20), StopAt(20))
    (made,) = stored(said.messages)
    tensors, document = unpack(trial[0].blobs.path(made.key).read_bytes())
    assert {name.split(".")[0] for name in tensors} == {"network", "optimizer", "sums", "moments"}
    assert set(document) == {"state", "beside"}
    assert set(document["beside"]) == {"seconds", "epoch_seconds", "best", "before"}
    assert str(trial[0].data_dir) not in repr(document)


def test_equal_states_are_equal_bytes_but_for_the_seconds(trial: tuple[Workplace, str]) -> None:
    contents = []
    for number in (30, 31):
        said, _ = carried_out(order(*trial, NETWORK, SETTINGS, number=number), StopAt(20))
        (made,) = stored(said.messages)
        tensors, document = unpack(trial[0].blobs.path(made.key).read_bytes())
        contents.append((safetensors.torch.save(tensors), document["state"]))
    assert contents[0] == contents[1]


@pytest.mark.parametrize("harm", ["flipped bit", "cut", "gone", "empty", "another file"])
def test_a_damaged_checkpoint_is_passed_over_for_the_one_before_and_the_log_says_so(
    trial: tuple[Workplace, str], trial_digests: dict[str, str], harm: str
) -> None:
    number = 100 + 10 * len(harm)
    first, _ = carried_out(order(*trial, NETWORK, SETTINGS, number=number), StopAt(12))
    made = stored(first.messages)
    second, _ = carried_out(order(*trial, NETWORK, SETTINGS, number=number + 1, checkpoints=made), StopAt(12))
    both = (*stored(second.messages), *made)
    damage(trial[0].blobs.path(both[0].key), harm)
    third, digests = carried_out(order(*trial, NETWORK, SETTINGS, number=number + 2, checkpoints=both))
    assert lines(third)[0].startswith(f"checkpoint-1 of attempt-{number + 1} cannot be used: ")
    assert lines(third)[1].startswith(f"goes on from checkpoint-1 of attempt-{number}: ")
    assert digests == trial_digests


def test_where_all_are_damaged_the_run_begins_again_and_says_so(
    trial: tuple[Workplace, str], trial_digests: dict[str, str]
) -> None:
    first, _ = carried_out(order(*trial, NETWORK, SETTINGS, number=300), StopAt(12))
    made = stored(first.messages)
    damage(trial[0].blobs.path(made[0].key), "flipped bit")
    second, digests = carried_out(order(*trial, NETWORK, SETTINGS, number=301, checkpoints=made))
    assert lines(second)[1] == "no checkpoint can be read: the run begins again at its beginning"
    assert digests == trial_digests


def test_a_run_that_was_resumed_from_another_never_begins_at_the_beginning(trial: tuple[Workplace, str]) -> None:
    first, _ = carried_out(order(*trial, NETWORK, SETTINGS, number=310), StopAt(12))
    made = stored(first.messages, inherited=True)
    damage(trial[0].blobs.path(made[0].key), "flipped bit")
    with pytest.raises(Damaged, match="no checkpoint of the run that this one was resumed from"):
        carried_out(order(*trial, NETWORK, SETTINGS, number=311, checkpoints=made, resumed=True))


def test_a_state_of_another_network_is_passed_over_and_leaves_nothing_behind(
    trial: tuple[Workplace, str], trial_digests: dict[str, str]
) -> None:
    other: Json = {"layers": [{"type": "dense", "units": 5}, *LAYERS[1:]]}
    first, _ = carried_out(order(*trial, other, SETTINGS, number=320), StopAt(12))
    second, digests = carried_out(order(*trial, NETWORK, SETTINGS, number=321, checkpoints=stored(first.messages)))
    assert "not one of this run" in lines(second)[0]
    assert digests == trial_digests


def test_a_state_that_has_diverged_is_not_kept(trial: tuple[Workplace, str]) -> None:
    good, _ = carried_out(order(*trial, NETWORK, SETTINGS, number=335), StopAt(12))
    diverging = {**SETTINGS, "optimizer": {"name": "adam", "learning_rate": 1e30}}
    wanted = order(*trial, NETWORK, diverging, number=336, checkpoints=stored(good.messages), checkpoint_seconds=1e-6)
    said, nothing = carried_out(wanted, StopAt(4))
    assert nothing is None
    # The first step makes weights of 1e30, which are numbers still; what follows are none.
    kept = [unpack(trial[0].blobs.path(made.key).read_bytes())[0] for made in stored(said.messages)]
    assert len(kept) <= 1
    assert all(bool(tensor.isfinite().all()) for tensors in kept for tensor in tensors.values())


def test_time_counts_over_all_attempts_of_a_run_and_anew_for_a_resumed_one(trial: tuple[Workplace, str]) -> None:
    settings = {"epochs": 50, "batch_size": 32, "max_seconds": 3600.0}
    first, _ = carried_out(order(*trial, NETWORK, settings, number=340), StopAt(12))
    made = stored(first.messages)
    settings["max_seconds"] = 1e-9
    second, digests = carried_out(order(*trial, NETWORK, settings, number=341, checkpoints=made))
    assert digests is not None
    # The epoch that it was in is reported over the steps it had; no further one begins.
    assert len(first.of("epoch")) + len(second.of("epoch")) == len(first.of("epoch")) + 1
    inherited = stored(first.messages, inherited=True)
    settings["max_seconds"] = 3600.0
    third, _ = carried_out(order(*trial, NETWORK, settings, number=342, checkpoints=inherited, resumed=True))
    assert third.of("epoch")[-1]["report"]["epoch"] == 50


def test_early_stopping_that_had_ended_begins_to_wait_anew_in_a_resumed_run(trial: tuple[Workplace, str]) -> None:
    stopping = {"patience": 1, "minimum_change": 10.0}
    first, _ = carried_out(order(*trial, NETWORK, {**SETTINGS, "early_stopping": stopping}, number=350))
    assert [message["report"]["epoch"] for message in first.of("epoch")] == [1, 2]
    inherited = stored(first.messages, inherited=True)
    longer = {**SETTINGS, "epochs": 9, "early_stopping": {**stopping, "patience": 3}}
    second, _ = carried_out(order(*trial, NETWORK, longer, number=351, checkpoints=inherited, resumed=True))
    assert [message["report"]["epoch"] for message in second.of("epoch")] == [3, 4]
    again = {**longer, "early_stopping": stopping}
    third, _ = carried_out(order(*trial, NETWORK, again, number=352, checkpoints=inherited, resumed=True))
    assert [message["report"]["epoch"] for message in third.of("epoch")] == [3]
    assert any("begins to wait anew" in line for line in lines(third))


def test_bytes_that_are_no_checkpoint_are_refused() -> None:
    for content in (b"", b"\x00" * 7, b"\xff" * 64, safetensors.torch.save({"a": torch.zeros(2)})):
        with pytest.raises(Damaged, match="not a checkpoint"):
            unpack(content)


def damage(path: Path, harm: str) -> None:
    content = bytearray(path.read_bytes())
    if harm == "gone":
        path.unlink()
        return
    content[len(content) // 2] ^= 1
    harmed: dict[str, bytes] = {
        "flipped bit": bytes(content),
        "cut": bytes(content[:-5]),
        "empty": b"",
        "another file": b"x" * 500,
    }
    path.write_bytes(harmed[harm])
