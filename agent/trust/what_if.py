"""All past decisions again under another rule, from stored samples, at no cost.

A rule is a statistic with its numbers, and which parts of the gate hold. Each round is judged against the champion
that it was measured against: had an earlier decision been another one, later rounds would have been other rounds.
Does not: run anything, or change the ledger. Invariant: the rule of the campaign itself changes no verdict.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import assert_never

from rsi.agent.errors import AgentError
from rsi.agent.policy.settings import task_of
from rsi.agent.store.git.lineage import Lineage
from rsi.agent.store.home import Home
from rsi.agent.store.ledger import Ledger
from rsi.agent.store.records import DecisionAction, Step, StepOutcome
from rsi.agent.store.round_book import RoundBook
from rsi.agent.store.rounds import RoundView
from rsi.agent.store.state import RoundVerdict, is_person
from rsi.agent.store.steps.facts import Committed, Decided, Opened, Reviewed
from rsi.evals.errors import MeasurementError, TooFewPairsError
from rsi.evals.judge.guards import source_facts
from rsi.evals.judge.judging import judge
from rsi.evals.judge.pairing import sort_runs
from rsi.evals.judge.quality import misses_limit
from rsi.evals.judge.sequential import fixed_interval, log_ratio
from rsi.evals.types import Finding, Measurement, Purpose, Severity, Verdict
from rsi.tasks.choices import Direction, Option
from rsi.tasks.guards import SourceFacts
from rsi.tasks.types import Profile, Task

FIXED_SOURCES = frozenset({"rules", "probe"})
"""Sources of findings that no model's word is in."""


class WhatIfError(AgentError, ValueError):
    """The rule cannot be applied to this campaign."""


class Statistic(Option):
    """How runs become a verdict."""

    SEQUENTIAL = (
        "sequential",
        "pairs until the boundary is crossed, then fresh ones, as campaigns decide",
    )
    FIXED_N = "fixed-n", "a number of pairs fixed beforehand, one look, nothing confirmed"
    KEEP_IF_BETTER = "keep-if-better", "one run of each; what was faster is kept"

    @property
    def is_final(self) -> bool:
        """Whether what it says of the first runs stands, without fresh ones that confirm it."""
        match self:
            case Statistic.SEQUENTIAL:
                return False
            case Statistic.FIXED_N | Statistic.KEEP_IF_BETTER:
                return True
            case _:
                assert_never(self)


