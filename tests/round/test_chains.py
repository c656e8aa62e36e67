"""A real lineage of small losses: each step looks harmless, the chain of them does not get through."""

import difflib

import pytest

from rsi.agent.store.git.lineage import Lineage
from rsi.agent.store.records import Step
from rsi.agent.store.round_book import RoundBook
from rsi.agent.trust.rescoring import rescore_round
from rsi.evals.types import Purpose
from rsi.tasks.format.loader import load_task

pytestmark = pytest.mark.slow

FIT = "bigram/fit.py"
SHARES = ("3 // 5", "2 // 5", "3 // 10")
"""Of the text that is left to be counted: each step alone costs about half of the margin, two of them more than it."""


@pytest.fixture
def less_text(tmp_path):
    """Patches that fit ever less of the text, each over the one before; returns their names."""

    def version(share):
        source = (load_task("toy").repo / FIT).read_text(encoding="utf-8")
        if share is None:
            return source
        at = "    letters = find_letters(text)\n"
        assert at in source
        return source.replace(at, at + f"    text = text[: len(text) * {share}]\n")

    names = []
    for number, (before, after) in enumerate(zip((None, *SHARES), SHARES, strict=False)):
        lines = difflib.unified_diff(
            version(before).splitlines(keepends=True),
            version(after).splitlines(keepends=True),
            f"a/{FIT}",
            f"b/{FIT}",
        )
        (tmp_path / f"{number}.patch").write_text(
            f"diff --git a/{FIT} b/{FIT}\n{''.join(lines)}", encoding="utf-8"
        )
        names.append(f"{number}.patch")
    return names


def test_three_patches_that_fit_ever_less_text_do_not_end_beyond_the_margin(
    home, ledger, queue, work, idea, less_text
):
    campaign_id = queue([idea(each, predicted=1.3) for each in less_text])
    status, log = work()
    assert status == 0, log
    lines = RoundBook(ledger).of_campaign(campaign_id)
    assert lines[0].ended_as == "promoted", [each.reason for each in lines]
    stopped = [each for each in lines if each.ended_as != "promoted"]
    # What follows a refused step does not fit the champion that stayed.
    assert stopped[0].ended_as in {"refuted", "inconclusive"}, stopped[0].reason
    assert "against the round-0 baseline, " in stopped[0].reason
    assert "excess_bpb" in stopped[0].reason
    margin = load_task("toy").profiles["smoke"].quality[0].margin
    for each in lines[1:]:
        review = ledger.step(each.record.id, Step.REVIEW)
        if review is None or review.baseline is None:
            continue  # refused before it came so far
        (kept,) = review.baseline.quality
        assert kept.margin == margin
        assert kept.is_kept == (each.ended_as == "promoted"), each.reason
        assert ledger.measurements(each.record.id, Purpose.BASELINE)
        purposes = [found.purpose for found in rescore_round(ledger, each.record.id, home)]
        assert purposes == ["screen", "confirm", "baseline"]
        assert all(found.is_same for found in rescore_round(ledger, each.record.id, home))
    end = ledger.campaign_events(campaign_id)[-1].audit.score
    assert all(each.is_kept for each in end.quality), end.reason
    champion = Lineage.open(home, ledger.campaign(campaign_id).lineage).champion()
    assert champion == lines[lines.index(stopped[0]) - 1].commit
