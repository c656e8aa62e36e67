"""Every guarantee of a sandbox as a named check that is tried, not assumed; for tests and for `rsi doctor`.

Does not: attack. It asks politely, once each, within small limits; the attack suite insists.
Invariant: a check that could not be carried out counts as broken.
"""

import time
from collections.abc import Collection

from rsi.sandboxes.errors import SandboxError
from rsi.sandboxes.guarantees.catalogue import GUARANTEES
from rsi.sandboxes.guarantees.checks import Bench, CheckResult, CheckState, Guarantee
from rsi.sandboxes.types import Assurance, Backend, Environment, Limits, SandboxSpec

__all__ = ["PROBE_LIMITS", "CheckResult", "CheckState", "run_conformance"]

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


def run_conformance(
    backend: Backend,
    *,
    environment: Environment | None = None,
    names: Collection[str] | None = None,
) -> tuple[CheckResult, ...]:
    """Try every guarantee on a backend.

    Args:
        backend: An available backend.
        environment: What the sandboxes hold; a bare Python when None.
        names: Only these checks; all when None.

    Raises:
        BackendUnavailableError: The backend cannot run here.
        EnvironmentBuildError: The environment could not be prepared.
    """
    spec = SandboxSpec(
        environment=environment or Environment(name="conformance"),
        limits=PROBE_LIMITS,
        label="conformance",
    )
    backend.prepare(spec.environment)
    chosen = [each for each in GUARANTEES if names is None or each.name in names]
    with backend.open(spec) as shared:
        bench = Bench(backend=backend, spec=spec, shared=shared)
        return tuple(_try(guarantee, bench) for guarantee in chosen)


def _try(guarantee: Guarantee, bench: Bench) -> CheckResult:
    started = time.monotonic()
    if guarantee.needs_wall and bench.backend.assurance is Assurance.NONE:
        state, detail = CheckState.NOT_GUARANTEED, "this backend has no wall"
    else:
        try:
            broken = guarantee.check(bench)
        except SandboxError as error:
            broken = f"{type(error).__name__}: {error}"
        state = CheckState.KEPT if broken is None else CheckState.BROKEN
        detail = broken or ""
    return CheckResult(
        name=guarantee.name,
        text=guarantee.text,
        state=state,
        detail=detail,
        wall_s=time.monotonic() - started,
    )
