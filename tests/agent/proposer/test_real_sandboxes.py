"""The same tools in the sandboxes that ship, walls included."""

import pytest
from tests.agent.proposer.test_loop import shell
from tests.agent.proposer.test_scripted_rounds import ENTRY, SQUARE, file_of
from tests.agent.puppet import GIVE_UP, Puppet

from rsi.agent.types import ProposalOutcome
from rsi.sandboxes.select import select_backend
from rsi.sandboxes.types import Limits, SandboxSpec

pytestmark = pytest.mark.slow

SUBMIT = ("submit", {"hypothesis": "h", "predicted_ratio": 1.1, "risk": "r"})


@pytest.fixture(params=["process", "bubblewrap"])
def walled(request, lab):
    backend = select_backend(request.param)
    availability = backend.availability()
    if not availability.is_available:
        pytest.skip(availability.reason)
    backend.prepare(lab.task.environment)
    limits = Limits(wall_s=60.0, memory_bytes=512 << 20, pids=64)
    spec = SandboxSpec(environment=lab.task.environment, limits=limits, label="test/agent")
    with backend.open(spec) as sandbox:
        lab.sandbox = sandbox
        yield sandbox


def test_a_scripted_round_works_inside(lab, walled):
    proposal = lab.run(lab.scripted(ENTRY, square=SQUARE))
    assert proposal.outcome is ProposalOutcome.SUBMITTED, proposal.reason
    assert b"square = radius * radius" in file_of(proposal.tree, "model.py").content
    assert file_of(proposal.tree, "tools/run.sh").is_executable


def test_commands_that_hang_or_flood_are_stopped_and_the_sandbox_lives(lab, walled):
    lab.run(
        Puppet(
            shell("sleep 50", timeout_s=1), shell("yes"), shell("echo kept > f"), shell("cat f"),
            GIVE_UP,
        )
    )  # fmt: skip
    texts = [result["text"] for result in lab.results()]
    assert "stopped after 1 s" in texts[0]
    assert "printed without end" in texts[1]
    assert "kept" in texts[3]


def test_no_variable_of_the_worker_is_seen_inside(lab, walled, monkeypatch):
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-canary-0123456789")
    lab.run(Puppet(shell("env"), GIVE_UP))
    assert "canary" not in lab.results()[0]["text"]


def test_no_spelling_of_git_is_measured_or_handed_over(lab, walled):
    puppet = Puppet(
        [("write", {"path": path, "content": "x"}) for path in (".GIT/x", "tools/.Git/y", "g.py")],
        ("measure", {}),
        SUBMIT,
    )
    proposal = lab.run(puppet)
    assert proposal.outcome is ProposalOutcome.SUBMITTED, proposal.reason
    assert [entry.path for entry in proposal.tree] == ["g.py", "model.py", "tools/run.sh"]
    assert lab.measured == [proposal.tree]
