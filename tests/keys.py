"""Services that ask for keys, and keys for them."""

from typing import Any

import httpx

from tests.service import Service, accepted

ADMIN = "dn_" + "TestsFirstKey0" * 3
"""The first key of services under test: no secret of anybody's."""


def guarded(folder: Any, **settings: str) -> Service:
    """A service that asks for keys; its own client shows the first one, of all scopes."""
    service = Service(folder, auth="on", admin_key=ADMIN, **settings)
    service.client.headers["Authorization"] = f"Bearer {ADMIN}"
    return service


def made(service: Service, *scopes: str, project: str = "default", **more: Any) -> dict[str, Any]:
    """Makes a key; answers all that is said of it, the key itself too."""
    wanted = {"name": "of a test", "scopes": list(scopes), "project": project, **more}
    return accepted(service.client.post("/api/v1/keys", json=wanted))


def client(service: Service, key: str | None) -> httpx.Client:
    """A client that shows `key`, or none."""
    headers = {} if key is None else {"Authorization": f"Bearer {key}"}
    return httpx.Client(base_url=service.address, timeout=60, headers=headers)


def holder(service: Service, *scopes: str, project: str = "default") -> httpx.Client:
    """A client with a new key of these scopes."""
    return client(service, made(service, *scopes, project=project)["key"])
