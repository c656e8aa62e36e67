"""What a shell offers next is what the grammar and this home know; a word that is none is answered with the nearest."""

import os
import subprocess
import sys

import pytest

from rsi.agent.cli.completing import SCRIPTS, candidates
from rsi.agent.cli.entry import main
from rsi.agent.cli.parser import build_parser
from rsi.agent.store.home import Home
from rsi.tasks.format.loader import list_tasks


@pytest.fixture(autouse=True)
def _no_home(tmp_path, monkeypatch):
    monkeypatch.setenv("RSI_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("RSI_DATABASE_URL", raising=False)


def offered(*words):
    return candidates(build_parser(), words)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["que"], ["queue"]),
        (["t"], ["try", "task", "tui"]),
        (["task", "che"], ["check"]),
        (["run", "toy", "--deci"], ["--decide"]),
        (["run", "--decide", ""], ["each-run", "person", "low-risk", "policy"]),
        (["run", "--decide", "policy", "to"], ["toy"]),
        (["--verbose", "doct"], ["doctor"]),
        (["completion", "z"], ["zsh"]),
        (["help", "ga"], ["gate"]),
        (["help", "rev"], ["revise", "reviewer-check", "reviewer"]),
        (["approve", "c1"], []),
        (["run", "--rounds", ""], []),
        (["nonsense", "x"], []),
    ],
)
def test_the_words_that_can_follow_are_offered(words, expected):
    assert offered(*words) == expected


def test_nothing_typed_offers_every_verb_and_a_task_every_task():
    assert {"run", "queue", "task", "tui", "web", "completion"} <= set(offered())
    assert set(offered("task", "check", "")) == {each.name for each in list_tasks()}


def test_a_home_without_a_ledger_offers_no_names_and_stays_unmade():
    assert offered("follow", "") == []
    assert not Home.find().root.exists()


@pytest.mark.parametrize("shell", SCRIPTS)
def test_a_script_is_printed_for_each_shell(shell, capsys):
    assert main(["completion", shell]) == 0
    assert capsys.readouterr().out == SCRIPTS[shell]


@pytest.mark.slow
def test_bash_completes_a_verb_and_an_option(tmp_path):
    command = tmp_path / "rsi"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -P -m rsi.agent.cli "$@"\n')
    command.chmod(0o755)
    script = (
        SCRIPTS["bash"]
        + 'COMP_WORDS=(rsi "$@"); COMP_CWORD=$#; _rsi; printf "%s\\n" "${COMPREPLY[@]}"'
    )
    environ = os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    for words, expected in (
        (["rou"], "rounds"),
        (["run", "toy", "--prof"], "--profile"),
        (["task", "li"], "list"),
    ):
        done = subprocess.run(
            ["bash", "-c", script, "bash", *words],
            env=environ, capture_output=True, text=True, timeout=60, check=True,
        )  # fmt: skip
        assert done.stdout.split() == [expected]


@pytest.mark.parametrize(
    ("words", "meant"), [(["queu"], "queue"), (["task", "chekc"], "check"), (["run", "toy", "--decide", "persn"], "person")]
)  # fmt: skip
def test_a_word_that_is_none_is_answered_with_the_nearest(words, meant, capsys):
    with pytest.raises(SystemExit):
        main(words)
    assert f"did you mean '{meant}'?" in capsys.readouterr().err
