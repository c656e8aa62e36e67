"""Everything that the steps of a campaign's rounds work with, opened once on the worker.

Does not: decide anything. `CampaignContext` belongs to a campaign, `RoundContext` to one of its rounds.
"""

import logging
import time
from dataclasses import dataclass, field
from pathlib import Path

from rsi.agent.errors import AgentError
from rsi.agent.llm.naming.keys import KeyRing
from rsi.agent.policy.budget import CallsUnderWay
from rsi.agent.policy.error_rates import planned_rates
from rsi.agent.policy.settings import task_of
from rsi.agent.policy.steering import CampaignSteering
from rsi.agent.roles.reviewer.signs import rules_of
from rsi.agent.roles.scaffold.loading import DEFAULT as DEFAULT_SCAFFOLD
from rsi.agent.roles.scaffold.loading import Scaffold, load_scaffold, scaffold_from
from rsi.agent.store.champion import open_lineage, require_commit, settle_champion
from rsi.agent.store.config import CampaignConfig
from rsi.agent.store.git.lineage import Lineage
from rsi.agent.store.home import Home
from rsi.agent.store.ledger import Ledger
from rsi.agent.store.records import CampaignRecord, RoundRecord, Step, StepOutcome, utc_now
from rsi.agent.store.state import RoundVerdict, round_state
from rsi.agent.store.steps.facts import Committed, F, Opened, Proposed
from rsi.agent.store.steps.record import StepRecord
from rsi.agent.store.tree_blobs import decode_tree
from rsi.evals.measure.floor import with_floor
from rsi.evals.types import Purpose
from rsi.sandboxes.select import select_backend
from rsi.sandboxes.types import Backend, FileTree
from rsi.tasks.choices import Start
from rsi.tasks.drivers import REVIEWER_BEFORE, DriverKind
from rsi.tasks.files.trees import read_tree
from rsi.tasks.harness_kit.signs import ReviewRules
from rsi.tasks.running.starts import start_tree
from rsi.tasks.types import Profile, Task

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignContext:
    """One campaign's tools."""

    home: Home
    ledger: Ledger
    lineage: Lineage
    record: CampaignRecord
    config: CampaignConfig
    task: Task
    profile: Profile
    backend: Backend
    scaffold: Scaffold
    steering: CampaignSteering
    keys: KeyRing
    """Where provider keys come from; one for the campaign, so that what it learnt is redacted everywhere."""
    calls: CallsUnderWay = field(default_factory=CallsUnderWay)
    """Of all its agents."""

    def context(self, round_id: str) -> "RoundContext":
        """The context of one open round."""
        return RoundContext(self, self.ledger.round(round_id))

    @property
    def secret(self) -> bytes:
        return bytes.fromhex(self.config.seed)

    @property
    def baseline_message(self) -> str:
        start = "" if self.config.start is Start.EASY else f", {self.config.start.value} start"
        return f"Baseline of {self.task.name} ({self.task.track}, {self.profile.name}{start})"

    def repo_commit(self) -> str:
        """The commit of the task's own repo, which its patches are made against: the baseline, but for a hard start."""
        if self.config.start is Start.EASY:
            return self.lineage.baseline()
        return self.lineage.import_repo(read_tree(self.task.repo), f"Repo of {self.task.name}")


def open_campaign_context(
    home: Home, ledger: Ledger, campaign: CampaignRecord, *, backend: Backend | None = None
) -> CampaignContext:
    """Load and open what a campaign needs, and import its baseline when the lineage is new.

    Args:
        home: Where lineages and caches are.
        ledger: Where facts go.
        campaign: What was asked for.
        backend: Where code runs; None takes the one that the campaign names.

    Raises:
        TaskChangedError: The task's digest is not the one that was queued.
        LineageBehindError: This home's repository lacks what the ledger says was committed or promoted.
        TaskError, SandboxError, AgentError: As the parts raise them.
    """
    config = campaign.config
    task = task_of(campaign)
    lineage = open_lineage(home, ledger, campaign.lineage)
    _require_candidates(ledger, lineage, campaign.id)
    backend = backend or select_backend(config.backend)
    backend.prepare(task.environment, progress=lambda line: log.info("environment %s", line))
    campaign_context = CampaignContext(
        home=home,
        ledger=ledger,
        lineage=lineage,
        record=campaign,
        config=config,
        task=task,
        profile=task.profiles[campaign.profile],
        backend=backend,
        scaffold=scaffold_of(ledger, config),
        steering=CampaignSteering(ledger, campaign.id),
        keys=KeyRing(),
    )
    lineage.import_baseline(start_tree(task, config.start), campaign_context.baseline_message)
    settle_champion(ledger, lineage)
    return campaign_context


def _require_candidates(ledger: Ledger, lineage: Lineage, campaign_id: str) -> None:
    """Refuse a repository that lacks what the campaign's rounds have committed elsewhere."""
    for step in ledger.steps_of(campaign_id=campaign_id, step=Step.COMMIT):
        if isinstance(step.fact, Committed):
            require_commit(lineage, step.fact.commit)


def scaffold_of(ledger: Ledger, config: CampaignConfig) -> Scaffold:
    """The scaffold that drives a campaign's models: the files that it was queued with, whatever became of them since.

    Raises:
        ScaffoldError: Its folder is gone or cannot be read, in a campaign that was queued when there were no digests.
    """
    digest = config.driver_digests.get(DriverKind.SCAFFOLD)
    if digest is not None:
        return scaffold_from(decode_tree(ledger.blob(digest)))
    return load_scaffold(Path(config.scaffold) if config.scaffold else DEFAULT_SCAFFOLD)


