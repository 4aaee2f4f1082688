"""A run's priority over HTTP: who is taken first, and what is refused."""

from pathlib import Path
from typing import Any

import httpx
import pytest

from app.storage.database import Database
from app.storage.runs import of_job
from tests.answers import expect_problem, pointers
from tests.service import EXAMPLES, Service, accepted
from tests.storage.rows import claim

Json = dict[str, Any]
LAYERS: Json = {"layers": [{"type": "dense"}]}


def test_runs_of_a_higher_priority_are_taken_first_and_equal_ones_in_the_order_of_submission(tmp_path: Path) -> None:
    with Service(tmp_path, workers="0") as service:
        dataset = service.upload(EXAMPLES / "penguins.csv", target="species")["id"]
        wanted = [None, 10, -100, 10, 100, 0]
        made = [
            service.submit(dataset, LAYERS, **({} if priority is None else {"priority": priority}))
            for priority in wanted
        ]
        assert [run["priority"] for run in made] == [priority or 0 for priority in wanted]
        assert accepted(service.client.get(f"/api/v1/runs/{made[4]['id']}"))["priority"] == 100
        database = Database(f"sqlite:///{service.data_dir / 'dropnorm.db'}")
        taken = []
        for _ in made:
            held = claim(database)
            with database.read() as session:
                taken.append(of_job(session, held.job_id).id)
        database.close()
        assert taken == [made[place]["id"] for place in (4, 1, 3, 0, 5, 2)]


@pytest.mark.parametrize("priority", [-101, 101, 1.5, "7", True, None])
def test_a_priority_is_a_whole_number_from_minus_100_to_100(
    api: httpx.Client, penguins: Json, priority: object
) -> None:
    body = {"dataset": penguins["id"], "network": LAYERS, "priority": priority}
    assert pointers(expect_problem(api.post("/api/v1/runs", json=body), 422)) == ["/priority"]
