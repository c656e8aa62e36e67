"""The registry is the only place where keys are, and every entry works."""

import ast
from collections import Counter
from pathlib import Path

import pytest

from rsi.tui.app import CockpitApp
from rsi.tui.model import commands
from rsi.tui.model.commands import BY_ID, COMMANDS, Scope, bindings, clashes, in_scope, shown_key
from rsi.tui.widgets.curveview import CurveView
from rsi.tui.widgets.diffview import DiffView
from rsi.tui.widgets.lines import LinesView
from rsi.tui.widgets.logview import LogView

ROOM = Path(commands.__file__).parents[1]
OWNERS = {
    Scope.GLOBAL: CockpitApp, Scope.LIST: LinesView, Scope.DIFF: DiffView, Scope.CURVE: CurveView, Scope.LOG: LogView,
    **{screen.scope: screen for screen in CockpitApp.MODES.values()},
}  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS, ids=lambda each: each.id)
def test_every_command_has_an_action_where_it_belongs(command):
    name = command.action.partition("(")[0]
    owner = OWNERS[command.scope]
    if name.startswith("app."):
        owner, name = CockpitApp, name.removeprefix("app.")
    assert hasattr(owner, f"action_{name}"), f"{owner.__name__} has no action {name}"
    assert command.help.endswith(".")
    assert len(command.title) <= 15


def test_ids_are_unique_and_keys_do_not_clash():
    assert max(Counter(each.id for each in COMMANDS).values()) == 1
    assert clashes({}) == []
    assert clashes({"gate.reject": "a"}) == ["key 'a' is both gate.approve and gate.reject"]


def test_every_scope_is_bound_on_its_owner():
    for scope, owner in OWNERS.items():
        ids = {binding.id for binding in owner.BINDINGS if hasattr(binding, "id")}
        assert {each.id for each in in_scope(scope)} <= ids, scope


def test_two_actions_never_share_one_binding():
    for scope in Scope:
        actions = [each.action for each in in_scope(scope)]
        assert len(actions) == len(set(actions))


def test_keys_are_shown_as_people_write_them():
    assert shown_key("question_mark,f1") == "?"
    assert shown_key("ctrl+p") == "^p"
    assert shown_key("G") == "G"


def test_writing_commands_are_marked():
    assert {"gate.approve", "gate.reject", "queue.new", "run.stop", "lineage.rollback"} <= {
        each.id for each in COMMANDS if each.writes
    }
    assert not BY_ID["gate.pager"].writes
    assert bindings(Scope.GATE)


def _modules() -> list[Path]:
    return sorted(ROOM.rglob("*.py"))


def test_no_markup_sink_is_used_anywhere():
    """Widgets that interpret markup, or pass control characters on, are not used for anything."""
    banned = {"Static", "Label", "RichLog", "Log", "Markdown", "DataTable", "Tree", "OptionList", "Collapsible", "Button",
              "Syntax", "from_markup", "border_title", "border_subtitle", "Text"}  # fmt: skip
    for path in _modules():
        tree = ast.parse(path.read_text())
        names = {
            alias.name
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom)
            and (node.module or "").startswith(("textual", "rich"))
            for alias in node.names
        }
        names |= {
            node.attr
            for node in ast.walk(tree)
            if isinstance(node, ast.Attribute)
            and node.attr in {"from_markup", "border_title", "border_subtitle"}
        }
        assert not names & banned, f"{path.name}: {names & banned}"


def test_cells_are_made_in_two_places_only():
    makers = {path.name for path in _modules() if "Segment(" in path.read_text()}
    assert makers == {"pen.py", "app.py"}


def test_screens_never_open_the_ledger():
    for path in (ROOM / "screens").rglob("*.py"):
        assert "Ledger.open" not in path.read_text(), path.name
