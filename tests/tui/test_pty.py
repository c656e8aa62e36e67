"""No escape byte of hostile content reaches a real terminal, on any surface.

The cockpit runs under a pseudo-terminal on a ledger in which every text is hostile; what it writes is taken apart:
besides the sequences that a screen needs (moves, colours, modes) nothing may be there, and no text of ours may be
changed by what was in it.
"""

import os
import re
import signal
import time

import pytest
from tests.tui.ledgers import FAST_TRAIN, Idea, Sample
from tests.tui.terminals import Terminal

from rsi.agent.store.records import RequestKind
from rsi.evals.types import Finding, Severity

MARK = "HOSTILE"
ATTACK = (
    f"{MARK}\x1b]52;c;ZXZpbA==\x07\x1b[2J\x1b[H\x1b]0;owned\x07\x1b]8;;http://evil.example\x07link\x1b]8;;\x07"
    "\x9b2J\x9d0;owned\x9c\x90q\x9c\u202egnp\u2066\u200b\x7f\x08\x07[@click=app.leave]click[/] [/"
)
STORED_ATTACK = ATTACK.replace("\x00", "")

ALLOWED = re.compile(
    rb"\x1b(?:\[[?>=<]?[0-9;:]*[A-Zhlmnpqtu]|\]22;[a-z]+\x07|\[[?0-9;]*\$p|\[>[0-9;]*[a-z]|[()][AB0]|[=>78cM])"
)
"""Moves, colours, modes, the shape of the pointer: what the drawing of any screen is made of."""
TITLE = re.compile(rb"\x1b\]0;rsi[ -~\xc2\xb7]*\x07")


def hostile_idea() -> Idea:
    return Idea(
        title=ATTACK, ends="gate", ratio=1.5,
        files=(("train.py", FAST_TRAIN + f"\nx = '{ATTACK}'\n"), (f"{MARK}\x1b[2J.py", "y = 1\n")),
        findings=(Finding(rule=ATTACK, severity=Severity.NOTE, file="train.py", line=2, message=ATTACK, source=ATTACK),),
        held_by=(ATTACK,), lesson=ATTACK,
    )  # fmt: skip


@pytest.fixture
def hostile_home(tmp_path):
    sample = Sample(tmp_path / "home")
    record = sample.campaign("c1120-evil", task=ATTACK)
    sample.play(record, (hostile_idea(),))
    from rsi.agent.store.records import LogChunk

    sample.ledger.add_log(
        LogChunk(
            round_id="c1120-evil-0001",
            stream="x/candidate",
            seq=0,
            at=sample.tick(),
            content=(ATTACK + "\n" + "z" * 200_000 + "\n").encode(errors="replace"),
        )
    )
    sample.ledger.add_request(
        RequestKind.MESSAGE, actor=ATTACK, at=sample.tick(), campaign_id="c1120-evil"
    )
    sample.worker()
    sample.ledger.close()
    return tmp_path / "home"


def offences(raw: bytes) -> list[bytes]:
    """Escape sequences and control bytes that no screen needs."""
    rest = ALLOWED.sub(b"", TITLE.sub(b"", raw))
    text = rest.decode("utf-8", errors="replace")
    found = re.findall(
        "\x1b.{0,20}|[\x00-\x06\x0b\x0c\x0e-\x1a\x1c-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u200b]",
        text,
    )
    return [each.encode() for each in found]


def test_the_check_itself_finds_what_it_looks_for():
    for bad in (
        b"\x1b]52;c;eA==\x07",
        b"\x1b]8;;x\x07",
        b"\x1b]0;owned\x07",
        b"\x1bPq\x1b\\",
        "\x9b2J".encode(),
        "\u202e".encode(),
        b"\x08\x0c",
    ):
        assert offences(b"ok \x1b[1;2H" + bad), bad
    assert not offences(
        b"\x1b[?1049h\x1b[38;2;1;2;3mtext\x1b[0m\r\n\x1b]0;rsi \xc2\xb7 1 at the gate\x07"
    )


@pytest.mark.slow
def test_no_surface_lets_hostile_text_act_on_the_terminal(hostile_home):
    terminal = Terminal(hostile_home)
    try:
        terminal.wait_for("c1120-evil")
        terminal.wait_for(MARK)
        for keys, seconds in (
            ("2", 1.5), ("z", 0.4), ("z", 0.3), ("\t", 0.2), ("3", 1.5), ("v", 0.4), ("f", 0.4), ("\x04", 0.3), ("\x04", 0.3),
            ("r", 0.4), ("\x1b", 0.4), ("4", 1.2), ("l", 0.2), ("l", 0.2), ("$", 0.3), ("d", 0.8), ("d", 0.8), ("d", 0.3),
            ("/" + MARK + "\r", 0.8), ("5", 1.0), ("j", 0.2), ("d", 0.8), ("\x1b", 0.3), ("6", 1.0), ("7", 0.8), ("8", 0.6),
            (":", 0.6), ("host", 1.0), ("\x1b", 0.4), ("1", 0.5), ("c", 1.0), ("\x1b", 0.4), ("?", 0.5), ("\x1b", 0.3), ("T", 0.6), ("T", 0.6), ("2", 0.6),
        ):  # fmt: skip
            terminal.press(keys, seconds)
        seen = terminal.raw.decode("utf-8", errors="replace")
    finally:
        code = terminal.close()
    assert code == 0, "[@click=app.leave] or a crash ended it early"
    assert offences(terminal.raw) == []
    assert MARK in seen
    assert "␛" in seen, "what was active is shown"
    assert "⟦U+202E⟧" in seen


@pytest.mark.slow
def test_toasts_and_refusals_are_plain(hostile_home):
    terminal = Terminal(hostile_home, "--screen", "gate")
    try:
        terminal.wait_for(MARK)
        terminal.press("r", 0.6)
        terminal.press("no\r", 1.5)
        terminal.press("1", 0.8)
    finally:
        code = terminal.close()
    assert code == 0
    assert offences(terminal.raw) == []


@pytest.mark.slow
@pytest.mark.parametrize("variable", ["NO_COLOR", "TERM"])
def test_it_works_without_colour(hostile_home, variable):
    value = {"NO_COLOR": "1", "TERM": "xterm-mono"}[variable]
    terminal = Terminal(hostile_home, size=(24, 80), **{variable: value})
    try:
        terminal.wait_for("c1120-evil")
        terminal.press("3", 1.5)
        terminal.wait_for("Diff")
    finally:
        code = terminal.close()
    assert code == 0
    assert offences(terminal.raw) == []
    if variable == "NO_COLOR":
        assert b"38;2;" not in terminal.raw
        assert b"48;2;" not in terminal.raw


@pytest.mark.slow
def test_closing_the_terminal_ends_the_cockpit_and_touches_nothing(hostile_home):
    before = (hostile_home / "ledger.sqlite3").read_bytes()
    terminal = Terminal(hostile_home, "--read-only")
    terminal.wait_for("c1120-evil")
    os.close(terminal.fd)
    end = time.monotonic() + 15
    while time.monotonic() < end:
        pid, _ = os.waitpid(terminal.pid, os.WNOHANG)
        if pid:
            break
        time.sleep(0.1)
    else:
        os.kill(terminal.pid, signal.SIGKILL)
        os.waitpid(terminal.pid, 0)
        pytest.fail("it outlived its terminal")
    assert (hostile_home / "ledger.sqlite3").read_bytes() == before
