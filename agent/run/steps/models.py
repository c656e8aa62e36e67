"""The models and the money of one round."""

from collections.abc import Mapping
from pathlib import Path
from typing import cast

from rsi.agent.llm.base import Model
from rsi.agent.llm.redaction import redacting
from rsi.agent.llm.resolve import resolve_model
from rsi.agent.llm.types import Reply
from rsi.agent.policy.budget import Budget, LedgerPurse
from rsi.agent.policy.limits import budget_now
from rsi.agent.policy.settings import CampaignConfig
from rsi.agent.run.live.live_speech import AudibleModel
from rsi.agent.run.live.log_stream import LogStream, unused_name
from rsi.agent.run.recorder import Recorder
from rsi.agent.run.workshop import RoundDesk, Workshop
from rsi.agent.store.ledger import Ledger
from rsi.agent.store.records import AgentRole, RoundRecord
from rsi.agent.trajectory.atif import read_atif
from rsi.agent.trajectory.recording import last_recording
from rsi.agent.types import Sink


def model_of(desk: RoundDesk, role: AgentRole, spec: str) -> Model:
    """The model that a role of the campaign names; what it says is heard in the ledger while it says it.

    Raises:
        ModelSpecError: It cannot be used here any more, such as a key that is gone.
    """
    model = resolve_model(
        spec,
        task=desk.shop.task,
        round_number=script_number(desk.ledger, desk.record),
        keys=desk.shop.keys,
        allow_unknown_price=desk.shop.config.is_unknown_price_allowed,
        recorded=lambda round_id: recorded_replies(desk.ledger, round_id),
    )

    def open_stream() -> LogStream:
        name = unused_name(desk.ledger, desk.round_id, f"{role.value}/{desk.attempt}")
        return LogStream(desk.ledger, desk.round_id, name)

    return AudibleModel(model, open_stream, desk.shop.keys.redactor())


def proposer_of(config: CampaignConfig, opened: Mapping[str, object]) -> str:
    """The model that proposes in a round: the one that its search chose, else the campaign's.

    Args:
        config: Of the round's campaign.
        opened: What the round's opening left.
    """
    plan = cast(Mapping[str, object], opened.get("plan") or {})
    return str(plan.get("model") or config.proposer)


def script_number(ledger: Ledger, record: RoundRecord) -> int:
    """Which entry of a script a round plays: its own number, or the one of the round that it is a fork of."""
    config = CampaignConfig.from_json(ledger.campaign(record.campaign_id).config)
    if config.fork_of is None or record.number != 1:
        return record.number
    return script_number(ledger, ledger.round(config.fork_of))


def recorded_replies(ledger: Ledger, source: str) -> tuple[Reply, ...]:
    """What the proposer's model said in a round, or in an ATIF file, for `replay:`."""
    if Path(source).is_absolute():
        return read_atif(Path(source)).replies
    return last_recording(ledger.events(source, AgentRole.PROPOSER)).replies


def sink_of(desk: RoundDesk) -> Sink:
    """Where the agents' steps go: the ledger, with every known key blotted out first."""
    return redacting(Recorder(desk.ledger, desk.round_id), desk.shop.keys.redactor())


def purse_of(desk: RoundDesk) -> LedgerPurse:
    """The purse of a round, bound by its own limit and by the campaign's as they are at each call."""
    return LedgerPurse(
        ledger=desk.ledger,
        campaign_id=desk.shop.campaign.id,
        round_id=desk.round_id,
        campaign_budget=lambda: budget_in_force(desk.shop),
        round_budget=Budget(usd=desk.shop.config.round_budget_usd),
    )


def budget_in_force(shop: Workshop) -> Budget:
    """The campaign's limits as they are now; marks what a person changed of them as heard."""
    # Heard first, then read: what was marked is then surely among what binds.
    shop.steering.heed_budgets()
    return budget_now(shop.ledger, shop.campaign.id)


def refused_limit(shop: Workshop) -> str | None:
    """Name of the limit that turned a call of the latest idea away, unless it was raised since.

    What is left is above zero then, but pays for no further call, so another round would start in vain.
    """
    ideas = [each for each in shop.ledger.rounds(shop.campaign.id) if not each.is_control]
    limits = budget_now(shop.ledger, shop.campaign.id).limits()
    for step in shop.ledger.steps(ideas[-1].id) if ideas else ():
        refused = cast(Mapping[str, object] | None, step.payload.get("refused"))
        if refused is not None:
            limit, before = str(refused["limit"]), cast(float | None, refused["allowed"])
            now = limits.get(limit)
            if now is not None and before is not None and now <= before:
                return limit
    return None
