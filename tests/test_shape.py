"""The shape of the code base: docstrings, sizes, names, and rooms that are what the README says."""

import ast
import subprocess
from pathlib import Path

import pytest

from rsi.tasks.format.loader import list_tasks, load_task

ROOT = Path(__file__).parent.parent
ROOMS = ("agent", "evals", "sandboxes", "tasks", "tui")
MAX_LINES = 500
BANNED = {"utils", "helpers", "common", "misc", "manager", "handler", "data", "info", "process"}
PROCESS_BACKEND = ROOT / "sandboxes" / "process.py"
"""Named after the thing it is: the backend "process"."""


def modules():
    for room in ROOMS:
        for path in sorted((ROOT / room).rglob("*.py")):
            parts = path.relative_to(ROOT).parts
            if not {"repo", "solutions", "cheats"} & set(parts):
                yield path


@pytest.mark.parametrize("path", list(modules()), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_says_what_it_is_for_and_fits_on_a_few_screens(path):
    source = path.read_text(encoding="utf-8")
    assert ast.get_docstring(ast.parse(source)), "no module docstring"
    assert len(source.splitlines()) <= MAX_LINES
    assert path.stem not in BANNED or path == PROCESS_BACKEND


def test_every_task_loads_in_every_track():
    for summary in list_tasks():
        assert summary.problem is None, summary.problem
        for track in summary.tracks:
            assert load_task(summary.root, track=track).track == track


def test_every_room_has_a_readme_with_its_decisions():
    for room in (*ROOMS, "tests"):
        text = (ROOT / room / "README.md").read_text(encoding="utf-8")
        assert "Decisions" in text


def test_no_file_of_the_project_names_a_place_of_one_machine():
    tracked = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.split("\0")
    if not tracked[0]:
        pytest.skip("not a git checkout")
    # Written in two parts, so that this file does not name them itself.
    places = ["/" + "work/main", "pypi" + ".org", "download." + "pytorch"]
    for name in filter(None, tracked):
        path = ROOT / name
        if not path.is_file() or path.suffix in {".svg", ".patch", ".json", ".sqlite3", ".gz"}:
            continue
        text = path.read_text(encoding="utf-8", errors="replace")
        found = [place for place in places if place in text]
        assert not found, f"{name} names {found}"
