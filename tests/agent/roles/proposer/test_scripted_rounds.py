"""The scripted model plays patches through the real tools."""
# ruff: noqa: W293 (context lines of a diff)

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from tests.agent.roles.proposer.conftest import FolderSandbox, Lab, task_in
from tests.tasks.files.git_diffs import (
    PRINTABLE_PATHS,
    git_diff,
    git_in,
    is_possible,
    pairs_of_trees,
)

from rsi.agent.llm.errors import ModelSpecError
from rsi.agent.types import ProposalOutcome
from rsi.sandboxes.types import FileEntry
from rsi.tasks.files.diffs import compare_texts, render

SQUARE = """--- a/model.py
+++ b/model.py
@@ -3,6 +3,7 @@
 
 def area(radius):
-    return math.pi * radius * radius
+    square = radius * radius
+    return math.pi * square
 
 
 STEPS = 100
"""
ENTRY = """
[[round]]
patch = "square"
hypothesis = "squaring once is cheaper"
predicted_ratio = 1.2
risk = "none"
parts = ["square"]
measure = true
"""


def file_of(tree, path):
    return next(entry for entry in tree if entry.path == path)


def test_a_patch_of_the_script_arrives_in_the_submitted_tree(lab):
    proposal = lab.run(lab.scripted(ENTRY, square=SQUARE))
    assert proposal.outcome is ProposalOutcome.SUBMITTED, proposal.reason
    assert b"square = radius * radius\n    return math.pi * square\n" in (
        file_of(proposal.tree, "model.py").content
    )
    assert file_of(proposal.tree, "tools/run.sh").is_executable
    assert (proposal.hypothesis, proposal.predicted_ratio) == ("squaring once is cheaper", 1.2)
    assert proposal.parts == ("square",)
    assert proposal.cost.calls == proposal.turns == 5
    assert len(lab.measured) == 1
    assert lab.kinds()[:2] == ["system", "user"]
    assert lab.kinds()[-1] == "end"


def test_a_patch_is_located_by_context_when_the_champion_has_moved(lab):
    moved = "# a line\n" * 40 + lab.tree[0].content.decode().replace("STEPS = 100", "STEPS = 90")
    lab.tree = (FileEntry(path="model.py", content=moved.encode()),)
    proposal = lab.run(lab.scripted(ENTRY, square=SQUARE))
    assert proposal.outcome is ProposalOutcome.SUBMITTED, proposal.reason
    text = file_of(proposal.tree, "model.py").content.decode()
    assert "square = radius" in text
    assert text.endswith("STEPS = 90\n")


def test_a_patch_that_no_longer_fits_is_given_up_before_anything_is_changed(lab):
    lab.tree = (FileEntry(path="model.py", content=b"def volume(r):\n    return r ** 3\n"),)
    proposal = lab.run(lab.scripted(ENTRY, square=SQUARE))
    assert proposal.outcome is ProposalOutcome.GAVE_UP
    assert proposal.reason == (
        "the patch square does not fit this champion: hunk 1 of model.py finds other lines there"
    )
    assert [payload["name"] for _, kind, payload in lab.events if kind == "tool_call"] == [
        "str_replace_based_edit_tool", "str_replace_based_edit_tool", "give_up",
    ]  # fmt: skip


@pytest.mark.slow
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])  # fmt: skip
@given(pair=pairs_of_trees(st.sampled_from(PRINTABLE_PATHS)), flags=st.sampled_from(["-M", "-C"]))
@example(pair=({"f": ("100644", "x\r\n")}, {"f": ("100644", "a\n")}), flags="-M")
@example(pair=({"f": ("100644", "x\r\ny\r\n")}, {"f": ("100644", "x\r\ny\n")}), flags="-M")
@example(pair=({"f": ("100644", "x\ny\n")}, {"f": ("100644", "x\r\ny\r\n")}), flags="-M")
def test_whatever_git_can_say_of_two_trees_is_played_to_the_byte(tmp_path_factory, pair, flags):
    """Empty and copied files, modes, Windows line ends, missing last line feeds, removals: whole, or not at all."""
    before, after = pair
    if before == after or not (is_possible(before) and is_possible(after)):
        return
    folder = tmp_path_factory.mktemp("played")
    git = git_in(tmp_path_factory.mktemp("git"))
    patch = git_diff(git, before, after, flags, "--find-copies-harder")
    (folder / "sandbox").mkdir()
    lab = Lab(task_in(folder), FolderSandbox(folder / "sandbox"))
    lab.tree = file_tree(before)
    proposal = lab.run(lab.scripted(ENTRY, square=patch))
    assert proposal.outcome is ProposalOutcome.SUBMITTED, proposal.reason
    assert proposal.tree == file_tree(after)


