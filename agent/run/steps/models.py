"""The models and the money of one round."""

from pathlib import Path

from rsi.agent.llm.base import Model
from rsi.agent.llm.errors import ModelSpecError
from rsi.agent.llm.redaction import redacting
from rsi.agent.llm.resolve import resolve_model
from rsi.agent.llm.scripted.script import load_script
from rsi.agent.llm.types import Reply
from rsi.agent.policy.budget import Budget, LedgerBudgetGuard
from rsi.agent.policy.limits import budget_now
from rsi.agent.run.contexts import CampaignContext, RoundContext
from rsi.agent.run.live.live_speech import AudibleModel
from rsi.agent.run.live.log_stream import LogStream, unused_name
from rsi.agent.run.recorder import Recorder
from rsi.agent.store.config import CampaignConfig
from rsi.agent.store.ledger import Ledger
from rsi.agent.store.records import AgentRole, RoundRecord, Step
from rsi.agent.store.steps.facts import Halted, Opened, Proposed
from rsi.agent.trajectory.foreign import read_trajectory
from rsi.agent.trajectory.recorded import last_recording
from rsi.agent.types import Sink


def model_of(context: RoundContext, role: AgentRole, spec: str) -> Model:
    """The model that a role of the campaign names; what it says is heard in the ledger while it says it.

    Raises:
        ModelSpecError: It cannot be used here any more, such as a key that is gone.
    """
    model = resolve_model(
        spec,
        task=context.campaign.task,
        round_number=script_number(context.ledger, context.record),
        keys=context.campaign.keys,
        allow_unknown_price=context.campaign.config.is_unknown_price_allowed,
        recorded=lambda round_id: recorded_replies(context.ledger, round_id),
    )

    def open_stream() -> LogStream:
        name = unused_name(context.ledger, context.round_id, f"{role.value}/{context.attempt}")
        return LogStream(context.ledger, context.round_id, name)

    return AudibleModel(model, open_stream, context.campaign.keys.redactor())


def proposer_of(config: CampaignConfig, opened: Opened | None) -> str:
    """The model that proposes in a round: the one that its search chose, else the campaign's.

    Args:
        config: Of the round's campaign.
        opened: What the round's opening left; None when it left nothing.
    """
    plan = None if opened is None else opened.plan
    return (plan and plan.model) or config.proposer


def script_number(ledger: Ledger, record: RoundRecord) -> int:
    """Which entry of a script a round plays: its own number, or the one of the round that it is a fork of."""
    config = ledger.campaign(record.campaign_id).config
    if config.fork_of is None or record.number != 1:
        return record.number
    return script_number(ledger, ledger.round(config.fork_of))


def script_over(campaign: CampaignContext, number: int) -> str:
    """Why no round of this number is worth opening: those who propose play scripts, and none has so many; empty otherwise."""
    config = campaign.config
    targets = [each.partition(":") for each in (config.proposer, *config.other_proposers)]
    if config.fork_of is not None or any(name != "scripted" for name, _, _ in targets):
        return ""
    try:
        most = max(len(load_script(target, campaign.task).rounds) for _, _, target in targets)
    except ModelSpecError:
        return ""  # what is wrong with a script is its round's to say
    return "all rounds of the script are played" if number > most else ""


def recorded_replies(ledger: Ledger, source: str) -> tuple[Reply, ...]:
    """What the proposer's model said in a round, or in an ATIF file, for `replay:`."""
    if Path(source).is_absolute():
        return read_trajectory(Path(source)).replies
    return last_recording(ledger.events(source, AgentRole.PROPOSER)).replies


def sink_of(context: RoundContext) -> Sink:
    """Where the agents' steps go: the ledger, with every known key blotted out first."""
    return redacting(Recorder(context.ledger, context.round_id), context.campaign.keys.redactor())


def budget_guard_of(context: RoundContext) -> LedgerBudgetGuard:
    """The budget guard of a round, bound by its own limit and by the campaign's as they are at each call."""
    return LedgerBudgetGuard(
        ledger=context.ledger,
        campaign_id=context.campaign.record.id,
        round_id=context.round_id,
        campaign_budget=lambda: budget_in_force(context.campaign),
        calls=context.campaign.calls,
        round_budget=Budget(usd=context.campaign.config.round_budget_usd),
    )


def budget_in_force(campaign_context: CampaignContext) -> Budget:
    """The campaign's limits as they are now; marks what a person changed of them as heard."""
    # Heard first, then read: what was marked is then surely among what binds.
    campaign_context.steering.heed_budgets()
    return budget_now(campaign_context.ledger, campaign_context.record.id)


def refused_limit(campaign_context: CampaignContext) -> str | None:
    """Name of the limit that turned a call of the latest idea away, unless it was raised since.

    What is left is above zero then, but pays for no further call, so another round would start in vain.
    """
    ideas = [
        each
        for each in campaign_context.ledger.rounds(campaign_context.record.id)
        # One that was opened ahead and is still being thought of says nothing yet.
        if not each.is_control and campaign_context.ledger.step_record(each.id, Step.PROPOSE)
    ]
    limits = budget_now(campaign_context.ledger, campaign_context.record.id).limits()
    for step in campaign_context.ledger.steps(ideas[-1].id) if ideas else ():
        refused = step.fact.refused if isinstance(step.fact, (Proposed, Halted)) else None
        if refused is not None:
            now = limits.get(refused.limit)
            if now is not None and refused.allowed is not None and now <= refused.allowed:
                return refused.limit
    return None
