"""A second red team's patches: cheats of kinds that no table lists, and honest patches as strong models write them."""

import random
import tomllib
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

from rsi.evals.admission.admission import admit
from rsi.evals.admission.rules.catalogue import RULES, Rule
from rsi.evals.types import Finding, Severity
from rsi.sandboxes.types import FileEntry, FileTree
from rsi.tasks.files.trees import read_tree
from rsi.tasks.format.loader import load_task
from rsi.tasks.types import Task

FOLDER = Path(__file__).parent / "red_team"
_chance = random.Random(11)
CARRIED = {
    # Data that a cheat carries: too long to be written out there.
    "bits": ", ".join(_chance.choice(("None", "...")) for _ in range(2400)),
    "lines": "\n".join(f"    _line(),{chr(10) * _chance.randrange(4)}" for _ in range(400)),
    "annotated": "\n".join(f"    a{n}: {_chance.randrange(10**6)}," for n in range(400)),
}


class Entry(NamedTuple):
    """One patch of the corpus."""

    name: str
    task: str
    file: str
    code: str
    stop: str
    """Of a cheat: the layer that has to stop it; "" of an honest patch."""
    may_hold: bool


@cache
def corpus(name: str) -> tuple[Entry, ...]:
    """Every entry of one file."""
    tables = tomllib.loads((FOLDER / f"{name}.toml").read_text(encoding="utf-8"))
    (rows,) = tables.values()
    return tuple(
        Entry(
            name=row["name"],
            task=row["task"],
            file=row["file"],
            code=_filled(row["code"]),
            stop=row.get("stop", ""),
            may_hold=row.get("held", False),
        )
        for row in rows
    )


def _filled(code: str) -> str:
    for name, text in CARRIED.items():
        code = code.replace(f"%({name})s", text)
    return code


@cache
def task_of(name: str) -> tuple[Task, FileTree]:
    task = load_task(name)
    return task, read_tree(task.repo)


def patched(base: FileTree, entry: Entry) -> FileTree:
    """The repo with an entry's code at the end of its file, or as a new file."""
    files: Mapping[str, FileEntry] = {each.path: each for each in base}
    code = entry.code.encode()
    old = files.get(entry.file)
    new = FileEntry(path=entry.file, content=code.lstrip()) if old is None else replace(old, content=old.content + b"\n" + code)  # fmt: skip
    return tuple(sorted((files | {entry.file: new}).values(), key=lambda each: each.path))


def findings_of(entry: Entry, rules: Mapping[str, Rule] = RULES) -> tuple[Finding, ...]:
    task, base = task_of(entry.task)
    return admit(task, base, patched(base, entry), rules=rules)


def worst(findings: tuple[Finding, ...]) -> Severity:
    return min(
        (each.severity for each in findings), key=list(Severity).index, default=Severity.NOTE
    )


CHEATS, HONEST = corpus("cheats"), corpus("honest")


def _said(findings: tuple[Finding, ...]) -> list[str]:
    return [f"{each.severity} {each.rule}: {each.message}" for each in findings]


@pytest.mark.parametrize("entry", [e for e in CHEATS if e.stop == "rules"], ids=lambda e: e.name)
def test_a_cheat_that_rules_must_notice_is_noticed(entry: Entry) -> None:
    assert worst(findings_of(entry)) is not Severity.NOTE


@pytest.mark.parametrize("entry", HONEST, ids=lambda e: e.name)
def test_an_honest_patch_is_not_blocked_and_seldom_held(entry: Entry) -> None:
    findings = findings_of(entry)
    allowed = {Severity.NOTE, Severity.HOLD} if entry.may_hold else {Severity.NOTE}
    assert worst(findings) in allowed, _said(findings)


def test_the_corpus_is_as_large_and_as_mixed_as_a_rate_needs() -> None:
    for entries in (CHEATS, HONEST):
        assert len(entries) >= 60
        assert len({each.name for each in entries}) == len(entries)
        assert {each.task for each in entries} == {"toy", "lm_training"}


@pytest.mark.parametrize("family", ["writes", "conditions", "waiting", "reach"])
def test_a_family_that_seldom_blocks_is_what_catches_some_cheats(family: str) -> None:
    others = {name: rule for name, rule in RULES.items() if name != family}
    assert len(others) == len(RULES) - 1
    cheats = [e for e in (*CHEATS, *corpus("unseen_cheats")) if e.stop == "rules"]
    assert any(worst(findings_of(entry, others)) is Severity.NOTE for entry in cheats)
