"""The documentation: links lead somewhere, every page is in the site's list, decisions have their page."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = sorted(
    path
    for path in (*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("*/README.md"), *ROOT.glob("*/*/README.md"), *ROOT.glob("tasks/format/*.md"))
    if ".venv" not in path.parts
)  # fmt: skip
MADE = {"verbs.md", "exit-codes.md", "topics.md", "task-format.md", "ledger.md", "modules.md"}
"""Pages of the reference that the site makes from the code, see docs/made.py."""
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_of_a_page_leads_somewhere(page: Path):
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    for target in LINK.findall(text):
        path = target.partition("#")[0]
        if not path or re.match(r"[a-z]+:", path):
            continue
        is_made = path.rpartition("/")[2] in MADE and "reference/" in path
        assert is_made or (page.parent / path).exists(), f"{page.name} links to {target}"


MENTIONED = re.compile(
    r"(?<![\w./-])((?:agent|evals|sandboxes|tasks|tui|tests|docs|benchmarks)/[\w./-]+\.(?:py|md|toml))"
)
"""A file that is named by its path from the top, in a sentence or in a command."""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_file_that_a_page_names_is_there(page: Path):
    missing = {
        name
        for name in MENTIONED.findall(page.read_text(encoding="utf-8"))
        if not (ROOT / name).exists() and not (page.parent / name).exists()
    }
    assert page.name == "CHANGELOG.md" or not missing, "moved or renamed since"


def test_every_page_of_the_site_is_in_its_list():
    listed = set(re.findall(r"[\w/-]+\.md", (ROOT / "mkdocs.yml").read_text(encoding="utf-8")))
    there = {str(path.relative_to(ROOT / "docs")) for path in ROOT.glob("docs/**/*.md")}
    assert there | {f"reference/{name}" for name in MADE} == listed


def test_a_rooms_readme_is_a_page_and_its_decisions_another():
    for room in ("agent", "evals", "sandboxes", "tasks", "tests", "tui"):
        assert len((ROOT / room / "README.md").read_text(encoding="utf-8").splitlines()) <= 45
        decided = (ROOT / "docs" / "decisions" / f"{room}.md").read_text(encoding="utf-8")
        assert re.search(r"\b20\d\d-\d\d-\d\d\b", decided)
