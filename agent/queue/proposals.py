"""Queueing what the agenda proposes, from the command line and from the cockpit."""

from rsi.agent.queue.launching import Launch, launch
from rsi.agent.store.home import Home
from rsi.agent.store.ledger import Ledger
from rsi.agent.trust.agenda import Proposal
from rsi.tasks.format.loader import load_task


def queue_line(home: Home, ledger: Ledger, chosen: Proposal) -> Launch:
    """Queue the campaign that a line of the agenda proposes.

    Raises:
        TaskError: Its task is not there any more.
        AgentError: As `launch` raises them.
    """
    task = load_task(chosen.config.task_root, track=chosen.track)
    return launch(
        home,
        ledger,
        task,
        profile=chosen.profile,
        config=chosen.config,
        lineage=chosen.lineage,
    )
