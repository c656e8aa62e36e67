"""Steps 6 to 9: admit, measure, score, review.

Nothing here knows who wrote the candidate. Search evidence (screen) and confirmation use different seeds,
instances and hidden splits.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace

from rsi.agent.policy.controls import lock_reasons, unearned
from rsi.agent.policy.oversight import drawn_for_a_look
from rsi.agent.report.follow import score_line
from rsi.agent.run.contexts import RoundContext
from rsi.agent.run.live.live_log import LiveLog
from rsi.agent.run.steps.device_time import device_time, run_s
from rsi.agent.run.steps.reviewing import ModelReview, model_review
from rsi.agent.store.records import HandledMark, RequestKind, StepOutcome, utc_now
from rsi.agent.store.steps.facts import Admitted, Committed, Measured, Reviewed, Scored
from rsi.agent.store.steps.values import Tier
from rsi.agent.trial.early import WORDS, curve_screen
from rsi.evals.admission.admission import admit as admission_findings
from rsi.evals.errors import MeasurementError
from rsi.evals.judge.guards import source_facts
from rsi.evals.judge.judging import fresh_stages, log_ratios_of
from rsi.evals.judge.pairing import sort_runs
from rsi.evals.judge.score import score as score_measurements
from rsi.evals.judge.sequential import FIRST_LOOK
from rsi.evals.measure.measuring import AUDIT_ALPHA
from rsi.evals.measure.measuring import measure as measure_pairs
from rsi.evals.measure.running import Listener
from rsi.evals.types import Arm, Finding, Measurement, Outcome, Purpose, Score, Severity, Verdict
from rsi.tasks.types import Profile


def admit(context: RoundContext) -> Admitted:
    """Edit policy, protected files and static rules, before anything runs."""
    findings = admission_findings(
        context.campaign.task, context.champion_tree, context.candidate_tree()
    )
    is_blocked = any(each.severity is Severity.BLOCK for each in findings)
    return Admitted(
        outcome=StepOutcome.NOT_ADMITTED if is_blocked else StepOutcome.OK, findings=findings
    )


def measure(context: RoundContext) -> Measured:
    """Interleaved pairs in fresh sandboxes; a candidate that does not run ends here by name."""
    campaign = context.campaign
    screen = curve_screen(campaign.task.root, campaign.task, campaign.profile, _live_log(context))

    def is_over() -> bool:
        return _is_behind(context) or (screen is not None and screen.behind() is not None)

    runs = _measure(context, Purpose.SCREEN, is_over=is_over, listener=screen)
    if context.campaign.steering.is_stopping():
        return Measured(outcome=StepOutcome.STOPPED, runs=len(runs))
    if screen is not None and not runs and (why := screen.behind()) is not None:
        return Measured(outcome=StepOutcome.INCONCLUSIVE, runs=0, detail=f"{WORDS}{why}")
    failures = Counter(
        each.outcome
        for each in runs
        if each.arm is Arm.CANDIDATE and each.outcome is not Outcome.OK
    )
    found = Measured(
        runs=len(runs),
        failures={key.value: n for key, n in failures.items()},
        detail="given up by the scaffold's screen" if _is_behind(context) else "",
    )
    finished = any(each.arm is Arm.CANDIDATE and each.outcome is Outcome.OK for each in runs)
    if not failures or finished:
        return found
    worst = failures.most_common(1)[0][0]
    detail = [each.detail for each in runs if each.outcome is worst][-1]
    return replace(found, outcome=StepOutcome(worst.value), detail=detail)


def score(context: RoundContext) -> Scored:
    """A pure function of the stored measurements."""
    found = _score(context, Purpose.SCREEN)
    return Scored(outcome=StepOutcome(found.verdict.value), score=found)


def review(context: RoundContext) -> Reviewed:
    """Findings of the rules and of the reviewer, and a repetition with fresh seeds and hidden data, side by side.

    A reviewer's block ends the repetition, whose runs it makes worthless.
    """
    screen = _score(context, Purpose.SCREEN)
    rules = _admission_findings(context)
    call = model_review(context, screen, rules)
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="reviewer") as beside:
        asked = beside.submit(call)
        stages = _fresh_scores(context, lambda: asked.done() and _is_blocked(asked))
        spoken = asked.result()
    found = Reviewed(
        findings=(*rules, *spoken.findings),
        score_digest=screen.digest,
        held_by=(),
        tier=Tier.SCREENED,
        panel=spoken.summary,
        votes=spoken.votes,
        agreement=spoken.agreement,
        cost=spoken.cost,
    )
    blocking = [each for each in found.findings if each.severity is Severity.BLOCK]
    if blocking:
        reason = "; ".join(each.text for each in blocking)
        return replace(found, outcome=StepOutcome.REJECTED, reason=reason)
    if stages is None:
        return replace(found, outcome=StepOutcome.STOPPED)
    for purpose, fresh in stages:
        found = found.with_stage(purpose, fresh)
        if fresh.verdict is not Verdict.SUPPORTED:
            reason = _why_not(purpose, fresh)
            return replace(found, outcome=StepOutcome(fresh.verdict.value), reason=reason)
    held_by, missing = _held_by(found.findings, (screen, found.confirm)), tuple[str, ...]()
    drawn = ""
    if not context.record.is_control:
        # The lock is about promotions; a control is judged as if there were none.
        held_by += lock_reasons(context.ledger, context.campaign.record)
        missing = unearned(
            context.ledger,
            context.campaign.record,
            context.campaign.config,
            context.campaign.profile,
        )
        if not held_by:
            drawn = drawn_for_a_look(
                context.campaign.secret,
                context.left(Committed).commit,
                context.campaign.config,
                found.findings,
            )
    return replace(
        found,
        outcome=StepOutcome.HELD if held_by else StepOutcome.OK,
        tier=Tier.CONFIRMED,
        held_by=held_by,
        unearned=missing,
        drawn=drawn,
    )


def _fresh_scores(
    context: RoundContext, is_blocked: Callable[[], bool]
) -> list[tuple[Purpose, Score]] | None:
    """The scores on fresh runs up to the first that is not supported; None when a person or a reviewer's block ended them."""
    found: list[tuple[Purpose, Score]] = []
    for purpose in fresh_stages(is_first_step=context.is_first_step):
        _measure(context, purpose, is_over=is_blocked)
        if context.campaign.steering.is_stopping() or is_blocked():
            return None
        fresh = _score(context, purpose)
        found.append((purpose, fresh))
        if fresh.verdict is not Verdict.SUPPORTED:
            break
    return found


