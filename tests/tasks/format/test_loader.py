"""Loading: every mistake is one sentence, all mistakes at once, tracks merge as documented."""

import copy
import datetime
import os
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from rsi.tasks.choices import Clock, MetricKind, Pattern
from rsi.tasks.errors import TaskFormatError, TaskNotFoundError
from rsi.tasks.format.loader import find_task, list_tasks, load_task, profile_of, search_folders
from rsi.tasks.format.toml_files import Problems
from rsi.tasks.format.tracks import read_track, track_names
from rsi.tasks.types import Budget

PROFILE = "[rsi.profile.smoke]\n"
TRACKS = """
[rsi.track.easy]
description = "Few letters."
[rsi.track.easy.settings]
letters = 8
[rsi.track.hard]
description = "Many letters."
[rsi.track.hard.quality.excess_bpb]
limit = 0.1
[rsi.track.hard.candidate]
editable = ["bigram/fit.py"]
[rsi.track.hard.profile.smoke.limits]
wall_s = 40
[rsi.track.hard.profile.smoke.settings]
letters = 26
"""


def with_tracks(folder: Path, tracks: str = TRACKS) -> None:
    path = folder / "task.toml"
    content = path.read_text(encoding="utf-8")
    content = content.replace("default_profile =", 'default_track = "hard"\ndefault_profile =')
    path.write_text(content + tracks, encoding="utf-8")


def problems_of(folder: Path) -> tuple[str, ...]:
    with pytest.raises(TaskFormatError) as caught:
        load_task(folder)
    for sentence in caught.value.problems:
        assert sentence in str(caught.value)
    return caught.value.problems


def test_the_toy_task_loads_whole():
    task = load_task("toy")
    assert task.pattern is Pattern.ARTIFACT
    assert task.metric.clock is Clock.CPU_S
    assert task.track == "main"
    assert profile_of(task).settings["letters"] == 20
    assert profile_of(task).limits.memory_bytes == 512 << 20
    assert profile_of(task).grade_limits.wall_s == 20
    assert "CPU time" in task.instruction
    chain = {solution.name: solution.needs for solution in task.solutions}
    assert chain["04_count_in_c"] == ("02_row_sums_once", "03_score_pairs_not_positions")


