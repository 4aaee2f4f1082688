"""A line of the log is one line, whatever a stranger put into it."""

import json
import logging
import sys
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app import logs
from app.logs import JsonFormatter, TextFormatter, about_run, request_id, visible
from app.web.access_log import ATOMIC_BYTES, LONGEST_PATH, Record, _json, _text

HOSTILE = "name\r\n2026-01-01T00:00:00.000Z INFO dropnorm: forged\x1b[2J\x9b31m\x00\u2028\u202egnp.exe\x7f\t"


def record(message: str, *arguments: object, error: Exception | None = None) -> logging.LogRecord:
    about = (type(error), error, error.__traceback__) if error is not None else None
    return logging.LogRecord("dropnorm.web", logging.WARNING, __file__, 1, message, arguments, about)


def raised(text: str) -> Exception:
    try:
        raise ValueError(text)
    except ValueError as error:
        return error


@given(st.text())
def test_what_is_visible_is_printed_on_one_line(text: str) -> None:
    shown = visible(text)
    assert len(shown.splitlines()) <= 1
    assert not any(ord(sign) < 32 or 127 <= ord(sign) < 160 for sign in shown)
    shown.encode()


def test_ordinary_text_of_any_language_is_left_as_it_is() -> None:
    for text in ("penguins", "Størrelse (mm)", "企鹅", "بطريق", "a\\b"):
        assert visible(text) == text


@pytest.mark.parametrize("formatter", [TextFormatter(), JsonFormatter()], ids=["text", "json"])
def test_a_hostile_name_stays_on_the_line_that_tells_of_it(formatter: logging.Formatter) -> None:
    line = formatter.format(record("the dataset %s is refused", HOSTILE))
    assert len(line.splitlines()) == 1
    assert "\x1b" not in line
    assert "\x9b" not in line
    assert "forged" in line


def test_a_traceback_in_a_text_cannot_forge_a_line_and_is_one_string_in_json() -> None:
    told = record("it failed", error=raised(HOSTILE))
    first, *others = TextFormatter().format(told).splitlines()
    assert first.endswith("WARNING dropnorm.web: it failed")
    assert all(line.startswith("  | ") for line in others)
    assert "\x1b" not in "".join(others)
    whole = JsonFormatter().format(told)
    assert len(whole.splitlines()) == 1
    assert json.loads(whole)["exception"].startswith("Traceback (most recent call last):\n")


def test_a_line_names_the_request_and_the_run_that_it_is_about() -> None:
    token = request_id.set("request-7")
    with about_run("run_x"):
        text, values = TextFormatter().format(record("a")), json.loads(JsonFormatter().format(record("a")))
    request_id.reset(token)
    assert text.endswith("WARNING dropnorm.web request=request-7 run=run_x: a")
    assert (values["request"], values["run"]) == ("request-7", "run_x")
    assert values["time"].endswith("Z")
    assert {"request", "run"} & set(json.loads(JsonFormatter().format(record("a")))) == set()


def test_a_message_with_the_wrong_number_of_values_is_still_told() -> None:
    assert "three %s %s" in TextFormatter().format(record("three %s %s", 1))


@pytest.mark.parametrize("line_of", [_text, _json], ids=["text", "json"])
def test_a_line_of_the_access_log_is_one_line_and_of_bounded_length(line_of: object) -> None:
    assert callable(line_of)
    for path in (f"/{HOSTILE}", "/\U0010ffff" * 30_000):
        line = line_of(Record(1.5, "id", "GET", "unknown", path, 404, 0.0012, 20, HOSTILE, HOSTILE))
        assert line.endswith("\n")
        assert len(line.splitlines()) == 1
        assert "\x1b" not in line
        assert len(line.encode()) < ATOMIC_BYTES
        if line_of is _json:
            told = json.loads(line)
            assert (told["path"], told["key"], told["project"]) == (path[:LONGEST_PATH], HOSTILE, HOSTILE)
            assert (told["time"], told["milliseconds"]) == ("1970-01-01T00:00:01.500Z", 1.2)


def test_a_child_process_logs_as_its_parent_does() -> None:
    root = logging.getLogger()
    hooks = sys.excepthook, threading.excepthook, sys.unraisablehook
    before, level = list(root.handlers), root.level
    try:
        logs.configure("json", "WARNING")
        assert logs.arguments() == ["json", "WARNING"]
        logs.configure_from(["text", "DEBUG"])
        assert (logs.form(), root.level) == ("text", logging.DEBUG)
    finally:
        logging.captureWarnings(False)
        sys.excepthook, threading.excepthook, sys.unraisablehook = hooks
        root.handlers[:], root.level = before, level
