"""The commands that the pages tell an operator to run."""

import re

from tests.service import HOME

ADDRESS = "http://127.0.0.1:8000"


def blocks(page: str, heading: str) -> list[str]:
    """The shell blocks of a page's section, down to the next heading of its level or above, in their order."""
    text = (HOME / page).read_text()
    found = re.search(rf"^(#+) {re.escape(heading)}$", text, re.MULTILINE)
    assert found is not None, f"{page} has no heading {heading}"
    rest = text[found.end() :]
    end = re.search(rf"^#{{1,{len(found[1])}}} ", re.sub(r"```.*?```", lambda code: " " * len(code[0]), rest, flags=re.S), re.M)
    section = rest[: end.start()] if end is not None else rest
    return re.findall(r"^```sh\n(.*?)^```$", section, re.DOTALL | re.MULTILINE)
