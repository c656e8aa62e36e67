"""The shape of the code base: docstrings, sizes, names, and rooms that are what the README says."""

import ast
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from rsi.tasks.format.loader import list_tasks, load_task

ROOT = Path(__file__).parent.parent
ROOMS = ("agent", "evals", "sandboxes", "tasks", "tui")
MAX_LINES = 500
BANNED = {"utils", "helpers", "common", "misc", "manager", "handler", "data", "info", "process"}
PROCESS_BACKEND = ROOT / "sandboxes" / "process.py"
"""Named after the thing it is: the backend "process"."""
README_LINES, README_WIDTH = 40, 120
FOLDER_MODULES = 15
"""More than a dozen modules side by side say no longer which is above which; a few are let in before a split."""


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


def test_a_folder_is_no_flat_list():
    sizes = Counter(path.parent for path in modules() if path.stem != "__init__")
    full = {
        str(folder.relative_to(ROOT)): size
        for folder, size in sizes.items()
        if size > FOLDER_MODULES
    }
    assert not full, "split what is too full into rooms with names"


def test_every_task_loads_in_every_track():
    for summary in list_tasks():
        assert summary.problem is None, summary.problem
        for track in summary.tracks:
            assert load_task(summary.root, track=track).track == track


def test_every_room_has_a_readme_with_its_decisions():
    for room in (*ROOMS, "tests"):
        text = (ROOT / room / "README.md").read_text(encoding="utf-8")
        assert f"docs/decisions/{room}.md" in text
        lines = text.splitlines()
        assert len(lines) <= README_LINES, f"{room}/README.md is a page, not a book"
        assert max(map(len, lines)) <= README_WIDTH, f"{room}/README.md"


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


CASTS_ALLOWED = {
    "agent/llm/": "what a provider's SDK or a foreign server says has no type of ours",
    "agent/search/choose.py": "a strategy that another distribution adds",
    "tui/screens/base.py": "Textual does not say which application a screen belongs to",
    "tui/palette.py": "the same",
}
TRAJECTORY_READERS = (
    "agent/store/",
    "agent/llm/",
    "agent/trajectory/",
    "agent/run/recorder.py",
    "agent/cli/verbs/replaying.py",
    "tui/model/payloads.py",
    "tui/model/trajectory.py",
    "tui/reading/event_store.py",
    "tui/screens/replay/views.py",
)
"""Where JSON is read by key: the ledger's codec, and what agents said, which may be of any version and is shown whole."""
HOLDERS_OF_JSON = {"payload", "body", "config"}


def guesses(path: Path) -> list[str]:
    """Places where a module tells the type checker what it cannot know, or picks JSON by a key."""
    name = str(path.relative_to(ROOT))
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        match node:
            case ast.Call(func=ast.Name(id="cast")):
                if not name.startswith(tuple(CASTS_ALLOWED)):
                    found.append(f"{name}:{node.lineno} casts")
            case (
                ast.Subscript(value=holder, slice=ast.Constant(value=str()))
                | ast.Call(func=ast.Attribute(value=holder, attr="get"), args=[ast.Constant(), *_])
            ):
                held = holder.attr if isinstance(holder, ast.Attribute) else None
                held = holder.id if isinstance(holder, ast.Name) else held
                if held in HOLDERS_OF_JSON and not name.startswith(TRAJECTORY_READERS):
                    found.append(f"{name}:{node.lineno} reads {held} by key")
    return found


def test_what_the_ledger_keeps_is_read_by_type_and_never_by_key():
    for room in ("agent", "tui"):
        assert not [each for path in (ROOT / room).rglob("*.py") for each in guesses(path)]


@pytest.mark.parametrize(
    "line",
    [
        "x = cast(str, y)",
        'x = step.payload["commit"]',
        'x = payload.get("commit", "")',
        'body["x"]',
    ],
)
def test_a_cast_or_a_key_would_be_found(line, tmp_path, monkeypatch):
    monkeypatch.setattr("tests.test_shape.ROOT", tmp_path)
    path = tmp_path / "agent" / "report" / "new.py"
    path.parent.mkdir(parents=True)
    path.write_text(line + "\n", encoding="utf-8")
    assert len(guesses(path)) == 1