def _is_behind(context: RoundContext) -> bool:
    """Whether the scaffold's screen gives the candidate up; it can only shorten a measurement that has not decided."""
    screening = context.campaign.scaffold.screening
    if screening.pairs == 0:
        return False
    metric = context.campaign.task.metric
    ratios = log_ratios_of(
        metric, sort_runs(metric, _stored(context, Purpose.SCREEN), Purpose.SCREEN)
    )
    return screening.drops(ratios or ())


def _is_blocked(asked: Future[ModelReview]) -> bool:
    """Whether a reviewer that has answered blocks; one that failed is told where its answer is taken."""
    if asked.exception() is not None:
        return False
    return any(each.severity is Severity.BLOCK for each in asked.result().findings)


def measure_more_pairs(context: RoundContext) -> None:
    """What a person at the gate asked for: more pairs on fresh seeds, shown beside the verdict, which stays.

    Each request adds `confirm_pairs`; all extra pairs together give one interval at 95 %.
    """
    plan = context.campaign.profile.plan
    each_time = max(plan.confirm_pairs, FIRST_LOOK)
    asked = [
        each
        for each in context.ledger.requests(
            unhandled_only=False, campaign_id=context.campaign.record.id
        )
        if each.kind is RequestKind.AUDIT and each.round_id == context.round_id
    ]
    for number, request in enumerate(asked, start=1):
        if request.handled is not None:
            continue
        pairs = number * each_time
        profile = replace(context.scoring_profile, plan=replace(plan, min_pairs=pairs))
        try:
            _measure(context, Purpose.EXTRA, profile=profile, first_pair=pairs - each_time)
            found = _score(context, Purpose.EXTRA, profile=profile, alpha=AUDIT_ALPHA)
        except MeasurementError as error:
            outcome, detail = "refused", str(error)
        else:
            outcome, detail = "done", score_line(found)
        context.ledger.mark_handled(
            HandledMark(
                request_id=request.id,
                at=utc_now(),
                actor="worker",
                outcome=outcome,
                detail=detail,
            )
        )


def _why_not(purpose: Purpose, found: Score) -> str:
    where = "against the round-0 baseline, " if purpose is Purpose.BASELINE else ""
    return where + found.reason


def _held_by(findings: Sequence[Finding], scores: Sequence[Score | None]) -> tuple[str, ...]:
    doubts = (each for each in findings if each.severity is not Severity.NOTE)
    return (
        *(each.text for each in doubts),
        *(each.plausibility for each in scores if each and not each.is_plausible),
    )


def _admission_findings(context: RoundContext) -> tuple[Finding, ...]:
    return admission_findings(
        context.campaign.task, context.champion_tree, context.candidate_tree()
    )


def _measure(
    context: RoundContext,
    purpose: Purpose,
    *,
    profile: Profile | None = None,
    first_pair: int = 0,
    is_over: Callable[[], bool] = lambda: False,
    listener: Listener | None = None,
) -> tuple[Measurement, ...]:
    campaign_context = context.campaign
    charge = f"{context.candidate_ref}/{purpose.value}" + (f"-{first_pair}" if first_pair else "")

    def used_s() -> float:
        return run_s(each for each in _stored(context, purpose) if each.pair >= first_pair)

    with device_time(campaign_context, context.round_id, charge, used_s):
        return measure_pairs(
            campaign_context.task,
            profile or campaign_context.profile,
            campaign_context.backend,
            context.reference_tree(purpose),
            context.candidate_tree(),
            purpose=purpose,
            campaign_secret=campaign_context.secret,
            lineage=campaign_context.record.lineage,
            round_id=context.candidate_ref,
            recorded=_stored(context, purpose),
            on_measurement=lambda each: _keep(context, each),
            listener=listener or _live_log(context),
            should_stop=lambda: campaign_context.steering.is_stopping() or is_over(),
            alpha=context.alpha,
        )


def _live_log(context: RoundContext) -> LiveLog:
    return LiveLog(context.ledger, context.round_id, context.attempt)


def _stored(context: RoundContext, purpose: Purpose) -> tuple[Measurement, ...]:
    return context.ledger.measurements(context.round_id, purpose, attempt=context.attempt)


def _keep(context: RoundContext, measurement: Measurement) -> None:
    context.ledger.add_measurement(context.round_id, measurement, attempt=context.attempt)


def _score(
    context: RoundContext,
    purpose: Purpose,
    *,
    profile: Profile | None = None,
    alpha: float | None = None,
) -> Score:
    return score_measurements(
        context.campaign.task,
        profile or context.scoring_profile,
        _stored(context, purpose),
        purpose=purpose,
        alpha=context.alpha if alpha is None else alpha,
        source=source_facts(context.reference_tree(purpose), context.candidate_tree()),
    )
