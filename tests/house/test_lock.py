"""The lock names what set-up installs: every direct dependency, exact versions, and no place they come from."""

import re
import tomllib

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.service import HOME

LOCKED = (HOME / "requirements.lock").read_text().splitlines()
PINNED = re.compile(r"^([a-z0-9][a-z0-9._-]*)==(\d[\w.]*)$")


def test_a_line_is_a_name_and_a_version_and_nothing_else() -> None:
    assert [line for line in LOCKED if not PINNED.match(line)] == []


def test_every_direct_dependency_is_locked_to_a_version_that_the_project_allows() -> None:
    project = tomllib.loads((HOME / "pyproject.toml").read_text())["project"]
    versions = {canonicalize_name(name): version for name, version in (line.split("==") for line in LOCKED)}
    wanted = [Requirement(text) for text in (*project["dependencies"], *project["optional-dependencies"]["dev"])]
    assert [one.name for one in wanted if canonicalize_name(one.name) not in versions] == []
    refused = [one.name for one in wanted if not one.specifier.contains(versions[canonicalize_name(one.name)])]
    assert refused == []
