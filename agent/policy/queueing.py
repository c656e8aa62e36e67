"""Rules of the queue, out of the ledger alone: how urgent a campaign is, and whether one that ended may go on."""

from collections import Counter
from collections.abc import Mapping, Sequence

from rsi.agent.store.ledger import Ledger
from rsi.agent.store.records import CampaignState, RequestKind, RequestRecord, Step, StepOutcome
from rsi.agent.store.state import ENDED_STATES, round_state
from rsi.agent.store.steps.record import StepRecord


def urgency(ledger: Ledger, campaign_id: str) -> int:
    """How many places "sooner" a campaign was asked for, minus those "later"."""
    asked = ledger.requests(unhandled_only=False, campaign_id=campaign_id)
    return urgencies(asked).get(campaign_id, 0)


def urgencies(requests: Sequence[RequestRecord]) -> Mapping[str, int]:
    """The same by campaign, out of the requests of all; one that nobody asked for is not there."""
    places: Counter[str] = Counter()
    for each in requests:
        if each.kind is RequestKind.PRIORITY and each.campaign_id is not None:
            places[each.campaign_id] += each.payload.by
    return places


def retry_refusal(ledger: Ledger, campaign_id: str, round_id: str | None = None) -> str:
    """Why a campaign cannot go on, with one of its rounds run again where one is named; empty when it can."""
    state = ledger.campaign_summary(campaign_id).state
    if state not in ENDED_STATES:
        return f"it is {state.value}; only one that has ended can go on"
    if round_id is not None:
        return _reopen_refusal(ledger, round_id)
    if state is CampaignState.FAILED:
        return ""
    planned = ledger.campaign(campaign_id).config.rounds
    done = sum(not each.is_control for each in ledger.rounds(campaign_id))
    if done < planned:
        return ""
    return "all its rounds are done; clone it to run the same again"


def _reopen_refusal(ledger: Ledger, round_id: str) -> str:
    if broken_step(ledger, round_id) is not None:
        return ""
    state = round_state(
        ledger.steps(round_id), ledger.decisions(round_id), ledger.promotions(round_id=round_id)
    )
    ended = "is not over" if state.verdict is None else f"ended as {state.verdict.value}"
    return f"round {round_id} {ended}; only one that failed on our side can be run again"


def broken_step(ledger: Ledger, round_id: str) -> StepRecord | None:
    """Where a round that is over failed on our side; None when it did not."""
    broken = [each for each in ledger.steps(round_id) if each.outcome is StepOutcome.HARNESS_ERROR]
    return broken[0] if any(each.step is Step.REPORT for each in broken) else None
