"""Limits bind: before the call, with parallel rounds, retries, unknown prices and a kill in between."""

import random
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from rsi.agent.llm.errors import ModelBusyError, ModelWireError
from rsi.agent.llm.retry import RetryPolicy
from rsi.agent.llm.types import (
    FREE,
    Message,
    Price,
    Rates,
    Reply,
    Request,
    Role,
    StopReason,
    Text,
    Usage,
)
from rsi.agent.policy.budget import (
    Budget,
    LedgerBudgetGuard,
    exhausted,
    spent,
    warnings,
)
from rsi.agent.policy.forecast import rounds_paid_for, usd_before_start
from rsi.agent.roles.calls import Caller, upper_bound
from rsi.agent.store.records import ChargeRecord, ChargeRole, ChargeStatus
from rsi.agent.types import AgentRole, BudgetExceededError

NOW = datetime(2026, 11, 20, tzinfo=UTC)
PRICE = Price(rates=Rates(input_usd=3, cache_read_usd=0.3, cache_write_usd=3.75, output_usd=15))


class MemoryLedger:
    """Charges in a dict, with the ledger's rules."""

    def __init__(self):
        self.rows = {}

    def reserve(self, charge):
        assert charge.id not in self.rows
        self.rows[charge.id] = charge
        return True

    def settle(self, charge_id, *, actual_usd, at, tokens=None, device_s=None):
        assert self.rows[charge_id].status is ChargeStatus.RESERVED
        self.rows[charge_id] = replace(
            self.rows[charge_id], status=ChargeStatus.SETTLED, actual_usd=actual_usd,
            tokens=tokens or {}, device_s=device_s, settled_at=at,
        )  # fmt: skip
        return True

    def charges(self, campaign_id=None, *, round_id=None):
        return tuple(
            row for row in self.rows.values() if round_id is None or row.round_id == round_id
        )


def budget_guard(ledger, budget=None, round_id="r1", round_budget=None):
    return LedgerBudgetGuard(
        ledger=ledger, campaign_id="c1", round_id=round_id,
        campaign_budget=lambda: budget or Budget(), round_budget=round_budget or Budget(),
        now=lambda: NOW,
    )  # fmt: skip


def reserve(budget_guard, usd=1.0, tokens=100, role=AgentRole.PROPOSER):
    return budget_guard.reserve(role=role, model="m", upper_bound_usd=usd, tokens=tokens)


def total(ledger):
    return spent(ledger.charges())


def test_a_reservation_that_does_not_fit_is_refused_and_owes_nothing():
    ledger = MemoryLedger()
    full = budget_guard(ledger, Budget(usd=2.5))
    reserve(full)
    reserve(full)
    with pytest.raises(BudgetExceededError, match="campaign's usd") as caught:
        reserve(full)
    assert caught.value.limit == "usd"
    assert total(ledger).usd == 2.0


def test_settling_gives_back_what_was_not_used():
    ledger = MemoryLedger()
    full = budget_guard(ledger, Budget(usd=1.5))
    full.settle(reserve(full), usage=Usage(output_tokens=10), usd=0.1)
    reserve(full)
    assert total(ledger).usd == pytest.approx(1.1)
    assert total(ledger).reserved_usd == 1.0


def test_an_unsettled_reservation_of_a_killed_worker_still_counts_in_full():
    ledger = MemoryLedger()
    reserve(budget_guard(ledger, Budget(usd=1.5)))
    reborn = budget_guard(ledger, Budget(usd=1.5))
    with pytest.raises(BudgetExceededError):
        reserve(reborn)


def test_a_call_of_unknown_cost_goes_on_counting_in_full_and_is_told_from_real_money():
    ledger = MemoryLedger()
    full = budget_guard(ledger, Budget(usd=5))
    full.settle(reserve(full, usd=2.0, tokens=700), usage=None, usd=None)
    full.settle(reserve(full, usd=1.0), usage=Usage(output_tokens=10), usd=0.25)
    assert total(ledger).usd == 2.25
    assert total(ledger).reserved_usd == 2.0
    assert total(ledger).tokens == 710


def test_tokens_and_rounds_have_limits_of_their_own():
    ledger = MemoryLedger()
    with pytest.raises(BudgetExceededError, match="round's tokens"):
        reserve(budget_guard(ledger, round_budget=Budget(tokens=50)))
    reserve(budget_guard(ledger, round_budget=Budget(usd=1.0)))
    reserve(budget_guard(ledger, round_id="r2", round_budget=Budget(usd=1.0)))
    with pytest.raises(BudgetExceededError, match="round's usd"):
        reserve(budget_guard(ledger, round_id="r2", round_budget=Budget(usd=1.0)))


def test_parallel_rounds_cannot_pass_the_limit_side_by_side():
    """Whoever writes first is seen by whoever checks later, in every order of the two steps."""
    ledger = MemoryLedger()
    both = [budget_guard(ledger, Budget(usd=1.5), round_id=f"r{n}") for n in range(2)]

    class Interleaved(MemoryLedger):
        def charges(self, *args, **kwargs):
            if len(self.rows) == 1:
                self.rows["other"] = other
            return super().charges(*args, **kwargs)

    other = ChargeRecord(
        id="other", campaign_id="c1", round_id="r9", role=ChargeRole.PROPOSER, model="m",
        reserved_usd=1.0, reserved_at=NOW,
    )  # fmt: skip
    both[0].ledger = Interleaved()
    with pytest.raises(BudgetExceededError):
        reserve(both[0])


