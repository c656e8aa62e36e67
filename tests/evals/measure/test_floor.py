"""The floor under a run: what counts as needed, and what it costs in a real sandbox."""

from dataclasses import replace

import pytest

from rsi.evals.errors import MeasurementError
from rsi.evals.judge.plausibility import FLOOR_SETTING, floor_of
from rsi.evals.measure.floor import (
    SIDE,
    certain_imports,
    floor_program,
    library_of,
    measure_floor,
    with_floor,
)
from rsi.sandboxes.process import ProcessBackend
from rsi.sandboxes.types import FileEntry
from rsi.tasks.choices import Clock
from rsi.tasks.files.trees import read_tree
from rsi.tasks.format.loader import BUILT_IN, load_task, profile_of

TOY = load_task(BUILT_IN / "toy")


PROTECTED = ("run.py", "setup/**")


def made_of(**sources: str):
    tree = tuple(
        FileEntry(path=f"{name.replace('__', '/')}.py", content=text.encode())
        for name, text in sources.items()
    )
    rules = replace(TOY.candidate, entry=("python", "-P", "run.py"), protected=PROTECTED)
    return replace(TOY, candidate=rules), tree


@pytest.mark.parametrize(
    ("sources", "certain"),
    [
        ({"run": "import os, numpy as np\nfrom trainer import x\n", "trainer__x": "import torch\n"}, ("numpy",)),
        ({"run": "import setup.first\n", "setup__first": "from scipy.stats import norm\n"}, ("scipy",)),
        ({"run": "def f():\n    import torch\nif f:\n    import numpy\n"}, ()),
        ({"run": "import setup.first\n", "setup__first": "def (\n"}, ()),
        ({"train": "import torch\n", "setup__first": "import numpy\n"}, ()),
    ],
    ids=["editable-left-out", "protected-followed", "only-certain", "broken", "not-reached"],
)  # fmt: skip
def test_only_what_protected_files_import_for_certain_counts(sources, certain) -> None:
    assert certain_imports(*made_of(**sources)) == certain


def test_no_shipped_task_counts_a_library_that_a_candidate_could_avoid() -> None:
    """With torch in it, an honest trainer in numpy that took a tenth of the time was held."""
    for name in ("toy", "lm_training"):
        task = load_task(name)
        assert certain_imports(task, read_tree(task.repo)) == ()


@pytest.mark.slow
def test_an_honest_run_without_the_baselines_library_is_above_the_floor(tmp_path) -> None:
    task, tree = made_of(
        run="import trainer.x\n",
        trainer__x="import ensurepip, http.server, sqlite3, xml.dom.minidom\nimport absent\n",
    )
    floor = measure_floor(
        task, profile_of(TOY), ProcessBackend(), tree, label="test", cache=tmp_path
    )
    assert floor is not None
    assert floor < 0.5


def test_an_entry_that_is_no_python_has_no_floor_without_arithmetic(tmp_path) -> None:
    rules = replace(TOY.candidate, entry=("make", "all"))
    task = replace(TOY, candidate=rules)
    assert (
        measure_floor(task, profile_of(TOY), ProcessBackend(), (), label="test", cache=tmp_path)
        is None
    )


@pytest.mark.slow
def test_the_floor_of_the_toy_is_a_bare_interpreter() -> None:
    profile = profile_of(TOY)
    floor = measure_floor(TOY, profile, ProcessBackend(), read_tree(TOY.repo), label="test")
    assert floor is not None
    assert 0 < floor < 2
    assert floor_of(TOY.metric, with_floor(profile, floor).settings) == floor


@pytest.mark.slow
def test_imports_that_do_not_work_are_our_error() -> None:
    tree = (FileEntry(path="run.py", content=b"import no_such_module_anywhere\n"),)
    with pytest.raises(MeasurementError, match="no_such_module_anywhere"):
        measure_floor(TOY, profile_of(TOY), ProcessBackend(), tree, label="test", repeats=1)


def test_required_arithmetic_is_done_by_the_first_library_that_the_task_imports() -> None:
    assert floor_program((), 3) == "pass"
    assert floor_program(("scipy",), 3) == "import scipy"
    assert floor_program(("numpy", "torch"), 0) == "import numpy\nimport torch"
    assert floor_program(("numpy", "torch"), 3).splitlines()[-2:] == [
        f"square = torch.ones({SIDE}, {SIDE})",
        "for _ in range(3): square @ square",
    ]


def test_required_arithmetic_without_a_library_is_our_error() -> None:
    assert library_of(read_tree(TOY.repo)) is None
    assert (
        library_of((FileEntry(path="x.py", content=b"import numpy\nimport torch.nn\n"),)) == "torch"
    )
    profile = replace(profile_of(TOY), required_multiply_adds=SIDE**3)
    with pytest.raises(MeasurementError, match="required_multiply_adds"):
        measure_floor(TOY, profile, ProcessBackend(), read_tree(TOY.repo), label="test")


@pytest.mark.slow
def test_the_floor_grows_with_the_arithmetic_that_a_task_requires(tmp_path) -> None:
    task = load_task(BUILT_IN / "lm_training", track="systems")
    profile, repo = task.profiles["demo"], read_tree(task.repo)
    floors = [
        measure_floor(
            task,
            replace(profile, required_multiply_adds=products * SIDE**3),
            ProcessBackend(),
            repo,
            label="test",
            repeats=2,
            cache=tmp_path,
        )
        for products in (0, 128, 1280)
    ]
    nothing, some, more = floors
    assert some > nothing
    # Twenty times what was done in the run is charged in proportion: far beyond what neighbours add.
    assert more - nothing > 3 * (some - nothing)


def test_a_metric_that_is_no_host_time_has_no_floor() -> None:
    task = replace(TOY, metric=replace(TOY.metric, clock=Clock.RESULT))
    assert measure_floor(task, profile_of(TOY), ProcessBackend(), (), label="test") is None
    assert with_floor(profile_of(TOY), None) == profile_of(TOY)
    assert floor_of(task.metric, {FLOOR_SETTING: 1.0}) is None


@pytest.mark.parametrize("value", [0, -1.0, "2", True, None])
def test_a_floor_that_is_no_positive_number_is_no_floor(value: object) -> None:
    assert floor_of(TOY.metric, {FLOOR_SETTING: value}) is None
