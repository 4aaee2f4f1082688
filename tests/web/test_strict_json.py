"""Strict JSON, where its cost could grow faster than the body."""

import json

import pytest

from app.errors import Malformed
from app.web.strict_json import read_json


def test_a_key_that_stands_twice_among_very_many_is_found_at_once() -> None:
    # Looked for pair by pair this would take hours, and the test's own limit would end it.
    names = [f"key{index}" for index in range(300_000)]
    body = "{" + ",".join(f"{json.dumps(name)}:0" for name in [*names, names[-1]]) + "}"
    with pytest.raises(Malformed, match="key299999") as caught:
        read_json(body.encode())
    assert caught.value.code == "duplicate_key"
