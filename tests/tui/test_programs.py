"""A pager or an editor gets the terminal and gives it back, from every screen, whatever a file is called."""

import shutil
from contextlib import nullcontext
from pathlib import Path

import pytest
from tests.tui.conftest import until
from tests.tui.ledgers import Sample
from tests.tui.terminals import Terminal

from rsi.tui.app import CockpitApp
from rsi.tui.errors import ProgramError
from rsi.tui.model.commands import SCREENS, Scope, in_scope
from rsi.tui.programs import suffix_of, words_of


def installed(folder: Path, *names: str) -> str:
    for name in names:
        (folder / name).write_text("#!/bin/sh\n")
        (folder / name).chmod(0o755)
    return str(folder)


def test_what_is_set_comes_first_and_else_what_is_installed(tmp_path):
    path = installed(tmp_path, "more", "code")
    assert words_of("EDITOR", {"PATH": path, "EDITOR": "code --wait"}) == ("code", "--wait")
    assert words_of("PAGER", {"PATH": path}) == words_of("PAGER", {"PATH": path, "PAGER": " "}) == ("more",)  # fmt: skip


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({}, "no editor is set or installed: export EDITOR=vi, or another one"),
        ({"EDITOR": "nowhere -x"}, "$EDITOR='nowhere -x' cannot be started: 'nowhere' is not installed here"),
        ({"EDITOR": "vi 'a"}, "cannot be read: No closing quotation"),
    ],
)  # fmt: skip
def test_without_a_program_one_sentence_says_what_to_do(environment, said, tmp_path):
    with pytest.raises(ProgramError) as caught:
        words_of("EDITOR", {"PATH": str(tmp_path), **environment})
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "path", ["a.py;touch x", "a.$(touch x)", "a.p y", "a.\x1b[2J", "a.`id`", "x/..", "a.-rf", "a." + "x" * 99]
)  # fmt: skip
def test_of_a_hostile_name_nothing_is_kept(path):
    assert suffix_of(path) == ".txt"
    assert suffix_of("conf.d/train.py") == ".py"


def test_every_screen_has_a_pager_and_an_editor_on_the_same_keys():
    for scope in SCREENS.values():
        keys = {each.action: each.keys.split(",") for each in in_scope(scope)}
        assert "o" in keys["pager"]
        assert "O" in keys["editor"]


@pytest.mark.slow
async def test_the_diff_or_what_the_pane_says_is_opened_from_every_screen(sample, monkeypatch, tmp_path):  # fmt: skip
    got = tmp_path / "got.txt"
    pager = tmp_path / "my pager.sh"
    pager.write_text(f'#!/bin/sh\ncp "$1" "{got}"\n')
    pager.chmod(0o755)
    monkeypatch.setenv("PAGER", f"'{pager}'")
    app = CockpitApp(sample.ledger, home=sample.home)
    app.suspend = nullcontext
    wanted = {
        Scope.QUEUE: "Draw the whole batch", Scope.RUN: "+        with torch.autocast", Scope.GATE: "+        with torch.autocast",
        Scope.REPLAY: "scripted:demo", Scope.LINEAGE: "+        inputs, targets = next_batch(text, step)",
        Scope.NOTEBOOK: "+        with torch.autocast", Scope.SETTINGS: "bell",
    }  # fmt: skip
    async with app.run_test(size=(120, 36)) as pilot:
        await until(pilot, lambda: app.view.campaign is not None)
        for key, scope in SCREENS.items():
            await pilot.press(key)
            await until(pilot, lambda scope=scope: getattr(app.screen, "scope", None) is scope)
            if scope is Scope.CONTROLS:
                await pilot.press("o")
                await until(pilot, lambda: got.exists() and "chain" in got.read_text())
                continue
            if scope is Scope.LINEAGE:
                await until(pilot, lambda: len(app.screen.tree_table.ids) == 6)
                await pilot.press("j", "j")

            def asked(scope=scope) -> bool:
                return got.exists() and wanted[scope] in got.read_text()

            got.unlink(missing_ok=True)
            await pilot.pause(0.3)
            await until(pilot, lambda: getattr(app.screen, "event", True) is not None)
            await pilot.press("o")
            await until(pilot, asked)
        await pilot.press("3")
        app.screen.query_one("#case").focus()
        got.unlink()
        await pilot.press("o")
        await until(pilot, lambda: got.exists() and "plausible" in got.read_text())


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("less") is None, reason="needs less")
def test_ctrl_c_in_a_pager_is_the_pagers_and_the_cockpit_stays(tmp_path):
    made = Sample(tmp_path / "home")
    made.play(made.campaign())
    made.worker()
    terminal = Terminal(made.home.root, "--screen", "gate", PAGER="less -X", TMPDIR=str(tmp_path))
    try:
        terminal.wait_for("seen")
        terminal.press("o", 1.0)
        terminal.wait_for("diff --git")
        terminal.press("\x03", 1.0)
        terminal.press("\x03", 1.0)
        terminal.press("q", 1.0)
        terminal.wait_for("hunks")
        terminal.press("4")
        terminal.wait_for("Steps")
        assert not list(tmp_path.glob("rsi-*")), "the file that was shown is gone"
        assert terminal.close() == 0
    finally:
        made.ledger.close()


@pytest.mark.slow
def test_without_a_pager_the_cockpit_says_so_and_keeps_the_terminal(tmp_path):
    made = Sample(tmp_path / "home")
    made.play(made.campaign())
    made.worker()
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "git").symlink_to(shutil.which("git"))
    terminal = Terminal(made.home.root, "--screen", "gate", PATH=str(tmp_path / "bin"))
    try:
        terminal.wait_for("seen")
        terminal.press("o", 1.0)
        terminal.wait_for("no pager is set or installed")
        terminal.wait_for("hunks")
        assert terminal.close() == 0
    finally:
        made.ledger.close()
