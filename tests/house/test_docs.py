"""The pages are true: links lead somewhere, every setting is named with its default, and a backup can be restored."""

import re
import subprocess
from pathlib import Path
from urllib.parse import unquote

import pytest

from app.settings import PREFIX, Settings
from tests.conftest import Json
from tests.house.sources import tracked
from tests.service import HOME, Service

LONGEST_DECISION = 50
# Split, so that these lines are no place of their own on one machine.
FOREIGN = ("pypi.org", "pythonhosted.org", "download.pytorch.org", "/opt/wheels", "/" + "work/", "/" + "tmp/")
PAGES = tracked("*.md")
OPERATIONS = HOME / "docs/operations.md"
each_page = pytest.mark.parametrize("page", PAGES, ids=str)


def links(text: str) -> list[str]:
    """Targets of a page's links within the repository."""
    prose = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    return [target for target in re.findall(r"\]\(\s*([^)\s]+)\s*\)", prose) if "://" not in target]


def anchors(text: str) -> set[str]:
    """A page's headings as links name them."""
    headings = re.findall(r"^#+ (.+)$", text, flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@each_page
def test_every_link_leads_to_a_file_and_a_heading(page: Path) -> None:
    for link in links((HOME / page).read_text()):
        target, _, anchor = unquote(link).partition("#")
        file = HOME / page.parent / target if target else HOME / page
        assert file.exists(), link
        assert not anchor or anchor in anchors(file.read_text()), link


@each_page
def test_no_page_names_one_machine_or_a_registrys_host(page: Path) -> None:
    text = (HOME / page).read_text()
    assert [name for name in FOREIGN if name in text] == []


@pytest.mark.parametrize("page", tracked("docs/decisions/*.md"), ids=str)
def test_a_decision_is_one_short_page_that_the_architecture_lists(page: Path) -> None:
    text = (HOME / page).read_text()
    assert len(text.splitlines()) <= LONGEST_DECISION
    assert re.findall(r"^## (.+)$", text, flags=re.MULTILINE) == ["Context", "Decision", "Consequences"]
    assert text.startswith(f"# {int(page.name[:4])}. ")
    assert f"(decisions/{page.name})" in (HOME / "docs/architecture.md").read_text()


def test_files_that_pages_name_exist() -> None:
    named = {
        name
        for page in tracked("docs/*.md")
        for name in re.findall(r"`((?:app|tests|benchmarks|examples|migrations)/[\w./-]+)`", (HOME / page).read_text())
    }
    assert {name for name in named if not (HOME / name).exists()} == set()


def test_every_room_stands_in_the_picture_of_the_rooms() -> None:
    text = (HOME / "docs/architecture.md").read_text()
    rooms = {
        path.name for path in (HOME / "app").iterdir() if path.is_dir() and path.name not in ("__pycache__", "domain")
    }
    rooms |= {
        f"domain/{path.name}" for path in (HOME / "app/domain").iterdir() if path.is_dir() and path.name[0] != "_"
    }
    assert {room for room in rooms if f"`app/{room}/`" not in text} == set()


def test_every_setting_is_named_with_its_default() -> None:
    rows = re.findall(rf"^\| `{PREFIX}(\w+)` \| (.+?) \|", OPERATIONS.read_text(), flags=re.MULTILINE)
    told = {name.lower(): default.strip("`") for name, default in rows}
    assert told == {name: str(field.default) or "none" for name, field in Settings.model_fields.items()}


def test_a_backup_by_the_page_answers_as_the_service_did(service: Service, penguins_run: Json, tmp_path: Path) -> None:
    backup = OPERATIONS.read_text().partition("## Backup")[2]
    commands = re.findall(r"```sh\n(.*?)```", backup, flags=re.DOTALL)[0]
    (tmp_path / "data").symlink_to(service.data_dir)
    subprocess.run(["bash", "-euc", commands], cwd=tmp_path, check=True)
    (tmp_path / "data").unlink()
    (tmp_path / "backup").rename(tmp_path / "data")
    question = {"instances": [{"island": "Biscoe", "bill_length_mm": 47.5, "year": 2009}]}
    asked = f"/api/v1/runs/{penguins_run['id']}/predict"
    with Service(tmp_path, workers="0") as restored:
        answers = [one.client.post(asked, json=question) for one in (service, restored)]
    assert answers[0].status_code == 200
    assert answers[0].content == answers[1].content