def file_tree(tree):
    return tuple(
        FileEntry(path=path, content=text.encode(), is_executable=mode == "100755")
        for path, (mode, text) in sorted(tree.items())
    )


CRLF = (FileEntry(path="w.py", content=b"a = 1\r\nb = 2\r\nc = 3\r\n"),)


@pytest.mark.parametrize(
    ("tree", "patch", "after"),
    [
        (CRLF, "--- a/w.py\n+++ b/w.py\n@@ -1,3 +1,3 @@\n a = 1\r\n-b = 2\r\n+b = 3\r\n c = 3\r\n",
         (FileEntry(path="w.py", content=b"a = 1\r\nb = 3\r\nc = 3\r\n"),)),
        ((), "diff --git a/e b/e\nnew file mode 100755\nindex 0000000..e69de29\n",
         (FileEntry(path="e", content=b"", is_executable=True),)),
        ((FileEntry(path="e", content=b""),), "diff --git a/e b/e\ndeleted file mode 100644\nindex e69de29..0\n", ()),
        ((FileEntry(path="e", content=b"x\n"),), "diff --git a/e b/e\nold mode 100644\nnew mode 100755\n",
         (FileEntry(path="e", content=b"x\n", is_executable=True),)),
        ((FileEntry(path="e", content=b"x"),), "--- a/e\n+++ b/e\n@@ -1 +1 @@\n-x\n\\ No newline at end of file\n+x\n",
         (FileEntry(path="e", content=b"x\n"),)),
        ((FileEntry(path="e", content=b"x\n"),), "diff --git a/e b/d/f\nsimilarity index 100%\ncopy from e\ncopy to d/f\n",
         (FileEntry(path="d/f", content=b"x\n"), FileEntry(path="e", content=b"x\n"))),
    ],
    ids=["Windows line ends", "new and empty", "empty and deleted", "a mode", "a last line feed", "a copy"],
)  # fmt: skip
def test_a_patch_is_played_whole(lab, tree, patch, after):
    lab.tree = tree
    proposal = lab.run(lab.scripted(ENTRY, square=patch))
    assert proposal.outcome is ProposalOutcome.SUBMITTED, proposal.reason
    assert proposal.tree == after


def test_a_long_file_without_a_last_line_feed_is_read_page_by_page(lab):
    lab.limits = replace(lab.limits, view_lines=7)
    lines = [f"{n} = {n}" for n in range(40)]
    text = "\n".join(lines)
    lab.tree = (FileEntry(path="long.py", content=text.encode()),)
    new = "\n".join([*lines[:3], "new", *lines[3:39], "last"])
    proposal = lab.run(lab.scripted(ENTRY, square=render([compare_texts("long.py", text, new)])))
    assert proposal.outcome is ProposalOutcome.SUBMITTED, proposal.reason
    assert file_of(proposal.tree, "long.py").content == new.encode()


PI = """--- a/model.py
+++ b/model.py
@@ -5,3 +5,3 @@
 def area(radius):
     square = radius * radius
-    return math.pi * square
+    return 3.14 * square
"""
BUILT = ENTRY.replace('patch = "square"', 'patch = "pi"')
INSTEAD = """
[round.instead]
patch = "steps"
hypothesis = "fewer steps"
predicted_ratio = 1.5
"""
STEPS = """--- a/model.py
+++ b/model.py
@@ -8 +8 @@
-STEPS = 100
+STEPS = 50
"""


