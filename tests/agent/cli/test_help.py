"""Help by topic is written once: what it names exists, the terminal, the manual and the documentation show the same."""

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from rsi.agent.cli import entry
from rsi.agent.cli.entry import EXIT_USAGE, main
from rsi.agent.cli.help.tables import ENVIRONMENT, EXIT_CODES
from rsi.agent.cli.help.topics import FOLDER, MADE, NAMES, Kind, as_markdown, as_text, parts, topic
from rsi.agent.cli.parser import EPILOG, VERBS, build_parser
from rsi.tui.model.commands import COMMANDS, shown_key

TOPICS = [topic(name) for name in NAMES]
COCKPIT = ("tui", "web")


def commands(found):
    """What a topic tells a person to type, a comment behind it left out."""
    for each in parts(found.body):
        if each.kind is Kind.CODE:
            yield from (re.split(r"\s{2,}#", row)[0].strip() for row in each.text.split("\n"))


TYPED = [each for found in TOPICS for each in commands(found) if each.startswith("rsi")]


def test_every_file_of_a_topic_is_listed_and_the_others_are_made():
    files = {each.stem for each in FOLDER.glob("*.md")}
    assert files == set(NAMES) - set(MADE)


@pytest.mark.parametrize("typed", TYPED)
def test_what_a_topic_tells_to_type_can_be_typed(typed):
    words = shlex.split(typed)[1:]
    if words and words[0] not in COCKPIT:
        build_parser().parse_args(words)


@pytest.mark.parametrize("found", TOPICS, ids=lambda each: each.name)
def test_words_of_ours_in_running_text_exist(found):
    verbs = {each.name for each in VERBS} | set(COCKPIT)
    named = re.findall(r"`rsi ([a-z][a-z-]+)", found.body)
    assert set(named) <= verbs
    for option in re.findall(r"`(--[a-z-]+)", found.body):
        helps = [help_of(name) for name in ("run", "try", "task check", "doctor")]
        assert any(option in each for each in helps), option
    known = {name for name, _ in ENVIRONMENT} | {"ANTHROPIC_API_KEY"}
    assert set(re.findall(r"RSI_[A-Z_]+", found.body)) <= {
        *known,
        *re.findall(r"RSI_[A-Z_]+", EPILOG),
    }


def help_of(words):
    parser = build_parser()
    for name in words.split():
        (verbs,) = (each for each in parser._actions if hasattr(each, "_name_parser_map"))
        parser = verbs.choices[name].filled()
    return parser.format_help()


def test_the_keys_that_are_told_are_keys_of_the_cockpit():
    shown = {shown_key(key) for each in COMMANDS for key in each.keys.split(",")} | {"escape"}
    told = {
        key
        for each in parts(topic("keys").body)
        if each.kind is Kind.ITEM
        for key in re.findall(r"`([^`]+)`", each.text)
    }
    assert {"a", "space", "="} <= told <= shown


def test_the_table_of_exit_codes_has_every_code():
    codes = {getattr(entry, name) for name in dir(entry) if name.startswith("EXIT_")}
    assert {code for code, _ in EXIT_CODES} == codes
    text = " ".join(EPILOG.split())
    assert all(f"{code} {meaning}" in text for code, meaning in EXIT_CODES)


def test_help_lists_topics_shows_one_and_what_a_verb_takes(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    assert main(["help"]) == 0
    listed = capsys.readouterr().out
    assert all(f"  {each.name} " in listed and each.title in listed for each in TOPICS)
    assert main(["help", "gate"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("gate: deciding about a candidate\n\n")
    assert all(len(row) <= 80 for row in shown.split("\n") if not row.startswith("    "))
    assert main(["help", "rollback"]) == 0
    assert "usage: rsi rollback" in capsys.readouterr().out
    assert main(["help", "tui"]) == 0
    assert "rsi tui --help" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("typed", "near"), [("gat", "'gate'"), ("evidense", "'evidence'"), ("rolback", "'rollback'")]
)
def test_a_topic_that_is_none_is_answered_with_the_nearest(typed, near, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["help", typed])
    assert ended.value.code == EXIT_USAGE
    assert f"no topic '{typed}'; did you mean {near}?" in capsys.readouterr().err


def test_a_topic_like_none_is_answered_with_where_they_are_listed(capsys):
    with pytest.raises(SystemExit):
        main(["help", "zzzzz"])
    assert "no topic 'zzzzz'; `rsi help` lists them" in capsys.readouterr().err


def words_of(text):
    return re.findall(r"[A-Za-z_]{4,}", text)


def test_the_manual_page_has_every_verb_and_every_word_of_every_topic(capsys):
    assert main(["help", "--man"]) == 0
    page = capsys.readouterr().out
    assert page.startswith(".TH RSI 1")
    plain = page.replace(r"\-", "-").replace(r"\fB", "").replace(r"\fR", "")
    assert all(f".B rsi {verb.name}\n" in plain for verb in VERBS)
    for each in TOPICS:
        section = plain.partition(f'.SH "{each.name.upper()}"\n')[2].partition("\n.SH")[0]
        assert words_of(each.body) == words_of(
            section.partition("\n")[2].replace(".EX", "").replace(".EE", "")
        )
        assert words_of(as_text(each, 70).partition("\n")[2]) == words_of(each.body)
        assert each.body in as_markdown(each)


@pytest.mark.skipif(shutil.which("groff") is None, reason="no groff on this machine")
def test_the_manual_page_is_rendered_without_a_warning(tmp_path: Path, capsys):
    assert main(["help", "--man"]) == 0
    page = tmp_path / "rsi.1"
    page.write_text(capsys.readouterr().out, encoding="utf-8")
    done = subprocess.run(
        ["groff", "-man", "-Tutf8", "-ww", "-rLL=90n", str(page)],
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert done.stderr == ""
    said = re.sub(r".\x08", "", done.stdout)
    assert re.search(r"^GETTING.STARTED", said, re.MULTILINE)
