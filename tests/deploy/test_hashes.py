"""The image's list of packages: the lock's versions, everything that runs, and a hash for each."""

import re
import tomllib
from importlib.metadata import requires

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.service import HOME

TEXT = (HOME / "requirements.hashes").read_text()
HASHED: dict[str, tuple[str, list[str]]] = {
    name: (version, re.findall(r"--hash=sha256:([0-9a-f]{64})", hashes))
    for name, version, hashes in re.findall(r"^([a-z0-9-]+)==([\w.]+)((?: \\\n    --hash=\S+)+)$", TEXT, re.MULTILINE)
}
LOCKED = dict(line.split("==") for line in (HOME / "requirements.lock").read_text().splitlines())
BUILD = {"setuptools"}
"""Builds the project in the image; the lock, which is for environments with a pip of their own, has none."""
ELSEWHERE = {"torch"}
"""Another wheel for another processor: its hash is an argument of the Dockerfile."""


def test_a_package_is_a_name_a_version_and_hashes_and_nothing_else() -> None:
    lines = sum(1 + len(hashes) for _, hashes in HASHED.values())
    assert lines == len(TEXT.splitlines())
    assert [name for name, (_, hashes) in HASHED.items() if not hashes] == []


def test_versions_are_the_locks() -> None:
    assert {
        name: version for name, (version, _) in HASHED.items() if LOCKED.get(name) != version and name not in BUILD
    } == {}


def test_everything_that_runs_is_there_and_nothing_of_development() -> None:
    project = tomllib.loads((HOME / "pyproject.toml").read_text())
    direct = [Requirement(text) for text in project["project"]["dependencies"]]
    wanted = closure(direct) | {Requirement(text).name for text in project["build-system"]["requires"]}
    assert {*HASHED} == wanted - ELSEWHERE


def test_the_dockerfile_checks_every_wheel_and_has_pytorchs_hash_itself() -> None:
    text = (HOME / "Dockerfile").read_text()
    assert re.search(r"^ARG TORCH_SHA256=[0-9a-f]{64}$", text, re.MULTILINE)
    installs = re.findall(r"python install (.*(?:\\\n.*)*)", text)
    unchecked = [one for one in installs if "--require-hashes" not in one and "--editable ." not in one]
    # The one that has to be asked for, by TORCH_SHA256=unchecked.
    assert len(installs) == 4
    assert len(unchecked) == 1
    assert text.index('"$TORCH_SHA256" = unchecked') < text.index(unchecked[0])


def closure(wanted: list[Requirement]) -> set[str]:
    """The names of packages and of all that they need here, as this environment's own records say."""
    found: set[str] = set()
    seen: set[tuple[str, frozenset[str]]] = set()
    while wanted:
        one = wanted.pop()
        key = (canonicalize_name(one.name), frozenset(one.extras))
        if key in seen:
            continue
        seen.add(key)
        found.add(key[0])
        for text in requires(one.name) or []:
            needed = Requirement(text)
            if needed.marker is None or any(needed.marker.evaluate({"extra": extra}) for extra in ("", *one.extras)):
                wanted.append(needed)
    return found
