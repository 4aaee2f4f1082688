"""T29: what a break-in would find in the containers. A user without rights, nothing to write on but the data, no
capability, and no port but the one that is asked for. Seen running by the tests in tests/deploy.
"""

import re
from typing import Any

import pytest
import yaml

from tests.service import HOME

Json = dict[str, Any]
WRITABLE = {
    "/data",
    "/tmp",
    "/var/lib/postgresql/data",
    "/run/postgresql",
    "/prometheus",
    "/run/dropnorm",
    "/var/lib/grafana",
}


@pytest.fixture(scope="module")
def services() -> dict[str, Json]:
    """The services of the composition, with what they share filled in."""
    found: dict[str, Json] = yaml.safe_load((HOME / "docker-compose.yml").read_text())["services"]
    return found


def test_the_image_runs_as_a_user_without_rights() -> None:
    last = (HOME / "Dockerfile").read_text().rpartition("\nFROM ")[2]
    [user] = re.findall(r"^USER (\S+)$", last, flags=re.MULTILINE)
    assert user.partition(":")[0] not in ("root", "0")
    assert re.search(r"useradd .*--shell /usr/sbin/nologin dropnorm\b", (HOME / "Dockerfile").read_text())
    # Nothing after it becomes root again, and no secret is baked in.
    assert "sudo" not in last
    assert not re.findall(r"^(?:ENV|ARG) .*(?:KEY|PASSWORD|SECRET)", last, flags=re.MULTILINE)


def test_the_database_is_not_published(services: dict[str, Json]) -> None:
    assert "ports" not in services["database"]
    assert "network_mode" not in services["database"]


def test_what_is_published_is_on_loopback_unless_somebody_says_otherwise(services: dict[str, Json]) -> None:
    published = {name: service["ports"] for name, service in services.items() if "ports" in service}
    assert published
    for ports in published.values():
        for port in ports:
            assert re.match(r"127\.0\.0\.1:|\$\{DROPNORM_PUBLISHED_ADDRESS:-127\.0\.0\.1\}:", str(port)), port


def test_nothing_is_written_but_data(services: dict[str, Json]) -> None:
    for name, service in services.items():
        assert service["read_only"] is True, name
        for volume in service.get("volumes", []):
            source, target, *options = str(volume).split(":")
            assert target in WRITABLE or "ro" in options, (name, volume)
            assert "docker.sock" not in source, name
        for place in service.get("tmpfs", []):
            assert str(place).split(":")[0] in WRITABLE, (name, place)


def test_no_container_may_do_more_than_it_needs(services: dict[str, Json]) -> None:
    for name, service in services.items():
        assert "privileged" not in service, name
        assert service["cap_drop"] == ["ALL"], name
        assert "no-new-privileges:true" in service["security_opt"], name
        assert not {"SYS_ADMIN", "NET_ADMIN", "SYS_PTRACE"} & set(service.get("cap_add", [])), name


def test_secrets_come_from_the_environment_and_must_be_given() -> None:
    text = (HOME / "docker-compose.yml").read_text()
    for line in re.findall(r"^\s*(?:POSTGRES_PASSWORD|DROPNORM_ADMIN_KEY): (.*)$", text, flags=re.MULTILINE):
        assert line.startswith("${"), line
        assert ":-" not in line, line
