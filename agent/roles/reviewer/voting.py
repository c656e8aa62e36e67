"""Several reviewers' findings as one list, with their disagreement shown instead of averaged away."""

from collections.abc import Sequence
from dataclasses import dataclass

from rsi.agent.store.steps.values import Vote
from rsi.evals.types import Finding, Severity

_ORDER = {Severity.BLOCK: 0, Severity.HOLD: 1, Severity.NOTE: 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """All votes on one candidate."""

    votes: tuple[Vote, ...]
    findings: tuple[Finding, ...]
    """Distinct findings, the most severe first. A block that less than half of the votes share is
    shown as a hold: one model's word stops a policy, and a person decides."""
    blocking_votes: int
    agreement: float
    """Share of votes whose worst finding is the most common one; 1 means that all agree."""

    @property
    def summary(self) -> str:
        """One line for people."""
        total = len(self.votes)
        silent = sum(vote.worst is None for vote in self.votes)
        return f"{self.blocking_votes} of {total} votes block, {silent} found nothing"

    @property
    def is_split(self) -> bool:
        """Whether the votes disagree about whether the candidate may pass."""
        return 0 < self.blocking_votes < len(self.votes)


def vote_of(voter: str, findings: tuple[Finding, ...]) -> Vote:
    """What one fresh look found; `voter` is the model's name and the number of the vote."""
    worst = min((each.severity for each in findings), key=_ORDER.__getitem__, default=None)
    return Vote(voter=voter, worst=worst, findings=findings)


def panel_of(votes: Sequence[Vote]) -> Panel:
    """Put votes together.

    Findings about the same place with the same rule are one finding, at its worst severity.
    """
    blocking = sum(vote.worst is Severity.BLOCK for vote in votes)
    is_majority = 2 * blocking >= len(votes)
    merged: dict[tuple[str, str | None, int | None, str], Finding] = {}
    for vote in votes:
        for finding in vote.findings:
            shown = finding if is_majority else _softened(finding, blocking, len(votes))
            message = "" if finding.file else finding.message
            key = (finding.rule, finding.file, finding.line, message)
            known = merged.get(key)
            if known is None or _ORDER[shown.severity] < _ORDER[known.severity]:
                merged[key] = shown
    worsts = [vote.worst for vote in votes]
    common = max(worsts.count(worst) for worst in worsts) if worsts else 0
    return Panel(
        votes=tuple(votes),
        findings=tuple(sorted(merged.values(), key=_sort_key)),
        blocking_votes=blocking,
        agreement=common / len(votes) if votes else 1.0,
    )


def _softened(finding: Finding, blocking: int, total: int) -> Finding:
    if finding.severity is not Severity.BLOCK:
        return finding
    return Finding(
        rule=finding.rule,
        severity=Severity.HOLD,
        file=finding.file,
        line=finding.line,
        message=f"{finding.message} ({blocking} of {total} votes would block.)",
        source=finding.source,
    )


def _sort_key(finding: Finding) -> tuple[int, str, int, str]:
    return (_ORDER[finding.severity], finding.file or "", finding.line or 0, finding.rule)