def test_every_built_in_task_is_listed_and_harbor_names_work():
    summaries = {summary.name: summary for summary in list_tasks()}
    assert summaries["toy"].problem is None
    assert load_task("rsi/toy").root == summaries["toy"].root


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        (
            "minimum_effect = 0.05",
            "minimum_effect = -0.05",
            "task.toml: rsi.metric.minimum_effect is -0.05, expected a number greater than 0 and less than 1.",
        ),
        (
            "minimum_effect = 0.05\n",
            "",
            "task.toml: rsi.metric.minimum_effect is missing, expected a number greater than 0 and less than 1.",
        ),
        (
            'unit = "s"',
            "unit = 3",
            "task.toml: rsi.metric.unit is 3, expected a text.",
        ),
        (
            'unit = "s"',
            'unti = "s"\nunit = "s"',
            "task.toml: rsi.metric.unti is not a known key, did you mean 'unit'?",
        ),
        (
            'kind = "fixed_work"',
            'kind = "fixed_wrok"',
            "task.toml: rsi.metric.kind is the text 'fixed_wrok', expected one of "
            f"{', '.join(MetricKind)}; did you mean 'fixed_work'?",
        ),
        (
            'pattern = "artifact"',
            'pattern = "served"',
            "task.toml: rsi.metric.clock is 'cpu_s' with the pattern served, expected 'result': "
            "a candidate that waits for its harness is not timed by the host.",
        ),
        (
            'pattern = "artifact"',
            'pattern = "clocked_worker"',
            "task.toml: rsi.metric.clock is 'cpu_s' with the pattern clocked_worker, expected 'result': "
            "a candidate that waits for its harness is not timed by the host.",
        ),
        (
            "max_ratio = 2.0",
            'max_ratio = 2.0\n[[rsi.guard]]\nname = "tests_cpu_s"\nmax_ratio = 2.0',
            "task.toml: rsi.guard has 'tests_cpu_s', expected a table [rsi.tests] beside it.",
        ),
        (
            'clock = "cpu_s"',
            'clock = "device_s"',
            "task.toml: rsi.metric.clock is the text 'device_s', expected one of cpu_s, wall_s, result; "
            "the host has no clock for a device's own seconds; a task that runs on a GPU is timed by wall_s, "
            "because a run holds its GPUs alone for as long as it is measured.",
        ),
        (
            "margin = 0.004\n",
            "",
            "task.toml: rsi.quality[0].margin is missing, expected a number of at least 0.",
        ),
        (
            "limit = 0.05",
            "limit = nan",
            "task.toml: rsi.quality[0].limit is nan, expected a number.",
        ),
        (
            'editable = ["bigram/**"]',
            'editable = ["bigram/**", "train/*.py"]',
            "task.toml: rsi.candidate.editable has 'train/*.py', which matches nothing, "
            "expected a glob of files in repo/.",
        ),
        (
            'protected = ["run.py", "PUBLIC.md"]',
            'protected = ["run.py", "bigram/loss.py"]',
            "task.toml: bigram/loss.py matches rsi.candidate.editable 'bigram/**' and "
            "rsi.candidate.protected 'bigram/loss.py', expected one of the two.",
        ),
        (
            'entry = ["python", "run.py"]',
            'entry = ["python", "-P", "rum.py"]',
            "task.toml: rsi.candidate.entry starts 'rum.py', which is absent, expected a file of repo/; "
            "did you mean 'run.py'?",
        ),
        (
            'entry = ["python", "run.py"]',
            'entry = ["python", "-m", "bigrams"]',
            "task.toml: rsi.candidate.entry starts 'bigrams.py', which is absent, expected a file of repo/; did you mean 'bigram/loss.py'?",
        ),
        (
            'default_profile = "smoke"',
            'default_profile = "smok"',
            "task.toml: rsi.default_profile is 'smok', no such profile, expected one of smoke, large; "
            "did you mean 'smoke'?",
        ),
        (
            "max_pairs = 12",
            "max_pairs = 2",
            "task.toml: rsi.profile.smoke.plan.max_pairs is 2, expected at least min_pairs, 3.",
        ),
        (
            "[rsi.candidate]",
            '[rsi.tests]\nentry = ["python", "tests.py"]\n\n[rsi.candidate]',
            "task.toml: rsi.tests.entry starts 'tests.py', which is absent, expected a file of repo/.",
        ),
        (
            'name = "max_rss_bytes"',
            'name = "tests_cpu_s"',
            "task.toml: rsi.guard has 'tests_cpu_s', expected a table [rsi.tests] beside it.",
        ),
        (
            'claim = "none"',
            'claim = "none"\npairs_at_once = 0',
            "task.toml: rsi.profile.smoke.pairs_at_once is 0, expected a whole number of at least 1.",
        ),
        (
            'transfer = "large"',
            'transfer = "smoke"',
            "task.toml: rsi.profile.smoke.transfer is 'smoke', expected another profile: large.",
        ),
        (
            "alpha = 0.025",
            "alpha = 0.5",
            "task.toml: rsi.profile.smoke.plan.alpha is 0.5, expected a number greater than 0 and less than 0.5.",
        ),
        (
            "pids = 32",
            'pids = "many"',
            "task.toml: rsi.profile.smoke.limits.pids is the text 'many', expected a whole number of at least 1.",
        ),
        (
            "letters = 20",
            "letters = 2020-01-01",
            "task.toml: rsi.profile.smoke.settings.letters is datetime.date(2020, 1, 1), expected "
            "a text, finite number, truth value, list or table.",
        ),
        (
            'schema_version = "1.4"',
            'schema_version = "2"',
            "task.toml: schema_version is the text '2', expected '1.4'.",
        ),
        (
            'name = "rsi/toy"',
            'name = "rsi/tyo"',
            "task.toml: task.name is 'rsi/tyo', expected a name that ends in the folder's, such as 'rsi/toy'.",
        ),
        (
            'name = "max_rss_bytes"\nmax_ratio = 2.0',
            'name = "max_rss_bytes"',
            "task.toml: rsi.guard[0].max_ratio is missing, expected max_ratio or max_value or both.",
        ),
        (
            'claim = "none"',
            'claim = "none"\nbudget_limit = 4',
            "task.toml: rsi.profile.smoke.budget_limit has nothing to replace, expected a table "
            "[rsi.budget] beside it.",
        ),
        (
            'direction = "lower"\nclock = "cpu_s"',
            'direction = "higher"\nclock = "cpu_s"',
            "task.toml: rsi.metric.direction is 'higher' with the clock cpu_s, expected 'lower': less time is better.",
        ),
        (
            "[rsi.profile.smoke.limits]",
            '[rsi.budget]\nunit = "calls"\nlimit = 4\n[rsi.profile.smoke.limits]',
            "task.toml: rsi.budget.unit is 'calls' with the pattern artifact, expected cpu_s or wall_s: only a harness "
            "that serves each call of a run can count what it spends.",
        ),
        (
            "[rsi.profile.smoke.limits]",
            "[rsi.rows]\n'survey:6.2' = '04_count_in_d'\n[rsi.profile.smoke.limits]",
            "task.toml: rsi.rows.survey:6.2 is '04_count_in_d', expected a solution's name or "
            "selfcheck:<name>; did you mean '04_count_in_c'?",
        ),
        (
            "[rsi.profile.smoke.limits]",
            "[rsi.profile.smoke.quality.exces_bpb]\nlimit = 1\n[rsi.profile.smoke.limits]",
            "task.toml: rsi.profile.smoke.quality.exces_bpb is not a known key, did you mean 'excess_bpb'?",
        ),
        (
            "[rsi.metric]",
            "[rsi.metric",
            "task.toml: is not valid TOML: Expected ']' at the end of a table declaration "
            "(at line 26, column 12).",
        ),
        (
            'suite = ["plumbing"]',
            'suite = ["plumbing", 3]',
            "task.toml: rsi.suite[1] is 3, expected a list of texts.",
        ),
    ],
)
def test_a_mistake_in_task_toml_gets_its_sentence(edit_toml, old, new, sentence):
    assert problems_of(edit_toml(old, new)) == (sentence,)


