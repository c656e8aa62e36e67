"""A campaign's facts as plain lines, in the order they happened; for terminals and logs."""

from collections.abc import Iterator

from rsi.agent.policy.budget import Budget, warnings
from rsi.agent.policy.forecast import rounds_paid_for
from rsi.agent.policy.limits import budget_now, spent_now
from rsi.agent.report.activity import activity_of
from rsi.agent.report.reasons import reason_line
from rsi.agent.safe import safe_line
from rsi.agent.store.ledger import Ledger
from rsi.agent.store.records import Step
from rsi.agent.store.rounds import round_label
from rsi.agent.store.steps.facts import (
    Admitted,
    Committed,
    Critiqued,
    Decided,
    Halted,
    Measured,
    Promoted,
    Proposed,
    Reported,
    Reviewed,
    Scored,
)
from rsi.agent.store.steps.record import StepRecord
from rsi.evals.types import Score

SILENT = frozenset({Step.OPEN, Step.BRIEF})
"""Steps that say nothing a follower waits for."""
SHOWN_CHARS = 160


class Follower:
    """Remembers what was said, and says what is new."""

    def __init__(self, ledger: Ledger, campaign_id: str) -> None:
        self._ledger = ledger
        self._campaign_id = campaign_id
        self._said: set[tuple[str, Step, int]] = set()
        self._events = 0
        self._warned: set[tuple[str, float, float]] = set()

    def news(self) -> Iterator[str]:
        """Lines about everything since the last call."""
        events = self._ledger.campaign_events(self._campaign_id)
        early = [
            each for each in events[self._events :] if each.kind.value in {"queued", "started"}
        ]
        late = [each for each in events[self._events :] if each not in early]
        self._events = len(events)
        for event in early:
            yield f"{self._campaign_id}  {event.kind.value}"
        for record in self._ledger.rounds(self._campaign_id):
            for step in self._ledger.steps(record.id):
                key = (record.id, step.step, step.attempt)
                if key in self._said:
                    continue
                self._said.add(key)
                if step.step not in SILENT:
                    yield f"round {round_label(record):<3} {describe_step(step)}"
        yield from self._budget_news()
        for event in late:
            reason = f": {event.reason}" if event.reason else ""
            yield f"{self._campaign_id}  {event.kind.value}{reason}"

    def _budget_news(self) -> Iterator[str]:
        """Each limit once when it is half used, and once when it is nearly used; again when it was changed."""
        budget = budget_now(self._ledger, self._campaign_id)
        if not budget.limits():
            return
        for warning in warnings(budget, spent_now(self._ledger, self._campaign_id)):
            key = (warning.limit, warning.share, warning.allowed)
            if key not in self._warned:
                self._warned.add(key)
                outlook = self._outlook(budget) if warning.limit == "usd" else ""
                yield f"{self._campaign_id}  budget: {warning.text}{outlook}"

    def _outlook(self, budget: Budget) -> str:
        """For how many more rounds the dollars last, when they do not last to the end."""
        campaign = self._ledger.campaign(self._campaign_id)
        ideas = {each.id for each in self._ledger.rounds(campaign.id) if not each.is_control}
        ended = self._ledger.steps_of(campaign_id=campaign.id, step=Step.REPORT)
        left = rounds_paid_for(
            self._ledger.charges(campaign.id),
            rounds_done=sum(each.round_id in ideas for each in ended),
            rounds_planned=campaign.config.rounds,
            budget=budget,
        )
        return "" if left is None else f"; as the rounds went so far, it pays for {left} more"

    def now(self) -> str:
        """What is under way, for a status line; empty when nothing is."""
        found = activity_of(self._ledger, self._campaign_id)
        return "" if found is None else found.text


def describe_step(step: StepRecord) -> str:
    """One finished step in one line."""
    head = f"{step.step.value:<9} {step.outcome:<13}"
    return safe_line(f"{head} {_detail(step)}"[: SHOWN_CHARS + len(head)]).rstrip()


def _detail(step: StepRecord) -> str:
    match step.fact:
        case Proposed() as proposed:
            predicted = proposed.predicted_ratio
            ratio = "" if predicted is None else f", predicts {predicted:.2f}x"
            return (proposed.hypothesis or proposed.reason) + ratio
        case Committed() as committed:
            lines = f"+{committed.lines_added} -{committed.lines_removed} lines"
            moved = f", put onto the champion {committed.parent[:12]} that came in between"
            return f"{committed.commit[:12]}  {lines}{moved if committed.rebased_from else ''}"
        case Critiqued() as critique:
            return "; ".join(filter(None, (critique.text, *critique.duplicates)))
        case Admitted() as admitted:
            found = admitted.findings
            return "; ".join(each.text for each in found)
        case Measured() as measured:
            return reason_line(measured.detail) or f"{measured.runs} runs, {step.wall_s:.0f} s"
        case Scored() as scored:
            return score_line(scored.score)
        case Reviewed() as review:
            if review.confirm is not None:
                whole = review.baseline
                said = "" if whole is None else f"; against the baseline: {score_line(whole)}"
                return f"confirmed on fresh data: {score_line(review.confirm)}{said}"
            return review.reason
        case Decided() as decided:
            return f"{decided.actor}: {decided.reason}".strip(": ")
        case Promoted() as promoted:
            return f"champion is {promoted.new_commit[:12]}"
        case Reported() as reported:
            return reason_line(reported.report.lesson)
        case Halted() as halted:
            return reason_line(halted.reason)
        case _:
            return ""


def score_line(score: Score) -> str:
    """A score as "1.42x [1.31, 1.55] over 4 pairs; reason"."""
    effect = score.effect
    if effect is None:
        return reason_line(score.reason)
    return f"{effect.text} over {effect.pairs} pairs; {reason_line(score.reason)}"
