"""The budget guard on a real ledger: money set aside survives kill -9, and two processes share one limit."""

import signal
import subprocess
import sys
from datetime import UTC, datetime

import pytest

from rsi.agent.llm.types import Usage
from rsi.agent.policy.budget import Budget, LedgerBudgetGuard, exhausted, spent
from rsi.agent.store.config import CampaignConfig
from rsi.agent.store.ledger import Ledger
from rsi.agent.store.records import CampaignRecord, ChargeRole, RoundRecord, round_id_of
from rsi.agent.types import AgentRole, BudgetExceededError

NOW = datetime(2026, 11, 20, tzinfo=UTC)
BUYER = """
import os, signal, sys
from rsi.agent.policy.budget import Budget, LedgerBudgetGuard
from rsi.agent.store.ledger import Ledger
from rsi.agent.types import AgentRole, BudgetExceededError
budget_guard = LedgerBudgetGuard(ledger=Ledger.open(sys.argv[1]), campaign_id="c1", round_id="c1-0001",
    campaign_budget=lambda: Budget(usd=float(sys.argv[2])))
bought = 0
try:
    while True:
        charge = budget_guard.reserve(role=AgentRole.PROPOSER, model="m", upper_bound_usd=1.0, tokens=10)
        if sys.argv[3] == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        budget_guard.settle(charge, usage=None, usd=None)
        bought += 1
except BudgetExceededError:
    print(bought)
"""


@pytest.fixture
def place(tmp_path):
    ledger = Ledger.open(tmp_path / "ledger.db")
    ledger.add_campaign(
        CampaignRecord(
            id="c1", created_at=NOW, task="t", task_digest="0" * 64, track="main", profile="smoke",
            lineage="l", seed_commitment="0" * 64, config=CampaignConfig(rounds=3, proposer="scripted:demo"),
        )
    )  # fmt: skip
    ledger.add_round(
        RoundRecord(
            id=round_id_of("c1", 1), campaign_id="c1", number=1, champion_commit="a" * 40,
            created_at=NOW,
        )
    )  # fmt: skip
    return tmp_path / "ledger.db"


def buyer(place, usd, mode="live"):
    command = [sys.executable, "-P", "-c", BUYER, str(place), str(usd), mode]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def budget_guard(place, usd):
    return LedgerBudgetGuard(
        ledger=Ledger.open(place), campaign_id="c1", round_id="c1-0001",
        campaign_budget=lambda: Budget(usd=usd),
    )  # fmt: skip


def test_money_set_aside_by_a_killed_process_still_counts(place):
    died = buyer(place, 1.5, "die")
    assert died.wait() == -signal.SIGKILL
    charges = Ledger.open(place).charges("c1")
    assert spent(charges).reserved_usd == 1.0
    with pytest.raises(BudgetExceededError, match="campaign's usd"):
        budget_guard(place, 1.5).reserve(
            role=AgentRole.PROPOSER, model="m", upper_bound_usd=1.0, tokens=10
        )
    assert spent(Ledger.open(place).charges("c1")).usd == 1.0


def test_processes_that_buy_at_once_never_pass_the_limit_together(place):
    buyers = [buyer(place, 6.5) for _ in range(2)]
    outputs = [one.communicate() for one in buyers]
    assert all(one.returncode == 0 for one in buyers), outputs
    bought = sum(int(out) for out, _ in outputs)
    used = spent(Ledger.open(place).charges("c1"))
    assert used.usd == bought <= 6
    assert bought >= 4


def test_what_was_settled_reads_back_by_role_and_by_kind(place):
    one = budget_guard(place, 10.0)
    charge = one.reserve(role=AgentRole.REVIEWER, model="m", upper_bound_usd=1.0, tokens=100)
    usage = Usage(input_uncached_tokens=5, cache_read_tokens=3, output_tokens=2)
    one.settle(charge, usage=usage, usd=0.25)
    for usd in (1.0, 0.5):
        one.reserve(role=AgentRole.CRITIC, model="m", upper_bound_usd=usd, tokens=0)
    charges = Ledger.open(place).charges("c1")
    by_role = {role: each.spent_usd for role, each in Ledger.open(place).spend("c1").items()}
    assert by_role == {ChargeRole.REVIEWER: 0.25, ChargeRole.CRITIC: 1.5}
    assert spent(charges).tokens == 10
    assert exhausted(Budget(tokens=10), spent(charges)) == "tokens"
