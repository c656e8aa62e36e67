"""The same tools in the sandboxes that ship, walls included."""

from contextlib import contextmanager

import pytest
from tests.agent.puppet import GIVE_UP, Puppet
from tests.agent.roles.proposer.test_loop import shell
from tests.agent.roles.proposer.test_scripted_rounds import ENTRY, SQUARE, file_of

from rsi.agent.types import ProposalOutcome
from rsi.sandboxes.select import select_backend
from rsi.sandboxes.types import Limits, SandboxSpec

pytestmark = pytest.mark.slow

SUBMIT = ("submit", {"hypothesis": "h", "predicted_ratio": 1.1, "risk": "r"})


@pytest.fixture
def opened(lab):
    """Gives the lab a sandbox of a backend."""

    @contextmanager
    def go(name, limits):
        backend = select_backend(name)
        availability = backend.availability()
        if not availability.is_available:
            pytest.skip(availability.reason)
        backend.prepare(lab.task.environment)
        spec = SandboxSpec(environment=lab.task.environment, limits=limits, label="test/agent")
        with backend.open(spec) as sandbox:
            lab.sandbox = sandbox
            yield sandbox

    return go


@pytest.fixture(params=["process", "bubblewrap"])
def walled(request, opened):
    with opened(request.param, Limits(wall_s=60.0, memory_bytes=512 << 20, pids=64)) as sandbox:
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


@pytest.mark.parametrize(
    ("path", "content", "problem"),
    [
        ("tools", "x", "tools is a folder; give the path of a file."),
        ("model.py/x", "x", "'model.py/x' could not be written"),
        ("odd\nname.py", "x", "control or unprintable characters"),
        ("n" * 300 + ".py", "x", "longer than a file system allows"),
        ("half.py", "x = '\ud83d'", "half of a character"),
    ],
)
def test_a_write_that_cannot_be_is_answered_and_the_round_goes_on(
    lab, walled, path, content, problem
):
    puppet = Puppet(("write", {"path": path, "content": content}), shell("cat model.py"), SUBMIT)
    proposal = lab.run(puppet)
    assert proposal.outcome is ProposalOutcome.SUBMITTED, proposal.reason
    refused, after, _ = lab.results()
    assert refused["is_error"]
    assert problem in refused["text"]
    assert "STEPS = 100" in after["text"]


@pytest.mark.parametrize(
    ("call", "problem"),
    [
        (("edit", {"path": "tools", "old": "a", "new": "b"}), "tools is a folder"),
        (("edit", {"path": "model.py/x", "old": "a", "new": "b"}), "there is no model.py/x"),
        (("edit", {"path": "model.py", "old": "STEPS", "new": "\udce9"}), "half of a character"),
        (("view", {"path": "n" * 5000}), "there is no"),
        (shell("echo \0"), "could not be started"),
        (shell("true " + "x" * 200_000), "could not be started"),
        (shell("true", timeout_s=float("nan")), "must be a finite number"),
        (
            ("submit", {"hypothesis": "\ud800", "predicted_ratio": 1.1, "risk": "r"}),
            "arguments.hypothesis holds half of a character",
        ),
    ],
)
def test_other_tools_answer_what_they_cannot_do(lab, walled, call, problem):
    proposal = lab.run(Puppet(call, GIVE_UP))
    assert proposal.reason == "done"
    first = lab.results()[0]
    assert first["is_error"]
    assert problem in first["text"]


def test_names_that_are_no_utf_8_are_shown_as_text_that_can_be_sent(lab, walled):
    lab.run(Puppet(shell("touch $'caf\\xe9.py'"), ("view", {"path": "cafe.py"}), GIVE_UP))
    text = lab.results()[1]["text"]
    assert "caf\N{REPLACEMENT CHARACTER}.py" in text
    assert text.encode("utf-8")


def test_a_full_disk_is_an_answer_too(lab, opened):
    limits = Limits(wall_s=60.0, memory_bytes=512 << 20, pids=64, disk_bytes=1 << 20)
    with opened("bubblewrap", limits):
        large = ("write", {"path": "large.txt", "content": "x" * (3 << 20)})
        proposal = lab.run(Puppet(large, shell("rm -f large.txt"), SUBMIT))
    assert proposal.outcome is ProposalOutcome.SUBMITTED, proposal.reason
    assert lab.results()[0]["is_error"]
    assert "No space left" in lab.results()[0]["text"]
