"""The gate: who may decide what, bound to exactly what was shown.

Invariant: silence never approves; a decision names the commit and the score digest that it is about, and
one that goes against the evidence is an override with a reason.
"""

import getpass
import os

from rsi.agent.errors import AgentError
from rsi.agent.policy.controls import LOCKED
from rsi.agent.store.config import Autonomy
from rsi.agent.store.ledger import Ledger
from rsi.agent.store.records import (
    DecisionAction,
    DecisionRecord,
    utc_now,
)
from rsi.agent.store.rounds import GateCase, case_at_gate
from rsi.agent.store.state import PERSON

MAX_ATTEMPTS = 3
"""Times that one round's idea may be tried: the first, and two that were sent back."""


MIN_SHOWN_DIGITS = 7
"""Digits that name a commit or a score; `rsi show` prints more."""


class GateError(AgentError):
    """The decision was refused; nothing was written."""


class NothingToDecideError(GateError):
    """The round is not at the gate."""


class StaleDecisionError(GateError):
    """What was shown is no longer what would be decided."""


class ReasonNeededError(GateError, ValueError):
    """This decision needs a reason in words."""


def person() -> str:
    """Who sits at this terminal, as decisions and requests name them."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):  # a container often runs under a number that no passwd entry names
        name = f"uid-{os.getuid()}"
    return f"{PERSON}{name}"


def decide(
    ledger: Ledger,
    round_id: str,
    action: DecisionAction,
    *,
    actor: str,
    reason: str,
    commit: str | None,
    score_digest: str | None,
) -> DecisionRecord:
    """Record what a person decided about a round at the gate.

    Args:
        ledger: Where the decision goes.
        round_id: The round.
        action: Approve, reject or revise.
        actor: Who, such as "person:ada".
        reason: In words; needed for reject, revise and for approving what is held.
        commit: The commit that was shown, or its beginning; None means "whatever is there" (only for the command line).
        score_digest: The score that was shown, or its beginning; None as above.

    Raises:
        GateError: It was sent back too often to be sent back again, or too few digits name commit or score.
        UnknownRecordError: No such round.
        NothingToDecideError: The round is not waiting for a decision.
        StaleDecisionError: Commit or score changed since they were shown.
        ReasonNeededError: A reason is missing.
    """
    ledger.round(round_id)
    case = case_at_gate(ledger.steps(round_id), ledger.decisions(round_id))
    if case is None:
        raise NothingToDecideError(
            f"round {round_id} is not waiting for a decision; `rsi queue` lists what is"
        )
    if not _names(commit, case.commit) or not _names(score_digest, case.score_digest):
        raise StaleDecisionError(
            f"round {round_id} changed since it was shown; look at it again and decide anew"
        )
    if action is DecisionAction.REVISE and case.attempt + 1 >= MAX_ATTEMPTS:
        raise GateError(
            f"round {round_id} was sent back {case.attempt} times already; approve or reject it"
        )
    is_override = action is DecisionAction.APPROVE and bool(case.held_by)
    if not reason.strip() and (action is not DecisionAction.APPROVE or is_override):
        raise ReasonNeededError(
            f"{action.value} of round {round_id} needs a reason"
            + (f", because it is held: {'; '.join(case.held_by)}" if is_override else "")
        )
    record = DecisionRecord(
        round_id=round_id,
        action=action,
        actor=actor,
        reason=reason.strip(),
        commit=case.commit,
        score_digest=case.score_digest,
        at=utc_now(),
        is_override=is_override,
    )
    ledger.add_decision(record)
    return record


def policy_decision(case: GateCase, autonomy: int) -> DecisionRecord | None:
    """What the policy of an autonomy level decides by itself; None leaves it to a person.

    Level 2 and 3 promote what is supported and held by nothing. What is held always goes to a person
    at level 2, and so does what was drawn for a look; at level 3 it is rejected, because no person is there to answer for it. What a lock holds waits
    for a person at every level.
    """
    if autonomy < Autonomy.LOW_RISK:
        return None
    if any(each.startswith(LOCKED) for each in case.held_by):
        return None  # it is about the evaluator: the candidate is not turned down for that
    is_clean = not case.held_by
    if autonomy == Autonomy.LOW_RISK and (case.drawn or not is_clean):
        return None
    action = DecisionAction.APPROVE if is_clean else DecisionAction.REJECT
    why = "supported, confirmed on fresh runs, nothing holds it"
    return DecisionRecord(
        round_id=case.round_id,
        action=action,
        actor=f"policy:{autonomy}",
        reason=why if is_clean else "; ".join(case.held_by),
        commit=case.commit,
        score_digest=case.score_digest,
        at=utc_now(),
    )


def _names(shown: str | None, whole: str) -> bool:
    """Whether what a person was shown is the digest at the gate; they were shown its beginning."""
    if shown is None:
        return True
    if len(shown) < MIN_SHOWN_DIGITS:
        raise GateError(
            f"{shown!r} is too short to name a commit or a score; give at least {MIN_SHOWN_DIGITS} digits"
        )
    return whole.startswith(shown)
