"""Each pair of settings that cannot both be meant is refused at load, in one sentence."""

import tomllib
from contextlib import suppress
from pathlib import Path

import pytest
from tests.tasks.conftest import TOY
from tests.tasks.format.test_loader import TRACKS, problems_of, with_tracks

from rsi.tasks.errors import TaskFormatError, TaskNotFoundError
from rsi.tasks.format import contradictions
from rsi.tasks.format.loader import load_task
from rsi.tasks.format.task_file import TaskFile

CLOCK = 'unit = "s"\ndirection = "lower"\nclock = "cpu_s"'
RESULT = {
    'kind = "fixed_work"': 'kind = "quality_at_budget"',
    'clock = "cpu_s"': 'clock = "result"',
    "[rsi.candidate]": '[rsi.budget]\nunit = "cpu_s"\nlimit = 5\n[rsi.candidate]',
}
SMOKE, LARGE = '[rsi.profile.smoke]\nclaim = "none"', '[rsi.profile.large]\nclaim = "screen"'
WALL_BUDGET = '[rsi.budget]\nunit = "wall_s"\nlimit = 15\n[rsi.candidate]'

CASES = [
    ("_named_profiles_are_there", {'default_profile = "smoke"': 'default_profile = "smok"'},
     "rsi.default_profile is 'smok', no such profile, expected one of smoke, large; did you mean 'smoke'?"),
    ("_named_profiles_are_there", {'transfer = "large"': 'transfer = "smoke"'},
     "rsi.profile.smoke.transfer is 'smoke', expected another profile: large."),
    ("_named_tracks_are_there", {"default_profile": 'default_track = "easy"\ndefault_profile'},
     "rsi.default_track is 'easy', expected no such key: the task has no tracks."),
    ("_named_tracks_are_there", {"margin = 0.004": 'margin = 0.004\ntracks = ["main", "easy"]'},
     "rsi.quality[0].tracks[1] is the text 'easy', expected a list of main."),
    ("_each_track_has_a_quality", {"[[rsi.guard]]": '[[rsi.quality]]\nname = "excess_bpb"\nunit = "x"\ndirection = "lower"\nmargin = 1\n[[rsi.guard]]'},
     "rsi.quality[1].name is 'excess_bpb' a second time, expected each quality once."),
    ("_changed_qualities_are_there", {SMOKE: f"{SMOKE}\nquality.exces_bpb.limit = 1"},
     "rsi.profile.smoke.quality.exces_bpb is not a known key, did you mean 'excess_bpb'?"),
    ("_the_kind_gets_what_it_asks_for", {"margin = 0.004\n": ""},
     "rsi.quality[0].margin is missing, expected a number of at least 0."),
    ("_the_kind_gets_what_it_asks_for", {'kind = "fixed_work"': 'kind = "quality_at_budget"', 'clock = "cpu_s"': 'clock = "result"'},
     "rsi.budget is missing, expected a table [rsi.budget], for the metric kind quality_at_budget."),
    ("_only_what_was_held_out_may_claim", {"[rsi.metric]": 'honesty = "L1"\n[rsi.metric]'},
     "rsi.profile.large.claim is 'screen' with honesty L1, expected 'none': only a quality on data that no run is given, L2, may claim."),
    ("_a_clock_sees_what_the_device_does", {'device = "cpu"': 'device = "cuda"'},
     "rsi.metric.clock is 'cpu_s' with the device cuda, expected 'wall_s': CPU seconds do not count what a GPU does."),
    ("_a_clock_sees_what_the_device_does", {'device = "cpu"': 'device = "any"'},
     "rsi.metric.clock is 'cpu_s' with the device any, expected 'wall_s': CPU seconds do not count what a GPU does."),
    ("_a_linked_run_is_not_timed_by_the_host", {'pattern = "artifact"': 'pattern = "served"'},
     "rsi.metric.clock is 'cpu_s' with the pattern served, expected 'result': a candidate that waits for its harness is not timed by the host."),
    ("_required_work_is_timed_on_processors", {'device = "cpu"': 'device = "cuda"', 'clock = "cpu_s"': 'clock = "wall_s"', SMOKE: f"{SMOKE}\nrequired_multiply_adds = 1000"},
     "rsi.device is 'cuda' beside required_multiply_adds, expected 'cpu': the floor of required arithmetic is measured on processors alone."),
    ("_required_work_is_timed_on_processors", {**RESULT, SMOKE: f"{SMOKE}\nrequired_multiply_adds = 1000"},
     "rsi.profile.smoke.required_multiply_adds is 1000 with the clock result, expected 0: the floor of required arithmetic is a time."),
    ("_pairs_run_beside_each_other_on_cpu_time", {'clock = "cpu_s"': 'clock = "wall_s"', LARGE: f"{LARGE}\npairs_at_once = 2"},
     "rsi.profile.large.pairs_at_once is 2 with the clock wall_s, expected 1: only CPU seconds are told apart when pairs run beside each other."),
    ("_pairs_run_beside_each_other_on_cpu_time", {**RESULT, LARGE: f"{LARGE}\npairs_at_once = 2"},
     "rsi.profile.large.pairs_at_once is 2 with the clock result, expected 1: only CPU seconds are told apart when pairs run beside each other."),
    ("_guards_on_tests_have_tests", {'name = "max_rss_bytes"': 'name = "tests_cpu_s"'},
     "rsi.guard has 'tests_cpu_s', expected a table [rsi.tests] beside it."),
    ("_what_is_counted_is_served", {"[rsi.candidate]": WALL_BUDGET.replace("wall_s", "env_steps")},
     "rsi.budget.unit is 'env_steps' with the pattern artifact, expected cpu_s or wall_s: only a harness that serves each call of a run can count what it spends."),
    ("_a_budget_can_be_spent", {SMOKE: f"{SMOKE}\nbudget_limit = 4"},
     "rsi.profile.smoke.budget_limit has nothing to replace, expected a table [rsi.budget] beside it."),
    ("_a_budget_can_be_spent", {"[rsi.candidate]": WALL_BUDGET.replace("15", "30")},
     "rsi.budget.limit is 30 where a run of profile smoke ends after 20 s, expected at most that: more is never spent."),
    ("_a_budget_can_be_spent", {"[rsi.candidate]": WALL_BUDGET, LARGE: f"{LARGE}\nbudget_limit = 50"},
     "rsi.profile.large.budget_limit is 50 where a run of profile large ends after 40 s, expected at most that: more is never spent."),
    # Those that one table shows by itself, checked in `task_file`.
    ("MetricTable", {'direction = "lower"\nclock': 'direction = "higher"\nclock'},
     "rsi.metric.direction is 'higher' with the clock cpu_s, expected 'lower': less time is better."),
    ("MetricTable", {CLOCK: CLOCK.replace("lower", "higher").replace("cpu_s", "result")},
     "rsi.metric.direction is 'higher' with the kind fixed_work, expected 'lower'."),
    ("MetricTable", {'kind = "fixed_work"': 'kind = "quality_at_budget"', "[rsi.candidate]": RESULT["[rsi.candidate]"]},
     "rsi.metric.clock is 'cpu_s' with the kind quality_at_budget, expected 'result'."),
    ("GuardTable", {"max_ratio = 2.0\n": ""},
     "rsi.guard[0].max_ratio is missing, expected max_ratio or max_value or both."),
    ("PlanTable", {"max_pairs = 12": "max_pairs = 2"},
     "rsi.profile.smoke.plan.max_pairs is 2, expected at least min_pairs, 3."),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "changes", "sentence"), CASES)