def reviewers_of(ledger: Ledger, config: CampaignConfig) -> dict[str, ReviewRules]:
    """Rules of the reviewers that drive a campaign, by their digests; none in one that was queued when there were no such.

    Raises:
        RulesError: They cannot be used.
    """
    digests = (config.driver_digests.get(each) for each in (DriverKind.REVIEWER, REVIEWER_BEFORE))
    return {
        digest: rules_of(decode_tree(ledger.blob(digest)))
        for digest in digests
        if digest is not None
    }


class RoundContext:
    """One round on the worker: its facts so far, and the campaign's tools."""

    def __init__(self, campaign_context: CampaignContext, record: RoundRecord) -> None:
        """Keep what is known of a round.

        Args:
            campaign_context: The campaign's tools.
            record: The round; which champion it is measured against is read for each attempt.
        """
        self.campaign = campaign_context
        self._round_id = record.id
        self._records: dict[int, RoundRecord] = {}
        self._trees: dict[str, FileTree] = {}
        self.attempt = 0
        """0-based; rises when the critic or the gate sends the candidate back."""
        self.retry = len(campaign_context.ledger.reopenings(record.id))
        """How often the round was reopened after failing on our side."""

    @property
    def record(self) -> RoundRecord:
        """The round, with the champion that this attempt is measured against."""
        if self.attempt not in self._records:
            found = self.ledger.round(self.round_id, attempt=self.attempt)
            self._records[self.attempt] = found
        return self._records[self.attempt]

    def move_to(self, champion: str, *, attempt: int) -> None:
        """Measure an attempt of this round, and all after it, against another champion."""
        self.ledger.add_rebase(
            self.round_id, attempt=attempt, champion_commit=champion, at=utc_now()
        )
        self._records = {
            before: record for before, record in self._records.items() if before < attempt
        }

    @property
    def round_id(self) -> str:
        return self._round_id

    @property
    def ledger(self) -> Ledger:
        return self.campaign.ledger

    @property
    def candidate_ref(self) -> str:
        """Name of this attempt's git ref; every attempt is kept."""
        return self.round_id if self.attempt == 0 else f"{self.round_id}-r{self.attempt}"

    @property
    def champion_tree(self) -> FileTree:
        champion = self.record.champion_commit
        if champion not in self._trees:
            self._trees[champion] = self.campaign.lineage.tree(champion)
        return self._trees[champion]

    @property
    def is_first_step(self) -> bool:
        """Whether the champion that this round measures against is the lineage's baseline."""
        return self.record.champion_commit == self.campaign.lineage.baseline()

    def reference_tree(self, purpose: Purpose) -> FileTree:
        """What the candidate runs against: the champion, or the lineage's baseline."""
        if purpose is Purpose.BASELINE:
            return self.campaign.lineage.tree(self.campaign.lineage.baseline())
        return self.champion_tree

    @property
    def alpha(self) -> float:
        """One-sided error rate of one stage of this attempt, as the opening fixed it."""
        return self.opened().alpha_of(self.attempt)

    def planned_rates(self) -> tuple[float, ...]:
        """The round's share of the campaign's false-promotion budget by attempt, for the opening to fix."""
        # Controls are numbered downwards from -1 and judged like a campaign's first candidate; they are never
        # promoted, so they take nothing from its budget.
        return planned_rates(max(1, self.record.number), self.campaign.config.campaign_alpha)

    def finished(self, name: Step) -> StepRecord | None:
        """A finished step of this attempt, however it ended."""
        return self.ledger.step_record(self.round_id, name, self.attempt)

    def left(self, kind: type[F]) -> F:
        """What a finished step of this attempt left."""
        record = self.finished(kind.step)
        if record is None or not isinstance(record.fact, kind):
            raise AgentError(f"round {self.round_id} has no finished step {kind.step.value!r}")
        return record.fact

    @property
    def is_rebased(self) -> bool:
        """Whether this attempt is the one before it, put onto the champion that came in between."""
        if self.attempt == 0:
            return False
        before = self.ledger.step_record(self.round_id, Step.PROMOTE, self.attempt - 1)
        return before is not None and before.outcome is StepOutcome.REVISE

    def opened(self) -> Opened:
        """What the round's opening fixed, whatever the attempt."""
        found = self.ledger.step(self.round_id, Step.OPEN)
        if found is None:
            raise AgentError(f"round {self.round_id} was not opened")
        return found

    @property
    def scoring_profile(self) -> Profile:
        """The profile with the floor that was measured when the campaign began, unless a person's word went below it."""
        return with_floor(self.campaign.profile, self.opened().bound_s)

    def candidate_tree(self) -> FileTree:
        """The candidate's files as committed."""
        return self.campaign.lineage.tree(self.left(Committed).commit)

    def proposed_tree(self) -> FileTree:
        """The files that the proposer handed in."""
        return decode_tree(self.ledger.blob(str(self.left(Proposed).tree_sha256)))

    def monotonic_s(self) -> float:
        return time.monotonic()

    def log_step(self, name: Step, outcome: str) -> None:
        log.info(
            "round=%s step=%s attempt=%d outcome=%s",
            self.round_id,
            name.value,
            self.attempt,
            outcome,
        )

    def ended_as(self) -> str:
        """The word that the round ended with."""
        state = round_state(
            self.ledger.steps(self.round_id),
            self.ledger.decisions(self.round_id),
            self.ledger.promotions(round_id=self.round_id),
        )
        return (state.verdict or RoundVerdict.HARNESS_ERROR).value
