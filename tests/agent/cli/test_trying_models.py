"""`rsi doctor --models`: one call of one token each, and one sentence about each, over real SDKs."""

import json

import pytest
from tests.agent.llm.conftest import ADAPTERS, CANARY, environ_of
from tests.agent.llm.servers import Fail, FakeProvider, Say

from rsi.agent.cli.entry import main
from rsi.agent.llm.naming.keys import KeyRing
from rsi.agent.llm.trying import try_model
from rsi.agent.llm.types import StopReason
from rsi.agent.policy.settings import queue_campaign
from rsi.agent.store.config import CampaignConfig
from rsi.agent.store.events import CampaignEvent
from rsi.agent.store.home import Home
from rsi.agent.store.ledger import Ledger
from rsi.agent.store.records import CampaignEventKind, utc_now
from rsi.tasks.format.loader import load_task


@pytest.fixture
def provider(monkeypatch):
    with FakeProvider() as server:
        for name, value in environ_of(server.root).items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        yield server


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("RSI_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("RSI_DATABASE_URL", raising=False)
    return Home.find()


@pytest.fixture(
    params=[pytest.param(n, marks=pytest.mark.slow if "litellm" in n else ()) for n in ADAPTERS]
)
def spec(request):
    return ADAPTERS[request.param][0]


def test_a_model_that_works_is_asked_for_one_token_once(provider, spec):
    found = try_model(spec)
    assert found.is_ok, found.said
    (seen,) = provider.seen
    asked = {seen.body.get("max_tokens"), seen.body.get("max_completion_tokens")}
    assert asked == {1, None}
    assert found.tokens == 1950
    assert found.usd > 0
    assert f"answered in {found.latency_s:.1f} s, for $0.0" in found.said


def test_a_model_that_gets_no_further_than_one_token_works(provider, spec):
    provider.acts = [Say(blocks=(), stop=StopReason.MAX_TOKENS)]
    assert try_model(spec).is_ok
    provider.acts = [
        Fail(status=400, kind="invalid_request_error",
             message="Could not finish the message because max_tokens or model output limit was reached.")
    ]  # fmt: skip
    found = try_model(spec)
    assert (found.is_ok, found.said) == (True, "it answers; one token is too little for it")


@pytest.mark.parametrize(
    ("act", "said"),
    [
        (Fail(status=401, kind="authentication_error", message="no such key"), "no such key"),
        (Fail(status=404, kind="not_found_error", message="no such model"), "no such model"),
        (Fail(status=529, kind="overloaded_error", message="too much"), "too much"),
        (Fail(status=302, headers={"location": "http://login.example/"}), "login.example"),
    ],
)
def test_a_model_that_fails_is_one_sentence_after_one_call(provider, spec, act, said):
    provider.acts = [act]
    found = try_model(spec)
    assert not found.is_ok
    assert said in found.said
    assert "\n" not in found.said
    assert CANARY not in found.said
    assert len(provider.seen) == 1


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("openai:x?base_url=http://127.0.0.1:9/v1&price=free&timeout_s=5", "127.0.0.1"),
        ("anthropic:claude-opus-5?reasoning=8000", "takes no number of tokens"),
        ("nobody:x", "unknown provider 'nobody'"),
        ("anthropic", "names no provider"),
    ],
)
def test_a_model_that_cannot_be_reached_or_made_is_one_sentence(spec, said):
    found = try_model(spec, KeyRing({"ANTHROPIC_API_KEY": CANARY}))
    assert not found.is_ok
    assert said in found.said


def test_a_missing_key_is_named():
    assert "set ANTHROPIC_API_KEY" in try_model("anthropic:claude-opus-5", KeyRing({})).said


def test_the_doctor_tells_each_model_and_stops_where_one_fails(provider, home, capsys):
    provider.acts = [Say(), Fail(status=401, kind="authentication_error", message="no such key")]
    words = [
        "doctor",
        "--quick",
        "--models",
        "openai:gpt-5",
        "anthropic:claude-opus-5",
        "scripted:toy",
    ]
    assert main(words) == 1
    lines = [
        each
        for each in capsys.readouterr().out.splitlines()
        if ":gpt-5:" in each or "opus-5:" in each or ":toy:" in each
    ]
    assert [each.split()[0] for each in lines] == ["model", "STOP", "model"]
    assert "no such key" in lines[1]

    provider.acts = [Fail(status=401, kind="authentication_error", message="no such key"), Say()]
    assert main([*words[:2], "--json", *words[2:]]) == 1
    told = json.loads(capsys.readouterr().out)
    assert [each["is_ok"] for each in told["models"]] == [False, True, True]
    assert not told["may_start"]


def test_without_names_the_models_of_campaigns_that_are_not_over_are_tried(provider, home, capsys):
    assert main(["doctor", "--quick", "--models"]) in (0, 1)
    assert "name some: rsi doctor --models MODEL" in capsys.readouterr().out
    assert provider.seen == []

    task = load_task("toy")
    with Ledger.open(home.create()) as ledger:
        for number, models in enumerate(
            ({"proposer": "openai:gpt-5", "critic": "openai:gpt-5"}, {"proposer": "openai:old"})
        ):
            config = CampaignConfig(task_root=str(task.root), rounds=1, seed="ab" * 16, **models)
            campaign = queue_campaign(
                ledger, task, profile="smoke", lineage=f"l{number}", config=config
            )
        ledger.add_campaign_event(
            CampaignEvent(campaign_id=campaign.id, kind=CampaignEventKind.STOPPED, at=utc_now())
        )
    main(["doctor", "--quick", "--models", "--json"])
    told = json.loads(capsys.readouterr().out)
    assert [each["model"] for each in told["models"]] == ["openai:gpt-5"]
    assert len(provider.seen) == 1
