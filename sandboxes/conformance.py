"""Every promise of a sandbox as a named check that is tried, not assumed; for tests and for `rsi doctor`.

Does not: attack. It asks politely, once each, within small limits; the attack suite insists.
Invariant: a check that could not be carried out counts as broken.
"""

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from enum import StrEnum

from rsi.sandboxes.errors import SandboxError
from rsi.sandboxes.types import Assurance, Backend, Environment, Limits, Sandbox, SandboxSpec

MEBIBYTE = 1 << 20
PROBE_LIMITS = Limits(
    wall_s=20,
    memory_bytes=192 * MEBIBYTE,
    pids=32,
    disk_bytes=24 * MEBIBYTE,
    inodes=400,
    shm_bytes=8 * MEBIBYTE,
    output_bytes=64 << 10,
    open_files=128,
)
"""Small enough that every limit can be reached in a moment and harms nobody when it fails."""


class CheckState(StrEnum):
    """How a promise stands."""

    KEPT = "kept"
    BROKEN = "broken"
    NOT_PROMISED = "not_promised"
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
class Promise:
    """One promise and how to try it."""

    name: str
    text: str
    """The promise as a sentence."""
    check: Callable[[Bench], str | None]
    """None when it is kept, else what happened instead."""
    needs_wall: bool = True
    """Not promised by a backend without isolation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """How one promise stands on one backend."""

    name: str
    text: str
    state: CheckState
    detail: str
    """What happened instead; empty when kept."""
    wall_s: float


def run_conformance(
    backend: Backend,
    *,
    environment: Environment | None = None,
    names: Collection[str] | None = None,
) -> tuple[CheckResult, ...]:
    """Try every promise on a backend.

    Args:
        backend: An available backend.
        environment: What the sandboxes hold; a bare Python when None.
        names: Only these checks; all when None.

    Raises:
        BackendUnavailableError: The backend cannot run here.
        EnvironmentBuildError: The environment could not be prepared.
    """
    from rsi.sandboxes.promises import PROMISES  # the promises import this module's types

    spec = SandboxSpec(
        environment=environment or Environment(name="conformance"),
        limits=PROBE_LIMITS,
        label="conformance",
    )
    backend.prepare(spec.environment)
    chosen = [each for each in PROMISES if names is None or each.name in names]
    with backend.open(spec) as shared:
        bench = Bench(backend=backend, spec=spec, shared=shared)
        return tuple(_try(promise, bench) for promise in chosen)


def _try(promise: Promise, bench: Bench) -> CheckResult:
    started = time.monotonic()
    if promise.needs_wall and bench.backend.assurance is Assurance.NONE:
        state, detail = CheckState.NOT_PROMISED, "this backend has no wall"
    else:
        try:
            broken = promise.check(bench)
        except SandboxError as error:
            broken = f"{type(error).__name__}: {error}"
        state = CheckState.KEPT if broken is None else CheckState.BROKEN
        detail = broken or ""
    return CheckResult(
        name=promise.name,
        text=promise.text,
        state=state,
        detail=detail,
        wall_s=time.monotonic() - started,
    )
