"""A request that is too long is known as that, whoever says it and however, and is then really shortened."""

import json

import pytest
from tests.agent.llm.overflows import OTHERS, OVERFLOWS
from tests.agent.llm.servers import Say
from tests.agent.llm.sloppy import Raw, sse
from tests.agent.llm.test_adapters import ask
from tests.agent.puppet import OpenBudgetGuard
from tests.agent.roles.proposer.conftest import Lab, sandbox, task

from rsi.agent.llm.adapters.transport.failures import failure
from rsi.agent.llm.errors import ContextOverflowError, ModelError
from rsi.agent.llm.fence import fence, shortened
from rsi.agent.llm.redaction import Redactor
from rsi.agent.llm.retry import RetryPolicy
from rsi.agent.llm.types import ToolCall, ToolSpec
from rsi.agent.roles.answers import ask as ask_role
from rsi.agent.roles.calls import Caller
from rsi.agent.roles.proposer.loop import propose
from rsi.agent.types import AgentRole, ProposalOutcome

__all__ = ["sandbox", "task"]


def raw(status, body):
    text = body if isinstance(body, str) else json.dumps(body)
    kind = "text/html" if isinstance(body, str) else "application/json"
    return Raw(pieces=[text.encode()], status=status, content_type=kind, framing="length")


def is_spoken(protocol, adapter):
    return protocol == "both" or ("anthropic" in adapter) == (protocol == "anthropic")


@pytest.mark.slow
@pytest.mark.parametrize("server", OVERFLOWS)
def test_an_overflow_is_known_as_one(pay, provider, adapter, server):
    told = OVERFLOWS[server]
    if not is_spoken(told.protocol, adapter):
        pytest.skip("of the other protocol")
    provider.acts = [raw(told.status, told.body)] * 6
    bill = pay(ask())
    assert isinstance(bill.error, ContextOverflowError), bill.error
    assert bill.error.context_tokens == told.context_tokens
    assert (bill.attempts, bill.tokens, bill.unknown) == (1, 0, 0)


@pytest.mark.slow
@pytest.mark.parametrize(
    "server", [name for name, told in OVERFLOWS.items() if isinstance(told.body, dict)]
)
def test_an_overflow_that_comes_in_a_stream_is_known_too(pay, provider, adapter, server):
    told = OVERFLOWS[server]
    if not is_spoken(told.protocol, adapter):
        pytest.skip("of the other protocol")
    provider.acts = [Raw(pieces=[sse(told.body, "error")])] * 6
    bill = pay(ask())
    if told.status == 413:
        assert isinstance(bill.error, ModelError)  # known by its status alone
        return
    assert isinstance(bill.error, ContextOverflowError), bill.error
    assert (bill.attempts, bill.tokens, bill.unknown) == (1, 0, 0)


@pytest.mark.parametrize("what", OTHERS)
def test_another_error_is_no_overflow(what):
    status, body, expected = OTHERS[what]
    found = failure("openai", body, redactor=Redactor(()), status=status)
    assert type(found).__name__ == expected


N_CTX = 8192
CHARS_PER_TOKEN = 3


def small_server(provider, *, counts_output=True, tells=True):
    """Makes a server refuse, as llama.cpp and vLLM do, what does not fit its small context."""
    told = OVERFLOWS["llama.cpp"].body
    if not tells:
        told = {"error": {"message": "the request exceeds the available context size", "code": 400}}

    def refuse(body):
        tokens = (
            len(json.dumps([body["messages"], body.get("system"), body.get("tools")]))
            // CHARS_PER_TOKEN
        )
        wanted = max(body.get("max_tokens") or 0, body.get("max_completion_tokens") or 0)
        return raw(400, told) if tokens + counts_output * wanted > N_CTX else None

    provider.refuse = refuse