def test_a_limit_may_be_raised_while_it_runs():
    ledger = MemoryLedger()
    limit = {"usd": 0.5}
    full = budget_guard(ledger)
    full.campaign_budget = lambda: Budget(usd=limit["usd"])
    with pytest.raises(BudgetExceededError):
        reserve(full)
    limit["usd"] = 5.0
    reserve(full)


def test_an_unknown_price_is_counted_as_unknown_never_as_zero_dollars():
    ledger = MemoryLedger()
    full = budget_guard(ledger, Budget(usd=1.0))
    full.settle(reserve(full, usd=None), usage=Usage(output_tokens=5), usd=None)
    assert total(ledger).unpriced_calls == 1
    assert total(ledger).usd == 0.0


def test_warnings_come_at_half_and_at_eighty_percent():
    budget = Budget(usd=10.0, tokens=1000, wall_s=3600.0, device_s=7200.0)
    ledger = MemoryLedger()
    full = budget_guard(ledger)
    full.settle(reserve(full, usd=8.0), usage=Usage(output_tokens=500), usd=8.0)
    found = {w.limit: w.share for w in warnings(budget, spent(ledger.charges(), wall_s=1700.0))}
    assert found == {"usd": 0.8, "tokens": 0.5}
    texts = [w.text for w in warnings(budget, spent(ledger.charges(), wall_s=3000.0))]
    assert texts == [
        "80% of the dollars are used: $8.00 of $10",
        "50% of the tokens are used: 500 of 1000",
        "80% of the hours are used: 0.83 of 1 h",
    ]


@pytest.mark.parametrize(
    ("budget", "name"),
    [
        (Budget(wall_s=60.0), "wall_s"),
        (Budget(device_s=5.0), "device_s"),
        (Budget(usd=2.0, wall_s=61.0), None),
    ],
)
def test_reached_limits_of_any_kind_stop_the_next_round(budget, name):
    device = ChargeRecord(
        id="d", campaign_id="c1", round_id="r1", role=ChargeRole.DEVICE, model="", reserved_usd=None,
        reserved_at=NOW, status=ChargeStatus.SETTLED, device_s=6.0, settled_at=NOW,
    )  # fmt: skip
    used = spent([device], wall_s=60.0)
    assert used.unpriced_calls == 0
    assert exhausted(budget, used) == name


def test_a_forecast_goes_on_as_it_began_and_says_when_the_money_ends():
    ledger = MemoryLedger()
    for number, usd in enumerate((1.0, 2.0, 3.0)):
        one = budget_guard(ledger, round_id=f"r{number}")
        one.settle(reserve(one, usd=usd), usage=Usage(output_tokens=100), usd=usd)
    charges, plan = ledger.charges(), {"rounds_done": 3, "rounds_planned": 10}
    assert rounds_paid_for(charges, **plan, budget=Budget(usd=12.0)) == 3
    assert rounds_paid_for(charges, **plan, budget=Budget(usd=20.0)) is None
    assert rounds_paid_for(charges, **plan, budget=Budget()) is None
    assert rounds_paid_for((), rounds_done=0, rounds_planned=10, budget=Budget(usd=1.0)) is None


def test_a_rough_cost_is_known_before_the_start():
    assert usd_before_start(None, rounds=8) is None
    assert usd_before_start(FREE, rounds=8) == 0.0
    rough = usd_before_start(PRICE, rounds=8)
    assert 4 < rough < 12


class Flaky:
    """Fails, dies or answers by the draw, and keeps what the provider would bill."""

    spec, price, context_tokens = "flaky", PRICE, 100_000

    def __init__(self, draw):
        self.draw, self.billed_usd = draw, 0.0

    def complete(self, request, *, on_delta=None):
        fate = self.draw.random()
        bound = upper_bound(request)
        usage = Usage(
            input_uncached_tokens=self.draw.randint(1, bound.input_uncached_tokens),
            output_tokens=self.draw.randint(1, bound.output_tokens),
        )
        if fate < 0.2:
            raise ModelBusyError("529", retry_after_s=0.0)
        self.billed_usd += PRICE.cost_usd(usage)
        if fate < 0.4:
            raise ModelWireError("cut")
        if fate < 0.5:
            raise KeyboardInterrupt  # stands for a kill: nothing after it runs
        return Reply(
            blocks=(Text(text="x"),), stop_reason=StopReason.END_TURN, usage=usage,
            request_id=None, model="m", latency_s=0.0,
        )  # fmt: skip


@pytest.mark.parametrize("seed", range(20))
def test_no_campaign_is_billed_above_its_cap_whatever_fails_on_the_way(seed):
    ledger, cap = MemoryLedger(), 0.30
    model = Flaky(random.Random(seed))
    message = Message(role=Role.USER, blocks=(Text(text="x" * 3000),))
    request = Request(system="s", messages=(message,), max_output_tokens=1000)
    has_run_out = False
    while not has_run_out:
        caller = Caller(
            model=model, role=AgentRole.PROPOSER, budget_guard=budget_guard(ledger, Budget(usd=cap)),
            sink=lambda *_: None, policy=RetryPolicy(attempts=3), sleep=lambda _: None,
        )  # fmt: skip
        try:
            caller.complete(request)
        except BudgetExceededError:
            has_run_out = True
        except (ModelBusyError, ModelWireError, KeyboardInterrupt):
            continue
    assert 0 < model.billed_usd <= total(ledger).usd <= cap