def test_an_unclosed_text_at_the_end_of_the_file_has_a_line_too(toy_copy: Path):
    path = toy_copy / "task.toml"
    path.write_text('schema_version = "1.4"\n[task]\nname = """x', encoding="utf-8")
    (sentence,) = problems_of(toy_copy)
    assert "at line 3, column 12" in sentence


@pytest.mark.parametrize(
    ("file", "old", "new", "sentence"),
    [
        (
            "solutions/solutions.toml",
            'needs = ["02_row_sums_once"]',
            'needs = ["02_row_sum_once"]',
            "solutions/solutions.toml: '03_score_pairs_not_positions' needs '02_row_sum_once', expected the "
            "name of another solution; did you mean '02_row_sums_once'?",
        ),
        (
            "solutions/solutions.toml",
            'needs = ["02_row_sums_once"]',
            'needs = ["04_count_in_c"]',
            "solutions/solutions.toml: needs go in a circle (03_score_pairs_not_positions -> 04_count_in_c "
            "-> 03_score_pairs_not_positions), expected an order.",
        ),
        (
            "solutions/solutions.toml",
            'expect = "crash"',
            'expect = "explode"',
            "solutions/solutions.toml: solution[6].expect is the text 'explode', expected one of faster, same, "
            "slower, worse_quality, crash.",
        ),
        (
            "cheats/cheats.toml",
            'expect = ["invalid_output"]',
            'expect = ["invalid"]',
            "cheats/cheats.toml: cheat[3].expect[0] is the text 'invalid', expected a list of not_admitted, "
            "crashed, tampered, out_of_turn, invalid_output, refuted, rejected, held with at least 1",
        ),
        (
            "environment/requirements.txt",
            "# Bare Python: nothing to install.",
            "numpy>=2",
            "environment/requirements.txt: line 1 is 'numpy>=2', expected name==version.",
        ),
    ],
)
def test_a_mistake_in_another_file_gets_its_sentence(edit_toml, file, old, new, sentence):
    assert any(found.startswith(sentence) for found in problems_of(edit_toml(old, new, file)))


def test_the_digest_covers_executable_bits(toy_copy: Path):
    before = load_task(toy_copy).digest
    (toy_copy / "repo" / "run.py").chmod(0o755)
    changed = load_task(toy_copy).digest
    (toy_copy / "repo" / "run.py").chmod(0o644)
    assert changed != before == load_task(toy_copy).digest


def test_requirements_that_are_no_text_are_a_sentence(toy_copy: Path):
    (toy_copy / "environment" / "requirements.txt").write_bytes(b"numpy==1\xff\n")
    assert problems_of(toy_copy) == (
        "environment/requirements.txt: is not UTF-8 at byte 8, expected plain text.",
    )


