"""The command is quick, verbs stay headless, and mistakes are sentences."""

import os
import socket
import subprocess
import sys
import time

import pytest


def run(*words: str, home, **more):
    environment = {**os.environ, "RSI_HOME": str(home), **more}
    return subprocess.run(
        [sys.executable, "-P", "-m", "rsi.tui.main", *words],
        capture_output=True,
        text=True,
        env=environment,
        timeout=60,
        check=False,
    )


def test_help_and_verbs_import_neither_textual_nor_a_provider(tmp_path):
    code = (
        "import sys\nfrom rsi.tui.main import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        "main(['queue'])\n"
        "bad = {'textual', 'rich', 'anthropic', 'openai', 'litellm', 'torch', 'docker'} & set(sys.modules)\n"
        "sys.exit(f'imported {bad}' if bad else 0)"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, "RSI_HOME": str(tmp_path)},
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_help_is_instant(tmp_path):
    started = time.monotonic()
    before = os.times()
    assert run("--help", home=tmp_path).returncode == 0
    after = os.times()
    assert (after.children_user + after.children_system) - (
        before.children_user + before.children_system
    ) < 0.5
    assert time.monotonic() - started < 20


def test_without_a_terminal_rsi_says_what_to_type(tmp_path):
    done = run(home=tmp_path)
    assert done.returncode == 2
    assert "rsi --help" in done.stderr


@pytest.mark.slow
def test_keys_are_printed_for_the_settings_file(tmp_path):
    done = run("tui", "--keys", home=tmp_path)
    assert done.returncode == 0
    assert "gate.approve" in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("theme = 3", "theme is 3, expected one of"),
        ("[keys]\n'x.y' = 'a'", "keys.x.y is no command"),
    ],
)
def test_a_mistake_in_the_settings_ends_with_one_sentence(tmp_path, content, said):
    (tmp_path / "cockpit.toml").write_text(content)
    done = run("tui", home=tmp_path)
    assert done.returncode == 6
    assert said in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_read_only_without_a_ledger_says_so(tmp_path):
    done = run("tui", "--read-only", home=tmp_path)
    assert done.returncode == 5
    assert "no ledger" in done.stderr
    assert list(tmp_path.iterdir()) == [], "looking leaves nothing behind"


@pytest.mark.slow
def test_a_damaged_ledger_is_said_and_left_alone(tmp_path):
    (tmp_path / "ledger.sqlite3").write_bytes(b"not a database at all" * 100)
    done = run("tui", home=tmp_path)
    assert done.returncode == 5
    assert "damaged" in done.stderr
    assert (tmp_path / "ledger.sqlite3").read_bytes().startswith(b"not a database")


@pytest.mark.slow
@pytest.mark.parametrize("words", [("tui",), ("tui", "--demo")])
def test_without_a_terminal_there_is_a_sentence_and_no_escape_codes(tmp_path, words):
    done = run(*words, home=tmp_path)
    assert done.returncode == 6
    assert "needs a terminal" in done.stderr
    assert "\x1b" not in done.stdout


@pytest.mark.slow
def test_a_reader_who_has_had_enough_of_the_keys_is_no_fault(tmp_path):
    command = f"{sys.executable} -P -m rsi.tui.main tui --keys | true"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)
    assert done.stderr == ""


@pytest.mark.slow
def test_an_address_that_is_taken_is_not_promised(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = run("web", "--demo", "--port", str(taken.getsockname()[1]), home=tmp_path)
    assert done.returncode == 6
    assert "cannot listen" in done.stderr
    assert done.stdout == ""
