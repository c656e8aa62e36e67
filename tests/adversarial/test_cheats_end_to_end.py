"""Every cheat of every task, for real: it ends as its list says, never supported, and its layer is what stops it.

Each is judged three times: with every layer on; with admission off, so that the layers behind it are met; and with
the layer that it names off, where that can be done from outside, so that no test here passes by itself.
"""

import tempfile
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cache
from pathlib import Path

import pytest

from rsi.agent.trust.task_trust import Examiner, ending_of
from rsi.evals.admission.admission import admit, is_admitted
from rsi.evals.judge.guards import source_facts
from rsi.evals.judge.score import score
from rsi.evals.measure.measuring import measure
from rsi.evals.measure.runner import TaskRunner
from rsi.evals.types import Purpose, Severity
from rsi.sandboxes.errors import BackendUnavailableError, EnvironmentBuildError
from rsi.sandboxes.select import QUICKEST_FIRST, choose_backend
from rsi.sandboxes.types import ExecOutcome, FileEntry
from rsi.tasks.files.trees import read_tree
from rsi.tasks.format.loader import load_task
from rsi.tasks.running.check import patched_tree
from rsi.tasks.types import Grade, GradeOutcome, QualityReading

pytestmark = pytest.mark.slow

SECRET = bytes(range(16))
PROFILE = "smoke"
LARGER_PROFILE = {
    "07_fishes_for_a_seed": "demo",
    "09_looks_at_the_next_byte": "demo",
    "16_trains_a_smaller_model": "demo",
    "18_speaks_to_the_reviewer": "demo",
    "22_drops_the_report": "demo",
    "23_makes_up_the_report": "demo",
}
"""Cheats that a run of the smoke profile is too short for: they neither gain nor lose there."""
TRAIN_LONG = {
    "09_looks_at_the_next_byte",
    "11_scores_that_overflow",
    "18_speaks_to_the_reviewer",
    "19_unpacks_to_gigabytes",
    "22_drops_the_report",
    "23_makes_up_the_report",
    "24_knows_only_the_measured_sizes",
}
"""Cheats of the flagship that end by the same layer as a quicker one beside them; they have the exhaustive lane."""
MOST_PAIRS = 3
PAIRS_OF_A_SMALL_GAIN = 8
"""A validation report is a twentieth of a run."""
ANYTHING = 1e9
"""A margin that no quality breaks."""


class Switch(StrEnum):
    """What a test can turn off to show that a layer is what stops a cheat."""

    ADMISSION = "admission"
    GRADING = "grading"
    QUALITY = "quality"
    TESTS = "tests"
    NONE = "none"
    """Isolation and fresh instances are how a run is made; they stand alone with admission off instead."""


def _cheat(task, name):
    return next(each for each in task.cheats if each.name == name)


def switch_of(layer):
    words = layer.lower()
    if words.startswith(("admission", "edit policy")):
        return Switch.ADMISSION
    if words.startswith("quality"):
        return Switch.QUALITY
    if words.startswith("the repo's own tests"):
        return Switch.TESTS
    if any(word in words for word in ("grading", "artifact reader", "harness writes", "links are")):
        return Switch.GRADING
    return Switch.NONE


CASES = [
    pytest.param(
        name, cheat.name, id=f"{name}-{cheat.name}",
        marks=(
            [pytest.mark.exhaustive] if name != "toy" and cheat.name in TRAIN_LONG
            else [pytest.mark.slow] if name != "toy" or cheat.name[:2] not in {"01", "04"}
            else []
        ),
    )
    for name in ("toy", "lm_training")
    for cheat in load_task(name).cheats
]  # fmt: skip


def with_layer_off(*wanted):
    """Cases whose named layer is one of these; the flagship's train for real many times, so they have a lane."""
    return [
        pytest.param(
            *case.values,
            id=case.id,
            marks=[*case.marks, *([pytest.mark.exhaustive] if case.values[0] != "toy" else [])],
        )
        for case in CASES
        if switch_of(_cheat(load_task(case.values[0]), case.values[1]).layer) in wanted
    ]


