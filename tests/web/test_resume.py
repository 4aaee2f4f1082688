"""`POST /runs/{id}/resume`: an ended run goes on as a new one, to the same files as one that was never disturbed."""

import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.answers import expect_problem, pointers, strict_json
from tests.service import EXAMPLES, Service, accepted
from tests.web.events import follow

Json = dict[str, Any]
TRAINING: Json = {"epochs": 4, "seed": 7, "batch_size": 16}
LONG: Json = {**TRAINING, "epochs": 250}
SMALL = {"name": "adam", "learning_rate": 0.001}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """One that takes checkpoints often."""
    with Service(tmp_path_factory.mktemp("resume"), checkpoint_seconds="0.2") as running:
        yield running


@pytest.fixture(scope="module")
def api(service: Service) -> httpx.Client:
    return service.client


@pytest.fixture(scope="module")
def penguins(service: Service) -> Json:
    return service.upload(EXAMPLES / "penguins.csv", target="species")


@pytest.fixture(scope="module")
def short(service: Service, penguins: Json, table_network: Json) -> Json:
    """A succeeded run of four epochs."""
    return trained(service, penguins, table_network, **TRAINING)


@pytest.fixture(scope="module")
def undisturbed(service: Service, penguins: Json, table_network: Json) -> Json:
    """A run of many epochs that nothing happened to."""
    return trained(service, penguins, table_network, **LONG)


def trained(service: Service, dataset: Json, network: Json, **training: Any) -> Json:
    run = service.ended(service.submit(dataset["id"], network, model="resumed", training=training)["id"])
    assert run["status"] == "succeeded", run["error"]
    return run


def resume(api: httpx.Client, run: Json, body: Json | None = None) -> Json:
    path = f"/api/v1/runs/{run['id']}/resume"
    answer = api.post(path) if body is None else api.post(path, json=body)
    assert answer.status_code == 202, answer.text
    made: Json = strict_json(answer)
    assert answer.headers["location"] == f"/api/v1/runs/{made['id']}"
    assert (made["status"], made["resumed_from"]) == ("queued", run["id"])
    return made


def succeeded(service: Service, run: Json) -> Json:
    ended = service.ended(run["id"])
    assert ended["status"] == "succeeded", ended["error"]
    return ended


def digests(run: Json) -> dict[str, str]:
    found = {file["name"]: file["sha256"] for file in run["result"]["artifacts"]}
    assert len(found) == 6, "the network has a dropout, so there is a file for answers with it"
    return found


def in_the_middle(api: httpx.Client, run: Json, epoch: int = 5) -> None:
    """Follows a run until it has that epoch behind it."""
    for event in follow(api, run["id"]):
        assert event.kind != "end", "the run ended before it could be disturbed"
        if event.kind == "epoch" and event.data["epoch"] >= epoch:
            return


def interrupted(service: Service, api: httpx.Client, dataset: Json, network: Json) -> Json:
    """A long run that was cancelled on its way."""
    run = service.submit(dataset["id"], network, model="resumed", training=LONG, tags=["night"])
    in_the_middle(api, run)
    accepted(api.post(f"/api/v1/runs/{run['id']}/cancel"))
    ended = service.ended(run["id"])
    assert ended["status"] == "cancelled"
    return ended


def epochs(api: httpx.Client, run: Json) -> list[Json]:
    listed: list[Json] = accepted(api.get(f"/api/v1/runs/{run['id']}/metrics"))["epochs"]
    return listed


def everything(api: httpx.Client, run: Json) -> list[bytes]:
    """All that is answered of a run."""
    return [api.get(f"/api/v1/runs/{run['id']}{part}").content for part in ("", "/metrics", "/events")]


def log(api: httpx.Client, run: Json) -> list[str]:
    return [event.data["message"] for event in follow(api, run["id"]) if event.kind == "log"]


def comparable(reports: list[Json]) -> list[Json]:
    """What two runs report of equal epochs: all but the time they took."""
    return [{key: one[key] for key in ("epoch", "learning_rate", "train", "validation")} for one in reports]


