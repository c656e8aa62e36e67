"""A finished campaign on the toy task whose samples a test writes down: real ledger, real git, no runs."""

from datetime import timedelta

import pytest
from tests.facts import finished, left

from rsi.agent.policy.settings import queue_campaign
from rsi.agent.roles.reviewer.voting import vote_of
from rsi.agent.store.config import CampaignConfig
from rsi.agent.store.events import CampaignEvent
from rsi.agent.store.git.lineage import Lineage
from rsi.agent.store.records import (
    CampaignEventKind,
    DecisionAction,
    RoundRecord,
    Step,
    round_id_of,
    utc_now,
)
from rsi.evals.types import Arm, Disturbance, Finding, Measurement, Outcome, Purpose, Severity
from rsi.tasks.files.trees import read_tree
from rsi.tasks.format.loader import load_task
from rsi.tasks.running.check import patched_tree

ALPHA = 0.0085
QUIET = Disturbance(load_1m=0.1, steal_s=0.0, others_cpu_s=0.0, is_disturbed=False)


@pytest.fixture
def past(home, ledger):
    return Past(home, ledger)


class Past:
    """Writes down what a campaign would have left."""

    def __init__(self, home, ledger):
        self.ledger = ledger
        self.task = load_task("toy")
        config = CampaignConfig(
            task_root=str(self.task.root), rounds=9, proposer="scripted:demo", seed="ab" * 16
        )
        self.campaign = queue_campaign(
            ledger, self.task, profile="smoke", lineage="past", config=config
        )
        ledger.add_campaign_event(
            CampaignEvent(
                campaign_id=self.campaign.id, kind=CampaignEventKind.STARTED, at=utc_now()
            )
        )
        self.lineage = Lineage.open(home, "past")
        self.lineage.import_baseline(read_tree(self.task.repo), "Baseline")
        self.numbers = {False: 0, True: 0}

    def round(
        self,
        patch,
        ended,
        *,
        ratios=(),
        confirm=(),
        excess=0.003,
        planted=None,
        review=None,
        votes=(),
    ):
        """One finished round; `ratios` are champion over candidate, one a pair of the screen.

        `votes` has a severity for each look of a reviewer model, or None where it found nothing.
        """
        entries = {each.name: each for each in (*self.task.solutions, *self.task.cheats)}
        is_control = planted is not None
        self.numbers[is_control] += 1
        number = -self.numbers[True] if is_control else self.numbers[False]
        round_id = (
            f"{self.campaign.id}-c{-number:03d}"
            if is_control
            else round_id_of(self.campaign.id, number)
        )
        base = self.lineage.baseline()
        self.ledger.add_round(
            RoundRecord(
                id=round_id, campaign_id=self.campaign.id, number=number, champion_commit=base,
                created_at=utc_now(), is_control=is_control,
            )
        )  # fmt: skip
        tree = patched_tree(self.task, entries[patch])
        commit = self.lineage.commit_candidate(round_id, base, tree, patch, {}, at=utc_now())
        self._step(round_id, Step.OPEN, "ok", alpha=ALPHA, planted=planted)
        self._step(round_id, Step.COMMIT, "ok", commit=commit, parent=base)
        admitted = "not_admitted" if ended == "not_admitted" else "ok"
        self._step(round_id, Step.ADMIT, admitted)
        for purpose, values in ((Purpose.SCREEN, ratios), (Purpose.CONFIRM, confirm)):
            for pair, ratio in enumerate(values):
                self._pair(round_id, purpose, pair, ratio, excess)
        if ratios:
            verdict = ended if ended in {"refuted", "inconclusive"} and not review else "supported"
            self._step(round_id, Step.SCORE, verdict)
        if review is not None:
            said = [
                () if worst is None else (
                    Finding(rule="doubt", severity=Severity(worst), file=None, line=None,
                            message="x", source="model"),
                )
                for worst in votes
            ]  # fmt: skip
            self._step(
                round_id, Step.REVIEW, review[0], score_digest="d", held_by=tuple(review[1:]),
                findings=tuple(each for vote in said for each in vote)[:1],
                votes=tuple(vote_of(f"#{n}", each) for n, each in enumerate(said)),
            )  # fmt: skip
        if ended in {"promoted", "rejected"}:
            action = DecisionAction.APPROVE if ended == "promoted" else DecisionAction.REJECT
            self._step(round_id, Step.DECIDE, action, action=action, actor="policy:3")
            if ended == "promoted":
                self._step(round_id, Step.PROMOTE, "promoted", new_commit=commit)
                self._promote(round_id, base, commit)
        self._step(round_id, Step.REPORT, "ok")
        return round_id

    def _promote(self, round_id, old, new):
        from rsi.agent.store.records import PromotionRecord

        self.lineage.move_champion(old, new, round_id)
        self.ledger.add_promotion(
            PromotionRecord(
                lineage="past", round_id=round_id, old_commit=old, new_commit=new,
                score_digest="d", at=utc_now(), actor="policy:3",
            )
        )  # fmt: skip

    def commit(self, round_id, patch, *, base=None, attempt=0):
        """Keep a candidate made of one of the task's patches."""
        entries = {each.name: each for each in (*self.task.solutions, *self.task.cheats)}
        return self.lineage.commit_candidate(
            round_id, base or self.lineage.baseline(), patched_tree(self.task, entries[patch]), patch, {},
            at=utc_now(), attempt=attempt,
        )  # fmt: skip

    def _step(self, round_id, step, outcome, *, attempt=0, **changes):
        at = utc_now() + timedelta(seconds=list(Step).index(step))
        fact = left(step, outcome, **changes)
        self.ledger.add_step(finished(fact, round_id=round_id, started_at=at, attempt=attempt))

    def _pair(self, round_id, purpose, pair, ratio, excess, *, attempt=0, seconds=1.0):
        arms = ((Arm.CHAMPION, ratio * seconds), (Arm.CANDIDATE, seconds))
        for position, (arm, took_s) in enumerate(arms):
            self.ledger.add_measurement(
                round_id,
                Measurement(
                    arm=arm, purpose=purpose, pair=pair, position=position, outcome=Outcome.OK,
                    cpu_s=took_s, wall_s=took_s, max_rss_bytes=1 << 20, metric_value=took_s,
                    quality={"excess_bpb": excess if arm is Arm.CANDIDATE else 0.003}, result={},
                    detail="", backend="process", assurance="none", seed_commitment="0" * 64,
                    disturbance=QUIET,
                ),
                attempt=attempt,
            )  # fmt: skip
