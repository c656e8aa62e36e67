"""Every verb with `--json` prints one JSON document, whatever becomes of it: an answer, a refusal, wrong words, our own fault."""

import argparse
import json
import subprocess
import sys

import pytest

from rsi.agent.cli.entry import EXIT_INTERNAL, EXIT_USAGE, main
from rsi.agent.cli.parser import VERBS, build_parser

WORDS = {
    "choice": "atif",
    "task": "nosuch",
    "--task": "nosuch",
    "file": "/nowhere.json",
    "--out": "/nowhere/at/all",
    "--sandbox": "jail",
    "--repo": "/nowhere",
    "--entry": "python run.py",
    "--editable": "src/**",
}
"""What a required word is given; a verb that would begin to work is given something that it refuses."""
LONG = {"demo": ["--task", "nosuch"], "doctor": ["--quick"], "reviewer-check": ["nosuch"]}
APART = {"worker"}
"""Verbs whose process ends itself."""


def paths(verbs, before=()):
    for verb in verbs:
        if verb.words:
            yield from paths(verb.words, (*before, verb.name))
        else:
            yield (*before, verb.name)


ALL = [each for each in paths(VERBS) if each[-1] not in APART]


def parser_of(path):
    parser = build_parser()
    for name in path:
        (choice,) = [
            each for each in parser._actions if isinstance(each, argparse._SubParsersAction)
        ]
        parser = choice.choices[name].filled()
    return parser


def required(path):
    """The fewest words with which a verb can be typed."""
    words = list(LONG.get(path[-1], ()))
    for action in parser_of(path)._actions:
        is_needed = action.required or (
            not action.option_strings and action.nargs not in {"?", "*"}
        )
        if not is_needed:
            continue
        name = action.option_strings[0] if action.option_strings else action.dest
        value = WORDS.get(name) or (next(iter(action.choices)) if action.choices else "1")
        words += [name, value] if action.option_strings else [value]
    return words


def document(capsys):
    said = capsys.readouterr().out
    return json.loads(said)


def check_error(found, status):
    assert found.keys() == {"error"}
    error = found["error"]
    assert error.keys() == {"kind", "message", "hint", "exit"}
    assert error["exit"] == status
    assert error["kind"]
    assert error["message"]


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_a_verb_prints_one_document(path, home, capsys):
    status = main([*path, *required(path), "--json"])
    found = document(capsys)
    if status > 1:
        check_error(found, status)
    assert status != EXIT_INTERNAL, found


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_wrong_words_are_one_document_too(path, home, capsys):
    assert main([*path, "--json", "--no-such-word"]) == EXIT_USAGE
    check_error(document(capsys), EXIT_USAGE)


def test_wrong_words_without_json_are_answered_as_ever(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["queue", "--no-such-word"])
    assert ended.value.code == EXIT_USAGE
    said = capsys.readouterr()
    assert "usage: rsi" in said.err
    assert not said.out


def test_the_words_after_a_semicolon_are_the_hint(home, capsys):
    assert main(["retry", "c0-0000", "--json"]) == 3
    error = document(capsys)["error"]
    assert error == {
        "kind": "UnknownRecordError",
        "message": "no campaign 'c0-0000'",
        "hint": "`rsi queue` lists them",
        "exit": 3,
    }


def test_a_worker_says_what_it_serves(home):
    done = subprocess.run(
        [sys.executable, "-P", "-m", "rsi.agent.cli", "worker", "--exit-when-idle", "--json"],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    assert json.loads(done.stdout) == {"home": str(home.root), "concurrency": 1}