def test_a_cancelled_run_goes_on_to_the_same_files_and_never_changes(
    service: Service, api: httpx.Client, penguins: Json, table_network: Json, undisturbed: Json
) -> None:
    old = interrupted(service, api, penguins, table_network)
    before = everything(api, old)
    new = resume(api, old)
    assert (new["training"], new["model"], new["tags"], new["network"]) == (
        old["training"],
        old["model"],
        ["night"],
        old["network"],
    )
    ended = succeeded(service, new)
    assert digests(ended) == digests(undisturbed)
    reports, inherited = epochs(api, new), [one for one in epochs(api, new) if "inherited" in one]
    assert comparable(reports) == comparable(epochs(api, undisturbed))
    assert (
        [{**one, "inherited": True} for one in epochs(api, old)][: len(inherited)]
        == inherited
        == reports[: len(inherited)]
    )
    assert 0 < len(inherited) < LONG["epochs"]
    told = [event.data["epoch"] for event in follow(api, new["id"]) if event.kind == "epoch"]
    assert told == list(range(len(inherited) + 1, LONG["epochs"] + 1))
    assert ended["metrics"] == undisturbed["metrics"]
    assert everything(api, old) == before


def test_a_succeeded_run_goes_on_to_what_it_had_become_with_all_epochs_from_the_start(
    service: Service, api: httpx.Client, penguins: Json, table_network: Json, short: Json
) -> None:
    before = everything(api, short)
    new = succeeded(service, resume(api, short, {"epochs": 7, "model": "longer", "tags": ["b", "a"]}))
    assert (new["model"], new["tags"], new["training"]["epochs"]) == ("longer", ["a", "b"], 7)
    assert digests(new) == digests(trained(service, penguins, table_network, **{**TRAINING, "epochs": 7}))
    assert everything(api, short) == before
    assert accepted(api.get("/api/v1/models/longer"))["versions"][0]["run"] == new["id"]


def test_a_diverged_run_goes_on_with_a_smaller_learning_rate(
    service: Service, api: httpx.Client, penguins: Json, table_network: Json, short: Json
) -> None:
    steep = {"epochs": 6, "training": {"optimizer": {"name": "adam", "learning_rate": 1e30}}}
    diverged = service.ended(resume(api, short, steep)["id"])
    assert (diverged["status"], diverged["error"]["code"]) == ("failed", "diverged")
    new = succeeded(service, resume(api, diverged, {"training": {"optimizer": SMALL}}))
    assert digests(new) == digests(trained(service, penguins, table_network, **{**TRAINING, "epochs": 6}))


def test_one_that_was_resumed_and_cancelled_in_the_queue_can_be_resumed_again(
    service: Service, api: httpx.Client, penguins: Json, table_network: Json, short: Json
) -> None:
    busy = service.submit(penguins["id"], table_network, model="resumed", training={**LONG, "epochs": 100_000})
    in_the_middle(api, busy, 1)
    queued = resume(api, short, {"epochs": 7})
    accepted(api.post(f"/api/v1/runs/{queued['id']}/cancel"))
    accepted(api.post(f"/api/v1/runs/{busy['id']}/cancel"))
    new = succeeded(service, resume(api, queued))
    assert digests(new) == digests(trained(service, penguins, table_network, **{**TRAINING, "epochs": 7}))


@pytest.mark.parametrize("given", [False, True])
def test_a_schedule_keeps_its_first_horizon_unless_it_is_given_anew(
    service: Service, api: httpx.Client, penguins: Json, table_network: Json, given: bool
) -> None:
    old = trained(service, penguins, table_network, **TRAINING, schedule="cosine")
    new = succeeded(service, resume(api, old, {"epochs": 8, **({"training": {"schedule": "cosine"}} if given else {})}))
    rates = [one["learning_rate"] for one in epochs(api, new)]
    assert rates[:4] == [one["learning_rate"] for one in epochs(api, old)]
    # Half way along a cosine over all eight epochs, or at the end of one over four.
    assert all(0.0001 < rate < 0.0005 for rate in rates[4:6]) if given else rates[4:] == [0.0] * 4


def test_a_setting_that_is_left_out_keeps_its_value_inside_the_optimizer_too(
    service: Service, api: httpx.Client, penguins: Json, table_network: Json
) -> None:
    sgd = {"name": "sgd", "learning_rate": 0.05, "momentum": 0.9, "nesterov": True}
    stopping = {"monitor": "validation_accuracy", "patience": 50}
    old = trained(service, penguins, table_network, **TRAINING, optimizer=sgd, early_stopping=stopping)
    training = {"optimizer": {"name": "sgd", "learning_rate": 0.01}, "early_stopping": {"patience": 60}, "epochs": 5}
    new = succeeded(service, resume(api, old, {"training": {**training, "gradient_clip_norm": 1}}))
    assert new["training"] == {
        **old["training"],
        "epochs": 5,
        "optimizer": {**sgd, "learning_rate": 0.01},
        "early_stopping": {**old["training"]["early_stopping"], "patience": 60},
        "gradient_clip_norm": 1.0,
    }


