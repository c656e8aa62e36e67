"""Whether the arms of a pair felt the same machine: how much of its work one put off until the other had ended.

Arms that take turns are compared because their slices lie between each other. One that waits idly in its slices and
works when the other has left runs unpaired, on caches that nobody else fills.
Does not: mind waiting. An arm that sleeps and still ends before the other is paired as well as any; one that is slower
than was thought works alone at its end without having waited; load takes time from both alike.
"""

from dataclasses import replace

from rsi.evals.types import Arm, Measurement, Outcome
from rsi.sandboxes.time_slices import SliceUse

MAX_PUT_OFF = 0.25
"""Share of its CPU seconds that an arm may put off. Running alone spares it a few percent at most (3 ms a slice of 50 to
100 ms), so a quarter put off moves a ratio by about 1 %, less than any task's smallest effect worth having."""
MIN_PUT_OFF_S = 0.05
"""CPU seconds put off that mean something: of a run shorter than a slice or two, chance alone decides what it does beside
the other (seen: an honest run of 0.05 s did 44 % of it after the other had ended)."""


def put_off_share(reference: SliceUse, own: SliceUse, own_cpu_s: float) -> float:
    """Share of an arm's CPU seconds that it spent alone although it could have spent them beside the other.

    Args:
        reference: How the other arm used its slices: what share of them the machine let it have.
        own: How this arm used its slices.
        own_cpu_s: All its CPU seconds.
    """
    if own_cpu_s <= 0 or reference.together_s <= 0:
        return 0.0
    could_s = own.together_s * min(1.0, reference.busy_s / reference.together_s)
    put_off_s = min(own.alone_cpu_s, max(0.0, could_s - own.busy_s))
    return put_off_s / own_cpu_s if put_off_s >= MIN_PUT_OFF_S else 0.0


def checked_overlap(pair: list[Measurement]) -> list[Measurement]:
    """The runs of one pair, a candidate that put off too much marked as out of turn.

    The champion's own waiting marks nothing: what it does alone is cheaper to it, never to the candidate.
    """
    arms = {run.arm: run for run in pair}
    champion, candidate = arms.get(Arm.CHAMPION), arms.get(Arm.CANDIDATE)
    if champion is None or candidate is None or champion.slices is None or candidate.slices is None:
        return pair
    if candidate.outcome is not Outcome.OK or candidate.cpu_s is None:
        return pair
    share = put_off_share(champion.slices, candidate.slices, candidate.cpu_s)
    if share <= MAX_PUT_OFF:
        return pair
    late = replace(
        candidate,
        outcome=Outcome.OUT_OF_TURN,
        metric_value=None,
        detail=(
            f"waited in its own time slices and did {share:.0%} of its work when the champion had ended, "
            f"at most {MAX_PUT_OFF:.0%} may be put off"
        ),
    )
    return [late if run is candidate else run for run in pair]