def test_patches_and_lists_must_agree(toy_copy: Path):
    (toy_copy / "solutions" / "07_wrong_name.patch").rename(toy_copy / "solutions" / "08.patch")
    assert problems_of(toy_copy) == (
        "solutions/solutions.toml: solution[6].patch names '07_wrong_name.patch', which is absent, expected "
        "a file beside this list.",
        "solutions/solutions.toml: 08.patch is in the folder but not listed, expected an entry.",
    )


def test_a_patch_outside_the_folder_is_absent(edit_toml):
    folder = edit_toml(
        'title = "Rename a variable',
        'patch = "../task.toml"\ntitle = "Rename a variable',
        "solutions/solutions.toml",
    )
    assert "names '../task.toml', which is absent" in problems_of(folder)[0]


BUDGET = '[rsi.budget]\nunit = "cpu_s"\nlimit = 5\n\n[rsi.candidate]'


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            {'kind = "fixed_work"': 'kind = "time_to_target"', "limit = 0.05\n": ""},
            "rsi.profile.{profile}.quality.excess_bpb.limit is missing, expected the target that a run has to reach, "
            "for the metric kind time_to_target.",
        ),
        (
            {'kind = "fixed_work"': 'kind = "quality_at_budget"', "[rsi.candidate]": BUDGET},
            "rsi.metric.clock is 'cpu_s' with the kind quality_at_budget, expected 'result'.",
        ),
        (
            {'kind = "fixed_work"': 'kind = "quality_at_budget"', 'clock = "cpu_s"': 'clock = "result"'},
            "rsi.budget is missing, expected a table [rsi.budget], for the metric kind quality_at_budget.",
        ),
        (
            {'unit = "s"\ndirection = "lower"\nclock = "cpu_s"': 'unit = "s"\ndirection = "higher"\nclock = "result"'},
            "rsi.metric.direction is 'higher' with the kind fixed_work, expected 'lower'.",
        ),
    ],
    ids=["a target without a limit", "a quality on a clock", "a budget that is none", "more work"],
)  # fmt: skip
def test_a_metric_that_contradicts_its_kind_is_refused(toy_copy, edit_toml, changes, sentence):
    for old, new in changes.items():
        edit_toml(old, new)
    wanted = {f"task.toml: {sentence.format(profile=name)}" for name in ("smoke", "large")}
    assert set(problems_of(toy_copy)) == wanted


def test_a_metric_of_each_kind_loads_with_what_the_kind_asks_for(edit_toml):
    edit_toml('kind = "fixed_work"', 'kind = "time_to_target"')
    (rule,) = load_task(edit_toml("margin = 0.004\n", "")).profiles["large"].quality
    assert (rule.limit, rule.margin) == (0.05, None)
    edit_toml("limit = 0.05", "limit = 0.05\nmargin = 0.004")
    edit_toml('kind = "time_to_target"', 'kind = "quality_at_budget"')
    edit_toml('direction = "lower"\nclock = "cpu_s"', 'direction = "higher"\nclock = "result"')
    task = load_task(edit_toml("[rsi.candidate]", BUDGET))
    assert task.metric.kind is MetricKind.QUALITY_AT_BUDGET
    assert all(each.budget == Budget(unit="cpu_s", limit=5.0) for each in task.profiles.values())


def test_missing_folders_and_files_are_all_told_at_once(toy_copy: Path):
    (toy_copy / "instruction.md").unlink()
    (toy_copy / "harness" / "__main__.py").unlink()
    (toy_copy / "repo" / "link").symlink_to("/etc/passwd")
    path = toy_copy / "task.toml"
    path.write_text(path.read_text().replace("pids = 32", "pids = 0"), encoding="utf-8")
    assert problems_of(toy_copy) == (
        "instruction.md: is missing, expected a text for the agent.",
        "harness/__main__.py: is missing, expected the harness's verbs.",
        "repo/link: is a link, expected plain files and folders only.",
        "task.toml: rsi.profile.smoke.limits.pids is 0, expected a whole number of at least 1.",
    )


def test_an_empty_task_toml_names_every_missing_table(toy_copy: Path):
    (toy_copy / "task.toml").write_text("", encoding="utf-8")
    found = problems_of(toy_copy)
    for key in (
        "schema_version",
        "task",
        "environment",
        "rsi",
        "rsi.metric.kind",
        "rsi.profile",
    ):
        assert any(sentence.startswith(f"task.toml: {key} is missing") for sentence in found), key


