"""Whole proposals through the real SDKs over HTTP end as the scripted model's own do."""

import json
import random

import pytest
from tests.agent.llm.conftest import CANARY
from tests.agent.llm.servers import Cut, Fail, MidwayError, Rubbish, Say
from tests.agent.roles.proposer.conftest import FolderSandbox, Lab, sandbox, task
from tests.agent.roles.proposer.test_scripted_rounds import ENTRY, SQUARE

from rsi.agent.llm.retry import RetryPolicy
from rsi.agent.llm.scripted.model import ScriptedModel
from rsi.agent.llm.types import Text, ToolCall
from rsi.agent.roles.proposer.loop import propose
from rsi.agent.types import ProposalOutcome

pytestmark = pytest.mark.slow

__all__ = ["sandbox", "task"]

NO_WAIT = RetryPolicy(attempts=6, base_s=0.0)


@pytest.fixture
def lab(task, sandbox):
    return Lab(task, sandbox)


def run(lab, model):
    return propose(
        lab.brief(), model, lab.task, lab.sandbox, sink=lab.sink, budget_guard=lab.budget_guard,
        steering=lab.person, scaffold=lab.scaffold, measure=lab.measure,
        search_notebook=lambda query: f"nothing about {query}", limits=lab.limits, retry=NO_WAIT,
    )  # fmt: skip


@pytest.fixture
def script(lab):
    return lab.script(ENTRY, square=SQUARE)


def test_a_round_over_http_ends_as_the_script_does(lab, script, provider, make, tmp_path):
    provider.brain = lambda request: ScriptedModel(script, round_number=1)
    over_http = run(lab, make())
    (tmp_path / "second").mkdir()
    lab.sandbox = FolderSandbox(tmp_path / "second")
    plain = run(lab, ScriptedModel(script, round_number=1))
    assert over_http.outcome is ProposalOutcome.SUBMITTED, over_http.reason
    assert over_http.tree == plain.tree
    for field in ("hypothesis", "predicted_ratio", "risk", "parts", "turns"):
        assert getattr(over_http, field) == getattr(plain, field)
    assert over_http.cost.usd > 0


@pytest.mark.parametrize("seed", range(3))
def test_failures_on_the_way_change_the_bill_and_not_the_result(
    lab, script, provider, make, adapter, seed
):
    draw = random.Random(seed)
    ailments = [Fail(status=529, kind="overloaded_error"), Cut(), MidwayError(), Rubbish()]
    ailments.append(Fail(status=429, kind="rate_limit_error", headers={"retry-after": "0"}))

    class Moody(ScriptedModel):
        def complete(self, request, *, on_delta=None):
            if draw.random() < 0.4:
                provider.acts.append(draw.choice(ailments))
            return super().complete(request, on_delta=on_delta)

    provider.brain = lambda request: Moody(script, round_number=1)
    proposal = run(lab, make())
    assert proposal.outcome is ProposalOutcome.SUBMITTED, proposal.reason
    assert len(lab.budget_guard.reserved) == len(lab.budget_guard.settled) == len(provider.seen)
    for (_, _, bound, _), (_, usage, usd) in zip(
        lab.budget_guard.reserved, lab.budget_guard.settled, strict=True
    ):
        assert usage is None or 0 <= usd <= bound


def test_malformed_arguments_over_http_are_corrected_and_the_round_goes_on(lab, provider, make):
    bad = ToolCall(id="1", name="view", arguments={})
    give_up = ToolCall(id="2", name="give_up", arguments={"reason": "done"})
    provider.acts = [Say(blocks=(bad,), raw_arguments="{nonsense"), Say(blocks=(give_up,))]
    assert run(lab, make()).reason == "done"
    assert "not valid JSON" in lab.results()[0]["text"]
    assert "not valid JSON" in str(provider.seen[1].body["messages"])


def test_the_canary_key_reaches_the_provider_and_nothing_else(lab, provider, make, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", CANARY)
    monkeypatch.setenv("ANTHROPIC_API_KEY", CANARY)
    look = ToolCall(
        id="1", name="shell", arguments={"command": "env; cat /proc/self/environ; ls -la"}
    )
    give_up = ToolCall(id="2", name="give_up", arguments={"reason": "done"})
    echo = Fail(status=500, message=f"upstream said: bad key {CANARY}")
    provider.acts = [
        echo,
        Say(blocks=(Text(text="I look around."), look)),
        Say(blocks=(give_up,)),
    ]
    proposal = run(lab, make())
    assert CANARY in str(provider.seen[0].headers)
    assert CANARY not in json.dumps(lab.events, default=str)
    assert CANARY not in str([request.body for request in provider.seen])
    assert CANARY not in repr(proposal)
    for path in lab.sandbox.root.rglob("*"):
        assert not path.is_file() or CANARY.encode() not in path.read_bytes()
