"""The reviewer's part of step 9: a model with fresh context that must try to refute the hypothesis."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from rsi.agent.report.follow import score_line
from rsi.agent.roles.reviewer.injection import injection_findings
from rsi.agent.roles.reviewer.panel import ReviewCase, case_of, review
from rsi.agent.roles.reviewer.signs import sign_findings
from rsi.agent.run.contexts import RoundContext, reviewers_of
from rsi.agent.run.steps.models import budget_guard_of, model_of, sink_of
from rsi.agent.store.codec import encode
from rsi.agent.store.records import AgentRole
from rsi.agent.store.steps.facts import Briefed, Committed, Proposed
from rsi.agent.store.steps.values import Cost, Vote
from rsi.agent.types import BudgetExceededError
from rsi.evals.types import Arm, Finding, Score, Severity

RULES_ONLY = "rules"
MAX_LOG_BYTES = 20_000
MAX_STREAMS = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelReview:
    """What the panel of models said."""

    findings: tuple[Finding, ...]
    summary: str
    """The votes in words; empty when only rules reviewed."""
    votes: tuple[Vote, ...] = ()
    agreement: float | None = None
    """Share of votes that say the most common thing; None without votes."""
    cost: Cost = field(default_factory=Cost)


def model_review(
    context: RoundContext, score: Score, rule_findings: Sequence[Finding]
) -> Callable[[], ModelReview]:
    """Findings about words addressed to a reviewer, and those of the campaign's reviewer model, once it is called.

    What the reviewer is shown is read now, so that runs beside the call change nothing of it.
    """
    committed = context.left(Committed)
    diff = context.campaign.lineage.diff(committed.parent, committed.commit)
    printed = _printed(context)
    findings = (
        *injection_findings(diff, printed),
        *sign_findings(
            reviewers_of(context.ledger, context.campaign.config),
            context.champion_tree,
            context.candidate_tree(),
        ),
    )
    if context.campaign.config.reviewer == RULES_ONLY:
        return lambda: ModelReview(findings=findings, summary="")
    case = _case(context, score, [*rule_findings, *findings], diff, printed)
    return lambda: _asked(context, case, findings)


def _asked(context: RoundContext, case: ReviewCase, findings: tuple[Finding, ...]) -> ModelReview:
    spec = context.campaign.config.reviewer
    try:
        panel = review(
            case,
            [model_of(context, AgentRole.REVIEWER, spec)],
            votes=context.campaign.config.review_votes,
            sink=sink_of(context),
            budget_guard=budget_guard_of(context),
            scaffold=context.campaign.scaffold,
        )
    except BudgetExceededError as error:
        # No money for a review is no review: a person must look instead.
        unreviewed = Finding(
            rule="not_reviewed",
            severity=Severity.HOLD,
            file=None,
            line=None,
            message=f"The reviewer could not be paid: {error}",
            source=spec,
        )
        return ModelReview(findings=(*findings, unreviewed), summary=str(error))
    return ModelReview(
        findings=(*findings, *panel.findings),
        summary=panel.panel.summary,
        votes=panel.panel.votes,
        agreement=panel.panel.agreement,
        cost=panel.cost,
    )


def _printed(context: RoundContext) -> dict[str, str]:
    """The end of what the candidate's runs printed, by stream."""
    streams = [
        each
        for each in context.ledger.log_streams(context.round_id)
        if Arm.CANDIDATE in each.split("/")
    ]
    return {
        stream: b"".join(each.content for each in context.ledger.log(context.round_id, stream))[
            -MAX_LOG_BYTES:
        ].decode("utf-8", "replace")
        for stream in streams[-MAX_STREAMS:]
    }


def _case(
    context: RoundContext,
    score: Score,
    rules: Sequence[Finding],
    diff: str,
    printed: Mapping[str, str],
) -> ReviewCase:
    brief = context.left(Briefed)
    return case_of(
        context.campaign.task,
        context.champion_tree,
        context.candidate_tree(),
        claim=f"{context.left(Proposed).hypothesis}\nMeasured: {score_line(score)}",
        evidence=encode(score),
        diff=diff,
        rules=brief.decides,
        champion=f"{brief.score_profile}\n{brief.machine}",
        rule_findings=rules,
        logs="\n".join(f"[{name}]\n{text}" for name, text in printed.items()),
    )
