"""The compose file as it is written: nothing is left out for a service, and no secret has a default."""

import re
from typing import Any

import pytest
import yaml

from tests.deploy.pages import blocks, commands
from tests.service import HOME

Json = dict[str, Any]
TEXT = (HOME / "docker-compose.yml").read_text()
COMPOSE: Json = yaml.safe_load(TEXT)
SERVICES: dict[str, Json] = COMPOSE["services"]
SECRETS = ("POSTGRES_PASSWORD", "DROPNORM_ADMIN_KEY")
EXAMPLE = (HOME / ".env.example").read_text()
each_service = pytest.mark.parametrize("name", SERVICES)


@each_service
def test_a_service_is_confined(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "privileged" not in service
    # PostgreSQL's entrypoint begins as root, to give its folder to the user that it then becomes.
    assert service.get("cap_add", []) == (
        ["CHOWN", "DAC_OVERRIDE", "FOWNER", "SETGID", "SETUID"] if name == "database" else []
    )


@each_service
def test_a_service_has_limits_and_a_log_that_does_not_grow_for_ever(name: str) -> None:
    service = SERVICES[name]
    assert {"mem_limit", "cpus", "pids_limit"} <= {*service}
    assert {"max-size", "max-file"} == {*service["logging"]["options"]}
    assert service["restart"] == ("no" if name == "migrate" else "unless-stopped")


def test_the_proxy_alone_is_published_and_on_loopback_unless_asked_otherwise() -> None:
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert {*published} == {"proxy", "prometheus", "grafana"}
    assert published["proxy"] == ["${DROPNORM_PUBLISHED_ADDRESS:-127.0.0.1}:${DROPNORM_PUBLISHED_PORT:-8000}:8000"]
    assert all(port.startswith("127.0.0.1:") for name in ("prometheus", "grafana") for port in published[name])
    outwards = {name for name, network in COMPOSE["networks"].items() if not (network or {}).get("internal")}
    assert {name for name, service in SERVICES.items() if outwards & {*service["networks"]}} == {*published}
    assert SERVICES["database"]["networks"] == ["storage"]
    assert SERVICES["worker"]["networks"] == ["storage"]


def test_a_start_without_secrets_is_refused_and_none_has_a_default() -> None:
    for name in SECRETS:
        assert re.search(rf"\$\{{{name}:\?", TEXT), name
        assert not re.search(rf"\$\{{{name}:?-[^}}]", TEXT), name
    for name in re.findall(r"^(\w*(?:PASSWORD|_KEY))=(.*)$", EXAMPLE, re.MULTILINE):
        assert name[1] == "", name


def test_the_example_of_the_environment_names_what_must_be_given_and_nothing_unknown() -> None:
    given = {*re.findall(r"^(\w+)=", EXAMPLE, re.MULTILINE)}
    assert {*SECRETS} <= given
    assert given <= {*re.findall(r"\$\{(\w+)", TEXT)}


def test_the_page_for_operators_names_every_variable() -> None:
    page = (HOME / "docs/operations.md").read_text()
    assert {name for name in re.findall(r"(?<!\$)\$\{(\w+):", TEXT) if f"`{name}`" not in page} == set()


def test_services_start_once_what_they_need_is_healthy() -> None:
    needs = {name: service.get("depends_on", {}) for name, service in SERVICES.items()}
    assert needs["migrate"] == {"database": {"condition": "service_healthy"}}
    migrated = {"migrate": {"condition": "service_completed_successfully"}}
    assert needs["api-1"] == needs["api-2"] == needs["worker"] == migrated
    assert needs["proxy"] == {replica: {"condition": "service_healthy"} for replica in ("api-1", "api-2")}
    assert {SERVICES[name]["stop_grace_period"] for name in ("database", "api-1", "worker", "proxy")} == {"60s"}


def test_replicas_are_alike_and_go_on_serving_for_longer_than_the_proxy_takes_to_notice() -> None:
    assert SERVICES["api-1"] == SERVICES["api-2"]
    proxy = (HOME / "deploy/proxy/haproxy.cfg").read_text()
    found = re.search(r"check inter (\d+)ms fastinter (\d+)ms .* fall (\d+)", proxy)
    assert found is not None
    regular, fast, fall = (int(number) for number in found.groups())
    noticed_seconds = (regular + fast * fall) / 1000
    assert float(SERVICES["api-1"]["environment"]["DROPNORM_DRAIN_SECONDS"]) > 2 * noticed_seconds


def test_the_pages_sections_are_what_the_deployment_test_runs() -> None:
    started, keys, restarts = blocks("README.md", "Docker compose")
    assert [command.split()[0] for command in commands(started)] == ["sed", "chmod", "docker", "docker", "curl"]
    assert len(commands(keys)) == 2
    assert commands(restarts)[0] == "deploy/restart"
    assert len(blocks("docs/operations.md", "Backup with Docker")) == 2
