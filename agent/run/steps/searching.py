"""Where the next round starts: the campaign's search strategy over the ledger's facts.

Invariant: a function of finished facts, so that it says the same again after a crash.
"""

import math
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from rsi.agent.policy.rollbacks import rolled_back
from rsi.agent.run.contexts import CampaignContext
from rsi.agent.search.choose import choose_strategy
from rsi.agent.search.types import Facts, Node, Plan
from rsi.agent.store.champion import has_commit
from rsi.agent.store.git.lineage import Lineage
from rsi.agent.store.records import AgentRole, CampaignEventKind, RoundRecord, Step, StepOutcome
from rsi.agent.store.round_book import by_round
from rsi.agent.store.state import Attempt, latest_attempt
from rsi.agent.store.steps.facts import Committed, Opened, Proposed
from rsi.agent.store.steps.record import StepRecord
from rsi.agent.trajectory.recorded import last_recording


def plan_round(campaign_context: CampaignContext, number: int, champion: str) -> Plan:
    """The plan of a campaign's n-th round, from the rounds before it.

    Raises:
        StrategyError: The strategy's name or a setting of it is unknown.
    """
    if campaign_context.config.fork_of is not None and number == 1:
        recording = last_recording(
            campaign_context.ledger.events(campaign_context.config.fork_of, AgentRole.PROPOSER)
        )
        origin = f"fork of {campaign_context.config.fork_of} after turn {campaign_context.config.fork_step}"
        return Plan(parent=recording.base_commit, reason=origin)
    undone = rolled_back(
        campaign_context.lineage,
        campaign_context.ledger.promotions(campaign_context.record.lineage),
    )
    strategy = choose_strategy(campaign_context.config.strategy)
    values = {campaign_context.lineage.baseline(): 0.0}
    archive: tuple[Node, ...] = ()
    if strategy.reads_archive:
        archive = tuple(
            _at_hand(campaign_context.lineage, each)
            for each in _nodes(_left_by_others(campaign_context), values, undone)
        )
    facts = Facts(
        baseline=campaign_context.lineage.baseline(),
        champion=champion,
        nodes=tuple(_nodes(_own(campaign_context, number), values, undone)),
        archive=archive,
        models=(campaign_context.config.proposer, *campaign_context.config.other_proposers),
    )
    return strategy.plan(facts, int(campaign_context.config.seed[:8], 16))


_Round = tuple[RoundRecord, Sequence[StepRecord]]
"""A round with all its finished steps."""


def _own(campaign_context: CampaignContext, number: int) -> Iterator[_Round]:
    """The campaign's rounds before one, in the order of their numbers."""
    for record in campaign_context.ledger.rounds(campaign_context.record.id):
        if record.number < number:
            yield record, campaign_context.ledger.steps(record.id)


def _left_by_others(campaign_context: CampaignContext) -> list[_Round]:
    """Rounds of other campaigns on the lineage that were over when this one began, in the order they were opened.

    What ends later stays out, so that a plan that is made again is the same.
    """
    ledger, own = campaign_context.ledger, campaign_context.record
    begun = (
        each.at for each in ledger.campaign_events(own.id) if each.kind is CampaignEventKind.STARTED
    )
    began_at = next(begun, own.created_at)
    steps = by_round(ledger.steps_of(lineage=own.lineage))
    found = [
        (record, steps.get(record.id, ()))
        for each in ledger.campaigns(lineage=own.lineage)
        if each.record.id != own.id
        for record in ledger.rounds(each.record.id)
    ]
    over = (each for each in found if _was_over(each[1], began_at))
    return sorted(over, key=lambda each: each[0].created_at)


def _was_over(steps: Sequence[StepRecord], at: datetime) -> bool:
    return any(each.step is Step.REPORT and each.started_at <= at for each in steps)


def _nodes(
    rounds: Iterable[_Round], values: dict[str, float], undone: Container[str]
) -> Iterator[Node]:
    """Rounds of ideas as the search sees them; the value of each is kept for those that build on it."""
    for record, steps in rounds:
        if record.is_control:
            continue
        node = _node(record, steps, values, undone)
        if node.commit is not None and node.value is not None:
            values[node.commit] = node.value
        yield node


def _at_hand(lineage: Lineage, node: Node) -> Node:
    """A round of another campaign, without its candidate where only another home's repository holds that."""
    if node.commit is None or has_commit(lineage, node.commit):
        return node
    return replace(node, commit=None, value=None)


def _node(
    record: RoundRecord,
    steps: Sequence[StepRecord],
    values: Mapping[str, float],
    undone: Container[str],
) -> Node:
    """A round as the search sees it.

    Args:
        record: The round.
        steps: All its finished steps.
        values: Of the commits before it.
        undone: Commits that were rolled back.
    """
    latest = latest_attempt(steps)
    opened, proposed = latest.left(Opened), latest.left(Proposed)
    committed = latest.left(Committed)
    plan = None if opened is None else opened.plan
    commit = None if committed is None else committed.commit
    parent = record.parent_commit or record.champion_commit
    if committed is not None:
        parent = committed.parent
    # What stands on a commit that was rolled back holds its code.
    is_undone = any(each in undone for each in (commit, parent, record.champion_commit))
    gain = None if is_undone or _is_turned_down(latest) else _gain(latest)
    # A commit from before this campaign has no value here; its own value counts as the champion's 0.
    start = values.get(record.champion_commit, 0.0)
    # A proposal that failed on our side names no model; the opening does, and the model counts as tried.
    model = (proposed and proposed.model) or (plan and plan.model) or ""
    return Node(
        round_id=record.id,
        number=record.number,
        commit=commit,
        parent=parent,
        value=None if gain is None else start + gain,
        is_open=Step.REPORT not in latest.steps,
        is_promoted=commit not in undone and latest.outcome(Step.PROMOTE) is StepOutcome.PROMOTED,
        gain=gain,
        cost_usd=_proposing_usd(steps),
        model=model,
        island=0 if plan is None else plan.island,
        niche=committed.files[0].path if committed is not None and committed.files else "",
    )


def _proposing_usd(steps: Sequence[StepRecord]) -> float | None:
    """What proposing cost in all attempts; None when a price is unknown, or nothing was proposed yet."""
    costs = [each.fact.cost.usd for each in steps if isinstance(each.fact, Proposed)]
    known = [each for each in costs if each is not None]
    return math.fsum(known) if known and len(known) == len(costs) else None


def _is_turned_down(latest: Attempt) -> bool:
    """Whether review or gate refused it: nothing is built on a candidate that may be a cheat."""
    words = (latest.outcome(Step.REVIEW), latest.outcome(Step.DECIDE))
    return any(each is not None and not each.goes_on for each in words)


def _gain(latest: Attempt) -> float | None:
    effect, searched = latest.effect, latest.searched
    if effect is None or searched is None:
        return None
    return math.log(effect.estimate) if all(each.is_kept for each in searched.quality) else None