@pytest.mark.parametrize("junk", ["[]", "3", '"x"', "[1]", "true"])
@pytest.mark.parametrize("key", ["task", "environment", "agent", "verifier", "rsi"])
def test_a_table_of_the_wrong_kind_is_a_sentence_never_a_crash(toy_copy: Path, key, junk):
    (toy_copy / "task.toml").write_text(f"{key} = {junk}\n", encoding="utf-8")
    assert any(f"{key} is" in sentence for sentence in problems_of(toy_copy))


@pytest.mark.parametrize(
    "key", ["metric", "quality", "guard", "budget", "candidate", "profile", "track", "rows"]
)
@pytest.mark.parametrize("junk", ["3", "[1]", "{ x = 3 }", "[[1]]"])
def test_an_inner_table_of_the_wrong_kind_is_a_sentence_never_a_crash(toy_copy: Path, key, junk):
    (toy_copy / "task.toml").write_text(f"[rsi]\n{key} = {junk}\n", encoding="utf-8")
    assert any(f"rsi.{key}" in sentence for sentence in problems_of(toy_copy))


def test_tracks_are_merged_over_profiles(toy_copy: Path):
    with_tracks(toy_copy)
    hard, easy = load_task(toy_copy), load_task(toy_copy, track="easy")
    assert (hard.track, easy.track, hard.tracks) == ("hard", "easy", ("easy", "hard"))
    assert hard.profiles["smoke"].settings["letters"] == 26
    assert easy.profiles["smoke"].settings["letters"] == 8
    assert easy.profiles["smoke"].settings["train_bytes"] == 80_000
    assert hard.profiles["smoke"].quality[0].limit == 0.1
    assert hard.profiles["smoke"].quality[0].margin == 0.004
    assert hard.profiles["smoke"].limits.wall_s == 40
    assert (hard.candidate.editable, easy.candidate.editable) == (
        ("bigram/fit.py",),
        ("bigram/**",),
    )
    assert hard.digest == easy.digest


ONE_MORE_QUALITY = """
[[rsi.quality]]
name = "steps"
unit = "steps"
direction = "higher"
margin = 0
tracks = ["hard"]
"""


def test_a_quality_may_belong_to_some_tracks_alone(toy_copy: Path):
    with_tracks(toy_copy, TRACKS + ONE_MORE_QUALITY)
    names = {
        track: [rule.name for rule in load_task(toy_copy, track=track).profiles["smoke"].quality]
        for track in ("easy", "hard")
    }
    assert names == {"easy": ["excess_bpb"], "hard": ["excess_bpb", "steps"]}


def test_the_tracks_of_a_quality_exist_and_leave_none_without(toy_copy: Path, edit_toml):
    with_tracks(toy_copy, TRACKS + ONE_MORE_QUALITY.replace('["hard"]', '["hrad"]'))
    (sentence,) = problems_of(toy_copy)
    assert "rsi.quality[1].tracks" in sentence
    assert "did you mean 'hard'?" in sentence
    edit_toml('tracks = ["hrad"]', 'tracks = ["hard"]')
    edit_toml('name = "excess_bpb"', 'tracks = ["hard"]\nname = "excess_bpb"')
    assert problems_of(toy_copy) == (
        "task.toml: rsi.quality is empty on track 'easy', expected at least one quality that must hold.",
    )


def test_a_mistake_in_an_overlay_is_told_where_it_was_written(toy_copy: Path):
    with_tracks(toy_copy, TRACKS.replace("wall_s = 40", "wall_s = 0"))
    assert problems_of(toy_copy) == (
        "task.toml: rsi.track.hard.profile.smoke.limits.wall_s is 0, expected a number greater than 0.",
    )


def test_overlays_of_unknown_profiles_and_keys_are_told(toy_copy: Path):
    extra = "\n[rsi.track.easy.profile.smok]\nclaim = 'none'\n[rsi.track.easy.qualtiy]\n"
    with_tracks(toy_copy, TRACKS + extra)
    assert problems_of(toy_copy) == (
        "task.toml: rsi.track.easy.qualtiy is not a known key, did you mean 'quality'?",
        "task.toml: rsi.track.easy.profile.smok is not a profile, expected one of smoke, large; did you mean 'smoke'?",
    )


