"""Health, readiness, the front door, and what is answered where there is nothing."""

import httpx


def test_a_living_service_says_so(api: httpx.Client) -> None:
    assert api.get("/healthz").json() == {"status": "alive"}


def test_a_ready_service_names_what_it_checked(api: httpx.Client) -> None:
    answer = api.get("/readyz").json()
    assert answer == {"status": "ready", "checks": {"database": "ok", "storage": "ok", "worker": "ok"}}
