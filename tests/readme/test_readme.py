"""Every command of the README is run, and its answer is what the README says."""

import json
import re
from pathlib import Path

import pytest

from tests.readme.console import README, run_all
from tests.service import Service

CHANGING = (
    (re.compile(r"\b(ds|net|run|key)_[0-9a-z]{20}\b"), r"\1_ID"),
    (re.compile(r"\bdn_[0-9A-Za-z]{4,40}\b"), "dn_KEY"),
    (re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+Z"), "TIME"),
)
MEASURED = {"seconds", "rows_per_second", "seconds_left"}


def steady(text: str) -> str:
    """`text` without what differs from run to run: ids and times."""
    for pattern, word in CHANGING:
        text = pattern.sub(word, text)
    return text


def parsed(line: str) -> object:
    """The JSON of an answer's line (behind `data: ` in a stream), else the line."""
    try:
        return json.loads(line.removeprefix("data: "))
    except ValueError:
        return line


def same(told: object, answered: object) -> None:
    """Equal, but for numbers: their last digits depend on the processor, and what is timed on the machine."""
    if isinstance(told, dict) and isinstance(answered, dict):
        assert told.keys() == answered.keys()
        for key in told.keys() - MEASURED:
            same(told[key], answered[key])
    elif isinstance(told, list) and isinstance(answered, list):
        assert len(told) == len(answered)
        for one, other in zip(told, answered, strict=True):
            same(one, other)
    elif isinstance(told, float) or isinstance(answered, float):
        assert answered == pytest.approx(told, rel=0.05, abs=0.01)
    else:
        assert answered == told


def test_every_answer_in_the_readme_is_true(tmp_path: Path) -> None:
    # A service of its own: on a shared one another test may have made a model of the same name.
    with Service(tmp_path) as service:
        answered = run_all(README.read_text(), service.address)
    assert len(answered) > 15
    for call, answer in answered:
        told_lines, lines = steady(call.answer).splitlines(), steady(answer).splitlines()
        assert len(told_lines) == len(lines), call.command
        for told, line in zip(told_lines, lines, strict=True):
            if "probability_" in told or (re.search(r"\d\.\d{6}", told) and "{" not in told):
                same([parsed(cell) for cell in told.split(",")], [parsed(cell) for cell in line.split(",")])
            else:
                same(parsed(told), parsed(line))
