"""What `rsi doctor` wants to know about this machine: engine, backends, GPUs, disk, strays, guarantees kept.

Does not: print, repair or remove anything. It returns values; the command line shows them.
Invariant: a campaign may start only if a backend was chosen and no finding is a blocker.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from rsi.sandboxes.errors import BackendUnavailableError, SandboxError
from rsi.sandboxes.guarantees.conformance import CheckResult, CheckState, run_conformance
from rsi.sandboxes.machine import cgroups
from rsi.sandboxes.machine.ceilings import ceilings
from rsi.sandboxes.machine.devices import Gpu, GpuHealth, find_gpus, gpu_health
from rsi.sandboxes.machine.environments import cache_folder
from rsi.sandboxes.select import AUTO, Candidate, available_backends, pick
from rsi.sandboxes.types import Assurance

LOW_DISK_BYTES = 5 << 30
"""Below this an image or an environment with torch may not fit."""


class Severity(StrEnum):
    """What a finding means for a campaign."""

    BLOCKER = "blocker"
    WARNING = "warning"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something that is not as it should be."""

    severity: Severity
    text: str
    """A sentence that ends with what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Component:
    """One part of the engine and the published holes that its version is older than the fix of."""

    name: str
    version: str
    holes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Disk:
    """Room where we put things."""

    purpose: str
    path: Path
    free_bytes: int
    total_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DoctorReport:
    """Everything, ready to be shown as text or JSON."""

    backends: tuple[Candidate, ...]
    chosen: str | None
    """Name of the backend that a campaign would use."""
    assurance: Assurance | None
    reason: str
    """Why that one, or why none."""
    engine: tuple[Component, ...]
    gpus: tuple[tuple[Gpu, GpuHealth], ...]
    ceilings: dict[str, float]
    """What one sandbox may use at most, see `ceilings.py`."""
    disks: tuple[Disk, ...]
    stray_containers: tuple[str, ...]
    stray_groups: tuple[str, ...]
    conformance: tuple[CheckResult, ...]
    """Empty when it was not asked for or nothing can run."""
    findings: tuple[Finding, ...]

    @property
    def may_start(self) -> bool:
        """Whether a campaign may start on this machine."""
        is_blocked = any(each.severity is Severity.BLOCKER for each in self.findings)
        return self.chosen is not None and not is_blocked


@dataclass(frozen=True, slots=True, kw_only=True)
class Hole:
    """A published hole: versions of a component before `fixed` have it."""

    component: str
    fixed: tuple[tuple[int, int, int], ...]
    """First repaired version of each release branch, ascending."""
    text: str


HOLES = (
    Hole(
        component="Engine",
        fixed=((29, 5, 1),),
        text="CVE-2026-41567, CVE-2026-41568, CVE-2026-42306: `docker cp` into a hostile container"
        " reaches the host (never used here)",
    ),
    Hole(
        component="Engine",
        fixed=((29, 4, 2),),
        text="CVE-2026-31431: AF_ALG sockets pass its default filter (ours refuses them)",
    ),
    Hole(
        component="runc",
        fixed=((1, 2, 8), (1, 3, 3)),
        text="CVE-2025-31133, CVE-2025-52565, CVE-2025-52881: a hostile image can write to the host's /proc",
    ),
    Hole(
        component="runc",
        fixed=((1, 1, 12),),
        text="CVE-2024-21626: a leaked descriptor lets a hostile image leave its container",
    ),
    Hole(
        component="nvidia-container-toolkit",
        fixed=((1, 17, 8),),
        text="CVE-2025-23266: a hostile image runs code as root on the host",
    ),
)
"""From the advisories of moby, runc and the NVIDIA container toolkit, up to November 2026."""


def examine(backend: str = AUTO, *, with_conformance: bool = True) -> DoctorReport:
    """Look at everything.

    Args:
        backend: The backend that a campaign would be given.
        with_conformance: Also try every guarantee of it, which takes about ten seconds.
    """
    candidates = available_backends()
    chosen: Candidate | None = None
    try:
        chosen, reason = pick(candidates, backend)
    except BackendUnavailableError as error:
        reason = str(error)
    client = _engine_client(candidates)
    engine = tuple(_components(client)) if client is not None else ()
    gpus = tuple((gpu, gpu_health(gpu.uuid)) for gpu in find_gpus())
    disks = tuple(_disks(client))
    containers = _stray_containers(candidates)
    groups = cgroups.strays()
    results: tuple[CheckResult, ...] = ()
    failure: str | None = None
    if chosen is not None and with_conformance:
        try:
            results = run_conformance(chosen.backend)
        except SandboxError as error:
            failure = f"the guarantees of {chosen.name} could not be tried: {error}"
    findings = [Finding(severity=Severity.BLOCKER, text=failure)] if failure else []
    findings += _findings(reason if chosen is None else None, engine, gpus, disks, results)
    findings += _stray_findings(containers, groups)
    return DoctorReport(
        backends=candidates,
        chosen=chosen.name if chosen else None,
        assurance=chosen.backend.assurance if chosen else None,
        reason=reason,
        engine=engine,
        gpus=gpus,
        ceilings=ceilings(),
        disks=disks,
        stray_containers=containers,
        stray_groups=groups,
        conformance=results,
        findings=tuple(findings),
    )


def known_holes(component: str, version: str) -> tuple[str, ...]:
    """Published holes that this version of a component is older than the fix of.

    A distribution may have repaired its build without a new number; nothing here can tell.
    """
    numbers = _numbers(version)
    if numbers is None:
        return ()
    return tuple(hole.text for hole in HOLES if hole.component == component and _has(hole, numbers))


def _has(hole: Hole, numbers: tuple[int, int, int]) -> bool:
    for fixed in hole.fixed:
        if numbers[:2] == fixed[:2]:
            return numbers < fixed
    return numbers < hole.fixed[0] or (len(hole.fixed) > 1 and numbers < hole.fixed[-1])


def _numbers(version: str) -> tuple[int, int, int] | None:
    digits: list[int] = []
    for word in (
        version.lstrip("v").replace("+", ".").replace("~", ".").replace("-", ".").split(".")
    ):
        if not word.isdigit():
            break
        digits.append(int(word))
    if not digits:
        return None
    padded = [*digits, 0, 0][:3]
    return padded[0], padded[1], padded[2]


def _engine_client(candidates: tuple[Candidate, ...]) -> Any:  # noqa: ANN401 - the SDK has no types
    for each in candidates:
        if each.name == "docker" and each.availability.is_available:
            return getattr(each.backend, "client", None)
    return None


def _components(client: Any) -> Iterator[Component]:  # noqa: ANN401
    version = client.version()
    found = {each["Name"]: each["Version"] for each in version.get("Components") or []}
    found.setdefault("Engine", version["Version"])
    if (toolkit := _toolkit_version()) is not None:
        found["nvidia-container-toolkit"] = toolkit
    for name, number in found.items():
        yield Component(name=name, version=number, holes=known_holes(name, number))


def _toolkit_version() -> str | None:
    """Of what gives containers their GPUs, which the engine does not list; None where there is none."""
    try:
        said = subprocess.run(
            ["nvidia-ctk", "--version"], capture_output=True, text=True, timeout=10, check=False
        ).stdout
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.search(r"\d+\.\d+\.\d+", said)
    return found.group() if found else None


def _disks(client: Any) -> Iterator[Disk]:  # noqa: ANN401
    places = [("cache of environments", cache_folder())]
    if client is not None:
        places.append(
            ("images and containers", Path(client.info().get("DockerRootDir") or "/var/lib/docker"))
        )
    for purpose, path in places:
        existing = next((each for each in (path, *path.parents) if each.exists()), None)
        if existing is not None and os.access(existing, os.R_OK):
            usage = shutil.disk_usage(existing)
            yield Disk(purpose=purpose, path=path, free_bytes=usage.free, total_bytes=usage.total)


def _stray_containers(candidates: tuple[Candidate, ...]) -> tuple[str, ...]:
    for each in candidates:
        strays = getattr(each.backend, "strays", None)
        if each.availability.is_available and strays is not None:
            return tuple(strays())
    return ()


def _findings(
    refusal: str | None,
    engine: tuple[Component, ...],
    gpus: tuple[tuple[Gpu, GpuHealth], ...],
    disks: tuple[Disk, ...],
    results: tuple[CheckResult, ...],
) -> Iterator[Finding]:
    if refusal is not None:
        yield Finding(severity=Severity.BLOCKER, text=refusal)
    for result in results:
        if result.state is CheckState.BROKEN:
            yield Finding(
                severity=Severity.BLOCKER,
                text=f"guarantee broken ({result.name}): {result.text} {result.detail}",
            )
    for component in engine:
        for hole in component.holes:
            text = (
                f"{component.name} {component.version} is older than the fix of {hole}; update it"
            )
            yield Finding(severity=Severity.WARNING, text=text)
    for gpu, health in gpus:
        if health.foreign_pids:
            text = f"{gpu.name} ({gpu.uuid}) is used by processes {list(health.foreign_pids)}; timings on it will wait"
            yield Finding(severity=Severity.WARNING, text=text)
    for disk in disks:
        if disk.free_bytes < LOW_DISK_BYTES:
            text = f"only {disk.free_bytes >> 20} MiB are free for {disk.purpose} at {disk.path}; make room"
            yield Finding(severity=Severity.WARNING, text=text)


def _stray_findings(containers: tuple[str, ...], groups: tuple[str, ...]) -> Iterator[Finding]:
    if containers:
        text = f"{len(containers)} container(s) of dead owners; the next campaign removes them at its start"
        yield Finding(severity=Severity.WARNING, text=text)
    if groups:
        text = f"{len(groups)} control group(s) of dead owners; the next campaign removes them at its start"
        yield Finding(severity=Severity.WARNING, text=text)
