"""What the proxy does with requests that got no answer."""

import json
import re

from tests.service import HOME

TEXT = (HOME / "deploy/proxy/haproxy.cfg").read_text()


def section(name: str) -> list[str]:
    """The lines of a section, without comments."""
    found = re.search(rf"^{name}\n((?:[ ].*\n|\n|#.*\n)*)", TEXT, re.MULTILINE)
    assert found is not None
    return [line.strip() for line in found[1].splitlines() if line.startswith(" ") and line.strip()[0] != "#"]


def test_a_change_is_sent_once_and_what_changes_nothing_again() -> None:
    again = {"conn-failure", "empty-response", "junk-response"}
    retried = {
        name: next(line.split()[1:] for line in section(f"backend {name}") if line.startswith("retry-on"))
        for name in ("predictions", "protocols", "reads", "changes")
    }
    assert {*retried["predictions"]} == {*retried["protocols"]} == {*retried["reads"]} == again
    # Where no connection came about, nothing was sent.
    assert retried["changes"] == ["conn-failure"]


def test_requests_go_where_their_method_and_path_say() -> None:
    routes = [line for line in section("frontend service") if "backend" in line]
    assert routes == [
        "use_backend predictions if METH_POST { path_end /predict }",
        "use_backend protocols if METH_POST { path_end /infer :predict :classify :regress /invocations }",
        "use_backend protocols if { path_beg /v1/ /v2/ } { method GET HEAD }",
        "use_backend reads if { method GET HEAD OPTIONS }",
        "default_backend changes",
    ]


def test_every_backend_knows_both_replicas() -> None:
    for name in ("predictions", "protocols", "reads", "changes"):
        servers = [line for line in section(f"backend {name}") if line.startswith("server")]
        assert servers == ["server api-1 api-1:8000", "server api-2 api-2:8000"]


def test_failures_of_the_proxys_own_are_problem_documents() -> None:
    errors = [line for line in section("defaults") if line.startswith("http-error")]
    assert {line.split()[2] for line in errors} == {"400", "408", "502", "503", "504"}
    assert all('application/problem+json string \'{"type":"about:blank"' in line for line in errors)


def test_failures_have_words_for_the_clients_of_other_protocols() -> None:
    errors = [line for line in section("backend protocols") if line.startswith("http-error")]
    assert {line.split()[2] for line in errors} == {"502", "503", "504"}
    for line in errors:
        found = json.loads(line.split("'")[1])
        assert found["error"] == found["message"]
        assert found["error_code"] == "TEMPORARILY_UNAVAILABLE"


def test_neither_a_query_nor_a_header_is_logged() -> None:
    (log,) = [line for line in section("defaults") if line.startswith("log-format")]
    assert "capture.req.uri,field(1,?)" in log
    assert not re.search(r"%(HU|HQ|r|hr|hs)\b|%\{\+Q\}r|req\.hdr", log)
    assert "capture request header" not in TEXT
