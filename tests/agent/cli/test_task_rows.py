"""`rsi task rows`: every row of the suite is listed, and an effect is only what was measured on the files as they are."""

import json
import shutil
from dataclasses import replace

import pytest
from tests.facts import interval

from rsi.agent.cli.entry import EXIT_BAD_INPUT, main
from rsi.agent.store.records import utc_now
from rsi.agent.store.tree_blobs import tree_sha256
from rsi.agent.trust.row_effects import (
    FILE,
    RowState,
    StepEffect,
    coverage,
    keep_effect,
    kept_effects,
    made_table,
    measure_step,
    proofs_of,
    step_trees,
)
from rsi.evals.types import Verdict
from rsi.sandboxes.process import ProcessBackend
from rsi.tasks.errors import TaskFormatError
from rsi.tasks.format.loader import BUILT_IN, load_task, with_variants
from rsi.tasks.rows import SUITE_ROWS, claims

ROWS = """
[rsi.rows]
"domain:algorithms" = "03_score_pairs_not_positions"
"domain:code" = "02_row_sums_once"
"a row of its own" = "selfcheck:oracle"
"""


@pytest.fixture
def folder(tmp_path, monkeypatch, home):
    """The toy task in a folder of its own, with rows."""
    found = tmp_path / "tasks" / "rowed"
    shutil.copytree(BUILT_IN / "toy", found, ignore=shutil.ignore_patterns("__pycache__"))
    text = (found / "task.toml").read_text(encoding="utf-8").replace("rsi/toy", "rsi/rowed")
    (found / "task.toml").write_text(text + ROWS, encoding="utf-8")
    monkeypatch.setenv("RSI_TASKS", str(found.parent))
    return found


@pytest.fixture
def measured(folder):
    """An effect as if it had been measured on the folder as it is."""
    task = load_task(folder)
    (solution,) = [each for each in proofs_of(task) if each.name.startswith("03")]
    return StepEffect(
        solution=solution.name, parent="02_row_sums_once", track=task.track, profile="smoke",
        verdict=Verdict.SUPPORTED, reason="faster", effect=interval(1.5), at=utc_now(), backend="process",
        machine="2 x some processor, class 00000000", versions={"python": "3.11"}, digest=task.digest,
        trees=tuple(map(tree_sha256, step_trees(task, solution))),
    )  # fmt: skip


def row(folder, name):
    (found,) = [each for each in coverage([load_task(folder)]) if each.claim.row == name]
    return found


def test_every_row_of_the_suite_is_listed_covered_or_not(folder, capsys):
    assert main(["task", "rows", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert {each["claim"]["row"] for each in found} == {*SUITE_ROWS, "a row of its own"}
    by_row = {each["claim"]["row"]: each for each in found if each["claim"]["task"] == "rowed"}
    assert by_row["domain:algorithms"]["claim"]["parent"] == "02_row_sums_once"
    assert by_row["domain:code"]["claim"]["parent"] is None
    assert {each["state"] for each in by_row.values()} == {"not measured"}
    assert any(each["state"] == "not covered" for each in found)


def test_the_table_says_what_is_covered_and_how_to_measure(folder, capsys):
    assert main(["task", "rows"]) == 0
    said = capsys.readouterr().out
    assert "domain:algorithms" in said
    assert "not covered" in said
    assert "rsi task rows --measure TASK" in said


def test_an_effect_is_shown_while_the_files_are_those_that_were_measured(folder, measured):
    task = load_task(folder)
    keep_effect(task, measured)
    assert kept_effects(task) == (measured,)
    assert row(folder, "domain:algorithms").state is RowState.SHOWN
    assert row(folder, "domain:code").state is RowState.NOT_MEASURED
    (folder / "README.md").write_text("Other words.\n", encoding="utf-8")
    assert row(folder, "domain:algorithms").state is RowState.SHOWN, "no file of a run"
    instruction = folder / "instruction.md"
    instruction.write_text("Another one.\n", encoding="utf-8")
    assert row(folder, "domain:algorithms").state is RowState.CHANGED


def test_a_gain_that_was_not_supported_shows_nothing(folder, measured):
    keep_effect(load_task(folder), replace(measured, verdict=Verdict.INCONCLUSIVE))
    assert row(folder, "domain:algorithms").state is RowState.NOT_SHOWN


def test_a_later_measurement_of_the_same_takes_the_place_of_the_earlier(folder, measured):
    task = load_task(folder)
    keep_effect(task, measured)
    keep_effect(task, replace(measured, profile="large"))
    keep_effect(task, replace(measured, effect=interval(1.1)))
    assert [(each.profile, each.effect.estimate) for each in kept_effects(task)] == [
        ("large", 1.5),
        ("smoke", 1.1),
    ]


@pytest.mark.parametrize("broken", ["", "{", '{"effects": [{"solution": 1}]}', "\udcff"])
def test_a_file_that_is_no_such_file_is_no_measurement(folder, broken):
    path = folder / FILE
    path.parent.mkdir()
    path.write_text(broken, encoding="utf-8", errors="surrogateescape")
    assert row(folder, "domain:algorithms").state is RowState.NOT_MEASURED


def test_the_effects_are_no_part_of_the_tasks_digest(folder, measured):
    task = load_task(folder)
    keep_effect(task, measured)
    assert load_task(folder).digest == task.digest


def test_a_row_that_names_a_solution_without_a_gain_is_a_mistake(folder):
    path = folder / "task.toml"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace('"02_row_sums_once"', '"01_null"'), encoding="utf-8")
    with pytest.raises(TaskFormatError, match=r"01_null.*'faster'"):
        load_task(folder)


def test_what_proves_no_row_is_not_measured(capsys, home):
    assert main(["task", "rows", "--measure", "toy"]) == EXIT_BAD_INPUT
    assert "proves no row" in capsys.readouterr().err


def test_a_size_without_measuring_is_a_mistake(capsys, home):
    assert main(["task", "rows", "--profile", "smoke"]) == EXIT_BAD_INPUT
    assert "--measure" in capsys.readouterr().err


def test_the_readmes_table_holds_what_no_machine_changes(folder, measured):
    before = list(made_table([load_task(folder)]))
    keep_effect(load_task(folder), measured)
    assert list(made_table([load_task(folder)])) == before
    assert any("domain: algorithms | `rowed` | 03_score" in line for line in before)


def test_the_claims_of_the_shipped_tasks_are_rows_of_the_suite():
    roots = [each.parent for each in BUILT_IN.glob("*/task.toml")]
    tasks = [load_task(each) for root in roots for each in with_variants(root)]
    assert {each.row for each in claims(tasks)} == set(SUITE_ROWS)


@pytest.mark.slow
def test_a_step_is_measured_against_its_parent_and_one_that_gains_nothing_is_not_supported(
    folder, tmp_path
):
    """Real runs: a copy of the code against itself must not be called a gain, a gain must."""
    task = load_task(folder)
    plan = replace(task.profiles["smoke"].plan, min_pairs=3, max_pairs=4, confirm_pairs=3)
    profile = replace(task.profiles["smoke"], plan=plan)
    by_name = {each.name: each for each in task.solutions}
    found = {}
    for name in ("01_null", "02_row_sums_once"):
        effect, said = measure_step(
            task, profile, ProcessBackend(), by_name[name], secret=bytes(16), cache=tmp_path
        )
        assert (effect.verdict, effect.effect) == (said.verdict, said.effect)
        assert (effect.parent, effect.digest) == (None, task.digest)
        found[name] = effect.verdict
    assert found["02_row_sums_once"] is Verdict.SUPPORTED
    assert found["01_null"] is not Verdict.SUPPORTED
