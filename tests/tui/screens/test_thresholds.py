"""The thresholds of a reference stand beside the leaderboard; one counts as passed when the whole interval lies beyond it."""

from rsi.agent.report.task_facts import load_task_facts
from rsi.evals.types import Interval
from rsi.tasks.format.loader import load_task
from rsi.tui.draw.styled import TIMES, Role
from rsi.tui.screens.lineage import threshold_spans


def passed(low: float) -> list[str]:
    found = Interval(estimate=2 * low, low=low, high=3 * low, confidence=0.95, pairs=9)
    return [
        text.strip() for text, role in threshold_spans((4, 100, 300), found) if role is Role.GOOD
    ]


def test_what_is_surely_passed_is_marked_and_nothing_else():
    assert passed(3.9) == []
    assert passed(4.0) == [f"✔4{TIMES}"]
    assert passed(120.0) == [f"✔4{TIMES}", f"✔100{TIMES}"]
    assert passed(301.0) == [f"✔4{TIMES}", f"✔100{TIMES}", f"✔300{TIMES}"]


def test_before_an_audit_none_is_passed_and_without_thresholds_nothing_is_drawn():
    assert [text.strip() for text, _ in threshold_spans((4, 100), None)] == [
        "reference",
        f"4{TIMES}",
        f"100{TIMES}",
    ]
    assert threshold_spans((), None) == ()


def test_the_kernels_name_those_of_the_reference_suite():
    task = load_task("kernels")
    assert task.metric.thresholds == (4.0, 100.0, 300.0)
    assert load_task_facts(str(task.root), task.track).thresholds == (4.0, 100.0, 300.0)
    assert load_task("toy").metric.thresholds == ()