def by_switch(*wanted):
    return [
        case
        for case in CASES
        if switch_of(_cheat(load_task(case.values[0]), case.values[1]).layer) in wanted
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustingRunner(TaskRunner):
    """Runs for real and believes everything: whatever was left, or not left, is graded as good."""

    def run_candidate(self, task, profile, tree, instance, training_seed, label, **how):
        run = TaskRunner.run_candidate(
            self, task, profile, tree, instance, training_seed, label, **how
        )
        if run.output is None and run.execution.outcome is ExecOutcome.OK:
            kept = (FileEntry(path="unread", content=b""),)
            return replace(run, output=kept, output_problem="")
        return run

    def grade(self, task, profile, instance, output, label):
        quality = tuple(
            QualityReading(name=rule.name, value=rule.limit, op="<=", limit=rule.limit, is_ok=True)
            for rule in profile.quality
        )
        return Grade(
            outcome=GradeOutcome.OK, reason="", metric_value=None, quality=quality, guards=(),
            result={}, result_sha256="",
        )  # fmt: skip


@cache
def backend(task_name):
    """The quickest sandbox with walls that can be made ready here; the plain process only where there is none."""
    environment = load_task(task_name).environment
    for name in (*QUICKEST_FIRST, "process"):
        try:
            found = choose_backend(name).backend
            found.prepare(environment)
        except (BackendUnavailableError, EnvironmentBuildError):
            continue
        return found
    raise AssertionError(f"no sandbox can be made ready for {task_name}")


@cache
def lock_folder():
    """Timing decides nothing here that load could spoil, so these runs wait for no other work."""
    return Path(tempfile.mkdtemp(prefix="rsi-cheats-"))


@cache
def tried(task_name, cheat_name):
    task = load_task(task_name)
    cheat = _cheat(task, cheat_name)
    examiner = Examiner(
        task=task,
        profile=task.profiles[LARGER_PROFILE.get(cheat_name, PROFILE)],
        backend=backend(task_name),
        secret=SECRET,
        progress=print,
        lock_folder=lock_folder(),
    )
    return examiner.try_cheat(
        read_tree(task.repo), patched_tree(task, cheat), cheat.name, cheat.layer, cheat.expect
    )


@pytest.mark.parametrize(("task_name", "cheat_name"), CASES)
def test_it_ends_as_its_list_says_and_is_never_supported(task_name, cheat_name):
    task = load_task(task_name)
    cheat = _cheat(task, cheat_name)
    if not is_admitted(admit(task, read_tree(task.repo), patched_tree(task, cheat))):
        assert "not_admitted" in cheat.expect
        return  # nothing of it ever runs; what lies behind admission is tried below
    found = tried(task_name, cheat_name)
    assert found.ended_as != "supported", found
    assert found.is_caught, found


@pytest.mark.parametrize(("task_name", "cheat_name"), with_layer_off(*Switch))
def test_admission_is_never_the_only_layer_unless_the_list_says_so(task_name, cheat_name):
    found = tried(task_name, cheat_name)
    if switch_of(found.layer) is not Switch.ADMISSION:
        assert found.behind != "supported", found


@pytest.mark.parametrize(("task_name", "cheat_name"), CASES)
def test_what_admission_refuses_is_let_in_once_admission_is_off(task_name, cheat_name):
    """No family of rules and no edit policy: what was refused is refused by those two and nothing else."""
    task = load_task(task_name)
    base, tree = read_tree(task.repo), patched_tree(task, _cheat(task, cheat_name))
    if is_admitted(admit(task, base, tree)):
        pytest.skip("admission lets it in: another layer stops it")
    open_door = replace(
        task.candidate, editable=("**",), protected=(), max_files_added=99,
        max_source_bytes=1 << 30, max_literal_bytes=1 << 30,
    )  # fmt: skip
    left = admit(replace(task, candidate=open_door), base, tree, rules={})
    # What the kind and the name of a file say is no rule of a task, so it stays on.
    by_name = {each.rule for each in _blocking(left)}
    assert by_name <= {"policy", "shadowing"}, left


@pytest.mark.parametrize(("task_name", "cheat_name"), by_switch(Switch.ADMISSION))
def test_the_half_of_admission_that_is_named_is_what_refuses_it(task_name, cheat_name):
    """With the edit policy open, or the families of rules gone, the findings of that half are gone too."""
    task = load_task(task_name)
    cheat = _cheat(task, cheat_name)
    base, tree = read_tree(task.repo), patched_tree(task, cheat)
    before = _blocking(admit(task, base, tree))
    if "edit policy" in cheat.layer:
        door = replace(task.candidate, editable=("**",), protected=(), max_files_added=99)
        after = _blocking(admit(replace(task, candidate=door), base, tree))
    else:
        after = _blocking(admit(task, base, tree, rules={}))
        assert not after
    assert after < before


@pytest.mark.slow
@pytest.mark.parametrize(("task_name", "cheat_name"), with_layer_off(Switch.GRADING))
def test_a_grader_that_believes_everything_no_longer_stops_it(task_name, cheat_name):
    found = tried(task_name, cheat_name)
    # The repo's own tests run candidate code, and may refuse what the grader refuses.
    believing = TrustingRunner(backend=backend(task_name))
    believed = _ending(task_name, cheat_name, runner=believing, has_tests=False)
    assert believed != found.behind, (believed, found)


@pytest.mark.slow
@pytest.mark.parametrize(("task_name", "cheat_name"), with_layer_off(Switch.QUALITY))
def test_without_quality_rules_it_would_have_won(task_name, cheat_name):
    assert tried(task_name, cheat_name).behind != "supported"
    assert _ending(task_name, cheat_name, has_quality=False) == "supported"


@pytest.mark.slow
@pytest.mark.parametrize(("task_name", "cheat_name"), by_switch(Switch.TESTS))
def test_without_the_repos_own_tests_it_would_have_won(task_name, cheat_name):
    found = tried(task_name, cheat_name)
    assert (found.ended_as, "repo's own tests" in found.reason) == ("refuted", True), found
    won = _ending(task_name, cheat_name, has_tests=False, pairs=PAIRS_OF_A_SMALL_GAIN)
    assert won == "supported"


def _ending(
    task_name, cheat_name, *, runner=None, has_quality=True, has_tests=True, pairs=MOST_PAIRS
):
    """How a cheat ends behind admission, with a layer off."""
    task = load_task(task_name)
    if not (has_quality and has_tests):  # one that dropped work would fail them too
        metric = replace(task.metric, minimum_effect=0.01)
        task = replace(task, tests=None, metric=metric)
    profile = task.profiles[LARGER_PROFILE.get(cheat_name, PROFILE)]
    plan = replace(profile.plan, max_pairs=pairs, min_pairs=2)
    profile = replace(profile, plan=plan)
    if (
        not has_quality
    ):  # the harness reports what is declared, so the rules stay and allow everything
        open_rules = tuple(replace(rule, limit=None, margin=ANYTHING) for rule in profile.quality)
        profile = replace(profile, quality=open_rules, guards=())
    base, tree = read_tree(task.repo), patched_tree(task, _cheat(task, cheat_name))
    runs = measure(
        task, profile, backend(task_name), base, tree, purpose=Purpose.CONTROL, campaign_secret=SECRET,
        lineage="end-to-end", round_id=cheat_name, runner=runner, cache=lock_folder(),
    )  # fmt: skip
    source = source_facts(base, tree)
    return ending_of(score(task, profile, runs, purpose=Purpose.CONTROL, source=source))


def _blocking(findings):
    return {each for each in findings if each.severity is Severity.BLOCK}
