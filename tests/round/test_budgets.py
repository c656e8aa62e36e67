"""No campaign ends above its cap by more than one reserved call, whatever provider and worker do meanwhile.

The provider keeps its own bill, so what the ledger says is held against what was really sold.
"""

import math
import os
import random
import signal

import pytest
from tests.agent.llm.servers import Cut, Fail
from tests.round.scripted_server import CLAUDE, GPT, playing

from rsi.agent.llm.errors import UnknownPriceError
from rsi.agent.llm.naming.prices import price_option
from rsi.agent.llm.types import Usage
from rsi.agent.policy.budget import charged_usd, spent
from rsi.agent.store.records import CampaignEventKind, CampaignState, ChargeRole, ChargeStatus
from rsi.agent.store.round_book import RoundBook

PRICE = "3/15"
CHATTY = Usage(input_uncached_tokens=2500, output_tokens=4000)
"""What the provider reports for each reply: a good half of what is reserved."""
LOOKS = """[[round]]
[[round.turn]]
text = "Looking."
calls = [{tool = "view", arguments = {path = "."}}]
[[round.turn]]
calls = [{tool = "view", arguments = {path = "run.py"}}]
[[round.turn]]
calls = [{tool = "give_up", arguments = {reason = "nothing to gain"}}]
"""
"""A round that costs three calls and measures nothing."""


@pytest.fixture
def provider(tmp_path, ledger, monkeypatch):
    with playing(tmp_path, ledger, monkeypatch) as server:
        server.usage = CHATTY
        yield server


def billed_usd(provider):
    price = price_option(PRICE)
    return math.fsum(price.cost_usd(each) for each in provider.billed)


def billed_tokens(provider):
    return sum(each.total_tokens for each in provider.billed)


def reason_of(ledger, campaign_id):
    last = ledger.campaign_events(campaign_id)[-1]
    assert last.kind is CampaignEventKind.FINISHED, last
    return last.reason


def troubled(provider, seed):
    """A third of the replies fail, are cut off or cannot be parsed; the draw is the seed's."""
    draw = random.Random(seed)
    retry_soon = {"retry-after": "0.01"}

    def trouble(_number, request):
        match draw.randrange(9):
            case 0:
                return Fail(status=429, kind="rate_limit_error", headers=retry_soon)
            case 1:
                return Fail(status=500, kind="api_error", headers=retry_soon)
            case 2:
                return provider.garbled(request)
            case 3:
                return Cut(events=2)
            case _:
                return None

    return trouble


def assert_within(ledger, provider, campaign_id, *, usd=None, tokens=None):
    charges = ledger.charges(campaign_id)
    used = spent(charges)
    assert billed_usd(provider) <= used.usd + 1e-9, "money that the provider took was forgotten"
    assert billed_tokens(provider) <= used.tokens
    if usd is not None:
        largest = max(each.reserved_usd for each in charges)
        assert used.usd <= usd + largest
        assert billed_usd(provider) <= usd
    if tokens is not None:
        assert billed_tokens(provider) <= tokens


@pytest.mark.slow
@pytest.mark.parametrize("model", [GPT, CLAUDE])
def test_the_dollar_cap_holds_through_failures_retries_and_replies_that_cannot_be_parsed(
    model, ledger, queue, work, provider
):
    provider.trouble = troubled(provider, seed=11)
    cap = 1.0
    campaign_id = queue([LOOKS] * 12, proposer=f"{model}?price={PRICE}", budget_usd=cap)
    provider.campaign_id = campaign_id
    status, log = work()
    assert status == 0, log
    assert ledger.campaign_summary(campaign_id).state is CampaignState.FINISHED
    assert_within(ledger, provider, campaign_id, usd=cap)
    # Calls that were cut off stay reserved at their largest, so the cap binds before it is reached.
    assert billed_usd(provider) > 0.4 * cap, "far too little was spent"
    assert "usd" in reason_of(ledger, campaign_id)
    assert all(each.status is ChargeStatus.SETTLED for each in ledger.charges(campaign_id))
    ended = [each.ended_as for each in RoundBook(ledger).of_campaign(campaign_id)]
    assert ended.count("out_of_budget") == 1, "one refused call ends it; no round starts in vain"


@pytest.mark.slow
def test_the_token_cap_holds(ledger, queue, work, provider):
    cap = 60_000
    campaign_id = queue([LOOKS] * 12, proposer=f"{GPT}?price={PRICE}", budget_tokens=cap)
    provider.campaign_id = campaign_id
    status, log = work()
    assert status == 0, log
    assert_within(ledger, provider, campaign_id, tokens=cap)
    assert billed_tokens(provider) > 0.5 * cap
    assert "tokens" in reason_of(ledger, campaign_id)