def test_twenty_at_once_with_one_key_make_one_run_and_one_copy(service: Service, short: Json) -> None:
    headers, before = {"Idempotency-Key": uuid.uuid4().hex}, copies(service)

    def ask(_: int) -> Json:
        with httpx.Client(base_url=service.address, timeout=60) as client:
            return accepted(client.post(f"/api/v1/runs/{short['id']}/resume", json={"epochs": 5}, headers=headers))

    with ThreadPoolExecutor(20) as pool:
        made = list(pool.map(ask, range(20)))
    assert all(one == made[0] for one in made)
    assert copies(service) - before == {service.data_dir / "runs" / made[0]["id"] / "inherited"}
    assert list((service.data_dir / "incoming").iterdir()) == []
    succeeded(service, made[0])


def copies(service: Service) -> set[Path]:
    return set((service.data_dir / "runs").glob("*/inherited"))


def test_a_flipped_bit_costs_the_newest_checkpoint_and_not_the_run(
    service: Service, api: httpx.Client, penguins: Json, table_network: Json, undisturbed: Json
) -> None:
    run = service.submit(penguins["id"], table_network, model="resumed", training=LONG)
    folder = service.data_dir / "runs" / run["id"] / "attempt-1"
    for event in follow(api, run["id"]):
        assert event.kind != "end", "the run ended before it had a checkpoint"
        if len(list(folder.glob("checkpoint-*"))) > 1:
            break
    accepted(api.post(f"/api/v1/runs/{run['id']}/cancel"))
    old = service.ended(run["id"])
    newest = max(folder.glob("checkpoint-*"), key=lambda path: int(path.stem.rpartition("-")[2]))
    content = bytearray(newest.read_bytes())
    content[-1] ^= 1
    newest.write_bytes(content)
    new = succeeded(service, resume(api, old))
    assert "the newest checkpoint is damaged; the one before it is used" in log(api, new)
    assert digests(new) == digests(undisturbed)


def test_epochs_that_the_checkpoint_has_behind_it_are_refused_and_no_copy_stays(
    service: Service, api: httpx.Client, penguins: Json, table_network: Json
) -> None:
    old, before = interrupted(service, api, penguins, table_network), copies(service)
    done = len(epochs(api, old))
    for body, pointer in (({"epochs": done}, "/epochs"), ({"training": {"epochs": 1}}, "/training/epochs")):
        document = expect_problem(api.post(f"/api/v1/runs/{old['id']}/resume", json=body), 422)
        assert pointers(document) == [pointer]
        assert str(done) in document["detail"]
    assert copies(service) == before
    new = succeeded(service, resume(api, old, {"epochs": done + 1}))
    assert len(epochs(api, new)) == done + 1


def test_the_new_run_ends_as_it_would_where_the_old_one_is_deleted(
    service: Service, api: httpx.Client, penguins: Json, table_network: Json, undisturbed: Json
) -> None:
    old = interrupted(service, api, penguins, table_network)
    new = resume(api, old)
    assert api.delete(f"/api/v1/runs/{old['id']}").status_code == 204
    assert digests(succeeded(service, new)) == digests(undisturbed)
    assert accepted(api.get(f"/api/v1/runs/{new['id']}"))["resumed_from"] == old["id"]


def test_a_table_of_metrics_says_which_epochs_are_inherited_where_there_are_some(
    service: Service, api: httpx.Client, short: Json
) -> None:
    new = succeeded(service, resume(api, short, {"epochs": 5}))
    table = [line.split(",") for line in csv_of(api, new)]
    assert table[0][-1] == "inherited"
    assert [line[-1] for line in table[1:]] == ["true"] * 4 + [""]
    assert "inherited" not in csv_of(api, short)[0]


def csv_of(api: httpx.Client, run: Json) -> list[str]:
    return api.get(f"/api/v1/runs/{run['id']}/metrics", headers={"Accept": "text/csv"}).text.splitlines()


def test_a_run_that_was_promised_goes_on_after_the_service_was_killed(
    service: Service, api: httpx.Client, penguins: Json, table_network: Json, undisturbed: Json
) -> None:
    old = interrupted(service, api, penguins, table_network)
    new = resume(api, old)
    service.kill()
    service.start()
    assert digests(succeeded(service, new)) == digests(undisturbed)
