"""What the proposer and the critic are told, put together from the ledger's facts."""

from rsi.agent.steps.result import StepResult
from rsi.agent.store.codec import decode, encode
from rsi.agent.store.records import Step
from rsi.agent.types import Brief, RoundReport
from rsi.agent.workshop import RoundDesk


def past_reports(desk: RoundDesk) -> tuple[RoundReport, ...]:
    """Reports of all finished rounds on this lineage, oldest first, negatives included."""
    steps = desk.ledger.steps_of(lineage=desk.shop.campaign.lineage, step=Step.REPORT)
    return tuple(
        decode(RoundReport, encode(each.payload["report"]))
        for each in steps
        if "report" in each.payload and each.round_id != desk.round_id
    )


def compose_brief(desk: RoundDesk) -> Brief:
    """The brief of this attempt: where to start, how the champion does, what the past taught."""
    shop = desk.shop
    reports = past_reports(desk)
    return Brief(
        round_id=desk.round_id,
        round_number=desk.record.number,
        task=shop.task.name,
        profile=shop.profile.name,
        instruction=shop.task.instruction,
        base_commit=desk.record.parent_commit or desk.record.champion_commit,
        base_tree=desk.champion_tree,
        score_profile=f"{sum(each.is_promoted for each in reports)} promotions so far",
        notebook="\n".join(f"- {each.hypothesis}: {each.lesson}" for each in reports[-8:]),
        critique=_sent_back_by_critic(desk),
        feedback=_sent_back_by_person(desk),
    )


def search_notebook(desk: RoundDesk, words: str) -> str:
    """Past rounds that mention these words."""
    wanted = words.lower().split()
    found = [
        f"{each.round_id} {each.outcome}: {each.hypothesis}. {each.lesson}"
        for each in past_reports(desk)
        if any(word in f"{each.hypothesis} {each.lesson} {each.changed}".lower() for word in wanted)
    ]
    return "\n".join(found) or "no past round mentions this"


def critique_of(desk: RoundDesk) -> StepResult:
    """The critic's objection to this attempt; without a critic the round goes on."""
    return StepResult(outcome="ok", payload={"stance": "go", "text": "", "model": "none"})


def _sent_back_by_critic(desk: RoundDesk) -> str | None:
    before = desk.step(Step.CRITIQUE, desk.attempt - 1) if desk.attempt else None
    return str(before.payload["text"]) if before and before.outcome == "revise" else None


def _sent_back_by_person(desk: RoundDesk) -> str | None:
    before = desk.step(Step.DECIDE, desk.attempt - 1) if desk.attempt else None
    return str(before.payload["reason"]) if before and before.outcome == "revise" else None
