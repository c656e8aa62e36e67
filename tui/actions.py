"""The two kinds of things that the cockpit writes: decisions and requests.

Everything else in this room reads. Invariant: each function writes at most one fact, or a campaign with its queue
entry, and says in one sentence why when it writes nothing.
"""

from collections.abc import Mapping

from rsi.agent.errors import AgentError
from rsi.agent.llm.errors import ModelError
from rsi.agent.policy.controls import default_every
from rsi.agent.policy.gate import decide, person
from rsi.agent.policy.queueing import retry_refusal
from rsi.agent.policy.rollbacks import roll_back
from rsi.agent.policy.settings import DEFAULT_AUDIT_EVERY
from rsi.agent.queue.forks import queue_fork
from rsi.agent.queue.launching import ensure_worker, launch
from rsi.agent.queue.proposals import queue_line
from rsi.agent.store.codec import decode, encode
from rsi.agent.store.config import CampaignConfig
from rsi.agent.store.git.lineage import Lineage
from rsi.agent.store.home import Home
from rsi.agent.store.ledger import Ledger
from rsi.agent.store.records import (
    Asked,
    CampaignRecord,
    DecisionAction,
    DecisionRecord,
    PromotionRecord,
    RequestKind,
    utc_now,
)
from rsi.agent.trajectory.recorded import RecordingError
from rsi.agent.trust.agenda import Proposal
from rsi.sandboxes.errors import SandboxError
from rsi.tasks.errors import TaskError
from rsi.tasks.format.loader import load_task, profile_of
from rsi.tui.errors import ActionRefusedError


def record_decision(
    ledger: Ledger,
    round_id: str,
    action: DecisionAction,
    *,
    reason: str,
    commit: str,
    score_digest: str,
) -> DecisionRecord:
    """Write the gate's word on exactly what was shown.

    Raises:
        ActionRefusedError: It is not at the gate any more, something changed, or a reason is missing.
    """
    try:
        return decide(
            ledger, round_id, action,
            actor=person(), reason=reason, commit=commit, score_digest=score_digest,
        )  # fmt: skip
    except AgentError as error:
        raise ActionRefusedError(str(error)) from error


def request(
    ledger: Ledger,
    kind: RequestKind,
    *,
    campaign_id: str | None = None,
    round_id: str | None = None,
    payload: Asked | None = None,
) -> int:
    """Write a wish for a worker; returns its number.

    Raises:
        ActionRefusedError: The ledger refused it, or a campaign that is to go on cannot.
    """
    try:
        refusal = (
            retry_refusal(ledger, campaign_id) if campaign_id and kind is RequestKind.RETRY else ""
        )
        if refusal:
            raise ActionRefusedError(f"{campaign_id} cannot go on: {refusal}")
        written = ledger.add_request(
            kind, actor=person(), at=utc_now(),
            campaign_id=campaign_id, round_id=round_id, payload=payload,
        )  # fmt: skip
    except AgentError as error:
        raise ActionRefusedError(str(error)) from error
    return written.id


def queue(
    ledger: Ledger, home: Home, *, task: str, track: str | None, profile: str | None,
    settings: Mapping[str, object], lineage: str | None = None,
) -> CampaignRecord:  # fmt: skip
    """Queue a campaign and see to it that a worker runs; takes seconds when one has to start.

    Args:
        ledger: Where the campaign is written.
        home: Whose engine queue it enters.
        task: Name of a task, or its folder.
        track: None takes the task's default.
        profile: None takes the task's default.
        settings: Fields of `CampaignConfig` besides the task's folder and the seed; without a word about controls
            they are planted as often as `rsi run` plants them.
        lineage: Whose champion; None takes the one of this task, track and profile.

    Raises:
        ActionRefusedError: The task or the settings cannot work; the message says which and why.
    """
    try:
        loaded = load_task(task, track=track)
        chosen = profile_of(loaded, profile)
        defaults = {
            "task_root": str(loaded.root),
            "control_every": default_every(chosen),
            "audit_every": DEFAULT_AUDIT_EVERY,
        }
        config = decode(CampaignConfig, encode({**defaults, **settings}))
        record = launch(
            home.create(), ledger, loaded, profile=chosen.name, config=config, lineage=lineage
        ).campaign
        ensure_worker(home, ledger, config.on)
    except (AgentError, ModelError, TaskError, SandboxError, TypeError) as error:
        raise ActionRefusedError(str(error)) from error
    return record


def fork(ledger: Ledger, home: Home, round_id: str, *, step: int, say: str) -> CampaignRecord:
    """Queue a round that goes on from a turn of a recorded one, and see to it that a worker runs.

    Args:
        ledger: Where the campaign is written.
        home: Whose engine queue it enters.
        round_id: Whose proposer is taken up.
        step: Number of the turn after which it goes on; 0 starts over with the same brief.
        say: Words for the agent at that point; empty for none.

    Raises:
        ActionRefusedError: There is no such turn, or the campaign's settings do not work any more.
    """
    try:
        record = queue_fork(home.create(), ledger, round_id, step=step, say=say or None).campaign
        ensure_worker(home, ledger, record.config.on)
    except (AgentError, ModelError, RecordingError, TaskError, SandboxError) as error:
        raise ActionRefusedError(str(error)) from error
    return record


def roll_back_to(
    ledger: Ledger, home: Home, lineage: str, commit: str, *, reason: str
) -> PromotionRecord:
    """Make an earlier champion the champion again.

    Raises:
        ActionRefusedError: It is not in the champion's history, or the champion moved meanwhile.
    """
    try:
        opened = Lineage.open(home, lineage, create=False)
        return roll_back(ledger, opened, commit, actor=person(), reason=reason)
    except AgentError as error:
        raise ActionRefusedError(str(error)) from error


def queue_proposal(ledger: Ledger, home: Home, chosen: Proposal) -> CampaignRecord:
    """Queue a line of the agenda, as `rsi agenda --queue` does, and see to it that a worker runs.

    Raises:
        ActionRefusedError: Its task or its settings do not work any more; the message says which and why.
    """
    try:
        record = queue_line(home.create(), ledger, chosen).campaign
        ensure_worker(home, ledger, record.config.on)
    except (AgentError, ModelError, TaskError, SandboxError) as error:
        raise ActionRefusedError(str(error)) from error
    return record
