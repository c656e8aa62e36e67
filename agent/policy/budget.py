"""What a campaign may spend, what it has spent, and the budget guard that keeps the one below the other.

Pure accounting over the ledger's charges, plus `LedgerBudgetGuard`. Invariants: an open reservation counts in full,
so a crash in the middle of a call forgets nothing; a reservation is written first and then
checked together with all others, so parallel rounds cannot slip past the limit side by side; a charge
whose price nobody knows is counted as such, never as 0 dollars.
"""

import math
import threading
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from rsi.agent.llm.types import Usage
from rsi.agent.store.facts.charge_facts import BOUND, reserved_part_usd
from rsi.agent.store.facts.charge_facts import charged_usd as charged_usd
from rsi.agent.store.records import ChargeRecord, ChargeRole, utc_now
from rsi.agent.store.steps.values import Refusal
from rsi.agent.types import AgentRole, BudgetExceededError

WARNING_SHARES = (0.5, 0.8)
LONGEST_CALL_S = 1800.0
"""After which a call that never said how it ended is not waited for any more."""
_TOKEN_KINDS = ("input", "cache_read", "cache_write", "output")


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """Limits; None means no limit."""

    usd: float | None = None
    tokens: int | None = None
    wall_s: float | None = None
    device_s: float | None = None

    def limits(self) -> Mapping[str, float]:
        """The limits that are set, by name."""
        named = {
            "usd": self.usd,
            "tokens": self.tokens,
            "wall_s": self.wall_s,
            "device_s": self.device_s,
        }
        return {name: float(limit) for name, limit in named.items() if limit is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """What was used so far, open reservations in full."""

    usd: float
    reserved_usd: float
    """The part of `usd` that is only reserved: calls under way, and calls whose cost nobody told."""
    unpriced_calls: int
    """Calls whose price nobody knows; not in `usd`."""
    tokens: int
    wall_s: float
    device_s: float

    def amount(self, limit: str) -> float:
        """What was used of one limit, by its name in `Budget.limits`."""
        return float(getattr(self, limit))


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetWarning:
    """A limit is half or nearly used."""

    limit: str
    share: float
    """The warning share that was passed, such as 0.8."""
    used: float
    allowed: float

    @property
    def text(self) -> str:
        """One sentence."""
        match self.limit:
            case "wall_s" | "device_s":
                what = "the hours" if self.limit == "wall_s" else "the device hours"
                amounts = f"{self.used / 3600:.2g} of {self.allowed / 3600:.2g} h"
            case "usd":
                what, amounts = "the dollars", f"${self.used:.2f} of ${self.allowed:g}"
            case _:
                what, amounts = f"the {self.limit}", f"{self.used:g} of {self.allowed:g}"
        return f"{self.share:.0%} of {what} are used: {amounts}"


def spent(charges: Sequence[ChargeRecord], *, wall_s: float = 0.0) -> Spent:
    """Add up charges.

    Args:
        charges: All charges of a campaign or a round.
        wall_s: Seconds since it started, pauses excluded; the charges do not know it.
    """
    usd = [charged_usd(charge) for charge in charges]
    return Spent(
        usd=math.fsum(value for value in usd if value is not None),
        reserved_usd=math.fsum(map(reserved_part_usd, charges)),
        unpriced_calls=sum(
            value is None and charge.role is not ChargeRole.DEVICE
            for charge, value in zip(charges, usd, strict=True)
        ),
        tokens=sum(_tokens(charge) for charge in charges),
        wall_s=wall_s,
        device_s=math.fsum(charge.device_s or 0.0 for charge in charges),
    )


def exhausted(budget: Budget, used: Spent) -> str | None:
    """Name of a limit that is reached, so that no further round may start; None when none is."""
    for name, allowed in budget.limits().items():
        if used.amount(name) >= allowed:
            return name
    return None


def warnings(budget: Budget, used: Spent) -> tuple[BudgetWarning, ...]:
    """The highest warning share that each limit has passed."""
    found: list[BudgetWarning] = []
    for name, allowed in budget.limits().items():
        amount = used.amount(name)
        passed = [share for share in WARNING_SHARES if amount >= share * allowed]
        if passed:
            found.append(BudgetWarning(limit=name, share=max(passed), used=amount, allowed=allowed))
    return tuple(found)


class ChargeLedger(Protocol):
    """What the budget guard needs of the ledger."""

    def reserve(self, charge: ChargeRecord) -> bool: ...

    def settle(
        self,
        charge_id: str,
        *,
        actual_usd: float | None,
        at: datetime,
        tokens: Mapping[str, int] | None = None,
        device_s: float | None = None,
    ) -> bool: ...

    def charges(
        self, campaign_id: str | None = None, *, round_id: str | None = None
    ) -> tuple[ChargeRecord, ...]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class CallsUnderWay:
    """Paid calls of one campaign that this worker waits for: what each set aside may come back when it ends."""

    changed: threading.Condition = field(default_factory=threading.Condition)
    open: set[str] = field(default_factory=set)
    """Their reservations."""


@dataclass(slots=True, kw_only=True)
class LedgerBudgetGuard:
    """The budget guard of one round; implements `rsi.agent.types.BudgetGuard`."""

    ledger: ChargeLedger
    campaign_id: str
    round_id: str
    campaign_budget: Callable[[], Budget]
    """Asked before each call, so that a person may change it while the campaign runs."""
    round_budget: Budget = field(default_factory=Budget)
    calls: CallsUnderWay = field(default_factory=CallsUnderWay)
    """Shared by all agents of the campaign: a call that only their reservations keep away waits for them."""
    now: Callable[[], datetime] = utc_now
    refused: Refusal | None = None
    """Which of the campaign's limits turned a call away, and what it allowed then; None while every call was paid."""
    _open: dict[str, ChargeRecord] = field(default_factory=dict)

    def reserve(
        self, *, role: AgentRole, model: str, upper_bound_usd: float | None, tokens: int
    ) -> str:
        """Write a reservation, then check it with all others; see `BudgetGuard.reserve`."""
        with self.calls.changed:
            while True:
                # A step that runs again after a crash pays again for real, so its charges get new names.
                charge = ChargeRecord(
                    id=f"{self.round_id}/{role.value}/{uuid.uuid4().hex}",
                    campaign_id=self.campaign_id,
                    round_id=self.round_id,
                    role=ChargeRole(role.value),
                    model=model,
                    reserved_usd=upper_bound_usd,
                    reserved_at=self.now(),
                    tokens={BOUND: tokens},
                )
                self.ledger.reserve(charge)
                problem = self._overdrawn()
                if problem is None:
                    self._open[charge.id] = charge
                    self.calls.open.add(charge.id)
                    return charge.id
                self.ledger.settle(
                    charge.id, actual_usd=0.0, at=self.now(), tokens=dict.fromkeys(_TOKEN_KINDS, 0)
                )
                if problem.is_of_round or not self._wait_for_others():
                    break
        if not problem.is_of_round:
            allowed = self.campaign_budget().limits().get(problem.limit)
            self.refused = Refusal(limit=problem.limit, allowed=allowed)
        raise problem

    def _wait_for_others(self) -> bool:
        """Until a call of another agent has ended and given back what it did not need; False when there is none.

        Nobody else would end this agent's own calls.
        """
        others = self.calls.open - self._open.keys()
        return bool(others) and self.calls.changed.wait(LONGEST_CALL_S)

    def settle(self, reservation: str, *, usage: Usage | None, usd: float | None) -> None:
        """Replace a reservation by its cost; one whose cost is unknown goes on counting in full."""
        charge = self._open.pop(reservation)
        try:
            self._settle(charge, usage, usd)
        finally:
            with self.calls.changed:
                self.calls.open.discard(reservation)
                self.calls.changed.notify_all()

    def _settle(self, charge: ChargeRecord, usage: Usage | None, usd: float | None) -> None:
        if usage is None:
            self.ledger.settle(
                charge.id,
                actual_usd=None,
                at=self.now(),
                tokens=dict(charge.tokens),
            )
            return
        self.ledger.settle(charge.id, actual_usd=usd, at=self.now(), tokens=token_counts(usage))

    def _overdrawn(self) -> BudgetExceededError | None:
        charges = self.ledger.charges(self.campaign_id)
        own = tuple(charge for charge in charges if charge.round_id == self.round_id)
        for scope, budget, rows in (
            ("campaign", self.campaign_budget(), charges),
            ("round", self.round_budget, own),
        ):
            used = spent(rows)
            for name in ("usd", "tokens"):
                allowed = budget.limits().get(name)
                if allowed is not None and used.amount(name) > allowed:
                    return BudgetExceededError(
                        f"the next call does not fit the {scope}'s {name}: with its upper bound "
                        f"{used.amount(name):g} of {allowed:g} would be used",
                        limit=name,
                        is_of_round=scope == "round",
                    )
        return None


def token_counts(usage: Usage) -> dict[str, int]:
    """Tokens by kind as the ledger names them."""
    return {
        "input": usage.input_uncached_tokens,
        "cache_read": usage.cache_read_tokens,
        "cache_write": usage.cache_write_tokens,
        "output": usage.output_tokens,
        "reasoning": usage.reasoning_tokens,
    }


def usage_of(charge: ChargeRecord) -> Usage:
    """The tokens of a settled charge; a bound that nobody replaced is no usage."""
    tokens = charge.tokens
    return Usage(
        input_uncached_tokens=tokens.get("input", 0),
        cache_read_tokens=tokens.get("cache_read", 0),
        cache_write_tokens=tokens.get("cache_write", 0),
        output_tokens=tokens.get("output", 0),
        reasoning_tokens=tokens.get("reasoning", 0),
    )


def _tokens(charge: ChargeRecord) -> int:
    """Tokens that passed; an open reservation, or one settled blindly, counts its bound."""
    return charge.tokens.get(BOUND, 0) + sum(charge.tokens.get(kind, 0) for kind in _TOKEN_KINDS)
