"""The scripted model plays patches through the real tools."""
# ruff: noqa: W293 (context lines of a diff)

import pytest

from rsi.agent.llm.errors import ModelSpecError
from rsi.agent.types import ProposalOutcome
from rsi.sandboxes.types import FileEntry

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


def test_a_patch_that_no_longer_fits_ends_as_no_patch_with_the_refused_edit_on_record(lab):
    lab.tree = (FileEntry(path="model.py", content=b"def volume(r):\n    return r ** 3\n"),)
    proposal = lab.run(lab.scripted(ENTRY, square=SQUARE))
    assert proposal.outcome is ProposalOutcome.NO_PATCH
    assert "does not fit this champion" in proposal.reason
    refused = [result for result in lab.results() if result["is_error"]]
    assert refused
    assert "was not found" in refused[0]["text"]


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
    assert (second.outcome, second.reason) == (ProposalOutcome.NO_PATCH, "tried, too slow")
    third = lab.run(lab.scripted(toml, round_number=3, square=SQUARE))
    assert third.outcome is ProposalOutcome.NO_PATCH
    assert "2 rounds" in third.reason


def test_the_same_script_gives_the_same_trajectory_twice(lab):
    lab.run(lab.scripted(ENTRY, square=SQUARE))
    first, lab.events = lab.events, []
    lab.run(lab.scripted(ENTRY, square=SQUARE))
    assert lab.events == first


@pytest.mark.parametrize(
    ("toml", "problem"),
    [
        ("", "expected [[round]] entries"),
        ("[[round]]\npatch = 3\n", "patch has type int"),
        ('[[round]]\npatch = "square"\n', "a patch needs"),
        ('[[round]]\npatches = "square"\n', "unknown key 'patches'"),
        ('[[round]]\nhypothesis = "x"\n', "exactly one of"),
        ('[[round]]\npatch = "absent"\nhypothesis = ""\npredicted_ratio = 1\n', "'absent'"),
        ("[[round", "cannot be read"),
    ],
)
def test_a_mistake_in_a_script_is_named_with_its_place(lab, toml, problem):
    with pytest.raises(ModelSpecError, match=r"demo\.toml") as caught:
        lab.script(toml, square=SQUARE)
    assert problem in str(caught.value)