class Panel(Option):
    """Whose findings stop a candidate for a person."""

    CAMPAIGN = "campaign", "rules, and votes put together as they were then"
    RULES = "rules", "the deterministic rules alone"
    ANY_VOTE = "any-vote", "rules, and whatever any one stored vote of the reviewer would stop"
    MAJORITY = (
        "majority",
        "rules, and the reviewer where at least half of its stored votes would stop",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Another gate or statistic; None keeps what the campaign had."""

    statistic: Statistic = Statistic.SEQUENTIAL
    minimum_effect: float | None = None
    alpha: float | None = None
    """One-sided error rate of one stage."""
    pairs: int | None = None
    """Of fixed-n; None takes the plan's smallest number."""
    panel: Panel = Panel.CAMPAIGN
    has_rules: bool = True
    """False lets pass what only rules, reviewer, plausibility or lock stopped or held."""
    has_quality: bool = True
    """False leaves quality and guards out."""
    has_confirmation: bool = True
    """False promotes on the screen alone."""


class Ruling(StrEnum):
    """What a round would have come to."""

    PROMOTED = "promoted"
    NOT_PROMOTED = "not promoted"
    UNKNOWN = "not known"
    """The stored samples do not reach far enough for this rule."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Redecided:
    """One round under the other rule."""

    round_id: str
    label: str
    planted: str
    """Kind of what was planted; empty for an honest idea."""
    was: str
    """How the round ended."""
    was_promoted: bool
    """For what was planted: whether it came as far as the gate."""
    ruling: Ruling
    why: str

    @property
    def is_changed(self) -> bool:
        return self.ruling is not (Ruling.PROMOTED if self.was_promoted else Ruling.NOT_PROMOTED)


@dataclass(frozen=True, slots=True, kw_only=True)
class WhatIf:
    """A campaign under the other rule."""

    campaign: str
    rule: Rule
    rounds: tuple[Redecided, ...]

    @property
    def lines(self) -> tuple[str, ...]:
        """The answer in sentences."""
        ideas = [each for each in self.rounds if not each.planted]
        would = sum(each.ruling is Ruling.PROMOTED for each in ideas)
        did = sum(each.was_promoted for each in ideas)
        said = [f"with this rule you would have promoted {would} instead of {did}"]
        wrong = [each for each in self.rounds if each.planted and each.planted != "positive"]
        if wrong:
            passed = sum(each.ruling is Ruling.PROMOTED for each in wrong)
            before = sum(each.was_promoted for each in wrong)
            said.append(
                f"of {len(wrong)} planted patches that must not pass, {passed} would have passed "
                f"instead of {before}"
            )
        if unknown := sum(each.ruling is Ruling.UNKNOWN for each in self.rounds):
            said.append(f"{unknown} rounds cannot be told: the stored samples end too early")
        return tuple(said)


def what_if(ledger: Ledger, home: Home, campaign_id: str, rule: Rule) -> WhatIf:
    """Decide every round of a campaign again.

    Args:
        ledger: Where the samples are.
        home: Where the lineage is.
        campaign_id: Which campaign, finished or not.
        rule: The other rule.

    Raises:
        UnknownRecordError: No such campaign.
        WhatIfError: A number of the rule makes no sense.
        TaskChangedError: The task is another version now.
        TaskError: The task cannot be loaded any more.
    """
    _check(rule)
    campaign = ledger.campaign(campaign_id)
    task = task_of(campaign)
    if rule.minimum_effect is not None:
        task = replace(task, metric=replace(task.metric, minimum_effect=rule.minimum_effect))
    profile = task.profiles[campaign.profile]
    if not rule.has_quality:
        profile = replace(profile, quality=(), guards=())
    court = _Court(task=task, profile=profile, rule=rule)
    lineage = Lineage.open(home, campaign.lineage, create=False)
    found = [
        _again(ledger, lineage, court, each) for each in RoundBook(ledger).of_campaign(campaign_id)
    ]
    return WhatIf(
        campaign=campaign_id, rule=rule, rounds=tuple(each for each in found if each is not None)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Court:
    """The rule with the task it is applied to."""

    task: Task
    profile: Profile
    rule: Rule

    def weigh(
        self,
        runs: Sequence[Measurement],
        purpose: Purpose,
        *,
        alpha: float,
        source: SourceFacts,
    ) -> tuple[Ruling, str]:
        """What the stored runs of one purpose come to."""
        match self.rule.statistic:
            case Statistic.SEQUENTIAL:
                return self._sequential(runs, purpose, self.rule.alpha or alpha, source)
            case Statistic.FIXED_N:
                return self._fixed(runs, purpose, self.rule.alpha or alpha)
            case Statistic.KEEP_IF_BETTER:
                return self._keep(runs, purpose)
            case _:
                assert_never(self.rule.statistic)

    def _sequential(
        self, runs: Sequence[Measurement], purpose: Purpose, alpha: float, source: SourceFacts
    ) -> tuple[Ruling, str]:
        """Pair by pair, as it would have been looked at; stored pairs may end before the boundary is met."""
        why = "no pair is stored"
        for pairs in range(1, 2 + max((each.pair for each in runs), default=-1)):
            seen = [each for each in runs if each.pair < pairs]
            said = judge(self.task, self.profile, seen, purpose=purpose, alpha=alpha, source=source)
            if said.stop:
                is_supported = said.verdict is Verdict.SUPPORTED
                return Ruling.PROMOTED if is_supported else Ruling.NOT_PROMOTED, said.reason
            why = said.reason
        return Ruling.UNKNOWN, f"would have measured on: {why}"

    def _fixed(
        self, runs: Sequence[Measurement], purpose: Purpose, alpha: float
    ) -> tuple[Ruling, str]:
        wanted = self.rule.pairs or self.profile.plan.min_pairs
        valid = sort_runs(self.task.metric, runs, purpose).valid[:wanted]
        if refused := self._refused(runs, purpose, wanted):
            return Ruling.NOT_PROMOTED, refused
        if len(valid) < wanted:
            return Ruling.UNKNOWN, f"{len(valid)} of {wanted} pairs are stored"
        try:
            interval = fixed_interval(
                self._log_ratios(runs, purpose)[:wanted], confidence=1 - 2 * alpha
            )
        except TooFewPairsError as error:
            return Ruling.UNKNOWN, str(error)
        bound = 1 + self.task.metric.minimum_effect
        words = (
            f"{interval.estimate:.3f} [{interval.low:.3f}, {interval.high:.3f}] over {wanted} pairs"
        )
        is_above = interval.low > bound
        return (
            Ruling.PROMOTED if is_above else Ruling.NOT_PROMOTED
        ), f"{words} against {bound:.3f}"

    def _keep(self, runs: Sequence[Measurement], purpose: Purpose) -> tuple[Ruling, str]:
        if refused := self._refused(runs, purpose, 1):
            return Ruling.NOT_PROMOTED, refused
        ratios = self._log_ratios(runs, purpose)
        if not ratios:
            return Ruling.UNKNOWN, "no pair is stored"
        word = "better" if ratios[0] > 0 else "no better"
        ruling = Ruling.PROMOTED if ratios[0] > 0 else Ruling.NOT_PROMOTED
        return ruling, f"one run was {word}: {math.exp(ratios[0]):.3f}x"

    def _log_ratios(self, runs: Sequence[Measurement], purpose: Purpose) -> list[float]:
        is_lower = self.task.metric.direction is Direction.LOWER
        return [
            log_ratio(left.metric_value, right.metric_value, is_lower_better=is_lower)
            for left, right in sort_runs(self.task.metric, runs, purpose).valid
            if left.metric_value and right.metric_value
        ]

    def _refused(self, runs: Sequence[Measurement], purpose: Purpose, pairs: int) -> str:
        """Why the first pairs forbid a promotion whatever the speed; empty when they do not."""
        sorted_runs = sort_runs(self.task.metric, runs, purpose)
        if sorted_runs.failures:
            return f"the candidate ended as {sorted_runs.failures[0].outcome}"
        for rule in self.profile.quality:
            for champion, candidate in sorted_runs.valid[:pairs]:
                value = candidate.quality.get(rule.name)
                if misses_limit(rule, champion.quality.get(rule.name), value):
                    return f"{rule.name} is {value}, allowed is {rule.limit}"
        return ""


def _again(ledger: Ledger, lineage: Lineage, court: _Court, view: RoundView) -> Redecided | None:
    """None for a round that is still under way."""
    verdict, planted = view.state.verdict, view.planted
    if verdict is None:
        return None
    ruling, why = _ruling(ledger, lineage, court, view)
    if planted is None and ruling is Ruling.PROMOTED and _person_said(view, DecisionAction.REJECT):
        ruling, why = Ruling.NOT_PROMOTED, "a person turned it down"
    return Redecided(
        round_id=view.id,
        label=view.label,
        planted="" if planted is None else planted.kind.value,
        was=verdict.value,
        was_promoted=verdict is RoundVerdict.PROMOTED or view.has_reached_gate,
        ruling=ruling,
        why=why,
    )


def _ruling(ledger: Ledger, lineage: Lineage, court: _Court, view: RoundView) -> tuple[Ruling, str]:
    opened, committed = view.left(Opened), view.left(Committed)
    attempt = view.state.attempt
    screen = ledger.measurements(view.id, Purpose.SCREEN, attempt=attempt)
    if not screen or opened is None or committed is None:
        is_stopped = view.latest.outcome(Step.ADMIT) is StepOutcome.NOT_ADMITTED
        if is_stopped and not court.rule.has_rules:
            return Ruling.UNKNOWN, "was not admitted, so it was never run"
        return Ruling.NOT_PROMOTED, "never measured"
    alpha = opened.alpha_of(attempt)
    candidate = lineage.tree(committed.commit)
    source = source_facts(lineage.tree(view.record.champion_commit), candidate)
    try:
        ruling, why = court.weigh(screen, Purpose.SCREEN, alpha=alpha, source=source)
        if ruling is not Ruling.PROMOTED:
            return ruling, why
        held = _held(view.left(Reviewed), court.rule.panel) if court.rule.has_rules else ""
        if held and not _person_said(view, DecisionAction.APPROVE):
            return Ruling.NOT_PROMOTED, held
        if court.rule.statistic.is_final or not court.rule.has_confirmation:
            return ruling, why
        confirm = ledger.measurements(view.id, Purpose.CONFIRM, attempt=attempt)
        if not confirm:
            return Ruling.UNKNOWN, "would have gone to confirmation, which was never run"
        ruling, why = court.weigh(confirm, Purpose.CONFIRM, alpha=alpha, source=source)
        whole = ledger.measurements(view.id, Purpose.BASELINE, attempt=attempt)
        if ruling is not Ruling.PROMOTED or not whole:
            return ruling, why  # a first step has none, nor has a round of an older version
        source = source_facts(lineage.tree(lineage.baseline()), candidate)
        return court.weigh(whole, Purpose.BASELINE, alpha=alpha, source=source)
    except MeasurementError as error:
        return Ruling.UNKNOWN, str(error)


def _held(review: Reviewed | None, panel: Panel) -> str:
    """Why rules or reviewer stopped or held it; a person who let it pass all the same is the gate's business."""
    if review is None:
        return ""
    if panel is not Panel.CAMPAIGN:
        return "; ".join(_stops(review, panel))
    if review.outcome is StepOutcome.REJECTED:
        return review.reason
    return "; ".join(review.held_by) if review.outcome is StepOutcome.HELD else ""


def _stops(review: Reviewed, panel: Panel) -> Iterator[str]:
    """What another panel would have stopped the candidate for, and what held it besides findings."""
    for each in review.findings:
        if each.source in FIXED_SOURCES and _is_stop(each):
            yield f"{each.rule}: {each.message}"
    sayings = {f"{each.rule}: {each.message}" for each in review.findings}
    for reason in review.held_by:
        if reason not in sayings:
            yield reason  # plausibility, lock
    votes = [each.findings for each in review.votes]
    stopping = [vote for vote in votes if any(_is_stop(each) for each in vote)]
    needed = {Panel.ANY_VOTE: 1, Panel.MAJORITY: math.ceil(len(votes) / 2)}.get(panel)
    if votes and needed is not None and len(stopping) >= needed:
        rules = ", ".join(sorted({each.rule for vote in stopping for each in vote}))
        yield f"{len(stopping)} of {len(votes)} votes would stop it: {rules}"


def _is_stop(finding: Finding) -> bool:
    return finding.severity is not Severity.NOTE


def _person_said(view: RoundView, action: DecisionAction) -> bool:
    decided = view.left(Decided)
    return decided is not None and is_person(decided.actor) and decided.action is action


def _check(rule: Rule) -> None:
    if rule.minimum_effect is not None and rule.minimum_effect < 0:
        raise WhatIfError(f"minimum effect is {rule.minimum_effect}; give 0 or more, 0.02 is 2 %")
    if rule.alpha is not None and not 0 < rule.alpha < 0.5:
        raise WhatIfError(f"alpha is {rule.alpha}; give a rate between 0 and 0.5")
    if rule.pairs is not None and rule.pairs < 2:
        raise WhatIfError(f"pairs is {rule.pairs}; fixed-n needs at least 2")
