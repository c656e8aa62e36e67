"""A campaign of one round that goes on from the middle of a recorded one, for every client alike.

Does not: rebuild the sandbox and the conversation of that moment; `rsi.agent.trajectory.forking` does when the round runs.
"""

import secrets
from dataclasses import replace
from pathlib import Path

from rsi.agent.errors import AgentError
from rsi.agent.queue.launching import Launch, launch
from rsi.agent.run.steps.models import proposer_of
from rsi.agent.store.home import Home
from rsi.agent.store.ledger import Ledger
from rsi.agent.store.records import AgentRole, Step
from rsi.agent.trajectory.recorded import last_recording
from rsi.tasks.format.loader import load_task


class ForkError(AgentError, ValueError):
    """The round cannot be forked there."""


def queue_fork(
    home: Home,
    ledger: Ledger,
    round_id: str,
    *,
    step: int,
    say: str | None = None,
    model: str | None = None,
) -> Launch:
    """Queue one round, on the same lineage, that goes on from a turn of a recorded one.

    Args:
        home: Where ledger and engine are.
        ledger: The open ledger.
        round_id: Whose proposer is taken up.
        step: Number of the turn after which it goes on; 0 starts over with the same brief.
        say: Words for the agent at that point.
        model: Spec of another model; None keeps the one that proposed then.

    Raises:
        ForkError: There is no such turn.
        RecordingError: The round holds no run of a proposer that can be read.
        AgentError, TaskError, SandboxError: As `launch` raises them.
    """
    campaign = ledger.campaign(ledger.round(round_id).campaign_id)
    recording = last_recording(ledger.events(round_id, AgentRole.PROPOSER))
    if not 0 <= step <= len(recording.turns):
        raise ForkError(
            f"round {round_id} has turns 1 to {len(recording.turns)}; --step {step} is none of "
            "them (0 starts over with the same brief)"
        )
    before = campaign.config
    opened = ledger.step(round_id, Step.OPEN)
    config = replace(
        before,
        rounds=1,
        proposer=model or proposer_of(before, opened),
        other_proposers=(),
        control_every=0,  # one idea: what it was forked from had its controls
        fork_of=round_id,
        fork_step=step,
        fork_say=say,
        seed=secrets.token_hex(16),
    )
    task = load_task(Path(config.task_root), track=campaign.track)
    return launch(
        home, ledger, task, profile=campaign.profile, config=config, lineage=campaign.lineage
    )
