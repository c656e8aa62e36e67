"""Agents of one campaign that think at once: ideas behind the one that is measured are opened and proposed ahead of their turn.

Only opening, brief and proposal happen ahead, each leaving the fact that the round's own turn finds there; so the order of
durable steps is the same with one agent as with many, and after a crash what was finished ahead is not done or paid again.
Does not: measure anything. Invariant: rounds are opened by the campaign's own thread; other threads only propose.
"""

import logging
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from types import TracebackType
from typing import Self

from rsi.agent.errors import AgentError
from rsi.agent.policy.controls import Slot, schedule
from rsi.agent.policy.steering import CampaignSteering
from rsi.agent.run.contexts import CampaignContext, RoundContext
from rsi.agent.run.recording import record_step
from rsi.agent.run.steps.idea import open_round, propose, write_brief
from rsi.agent.run.steps.opening import round_record, why_not_opened
from rsi.agent.store.records import Step

STEPS_BEFORE = frozenset({Step.OPEN, Step.BRIEF})
"""Steps of a round in which nobody looks ahead: its own opening measures what the others need."""

log = logging.getLogger(__name__)


class ThinkingEndedError(AgentError):
    """The campaign leaves this worker while an agent is held by a pause; it begins anew elsewhere."""


class Ahead:
    """The agents that think ahead in one campaign."""

    def __init__(self, campaign_context: CampaignContext) -> None:
        self._campaign = replace(
            campaign_context,
            steering=CampaignSteering(
                campaign_context.ledger, campaign_context.record.id, sleep=self._sleep
            ),
        )
        config = campaign_context.config
        self._width = config.parallel
        self._ideas = tuple(
            each
            for each in schedule(campaign_context.task, config.rounds, config.control_every)
            if each.control is None
        )
        self._ideas_done = 0
        self._thinking: dict[str, Future[str]] = {}
        self._begun: set[str] = set()
        """Rounds that were looked at by this worker; each is begun ahead once."""
        self._is_ending = False
        self._seats = threading.BoundedSemaphore(self._width)
        self._threads = ThreadPoolExecutor(self._width, thread_name_prefix="thinks")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Wait for what is being thought: it is paid for, and nobody may think the same beside it."""
        self._is_ending = True
        self._threads.shutdown(wait=True, cancel_futures=True)

    def turn_of(self, slot: Slot) -> None:
        """Tell whose turn it is now."""
        self._ideas_done = slot.ideas_before

    def look(self, context: RoundContext, step: Step) -> None:
        """Before a step of the round whose turn it is: see to it that as many agents think as may."""
        if self._width == 1 or step in STEPS_BEFORE or context.campaign.steering.must_hold():
            return
        first, count = self._ideas_done, self._width
        if not context.record.is_control:
            first += 1
            # While its own agent thinks, it is one of them.
            count -= step is Step.PROPOSE
        for slot in self._ideas[first : first + count]:
            round_id = slot.round_id(self._campaign.record.id)
            if round_id not in self._begun and not self._begin(slot, round_id):
                return

    def proposed(self, context: RoundContext) -> str:
        """The proposal of the round whose turn it is: as it was thought ahead, else thought of now."""
        future = self._thinking.pop(context.round_id, None)
        if future is not None:
            future.result()
        return self._propose(context)

    def is_open(self) -> bool:
        """Whether an idea was opened ahead and is not over."""
        ledger, campaign_id = self._campaign.ledger, self._campaign.record.id
        over = {
            each.round_id for each in ledger.steps_of(campaign_id=campaign_id, step=Step.REPORT)
        }
        return any(
            not each.is_control and each.id not in over for each in ledger.rounds(campaign_id)
        )

    def _begin(self, slot: Slot, round_id: str) -> bool:
        """Open a round and let an agent think about it; False when no further one may be opened now."""
        campaign = self._campaign
        rounds = {each.id: each for each in campaign.ledger.rounds(campaign.record.id)}
        if round_id not in rounds:
            if why_not_opened(campaign, slot):
                return False
            campaign.ledger.add_round(round_record(campaign, slot))
        context = campaign.context(round_id)
        self._begun.add(round_id)
        if context.finished(Step.PROPOSE) is None:
            record_step(context, Step.OPEN, open_round)
            record_step(context, Step.BRIEF, write_brief)
            log.info("round=%s is thought of ahead", round_id)
            self._thinking[round_id] = self._threads.submit(self._propose, context)
        return True

    def _propose(self, context: RoundContext) -> str:
        with self._seats:
            return record_step(context, Step.PROPOSE, propose)

    def _sleep(self, seconds: float) -> None:
        if self._is_ending:
            raise ThinkingEndedError("the campaign leaves this worker; the agent begins anew")
        time.sleep(seconds)
