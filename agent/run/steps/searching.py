"""Where the next round starts: the campaign's search strategy over the ledger's facts.

Invariant: a function of finished facts, so that it says the same again after a crash.
"""

import math
from collections.abc import Container, Mapping, Sequence
from typing import cast

from rsi.agent.policy.claims import claimed_effect
from rsi.agent.policy.rollbacks import rolled_back
from rsi.agent.run.contexts import CampaignContext
from rsi.agent.search.choose import choose_strategy
from rsi.agent.search.types import Facts, Node, Plan
from rsi.agent.store.records import AgentRole, RoundRecord, Step, StepRecord
from rsi.agent.store.state import latest_steps
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
    nodes: list[Node] = []
    values = {campaign_context.lineage.baseline(): 0.0}
    for record in campaign_context.ledger.rounds(campaign_context.record.id):
        if record.number >= number:
            break
        if record.is_control:
            continue
        node = _node(record, campaign_context.ledger.steps(record.id), values, undone)
        nodes.append(node)
        if node.commit is not None and node.value is not None:
            values[node.commit] = node.value
    facts = Facts(
        baseline=campaign_context.lineage.baseline(),
        champion=champion,
        nodes=tuple(nodes),
        models=(campaign_context.config.proposer, *campaign_context.config.other_proposers),
    )
    return choose_strategy(campaign_context.config.strategy).plan(
        facts, int(campaign_context.config.seed[:8], 16)
    )


def _node(
    record: RoundRecord,
    steps: tuple[StepRecord, ...],
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
    latest = latest_steps(steps)
    committed = latest[Step.COMMIT].payload if Step.COMMIT in latest else {}
    opened = latest[Step.OPEN].payload if Step.OPEN in latest else {}
    proposed = latest[Step.PROPOSE].payload if Step.PROPOSE in latest else {}
    plan = cast(Mapping[str, object], opened.get("plan") or {})
    commit = cast(str | None, committed.get("commit"))
    parent = str(committed.get("parent") or record.parent_commit or record.champion_commit)
    # What stands on a commit that was rolled back holds its code.
    is_undone = any(each in undone for each in (commit, parent, record.champion_commit))
    gain = None if is_undone or _is_turned_down(latest) else _gain(latest)
    # A commit from before this campaign has no value here; its own value counts as the champion's 0.
    start = values.get(record.champion_commit, 0.0)
    files = cast(list[Mapping[str, object]], committed.get("files") or [])
    return Node(
        round_id=record.id,
        number=record.number,
        commit=commit,
        parent=parent,
        value=None if gain is None else start + gain,
        is_open=Step.REPORT not in latest,
        is_promoted=commit not in undone
        and Step.PROMOTE in latest
        and latest[Step.PROMOTE].outcome == "promoted",
        gain=gain,
        cost_usd=_proposing_usd(steps),
        # A proposal that failed on our side names no model; the opening does, and the model counts as tried.
        model=str(proposed.get("model") or plan.get("model") or ""),
        island=cast(int, plan.get("island", 0)),
        niche=str(files[0]["path"]) if files else "",
    )


def _proposing_usd(steps: Sequence[StepRecord]) -> float | None:
    """What proposing cost in all attempts; None when a price is unknown, or nothing was proposed yet."""
    costs = [
        cast(Mapping[str, object], each.payload["cost"]).get("usd")
        for each in steps
        if each.step is Step.PROPOSE and "cost" in each.payload
    ]
    known = [each for each in costs if isinstance(each, (int, float))]
    return math.fsum(known) if known and len(known) == len(costs) else None


def _is_turned_down(latest: Mapping[Step, StepRecord]) -> bool:
    """Whether review or gate refused it: nothing is built on a candidate that may be a cheat."""
    review, decided = latest.get(Step.REVIEW), latest.get(Step.DECIDE)
    return (review is not None and review.outcome not in {"ok", "held"}) or (
        decided is not None and decided.outcome != "approve"
    )


def _gain(latest: Mapping[Step, StepRecord]) -> float | None:
    effect = claimed_effect(latest)
    if effect is None:
        return None
    quality = cast(list[Mapping[str, object]], _score(latest[Step.SCORE]).get("quality") or [])
    return math.log(effect.estimate) if all(each["is_kept"] for each in quality) else None


def _score(scored: StepRecord) -> Mapping[str, object]:
    return cast(Mapping[str, object], scored.payload.get("score") or {})
