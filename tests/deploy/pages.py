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
    # Comments of a shell look like headings.
    prose = re.sub(r"```.*?```", lambda code: " " * len(code[0]), rest, flags=re.DOTALL)
    end = re.search(rf"^#{{1,{len(found[1])}}} ", prose, re.MULTILINE)
    section = rest[: end.start()] if end is not None else rest
    return re.findall(r"^```sh\n(.*?)^```$", section, re.DOTALL | re.MULTILINE)


def commands(block: str) -> list[str]:
    """The commands of a block, each as it would be pasted: a backslash joins lines."""
    return block.replace("\\\n", " ").splitlines()
