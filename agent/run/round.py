"""One round: one idea, start to verdict, each step in one place.

A candidate's failure is an outcome word and ends the attempt; our failure is an exception and is never
held against the candidate. Every step writes one row and is idempotent, so a round goes on after a crash
from its last finished step.
Does not: decide how a step works (`rsi.agent.run.steps` does), or what runs next (`rsi.agent.run.engine` does).
"""

from collections.abc import Callable
from itertools import count

from rsi.agent.policy.gate import MAX_ATTEMPTS
from rsi.agent.run.ahead import Ahead
from rsi.agent.run.contexts import RoundContext
from rsi.agent.run.engine import Durable
from rsi.agent.run.pausing import HELD_BEFORE, wait_for_word, wait_while_paused
from rsi.agent.run.recording import record_step
from rsi.agent.run.steps.closing import decide, look_at_gate, promote, report
from rsi.agent.run.steps.evidence import admit, measure, review, score
from rsi.agent.run.steps.idea import commit, critique, open_round, propose, write_brief
from rsi.agent.store.records import Step, StepOutcome
from rsi.agent.store.steps.facts import AnyFact


def run_round(context: RoundContext, durable: Durable, ahead: Ahead) -> str:
    """Take one round from its opening to its report.

    Args:
        context: The round's ledger, lineage, task, backend and models.
        durable: Remembers finished steps through crashes.
        ahead: Who thinks of the rounds after this one meanwhile.

    Returns:
        The word that the round ended with, such as "promoted", "refuted" or "not_admitted".
    """

    def step(name: Step, work: Callable[[RoundContext], AnyFact]) -> str:
        key = f"{context.round_id}/{context.attempt}/{name.value}"
        if name in HELD_BEFORE:
            wait_while_paused(context.campaign, durable, f"{key}/go")
        if name is Step.MEASURE:
            wait_for_word(context, durable, f"{key}/word")

        def done() -> str:
            ahead.look(context, name)
            if name is Step.PROPOSE:
                return ahead.proposed(context)
            return record_step(context, name, work)

        return durable.step(key, done)

    opened = step(Step.OPEN, open_round)
    for attempt in range(0 if _stopped(opened) else MAX_ATTEMPTS):
        context.attempt = attempt
        word = (
            _stopped(step(Step.BRIEF, write_brief))
            or _stopped(step(Step.PROPOSE, propose))
            or _stopped(step(Step.COMMIT, commit))
            or _stopped(step(Step.CRITIQUE, critique))
            or _stopped(step(Step.ADMIT, admit))
            or _stopped(step(Step.MEASURE, measure))
            or _stopped(step(Step.SCORE, score))
            or _stopped(step(Step.REVIEW, review))
            or _wait_at_gate(context, durable)
            or _stopped(step(Step.DECIDE, decide))
            or step(Step.PROMOTE, promote)
        )
        if word != "revise":
            break
    step(Step.REPORT, report)
    return context.ended_as()


def _stopped(outcome: str) -> str:
    """The word that ends the attempt, empty when it goes on."""
    return "" if StepOutcome(outcome).goes_on else outcome


def _wait_at_gate(context: RoundContext, durable: Durable) -> str:
    """Sleep until the gate has spoken or the campaign is stopped; silence never approves."""
    key = f"{context.round_id}/{context.attempt}/gate"
    for look in count():
        if durable.step(f"{key}/{look}", lambda: look_at_gate(context)) != "waiting":
            break
        durable.wait(context.round_id)
    return ""