@pytest.mark.slow
def test_kill_9_at_random_calls_never_makes_a_campaign_forget_money(
    ledger, queue, work, start_worker, until, provider
):
    cap = 1.2
    campaign_id = queue([LOOKS] * 12, proposer=f"{GPT}?price={PRICE}", budget_usd=cap)
    provider.campaign_id = campaign_id
    draw = random.Random(7)
    for _ in range(3):
        with start_worker() as process:
            fatal = len(provider.seen) + draw.randrange(1, 4)

            def kill(number, _request, fatal=fatal, process=process):
                if number == fatal:
                    # The reply is sold, and nobody is there to write down what it cost.
                    os.kill(process.pid, signal.SIGKILL)

            provider.trouble = kill
            until(lambda process=process: process.poll())
        assert_within(ledger, provider, campaign_id, usd=cap)
    provider.trouble = troubled(provider, seed=3)
    status, log = work()
    assert status == 0, log
    assert_within(ledger, provider, campaign_id, usd=cap)
    left_open = [
        each for each in ledger.charges(campaign_id) if each.status is ChargeStatus.RESERVED
    ]
    assert len(left_open) == 3, "each killed call stays reserved in full"
    assert "usd" in reason_of(ledger, campaign_id)


@pytest.mark.slow
def test_a_rounds_own_cap_ends_the_round_and_not_the_campaign(ledger, queue, work, provider):
    cap = 0.38
    campaign_id = queue([LOOKS] * 2, proposer=f"{GPT}?price={PRICE}", round_budget_usd=cap)
    provider.campaign_id = campaign_id
    status, log = work()
    assert status == 0, log
    lines = RoundBook(ledger).of_campaign(campaign_id)
    assert [each.ended_as for each in lines] == ["out_of_budget"] * 2
    assert all("the round's usd" in each.reason for each in lines)
    for each in lines:
        assert 0 < spent(ledger.charges(round_id=each.record.id)).usd <= cap
    assert reason_of(ledger, campaign_id) == "all rounds done"


@pytest.mark.slow
def test_an_agents_own_runs_are_device_time_and_end_a_campaign_that_has_no_more(
    ledger, queue, work
):
    measures = """[[round]]
[[round.turn]]
calls = [{tool = "measure"}]
[[round.turn]]
calls = [{tool = "give_up", arguments = {reason = "nothing to gain"}}]
"""
    campaign_id = queue([measures] * 3, budget_device_s=0.001)
    status, log = work()
    assert status == 0, log
    (line,) = RoundBook(ledger).of_campaign(campaign_id)
    device = [each for each in ledger.charges(campaign_id) if each.role is ChargeRole.DEVICE]
    floor, run = device
    assert floor.id == f"{line.record.id}/floor"
    assert floor.device_s > 0
    assert run.round_id == line.record.id
    assert run.device_s > 0.001
    assert reason_of(ledger, campaign_id) == "the budget of device_s is spent"


def test_a_model_of_unknown_price_starts_nothing_unless_that_is_allowed(ledger, queue, provider):
    with pytest.raises(UnknownPriceError, match="price"):
        queue([LOOKS], proposer="openai:house-model")
    with pytest.raises(UnknownPriceError, match="price"):
        queue([LOOKS], critic="openai:house-model")
    with pytest.raises(UnknownPriceError, match="price"):
        queue([LOOKS], reviewer="anthropic:house-model")
    assert not ledger.campaigns()
    assert queue([LOOKS], proposer="openai:house-model", is_unknown_price_allowed=True)


@pytest.mark.slow
def test_an_unknown_price_that_was_allowed_is_counted_as_unknown_not_as_free(
    ledger, queue, work, provider
):
    campaign_id = queue(
        [LOOKS], proposer="openai:house-model", is_unknown_price_allowed=True, budget_tokens=200_000
    )
    provider.campaign_id = campaign_id
    status, log = work()
    assert status == 0, log
    used = spent(ledger.charges(campaign_id))
    assert (used.unpriced_calls, used.usd) == (3, 0.0)
    calls = [each for each in ledger.charges(campaign_id) if each.role is not ChargeRole.DEVICE]
    assert all(charged_usd(each) is None for each in calls)
    assert used.tokens == billed_tokens(provider) == 3 * CHATTY.total_tokens
