"""What the other agents of a campaign are at, for the one that begins: so that not all of them try the same.

Does not: decide anything; two that had the same idea are told apart by the critic, and by what is left of the second.
"""

from rsi.agent.llm.fence import fence
from rsi.agent.memory.notebook import short
from rsi.agent.run.contexts import RoundContext
from rsi.agent.store.records import Step
from rsi.agent.store.state import last_proposal

ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth")


def others_at_work(context: RoundContext) -> str:
    """The ideas beside this one that are thought of or wait to be measured; empty where agents think one at a time."""
    if context.campaign.config.parallel == 1 or context.record.is_control:
        return ""
    lines, thinking = [], 0
    for record in context.ledger.rounds(context.campaign.record.id):
        steps = context.ledger.steps(record.id)
        if (
            record.is_control
            or record.id == context.round_id
            or any(each.step is Step.REPORT for each in steps)
        ):
            continue
        proposal = last_proposal(steps)
        if proposal is not None:
            lines.append(f"- idea {record.number}, under way: {short(proposal.hypothesis)}")
        elif not any(each.step is Step.PROPOSE for each in steps):
            thinking += record.number < context.record.number
            lines.append(f"- idea {record.number}: its agent has not said yet what it tries")
    place = ORDINALS[min(thinking, len(ORDINALS) - 1)]
    told = "" if not lines else "\n" + fence("\n".join(lines), source="agents")
    apart = (
        f" Of what comes to your mind, the others take what comes first: take the {place} idea instead."
        if thinking
        else ""
    )
    return (
        f"Up to {context.campaign.config.parallel} agents work on this campaign at once, each on an idea of its own, and what "
        "they gain is put together: a change in another place, or against another cost, than theirs can be promoted beside "
        f"theirs.{apart}{told}"
    )
