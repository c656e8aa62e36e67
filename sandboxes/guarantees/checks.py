"""What a guarantee of a sandbox is, what a check works on, and how it came out.

Does not: hold the guarantees (`guarantees.py`) or run them (`conformance.py`).
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum

from rsi.sandboxes.types import Backend, Sandbox, SandboxSpec


class CheckState(StrEnum):
    """How a guarantee stands."""

    KEPT = "kept"
    BROKEN = "broken"
    NOT_GUARANTEED = "not_guaranteed"
    """The backend says openly that it does not protect this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """What a check works on."""

    backend: Backend
    spec: SandboxSpec
    shared: Sandbox
    """Open during all gentle checks; a check that may kill its sandbox opens its own."""

    def limited(self, **changes: object) -> SandboxSpec:
        """The spec with some limits changed."""
        return replace(self.spec, limits=replace(self.spec.limits, **changes))  # type: ignore[arg-type]  # fields of Limits

    def run(self, program: str, *, sandbox: Sandbox | None = None) -> str:
        """Run a Python program inside; returns what it printed, or how it failed."""
        result = (sandbox or self.shared).exec(["python", "-c", program])
        text = result.stdout.decode("utf-8", "replace").strip()
        if result.exit_code == 0:
            return text
        last = result.stderr.decode("utf-8", "replace").strip().splitlines()[-1:]
        return f"{text} [{result.outcome.value} {result.exit_code}: {''.join(last)}]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Guarantee:
    """One guarantee and how to try it."""

    name: str
    text: str
    """The guarantee as a sentence."""
    check: Callable[[Bench], str | None]
    """None when it is kept, else what happened instead."""
    needs_wall: bool = True
    """Not guaranteed by a backend without isolation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """How one guarantee stands on one backend."""

    name: str
    text: str
    state: CheckState
    detail: str
    """What happened instead; empty when kept."""
    wall_s: float
