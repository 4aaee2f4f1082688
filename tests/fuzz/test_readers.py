"""The seeds of the fuzzers, and every input that ever found a fault, pass through the same targets."""

import pytest

from tests.fuzz.found import FOUND
from tests.fuzz.seeds import seeds
from tests.fuzz.targets import TARGETS

INPUTS = [
    pytest.param(name, content, id=f"{name}-{label}")
    for name in TARGETS
    for label, content in [*enumerate(seeds(name)), *FOUND.get(name, {}).items(), ("empty", b"")]
]


@pytest.mark.parametrize(("target", "content"), INPUTS)
def test_what_was_sent_is_read_or_refused(target: str, content: bytes) -> None:
    TARGETS[target](content)


def test_every_fault_found_belongs_to_a_target() -> None:
    assert FOUND.keys() <= TARGETS.keys()
