"""Recorded rounds of the proposer's small task, as the ledger would give them back."""

from datetime import UTC, datetime, timedelta

import pytest
from tests.agent.roles.proposer.conftest import FolderSandbox, Lab, sandbox, task

from rsi.agent.store.records import AgentRole, TrajectoryEvent, TrajectoryKind
from rsi.agent.trajectory.recorded import last_recording

__all__ = ["sandbox", "task"]

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)


def as_ledger(events, round_id="c1-0001"):
    """Sink calls as ledger events."""
    return tuple(
        TrajectoryEvent(
            round_id=round_id, agent=AgentRole(agent), seq=seq, at=NOW + timedelta(seconds=seq),
            kind=TrajectoryKind(kind), payload=payload,
        )
        for seq, (agent, kind, payload) in enumerate(events)
    )  # fmt: skip


@pytest.fixture
def lab(task, sandbox):
    return Lab(task, sandbox)


@pytest.fixture
def fresh(tmp_path):
    """New empty sandboxes."""
    made = []

    def make():
        root = tmp_path / f"fresh-{len(made)}"
        root.mkdir()
        made.append(root)
        return FolderSandbox(root)

    return make


@pytest.fixture
def record(lab):
    """Run a model and give its recording."""

    def record(model, **brief):
        lab.events = []
        lab.run(model, **brief)
        return last_recording(as_ledger(lab.events))

    return record
