"""What everybody who writes or judges a candidate is told: made from facts, and told of one track alone."""

import os
import re

import pytest

from rsi.agent.memory.brief import Allowance, ChampionFacts, allowance_text, score_profile
from rsi.agent.memory.deciding import what_decides
from rsi.sandboxes.machine.processors import find_processors
from rsi.tasks.format.loader import load_task

TRACKS = [("lm_training", track) for track in ("fixed_model", "open_family", "systems")]
OTHERS = [("toy", None), ("compiler", None), ("lm_training_c", None)]
COMMIT = "a" * 40


def numbers_in(text):
    return {float(each.replace("_", "")) for each in re.findall(r"\d+(?:\.\d+)?(?:e-\d+)?", text)}


@pytest.mark.parametrize(("name", "track"), [*TRACKS, *OTHERS])
def test_every_bound_of_every_profile_is_told(name, track):
    task = load_task(name, track=track)
    for profile in task.profiles.values():
        text = what_decides(task, profile)
        told = numbers_in(text)
        for rule in profile.quality:
            assert {each for each in (rule.limit, rule.margin) if each is not None} <= told
            assert f"Quality {rule.name} in {rule.unit}, {rule.direction.meaning}" in text
        for rule in profile.guards:
            assert {each for each in (rule.max_ratio, rule.max_value) if each is not None} <= told
        limits, rules = profile.limits, task.candidate
        assert {limits.wall_s, limits.memory_bytes / (1 << 20), limits.pids} <= told
        assert {rules.max_source_bytes, rules.max_literal_bytes, rules.max_output_files} <= told
        assert {profile.cpu_count, profile.plan.max_pairs, task.metric.plausible_ratio} <= told
        assert f"above {task.metric.minimum_effect:.1%}" in text
        assert profile.budget is None or profile.budget.limit in told
        assert all(each in text for each in (*rules.editable, *rules.protected, *rules.entry))
        assert task.tests is None or " ".join(task.tests.entry) in text


@pytest.mark.parametrize(("name", "track"), TRACKS)
def test_one_track_is_told_and_no_other(name, track):
    task = load_task(name, track=track)
    told = task.instruction + what_decides(task, task.profiles["demo"])
    assert f"Track {track}: {task.track_description}" in told
    assert [each for each in task.tracks if each in told] == [track]


def test_the_champion_is_told_in_figures_and_what_nobody_measured_is_left_out():
    task = load_task("toy")
    bare = score_profile(task, ChampionFacts(commit=COMMIT, promotions=0))
    assert bare == "The champion is the unchanged baseline, commit aaaaaaaaaaaa."
    whole = score_profile(
        task,
        ChampionFacts(
            commit=COMMIT, start="b" * 40, promotions=2, metric_value=1.25, floor_s=0.031,
            run="ok: 1.2 CPU-s",
        ),
    )  # fmt: skip
    assert "result of 2 promoted changes, commit aaaaaaaaaaaa." in whole
    assert "starts from commit bbbbbbbbbbbb, another candidate" in whole
    assert "fit_cpu was 1.25 s, the median of its runs" in whole
    assert "takes 0.031 s" in whole
    assert "by this campaign:\n<data-" in whole
    assert 'from="measure">\nok: 1.2 CPU-s\n</data-' in whole


def test_what_is_left_is_what_was_allowed_less_what_was_used_and_never_below_nothing():
    text = allowance_text(
        Allowance(
            round_number=2, rounds=5, round_usd=0.5,
            limits={"usd": 4.0, "tokens": 1000, "wall_s": 60.0, "device_s": 30.0},
            used={"usd": 1.5, "tokens": 1200, "wall_s": 20.0, "device_s": 0.0},
        )
    )  # fmt: skip
    assert text.splitlines() == [
        "Round 2 of at most 5 of this campaign.",
        "Left of the campaign's dollars: $2.50 of $4.",
        "Left of the campaign's tokens: 0 of 1000.",
        "Left of the campaign's time: 40 of 60 s.",
        "Left of the campaign's time of timed runs: 30 of 30 s.",
        "The models may cost $0.5 in this round.",
    ]


def test_processors_are_told_as_the_kernel_tells_them(tmp_path):
    file = tmp_path / "cpuinfo"
    file.write_text(
        "processor\t: 0\nmodel name\t: Fast 9000\nflags\t\t: fpu smep avx2 avx512f sse4_2 xavx\n"
    )
    found = find_processors(file)
    assert found.text.startswith(
        f"{len(os.sched_getaffinity(0))} x Fast 9000 (avx2 avx512f sse4_2), "
    )
    file.write_text("processor\t: 0\nFeatures\t: fp asimd sve bf16 sme2 crc32\n")
    assert find_processors(file).flags == ("asimd", "sve", "bf16", "sme2")
    assert find_processors(tmp_path / "none").flags == ()
