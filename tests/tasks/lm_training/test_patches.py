"""Reference patches and cheats: they apply, they stay where they may, and the demo plays in order."""

import pytest

from rsi.agent.llm.scripted.script import load_script
from rsi.tasks.files.globs import matches
from rsi.tasks.files.patches import apply_patch, check_patch, read_tree
from rsi.tasks.format.loader import load_task

TASK = load_task("lm_training", track="open_family")
FIXED = load_task("lm_training", track="fixed_model")
SOLUTIONS = {solution.name: solution for solution in (*TASK.solutions, *FIXED.solutions)}
CHEATS = {cheat.name: cheat for cheat in (*TASK.cheats, *FIXED.cheats)}
PROMOTED_IN_THE_DEMO = ("02_flat_adamw", "03_batched_heads", "04_fewer_better_steps")


def patched(tree, name):
    patch = (SOLUTIONS | CHEATS)[name].patch
    return apply_patch(tree, patch.read_bytes(), name=name)


@pytest.mark.parametrize("name", SOLUTIONS)
def test_a_solution_applies_after_what_it_needs_and_keeps_the_rules(name):
    tree = read_tree(FIXED.repo)
    for needed in SOLUTIONS[name].needs:
        tree = patched(tree, needed)
    assert patched(tree, name) != tree
    touched = check_patch(SOLUTIONS[name].patch.read_bytes(), name=name)
    assert all(matches(path, FIXED.candidate.editable) for path in touched)
    size = sum(len(entry.content) for entry in patched(tree, name))
    assert size <= FIXED.candidate.max_source_bytes


@pytest.mark.parametrize("name", CHEATS)
def test_a_cheat_applies_and_says_how_it_would_win(name):
    tree = read_tree(FIXED.repo)
    assert patched(tree, name) != tree
    assert "would win" in " ".join(
        CHEATS[name].patch.read_text().partition("diff --git")[0].split()
    )


def test_the_demo_plays_in_order_on_the_champion_it_would_meet():
    tree = read_tree(FIXED.repo)
    for step in load_script("demo", FIXED).rounds:
        after = patched(tree, step.label)
        if step.label in PROMOTED_IN_THE_DEMO:
            tree = after


def test_what_cannot_be_a_gain_is_measured_beside_the_cheapest_champion():
    """Such rounds cost two champions a pair, and the demo's minutes are promised."""
    labels = [step.label for step in load_script("demo", FIXED).rounds]
    last_gain = max(labels.index(name) for name in PROMOTED_IN_THE_DEMO)
    for number, label in enumerate(labels):
        if label in SOLUTIONS and SOLUTIONS[label].expect in {"same", "slower"}:
            assert number > last_gain, label


def test_the_demo_has_what_a_first_look_needs():
    labels = [step.label for step in load_script("demo", FIXED).rounds]
    expected = [SOLUTIONS[label].expect for label in labels if label in SOLUTIONS]
    assert len(labels) >= 8
    assert expected.count("faster") >= 2
    assert {"same", "slower", "worse_quality", "crash"} <= set(expected)
    assert sum(label in CHEATS for label in labels) >= 2
