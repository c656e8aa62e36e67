"""Parts taken out one at a time: what they are, and what an interval says about them."""

from types import SimpleNamespace

import pytest

from rsi.agent.trust.ablation import (
    Grain,
    PartVerdict,
    ablate,
    candidate_parts,
    part_verdict,
    stack_parts,
)
from rsi.evals.errors import MeasurementError
from rsi.evals.types import Interval, QualityResult, Score, Verdict
from rsi.sandboxes.types import FileEntry

LINES = [f"value_{n} = {n}" for n in range(40)]


def tree(**changes):
    first = [changes.get(f"line_{n}", line) for n, line in enumerate(LINES)]
    files = {"a.py": "\n".join(first) + "\n", "b.py": changes.get("b", "B = 1\n")}
    if "c" in changes:
        files["c.py"] = changes["c"]
    return tuple(FileEntry(path=p, content=text.encode()) for p, text in sorted(files.items()))


def score(low, high, *, verdict=Verdict.INCONCLUSIVE, reason="", outcomes=None, quality=()):
    middle = (low + high) / 2
    return Score(
        verdict=verdict, reason=reason, wall_effect=None, quality=quality, guards=(), pairs_used=4,
        effect=Interval(estimate=middle, low=low, high=high, confidence=0.95, pairs=4),
        pairs_invalid=0, outcomes=outcomes or {"ok": 4}, is_plausible=True, plausibility="", digest="",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (0.60, 0.70, PartVerdict.HELPS),
        (0.99, 1.01, PartVerdict.BARNACLE),
        (1.10, 1.20, PartVerdict.HARMS),
        (0.80, 1.20, PartVerdict.UNCLEAR),
    ],
)
def test_a_part_is_judged_by_an_interval_of_the_whole_against_the_whole_without_it(
    low, high, verdict
):
    assert part_verdict(score(low, high), 0.03)[0] is verdict


def test_a_part_without_which_nothing_runs_or_learns_is_needed():
    crashed = score(
        1, 1, verdict=Verdict.INVALID, outcomes={"crashed": 2}, reason="crashed in 2 of 2"
    )
    assert part_verdict(crashed, 0.03)[0] is PartVerdict.NEEDED
    lost = QualityResult(
        name="loss", champion_mean=1.0, candidate_mean=2.0, difference_low=0.9, difference_high=1.1,
        limit=1.5, margin=0.1, is_kept=False, reason="loss is 2",
    )  # fmt: skip
    worse = score(1.1, 1.3, verdict=Verdict.REFUTED, reason="quality: loss is 2", quality=(lost,))
    assert part_verdict(worse, 0.03)[0] is PartVerdict.NEEDED


def test_a_candidate_falls_apart_into_its_files_or_its_hunks():
    whole = tree(line_2="value_2 = 22", line_30="value_30 = 33", b="B = 2\n", c="C = 1\n")
    files = candidate_parts(tree(), whole, Grain.FILE)
    assert [each.name for each in files] == ["a.py", "b.py", "c.py"]
    assert files[0].without == tree(b="B = 2\n", c="C = 1\n")
    hunks = candidate_parts(tree(), whole, Grain.HUNK)
    assert len(hunks) == 4
    assert hunks[0].without == tree(line_30="value_30 = 33", b="B = 2\n", c="C = 1\n")
    assert hunks[3].without == tree(line_2="value_2 = 22", line_30="value_30 = 33", b="B = 2\n")


def test_the_stack_falls_apart_into_its_promotions_where_they_can_be_taken_out(past):
    first = past.lineage.commit_candidate(
        "r1",
        past.lineage.baseline(),
        with_line(past, b"# one\n"),
        "one",
        {},
        at=past.campaign.created_at,
    )
    past.lineage.move_champion(past.lineage.baseline(), first, "r1")
    second = past.lineage.commit_candidate(
        "r2", first, with_line(past, b"# one\n# two\n"), "two", {}, at=past.campaign.created_at
    )
    past.lineage.move_champion(first, second, "r2")
    parts = stack_parts(past.lineage)
    assert [each.name.split(" ", 1)[1] for each in parts] == ["one", "two"]
    assert parts[0].without is None
    assert "does not apply" in parts[0].problem
    assert parts[1].without == past.lineage.tree(first)


def test_what_cannot_be_taken_out_or_measured_is_said_and_the_rest_goes_on():
    whole = tree(line_2="value_2 = 22", b="B = 2\n")
    parts = candidate_parts(tree(), whole, Grain.FILE)

    def compare(reference, subject, name):
        assert reference == whole
        if subject == parts[0].without:
            raise MeasurementError("no quiet window")
        return SimpleNamespace(score=score(0.5, 0.6))

    first, second = ablate(whole, parts, compare, 0.03)
    assert (first.verdict, first.reason) == (PartVerdict.UNCLEAR, "no quiet window")
    assert second.verdict is PartVerdict.HELPS
    assert second.contribution.low == pytest.approx(1 / 0.6)


def with_line(past, content):
    base = past.lineage.tree(past.lineage.baseline())
    head, *rest = base
    return (FileEntry(path=head.path, content=head.content + content), *rest)