def test_a_patch_whose_parent_is_not_in_the_champion_is_skipped_with_that_sentence(lab):
    lab.needs = {"pi": ("square",)}
    proposal = lab.run(lab.scripted(BUILT, square=SQUARE, pi=PI))
    assert proposal.outcome is ProposalOutcome.GAVE_UP
    assert proposal.reason == (
        "skipped: pi builds on square, which this champion does not have (rejected, rolled back or not yet tried)"
    )
    with_parent = lab.run(lab.scripted(ENTRY, square=SQUARE)).tree
    lab.tree = with_parent
    proposal = lab.run(lab.scripted(BUILT, square=SQUARE, pi=PI))
    assert proposal.outcome is ProposalOutcome.SUBMITTED, proposal.reason
    assert b"return 3.14 * square" in file_of(proposal.tree, "model.py").content


def test_a_patch_brings_along_what_it_is_listed_with(lab):
    lab.needs = {"pi": ("square",)}
    both = ENTRY.replace('patch = "square"', 'patch = ["square", "pi"]')
    proposal = lab.run(lab.scripted(both, square=SQUARE, pi=PI))
    assert b"return 3.14 * square" in file_of(proposal.tree, "model.py").content


def test_another_patch_stands_in_for_one_whose_parent_is_missing(lab):
    lab.needs = {"pi": ("square",)}
    proposal = lab.run(lab.scripted(BUILT + INSTEAD, square=SQUARE, pi=PI, steps=STEPS))
    assert (proposal.hypothesis, proposal.predicted_ratio) == ("fewer steps", 1.5)
    assert file_of(proposal.tree, "model.py").content.endswith(b"STEPS = 50\n")
    lab.tree = lab.run(lab.scripted(ENTRY, square=SQUARE)).tree
    proposal = lab.run(lab.scripted(BUILT + INSTEAD, square=SQUARE, pi=PI, steps=STEPS))
    assert proposal.hypothesis == "squaring once is cheaper"


def test_new_deleted_and_renamed_files_are_played(lab):
    patch = """--- /dev/null
+++ b/fast/kernel.py
@@ -0,0 +1,2 @@
+def fast():
+    return 1
--- a/tools/run.sh
+++ /dev/null
@@ -1,2 +0,0 @@
-#!/bin/sh
-echo hello
diff --git a/model.py b/shape.py
similarity index 90%
rename from model.py
rename to shape.py
--- a/model.py
+++ b/shape.py
@@ -8 +8 @@
-STEPS = 100
+STEPS = 50
"""
    proposal = lab.run(lab.scripted(ENTRY, square=patch))
    assert proposal.outcome is ProposalOutcome.SUBMITTED, proposal.reason
    assert [entry.path for entry in proposal.tree] == ["fast/kernel.py", "shape.py"]
    assert file_of(proposal.tree, "shape.py").content.endswith(b"STEPS = 50\n")


def test_a_candidate_that_was_sent_back_is_revised(lab):
    other = SQUARE.replace("+    square = radius * radius", "+    square = radius**2")
    toml = ENTRY + 'revision = "power"\n'
    model = lab.scripted(toml, square=SQUARE, power=other)
    first = lab.run(model)
    assert b"radius * radius\n" in file_of(first.tree, "model.py").content
    for reason in ({"critique": "use a power"}, {"feedback": "use a power"}):
        revised = lab.run(lab.scripted(toml, square=SQUARE, power=other), **reason)
        assert b"square = radius**2" in file_of(revised.tree, "model.py").content
        told = [payload["text"] for _, kind, payload in lab.events if kind == "user"]
        assert "use a power" in told[-1]


def test_an_empty_patch_submits_the_champion_unchanged(lab):
    proposal = lab.run(lab.scripted(ENTRY, square=""))
    assert proposal.outcome is ProposalOutcome.SUBMITTED
    assert file_of(proposal.tree, "model.py").content == lab.tree[0].content