def run(lab, model):
    return propose(
        lab.brief(), model, lab.task, lab.sandbox, sink=lab.sink, budget_guard=lab.budget_guard,
        steering=lab.person, scaffold=lab.scaffold, measure=lab.measure,
        search_notebook=lambda query: "nothing", limits=lab.limits, retry=RetryPolicy(attempts=6, base_s=0.0),
    )  # fmt: skip


GIVE_UP = Say(blocks=(ToolCall(id="z", name="give_up", arguments={"reason": "done"}),))


@pytest.mark.slow
@pytest.mark.parametrize("tells", [True, False])
def test_the_first_turn_is_shortened_too(make, provider, task, sandbox, monkeypatch, tells):
    lab = Lab(task, sandbox)
    brief = lab.brief
    monkeypatch.setattr(
        lab, "brief", lambda: brief(notebook="\n".join(f"lesson {n}" for n in range(5000)))
    )
    small_server(provider, tells=tells)
    provider.acts = [GIVE_UP]
    proposal = run(lab, make())
    assert proposal.reason == "done"
    assert 1 < len(provider.seen) < 7
    sizes = [len(json.dumps(seen.body)) for seen in provider.seen]
    assert sizes[-1] < sizes[0]
    assert "compaction" in lab.notes()


@pytest.mark.slow
def test_a_later_turn_is_shortened_as_often_as_it_takes(make, provider, task, sandbox):
    lab = Lab(task, sandbox)
    look = "python3 -c \"print('x y ' * 4000)\"; echo {}"
    shells = [
        Say(blocks=(ToolCall(id=f"s{n}", name="shell", arguments={"command": look.format(n)}),))
        for n in range(6)
    ]
    small_server(provider)
    provider.acts = [*shells, GIVE_UP]
    proposal = run(lab, make())
    assert proposal.outcome is ProposalOutcome.GAVE_UP
    assert proposal.reason == "done"
    assert sum(note == "compaction" for note in lab.notes()) > 1


QUESTION = ToolSpec(name="report", description="", parameters={"type": "object", "properties": {}})


@pytest.mark.slow
def test_a_question_of_another_role_is_shortened_and_says_so(make, provider):
    small_server(provider)
    provider.acts = [Say(blocks=(ToolCall(id="1", name="report", arguments={}),))]
    notes = []
    caller = Caller(
        model=make(), role=AgentRole.REVIEWER, budget_guard=OpenBudgetGuard(), policy=RetryPolicy(base_s=0.0),
        sink=lambda *event: notes.append(event),
    )  # fmt: skip
    prompt = "Look.\n" + fence("evil " * 30_000, source="diff") + "\nThen call `report`."
    answered = ask_role(caller, system="s", prompt=prompt, tool=QUESTION, scaffold="", tokens=4096)
    assert answered.arguments == {}
    assert answered.unseen_chars > 100_000
    sent = str(provider.seen[-1].body["messages"])
    assert "Look." in sent
    assert "Then call `report`." in sent


@pytest.mark.slow
def test_what_cannot_be_shortened_any_further_ends_as_an_overflow(make, provider, task, sandbox):
    lab = Lab(task, sandbox)
    provider.refuse = lambda body: raw(400, OVERFLOWS["llama.cpp"].body)
    with pytest.raises(ContextOverflowError):
        run(lab, make())
    assert len(provider.seen) < 10


def test_fences_stay_whole_when_a_text_is_shortened():
    parts = [
        fence(letter * size, source="x") for letter, size in (("a", 50), ("b", 5000), ("c", 9000))
    ]
    text = "Head.\n" + "\nbetween\n".join(parts) + "\nTail."
    short = shortened(text, 3000)
    assert len(short) < 3300
    assert short.startswith("Head.\n<data-")
    assert short.endswith("\nTail.")
    assert short.count("<data-") == short.count("</data-") == 3
    assert "a" * 50 in short
    assert shortened(text, len(text)) == text


def test_a_text_without_fences_is_cut_in_its_middle():
    assert shortened("x" * 1000 + "end", 100).endswith("end")
    assert len(shortened("x" * 1000, 100)) < 150
