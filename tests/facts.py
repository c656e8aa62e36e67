"""Facts of a round as tests write them down: every field has a plain value unless the test says another."""

from datetime import UTC, datetime

from rsi.agent.store.records import DecisionAction, Step, StepOutcome
from rsi.agent.store.steps.facts import FACT_BY_STEP, AnyFact, Halted
from rsi.agent.store.steps.record import StepRecord
from rsi.agent.store.steps.values import Accuracy, Cost, RoundReport, Stance, Tier
from rsi.evals.types import Interval, Score, Verdict

AT = datetime(2026, 11, 20, tzinfo=UTC)
CHAMPION, CANDIDATE, DIGEST = "a" * 40, "b" * 40, "5" * 64


def score(verdict: Verdict = Verdict.SUPPORTED, estimate: float = 1.2, **changes) -> Score:
    values = {
        "verdict": verdict, "reason": "as measured", "effect": interval(estimate), "wall_effect": None,
        "quality": (), "guards": (), "pairs_used": 4, "pairs_invalid": 0, "outcomes": {"ok": 4},
        "is_plausible": True, "plausibility": f"{estimate:.2f}x of at most 25x believed in one step",
        "digest": DIGEST,
    }  # fmt: skip
    return Score(**{**values, **changes})


def interval(estimate: float) -> Interval:
    return Interval(
        estimate=estimate, low=estimate * 0.9, high=estimate * 1.1, confidence=0.95, pairs=4
    )


def report(**changes) -> RoundReport:
    values = {
        "round_id": "c1-0001", "round_number": 1, "task": "toy", "outcome": "refuted", "hypothesis": "an idea",
        "changed": "", "diff": "", "predicted_ratio": None, "effect": None, "verdict": None, "why": "",
        "lesson": "", "accuracy": Accuracy.UNKNOWN, "cost": Cost(), "base_commit": CHAMPION, "commit": None,
        "is_promoted": False,
    }  # fmt: skip
    return RoundReport(**{**values, **changes})


def _plain(step: Step) -> dict[str, object]:
    match step:
        case Step.OPEN:
            return {"champion_commit": CHAMPION, "baseline_commit": CHAMPION, "alpha": 0.01, "floor_s": None,
                    "backend": "process", "assurance": "none", "planted": None, "plan": None}  # fmt: skip
        case Step.BRIEF:
            return {"base_commit": CHAMPION, "score_profile": "", "notebook": "", "inspirations": (),
                    "critique": None, "feedback": None, "instruction_chars": 0}  # fmt: skip
        case Step.PROPOSE:
            return {"reason": "", "hypothesis": "an idea", "predicted_ratio": None, "risk": "", "parts": (),
                    "tree_sha256": None, "turns": 1, "model": "scripted:demo", "scaffold_digest": "", "cost": Cost()}  # fmt: skip
        case Step.COMMIT:
            return {"commit": CANDIDATE, "parent": CHAMPION, "diff_sha256": "0" * 64, "files": (),
                    "lines_added": 9, "lines_removed": 4}  # fmt: skip
        case Step.CRITIQUE:
            return {"stance": Stance.GO, "text": "", "model": "none", "duplicates": ()}
        case Step.ADMIT:
            return {"findings": ()}
        case Step.MEASURE:
            return {"runs": 8}
        case Step.SCORE:
            return {"score": score()}
        case Step.REVIEW:
            return {"findings": (), "score_digest": DIGEST, "held_by": (), "tier": Tier.CONFIRMED, "panel": "",
                    "votes": (), "agreement": None, "cost": Cost()}  # fmt: skip
        case Step.DECIDE:
            return {"action": DecisionAction.APPROVE, "actor": "person:ada", "reason": "", "commit": CANDIDATE,
                    "score_digest": DIGEST, "is_override": False}  # fmt: skip
        case Step.PROMOTE:
            return {"old_commit": CHAMPION, "new_commit": CANDIDATE}
        case Step.REPORT:
            return {"report": report()}


def left(step: Step, outcome: str = "ok", **changes) -> AnyFact:
    """What a step left; a field that is not named is plain."""
    values = {**_plain(step), "outcome": StepOutcome(outcome), **changes}
    return FACT_BY_STEP[step](**values)


def halted(step: Step, outcome: str, reason: str = "", **changes) -> Halted:
    """A step that left only why the round goes no further."""
    return Halted(step=step, outcome=StepOutcome(outcome), reason=reason, **changes)


def finished(fact: AnyFact, **changes) -> StepRecord:
    """A finished step of round "c1-0001" that left this."""
    values = {"round_id": "c1-0001", "started_at": AT, "wall_s": 1.0, "fact": fact}
    return StepRecord(**{**values, **changes})
