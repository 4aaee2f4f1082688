"""Alerts and dashboard ask for figures that the service gives, and say what to do."""

import json
import re
from typing import Any

import pytest
import yaml

from tests.service import HOME

MONITORING = HOME / "deploy/monitoring"
GROUPS: list[dict[str, Any]] = yaml.safe_load((MONITORING / "prometheus/alerts.yml").read_text())["groups"]
RULES = [rule for group in GROUPS for rule in group["rules"]]
DASHBOARD: dict[str, Any] = json.loads((MONITORING / "grafana/dashboards/dropnorm.json").read_text())
QUERIES = [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]
METRICS = {
    "dropnorm_jobs",
    "dropnorm_queue_oldest_seconds",
    "dropnorm_runs",
    "dropnorm_worker_epochs_total",
    "dropnorm_worker_training_rows_total",
    "dropnorm_training_rows_per_second",
    "dropnorm_worker_leases_lost_total",
    "dropnorm_worker_trainers_lost_total",
    "dropnorm_workers_seen",
    "dropnorm_http_requests_total",
    "dropnorm_http_request_seconds_bucket",
    "dropnorm_prediction_seconds_bucket",
    "dropnorm_prediction_rows_total",
    "dropnorm_model_cache_models",
    "dropnorm_model_cache_requests_total",
    "dropnorm_database_up",
    "dropnorm_database_seconds",
    "dropnorm_disk_free_bytes",
    "dropnorm_disk_total_bytes",
}


@pytest.mark.parametrize("query", [rule["expr"] for rule in RULES] + QUERIES)
def test_a_query_names_figures_of_the_service(query: str) -> None:
    assert {*re.findall(r"\bdropnorm_\w+", query)} <= METRICS
    assert re.search(r"\bdropnorm_\w+|\bup\{", query)


def test_every_figure_is_on_the_dashboard() -> None:
    assert {*re.findall(r"\bdropnorm_\w+", " ".join(QUERIES))} == METRICS


def test_an_operator_hears_of_what_stops_the_service_or_its_runs() -> None:
    asked = " ".join(rule["expr"] for rule in RULES)
    for figure in (
        "up{",
        "dropnorm_database_up",
        "dropnorm_workers_seen",
        "dropnorm_queue_oldest_seconds",
        "dropnorm_runs",
        "dropnorm_worker_leases_lost_total",
        "dropnorm_http_requests_total",
        "dropnorm_prediction_seconds_bucket",
        "dropnorm_disk_free_bytes",
    ):
        assert figure in asked, figure


@pytest.mark.parametrize("rule", RULES, ids=[rule["alert"] for rule in RULES])
def test_an_alert_says_how_bad_it_is_and_where_help_stands(rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in ("warning", "critical")
    assert {"summary", "description"} == {*rule["annotations"]}
    page = (HOME / "docs/operations.md").read_text()
    for heading in re.findall(r"See: ([^.`]+)\.", rule["annotations"]["description"]):
        assert f"**{heading}" in page, heading


def test_panels_do_not_overlap_and_ask_the_one_source_of_data() -> None:
    places = [panel["gridPos"] for panel in DASHBOARD["panels"]]
    taken = {
        (x, y) for at in places for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])
    }
    assert len(taken) == sum(at["w"] * at["h"] for at in places)
    assert max(at["x"] + at["w"] for at in places) <= 24
    source = yaml.safe_load((MONITORING / "grafana/provisioning/datasources/prometheus.yml").read_text())
    assert {panel["datasource"]["uid"] for panel in DASHBOARD["panels"]} == {source["datasources"][0]["uid"]}


def test_prometheus_reads_every_replica_by_itself_with_a_key_from_a_file() -> None:
    config = yaml.safe_load((MONITORING / "prometheus/prometheus.yml").read_text())
    jobs = {job["job_name"]: job for job in config["scrape_configs"]}
    assert jobs["dropnorm"]["static_configs"] == [{"targets": ["api-1:8000", "api-2:8000"]}]
    assert jobs["dropnorm"]["authorization"] == {"credentials_file": "/run/dropnorm/metrics-key"}
