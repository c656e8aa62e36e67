"""The exploit pack and the page that says whether an evaluator can be trusted."""

import ast
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from rsi.evals.admission import admit, is_admitted
from rsi.evals.exploits import EXPLOITS, exploit_tree, first_editable
from rsi.evals.trust import examine_task
from rsi.sandboxes.bubblewrap import BubblewrapBackend
from rsi.sandboxes.process import ProcessBackend
from rsi.sandboxes.types import FileEntry
from rsi.tasks.loader import BUILT_IN, load_task, profile_of
from rsi.tasks.trees import read_tree

TOY = load_task(BUILT_IN / "toy")
BASE = read_tree(TOY.repo)
HARMLESS_TO_RULES = {"does_nothing", "floods_the_log"}
"""No rule can tell these from a program that ends early or prints much; the run stops them."""


def test_the_exploit_goes_into_the_first_editable_file_that_the_entry_runs() -> None:
    target = first_editable(TOY, BASE)
    assert target.path.startswith("bigram/")
    for exploit in EXPLOITS:
        tree = exploit_tree(TOY, BASE, exploit)
        changed = [a.path for a, b in zip(tree, BASE, strict=True) if a != b]
        assert changed == [target.path]
        for entry in tree:
            if entry.path.endswith(".py"):
                ast.parse(entry.content)


def test_a_prologue_comes_after_what_must_be_first() -> None:
    source = b'"""Doc."""\nfrom __future__ import annotations\nimport os\n'
    entry = ("python", "run.py")
    task = replace(TOY, candidate=replace(TOY.candidate, entry=entry, editable=("run.py",)))
    (tree,) = exploit_tree(task, (FileEntry(path="run.py", content=source),), EXPLOITS[0])
    body = ast.parse(tree.content).body
    assert isinstance(body[1], ast.ImportFrom)
    assert body[1].module == "__future__"
    compile(tree.content, "run.py", "exec")


def test_a_task_without_an_editable_file_in_reach_is_said_so() -> None:
    task = replace(TOY, candidate=replace(TOY.candidate, editable=("nowhere/**",)))
    with pytest.raises(ValueError, match="no editable Python file"):
        first_editable(task, BASE)


@pytest.mark.parametrize("exploit", EXPLOITS, ids=lambda e: e.name)
def test_admission_blocks_every_exploit_that_source_gives_away(exploit) -> None:
    findings = admit(TOY, BASE, exploit_tree(TOY, BASE, exploit))
    assert is_admitted(findings) == (exploit.name in HARMLESS_TO_RULES)


def bubblewrap_runs() -> bool:
    return bool(shutil.which("bwrap")) and BubblewrapBackend().availability().is_available


@pytest.mark.slow
def test_a_strong_sandbox_gives_a_page_without_a_fault(tmp_path: Path) -> None:
    if not bubblewrap_runs():
        pytest.skip("bubblewrap cannot run here")
    chosen = tuple(e for e in EXPLOITS if e.name in {"looks_around", "returns_the_last_run"})
    lines: list[str] = []
    report = examine_task(
        TOY,
        profile_of(TOY),
        BubblewrapBackend(),
        secret=b"trust in the toy",
        label="trust-test",
        cache=tmp_path,
        exploits=chosen,
        on_line=lambda line: lines.append(line.name),
    )
    assert [line.name for line in report.lines] == lines
    assert not any(result.has_won for result in report.exploits)
    assert report.noise is not None
    assert report.floor_s is not None
    assert report.headroom is not None
    assert report.headroom > 2


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="walks a Linux disk")
def test_a_sandbox_without_walls_is_found_out(tmp_path: Path) -> None:
    """The plain process sees the whole disk; the probe must say so, whatever the score was."""
    (tmp_path / "secret").mkdir()
    report = examine_task(
        TOY,
        profile_of(TOY),
        ProcessBackend(),
        secret=b"trust in the toy",
        label="trust-test",
        cache=tmp_path / "cache",
        exploits=tuple(e for e in EXPLOITS if e.name == "looks_around"),
    )
    (result,) = report.exploits
    assert result.has_won
    assert not report.is_trusted
