"""A person's word about a champion faster than the floor: once approved at the gate, it is what later candidates are judged against.

Does not: judge a speed; the person did. Invariant: policy's own approvals never count, so no chain of them lowers a bound.
"""

import statistics

from rsi.agent.store.ledger import Ledger
from rsi.agent.store.records import DecisionAction, PromotionKind
from rsi.agent.store.state import is_person
from rsi.evals.types import Arm


def has_passed_floor(
    ledger: Ledger, lineage: str, champion_commit: str, floor_s: float | None
) -> bool:
    """Whether a person approved, on the way from the baseline to this champion, a run faster than the floor.

    Args:
        ledger: Where promotions, decisions and measurements are.
        lineage: Whose champion it is.
        champion_commit: The champion, or the baseline.
        floor_s: The floor on the deciding clock; None where there is none.
    """
    if floor_s is None:
        return False
    came_by = {
        move.new_commit: move
        for move in ledger.promotions(lineage)
        if move.kind is PromotionKind.PROMOTE
    }
    move = came_by.pop(champion_commit, None)
    while move is not None:
        if _is_approved_by_person(ledger, move.round_id, move.new_commit):
            speed_s = _speed_s(ledger, move.round_id)
            if speed_s is not None and speed_s < floor_s:
                return True
        move = came_by.pop(move.old_commit, None)
    return False


def _is_approved_by_person(ledger: Ledger, round_id: str, commit: str) -> bool:
    return any(
        each.action is DecisionAction.APPROVE and each.commit == commit and is_person(each.actor)
        for each in ledger.decisions(round_id)
    )


def _speed_s(ledger: Ledger, round_id: str) -> float | None:
    """Median of the candidate's deciding values; None when none was measured."""
    runs = (each for each in ledger.measurements(round_id) if each.arm is Arm.CANDIDATE)
    values = [each.metric_value for each in runs if each.metric_value is not None]
    return statistics.median(values) if values else None