def test_settings_that_cannot_both_be_meant_are_refused(
    toy_copy, edit_toml, monkeypatch, rule, changes, sentence
):
    for old, new in changes.items():
        edit_toml(old, new)
    assert problems_of(toy_copy) == (f"task.toml: {sentence}",)
    left = tuple(each for each in contradictions.RULES if each.__name__ != rule)
    if left != contradictions.RULES:
        monkeypatch.setattr(contradictions, "RULES", left)
        with suppress(TaskNotFoundError):
            load_task(toy_copy)


@pytest.mark.parametrize(
    "changes",
    [
        {'device = "cpu"': 'device = "cuda"', 'clock = "cpu_s"': 'clock = "wall_s"'},
        {'device = "cpu"': 'device = "any"', **RESULT},
        {"[rsi.candidate]": WALL_BUDGET, LARGE: f"{LARGE}\nbudget_limit = 40"},
        {SMOKE: f"{SMOKE}\npairs_at_once = 2\nrequired_multiply_adds = 10"},
        RESULT,
    ],
)
def test_settings_that_go_together_load(toy_copy, edit_toml, changes):
    for old, new in changes.items():
        edit_toml(old, new)
    load_task(toy_copy)


def test_every_rule_has_a_case():
    assert {rule.__name__ for rule in contradictions.RULES} <= {rule for rule, _, _ in CASES}


def test_what_contradicts_itself_on_one_track_alone_is_told_where_it_was_written(toy_copy: Path):
    with_tracks(toy_copy, TRACKS + "[rsi.track.easy.profile.large]\nbudget_limit = 3\n")
    assert problems_of(toy_copy) == (
        "task.toml: rsi.track.easy.profile.large.budget_limit has nothing to replace, expected a table [rsi.budget] "
        "beside it.",
    )


def test_a_track_without_a_quality_is_named(toy_copy: Path, edit_toml):
    edit_toml("margin = 0.004", 'margin = 0.004\ntracks = ["hard"]')
    with_tracks(toy_copy)
    assert problems_of(toy_copy) == (
        "task.toml: rsi.quality is empty on track 'easy', expected at least one quality that must hold.",
    )


def test_a_misspelt_key_does_not_hide_a_contradiction(edit_toml):
    folder = edit_toml("[rsi.candidate]", "[rsi.candidat]\n[rsi.candidate]")
    edit_toml('device = "cpu"', 'device = "cuda"')
    with pytest.raises(TaskFormatError) as caught:
        load_task(folder)
    assert [each.split()[1] for each in caught.value.problems] == [
        "rsi.candidat",
        "rsi.metric.clock",
    ]


def test_every_built_in_task_is_the_form_and_contradicts_nothing():
    for path in TOY.parent.glob("*/task.toml"):
        TaskFile.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
        load_task(path.parent)
