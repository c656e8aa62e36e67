"""What the catalogue of tasks says: of the task itself, and of what was checked on this machine."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from rsi.agent.errors import HomeError
from rsi.agent.report.catalogue import catalogue_lines, check_words, headroom
from rsi.agent.store.task_checks import TaskCheck, checks_of, keep_check
from rsi.evals.types import Interval
from rsi.tasks.format.loader import load_task

USABLE = TaskCheck(
    task="toy", track="main", profile="smoke", digest="d1", backend="bubblewrap", is_ok=True, is_deep=False,
    at=datetime(2026, 1, 2, tzinfo=UTC), run_s=0.38,
)  # fmt: skip
GAIN = Interval(estimate=4.2, low=4.0, high=4.5, confidence=0.95, pairs=3)
TRUSTED = replace(USABLE, is_deep=True, best="04_count_in_c", gain=GAIN)


def test_an_unchecked_task_says_how_to_check_it_and_what_its_solutions_are_thought_to_gain():
    said = dict(catalogue_lines(load_task("toy"), ()))
    assert said["here"] == "not checked: rsi task check toy"
    assert (
        said["headroom"] == "about 4x expected with 04_count_in_c and the patches that it builds on"
    )
    assert said["runs"] == "artifact pattern, device cpu, CPU seconds decide"


def test_what_was_measured_here_stands_in_place_of_what_was_thought():
    task = load_task("toy")
    assert headroom(task, (USABLE,)) == headroom(task, ())
    assert headroom(task, (TRUSTED, USABLE)) == (
        "4.20x [4.00, 4.50] by 04_count_in_c, measured here (main, smoke)"
    )


@pytest.mark.parametrize(
    ("check", "words"),
    [
        (USABLE, "usable (main, smoke, bubblewrap, 2026-01-02, a run takes 0.38 s)"),
        (replace(USABLE, is_ok=False, run_s=None), "not usable (main, smoke, bubblewrap, 2026-01-02)"),
        (replace(TRUSTED, run_s=None), "can be trusted (main, smoke, bubblewrap, 2026-01-02)"),
        (
            replace(TRUSTED, is_ok=False, run_s=None),
            "cannot be trusted yet (main, smoke, bubblewrap, 2026-01-02)",
        ),
    ],
)  # fmt: skip
def test_a_check_is_said_in_a_few_words(check, words):
    assert check_words(check) == words


def test_a_check_counts_for_the_folder_that_was_checked_alone(home):
    keep_check(home, USABLE)
    assert checks_of(home, "toy", "d1") == (USABLE,)
    assert checks_of(home, "toy", "d2") == ()
    assert checks_of(home, "other", "d1") == ()


def test_a_plain_check_does_not_replace_a_deep_one_of_the_same_folder(home):
    keep_check(home, TRUSTED)
    keep_check(home, USABLE)
    assert checks_of(home, "toy", "d1") == (TRUSTED,)
    changed = replace(USABLE, digest="d2")
    keep_check(home, changed)
    assert checks_of(home, "toy", "d2") == (changed,)


@pytest.mark.parametrize("text", ["", "{}", "[1]", "\udcff", '{"task": 3}'])
def test_a_spoiled_check_is_no_check(home, text):
    keep_check(home, USABLE)
    (path,) = (home.root / "checks").iterdir()
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    assert checks_of(home, "toy", "d1") == ()
    keep_check(home, USABLE)
    assert checks_of(home, "toy", "d1") == (USABLE,)


def test_a_home_that_cannot_be_written_is_said(home):
    (home.root / "checks").write_text("a file in its place", encoding="utf-8")
    with pytest.raises(HomeError, match="cannot be kept in"):
        keep_check(home, USABLE)