def test_the_round_number_chooses_the_entry_and_beyond_the_end_nothing_is_proposed(lab):
    toml = ENTRY + '[[round]]\ngive_up = "tried, too slow"\n'
    second = lab.run(lab.scripted(toml, round_number=2, square=SQUARE))
    assert (second.outcome, second.reason) == (ProposalOutcome.GAVE_UP, "tried, too slow")
    third = lab.run(lab.scripted(toml, round_number=3, square=SQUARE))
    assert third.outcome is ProposalOutcome.GAVE_UP
    assert "2 rounds" in third.reason


def test_the_same_script_gives_the_same_trajectory_twice(lab):
    lab.run(lab.scripted(ENTRY, square=SQUARE))
    first, lab.events = lab.events, []
    lab.run(lab.scripted(ENTRY, square=SQUARE))
    assert lab.events == first


@pytest.mark.parametrize(
    ("toml", "problem"),
    [
        ("", "round is missing, expected an array of tables, written [[round]] with at least 1."),
        ("[[round]]\npatch = 3\n", "round[0].patch is 3, expected the name of a patch or a list of names."),
        ('[[round]]\npatch = "square"\n', "round[0].hypothesis is missing, expected what the author says"),
        ('[[round]]\npatches = "square"\n', "round[0].patches is not a known key, did you mean 'patch'?"),
        ('[[round]]\nhypothesis = "x"\n', "round[0].patch is missing, expected exactly one of patch, give_up and turn."),
        ('[[round]]\npatch = "x"\ngive_up = "y"\n', "round[0].patch stands beside give_up, expected exactly one of"),
        ('[[round]]\ngive_up = "y"\nrevision = "x"\n', "round[0].revision has nothing to stand for, expected a patch"),
        ('[[round]]\npatch = "absent"\nhypothesis = ""\npredicted_ratio = 1\n', "round[0].patch names 'absent', which is no file"),
        ('[[round]]\n[[round.turn]]\ncalls = [{name = "x"}]\n', "round[0].turn[0].calls[0].tool is missing, expected a text."),
        ("[[round", "is not valid TOML"),
        (ENTRY.replace("square", "link"), "round[0].patch cannot be played: patch 'link', 'l': mode 120000 is a symbolic link"),
        (ENTRY.replace("square", "binary"), "round[0].patch cannot be played: patch 'binary', 'b': binary changes are refused"),
        (ENTRY.replace("square", "cut"), "round[0].patch cannot be played: patch 'cut', line 4: the last hunk is cut short"),
    ],
)  # fmt: skip
def test_a_mistake_in_a_script_is_named_with_its_place(lab, toml, problem):
    patches = {
        "square": SQUARE,
        "link": "diff --git a/l b/l\nnew file mode 120000\n--- /dev/null\n+++ b/l\n@@ -0,0 +1 @@\n+/etc\n",
        "binary": "diff --git a/b b/b\nindex 1..2 100644\nBinary files a/b and b/b differ\n",
        "cut": "--- a/x\n+++ b/x\n@@ -1,2 +1,2 @@\n a\n",
    }
    with pytest.raises(ModelSpecError, match=r"demo\.toml") as caught:
        lab.script(toml, **patches)
    assert problem in str(caught.value)


def test_what_stands_in_is_skipped_too_where_its_own_parent_is_missing(lab):
    lab.needs = {"pi": ("square",), "steps": ("fast",)}
    fast = "--- /dev/null\n+++ b/fast.py\n@@ -0,0 +1 @@\n+FAST = True\n"
    toml = BUILT + INSTEAD
    proposal = lab.run(lab.scripted(toml, square=SQUARE, pi=PI, steps=STEPS, fast=fast))
    assert proposal.outcome is ProposalOutcome.GAVE_UP
    assert proposal.reason.startswith("skipped: pi builds on square, which this champion")


def test_all_mistakes_of_a_script_are_told_at_once(lab):
    toml = "[[round]]\npatch = 3\nmeasure = 1\n[[round]]\ngive_up = ''\n"
    with pytest.raises(ModelSpecError) as caught:
        lab.script(toml)
    assert [line.split(": ", 1)[1] for line in str(caught.value).splitlines()] == [
        "round[0].measure is 1, expected true or false.",
        "round[0].patch is 3, expected the name of a patch or a list of names.",
        "round[1].give_up is the text '', expected a text.",
    ]
