"""What the documents say is there is there: links, paths, targets, commands, settings, and the tables of states."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path

import pytest
from django.core.management import get_commands

from apps.deployments.models import DEPLOYMENT_MOVES, STAGE_MOVES, WORKLOAD_MOVES
from apps.infrastructure.embedded.binaries import WANTED
from brainpod.config import Config

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
RECORDS = sorted((ROOT / "docs" / "adr").glob("*.md"))
FOLDERS = ("apps", "bench", "brainpod", "dev", "docs", "examples", "static", "templates", "tests")
PATH = re.compile(rf"(?<![\w./<-])(?:{'|'.join(FOLDERS)})/[\w./-]*[\w/]")
# Of the tests' own state, and of the tests' settings: not people's.
NOT_SETTINGS = {"BRAINPOD_SOAK", "BRAINPOD_NAME_BINARY", "BRAINPOD_JOB", "BRAINPOD_JOB_RUN"}

every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())


def text_of(page: Path) -> str:
    """Without HTML comments: what stands in one is not shown."""
    return re.sub(r"<!--.*?-->", "", page.read_text(), flags=re.DOTALL)


def anchor(heading: str) -> str:
    """How a heading is linked to."""
    return re.sub(r"[^\w -]", "", heading.strip().lower()).replace(" ", "-")


@every_page
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", text_of(page)):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, part = target.partition("#")
        found = (page.parent / name).resolve() if name else page
        assert found.exists(), f"{target} is not there"
        assert found.is_relative_to(ROOT), f"{target} leads out of the repository"
        if part:
            headings = re.findall(r"^#+ (.+)$", found.read_text(), re.MULTILINE)
            assert part in map(anchor, headings), f"{target}: no such heading"


@every_page
def test_paths_that_are_named_exist(page: Path) -> None:
    words = re.sub(r"^```.*?^```|\]\([^)]*\)|https?://\S+", " ", text_of(page), flags=re.DOTALL | re.MULTILINE)
    for named in set(PATH.findall(words)):
        assert (ROOT / named).exists(), f"{named} is not there"


@every_page
def test_targets_and_commands_exist(page: Path) -> None:
    text = text_of(page)
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for named in re.findall(r"(?:`|^ {4}|BRAINPOD_PORT=\d+ )make ([a-z-]+)", text, re.MULTILINE):
        assert named in targets, f"make {named} is no target"
    for named in re.findall(r"manage\.py ([a-z_]+)", text):
        assert named in get_commands(), f"manage.py {named} is no command"


@every_page
def test_settings_that_are_named_exist(page: Path) -> None:
    known = {f"BRAINPOD_{field.name.upper()}" for field in fields(Config)}
    known |= {wanted.setting for wanted in WANTED.values()} | NOT_SETTINGS
    named = set(re.findall(r"\bBRAINPOD_[A-Z_]*[A-Z]\b", text_of(page)))
    assert named - known == set()


def test_modules_named_in_the_code_exist() -> None:
    """Docstrings point to documents too."""
    for path in [*(ROOT / "apps").rglob("*.py"), *(ROOT / "brainpod").rglob("*.py"), ROOT / "requirements.txt"]:
        for named in re.findall(r"(?<!/)docs/[\w/-]*\w(?:\.md)?", path.read_text()):
            found = [ROOT / named, *(ROOT / named).parent.glob(f"{Path(named).name}*")]
            assert any(one.exists() for one in found), f"{path.relative_to(ROOT)} names {named}"


def test_every_target_has_its_plain_commands() -> None:
    helped = set(re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE))
    shown = set(re.findall(r"^\| `make ([a-z-]+)` \|", (ROOT / "README.md").read_text(), re.MULTILINE))
    assert shown == helped - {"help"}


def test_every_page_is_in_the_table_of_contents() -> None:
    named = set(re.findall(r"[\w/-]+\.md", (ROOT / "mkdocs.yml").read_text().partition("\nnav:")[2]))
    assert named == {page.relative_to(ROOT / "docs").as_posix() for page in (ROOT / "docs").rglob("*.md")}


def test_records_are_numbered_and_short() -> None:
    assert [record.name[:4] for record in RECORDS] == [f"{n:04}" for n in range(1, len(RECORDS) + 1)]
    for record in RECORDS:
        lines = record.read_text().splitlines()
        assert lines[0].startswith(f"# {int(record.name[:4])}. "), record.name
        assert len(lines) <= 60, f"{record.name} has {len(lines)} lines"
        headings = [line[3:] for line in lines if line.startswith("## ")]
        assert headings[:3] == ["Context", "Decision", "Consequences"], record.name


@pytest.mark.parametrize(
    ("name", "moves"),
    [("Deployment", DEPLOYMENT_MOVES), ("StageRun", STAGE_MOVES), ("Workload", WORKLOAD_MOVES)],
)
def test_state_diagrams_are_the_tables(name: str, moves: Mapping[str, frozenset[str]]) -> None:
    drawings = re.findall(r"```mermaid\n(.*?)```", (ROOT / "docs" / "architecture.md").read_text(), re.DOTALL)
    drawing = next(text for text in drawings if f'"{name}"' in text)
    drawn = set(re.findall(r"(\w+) --> (\w+)", drawing))
    assert drawn == {(state, to) for state, targets in moves.items() for to in targets}