def test_a_default_track_must_be_named_when_there_are_tracks(toy_copy: Path):
    path = toy_copy / "task.toml"
    path.write_text(path.read_text() + TRACKS, encoding="utf-8")
    assert problems_of(toy_copy) == ("task.toml: rsi.default_track is missing, expected a text.",)


def test_an_unknown_track_or_profile_is_not_found(toy_copy: Path):
    with_tracks(toy_copy)
    with pytest.raises(
        TaskNotFoundError, match="no track 'hrad'; it has easy, hard; did you mean 'hard'"
    ):
        load_task(toy_copy, track="hrad")
    with pytest.raises(TaskNotFoundError, match="no profile 'demo'; it has smoke"):
        profile_of(load_task(toy_copy), "demo")


def test_an_unknown_task_is_not_found_with_a_guess_and_the_places_searched(tmp_path: Path):
    with pytest.raises(TaskNotFoundError, match="no task 'tyo'; did you mean 'toy'") as caught:
        load_task("tyo", search_path=[tmp_path])
    assert str(tmp_path) in str(caught.value)
    with pytest.raises(TaskNotFoundError, match="is a folder without"):
        load_task(tmp_path)


def test_folders_of_the_user_come_before_built_in_ones(toy_copy: Path, monkeypatch):
    monkeypatch.setenv("RSI_TASKS", os.pathsep.join([str(toy_copy.parent), "/nowhere"]))
    assert find_task("toy") == toy_copy
    assert load_task(str(toy_copy)).root == toy_copy
    assert search_folders((), {"RSI_TASKS": ""}) == search_folders((), {})


def test_a_broken_task_is_listed_with_its_problem(edit_toml):
    folder = edit_toml("pids = 32", "pids = -1")
    summary = next(s for s in list_tasks([folder.parent]) if s.name == "toy")
    assert summary.pattern is None
    assert summary.problem is not None
    assert "pids is -1" in summary.problem


@pytest.mark.parametrize(
    ("file", "changes_digest"),
    [
        ("task.toml", True),
        ("instruction.md", True),
        ("repo/bigram/fit.py", True),
        ("harness/task.py", True),
        ("environment/requirements.txt", True),
        ("README.md", False),
        ("solutions/solutions.toml", False),
        ("cheats/01_edits_the_entry.patch", False),
    ],
)
def test_the_digest_covers_what_can_change_a_result_and_nothing_else(
    toy_copy: Path, file: str, changes_digest: bool
):
    before = load_task(toy_copy).digest
    path = toy_copy / file
    path.write_text(path.read_text(encoding="utf-8") + "\n# more\n", encoding="utf-8")
    assert (load_task(toy_copy).digest != before) is changes_digest


def test_the_digest_ignores_byte_code_and_sees_renames(toy_copy: Path):
    before = load_task(toy_copy).digest
    (toy_copy / "repo" / "__pycache__").mkdir()
    (toy_copy / "repo" / "__pycache__" / "run.pyc").write_bytes(b"x")
    assert load_task(toy_copy).digest == before
    (toy_copy / "repo" / "bigram" / "loss.py").rename(toy_copy / "repo" / "bigram" / "lost.py")
    assert load_task(toy_copy).digest != before


JUNK = ("", -1, float("nan"), [], [1], [[1]], {"x": {"y": 1}}, datetime.date(2020, 1, 1), [{}])


def key_paths(value: object, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    entries = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in entries:
        yield (*path, key)
        if isinstance(inner, dict | list):
            yield from key_paths(inner, (*path, key))


def test_junk_anywhere_is_told_or_harmless_and_never_a_crash(toy_copy: Path):
    with_tracks(toy_copy)
    document = tomllib.loads((toy_copy / "task.toml").read_text(encoding="utf-8"))
    optional = {"guard", "suite", "protected", "limit", "track", "rows"}
    for path in key_paths(document):
        for junk in JUNK:
            changed = copy.deepcopy(document)
            inner = changed
            for key in path[:-1]:
                inner = inner[key]
            inner[path[-1]] = junk
            problems = Problems()
            for track in track_names(changed):
                read_track(changed, track, problems)
            is_free = "settings" in path or path[-1] in optional or "quality" in path[1:2]
            assert problems.sentences or is_free, (path, junk)
