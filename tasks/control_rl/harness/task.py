"""The control task's verbs: a fresh body for every instance, and how far a policy runs on changed copies of it.

Invariant: a policy is numbers, and nothing that a candidate wrote is executed here; two runs of one instance judge on the
same bodies.
"""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from harness_kit import (
    Check,
    Graded,
    InstanceFolder,
    InvalidArtifact,
    JsonValue,
    Part,
    Request,
    canonical_json,
    read_json,
)
from harness_kit.seeds import pcg64

from harness.bodies import Array, draw_body, draw_changes, no_changes
from harness.simulation import INPUTS, MUSCLES, Runs, Simulation

KEYS = {"clock_hz", "weights"}
MAX_POLICY_BYTES = 20_000
MAX_WEIGHT = 1000.0
CLOCK_HZ = (0.5, 5.0)
EFFORT_METRES = (0.1, 0.4)
"""What full effort all the time costs; drawn for each instance, so that the last bit of it is not worth fitting."""
BEHIND = 1.0
"""The score counts from a line this far behind the start, so that a policy that gets nowhere has a ratio."""
LEAST = 0.1
"""A policy that runs backwards beyond the line scores no less."""
HALF_STEP_SHARE, HALF_STEP_METRES = 0.2, 0.5
"""A gait that gains more than that from the size of the step is no gait."""
ENERGY_SHARE, ENERGY_JOULES = 0.05, 1.0
"""What the integration may make up, of what went through the muscles and besides."""
TOP_SPEED = 8.0
"""Metres a second, about twice the fastest that was ever seen: muscles of this rate move no foot faster."""


class ControlHarness:
    """Draws a body, and judges a policy in the harness's own simulation."""

    def describe(self) -> Mapping[str, object]:
        return {
            "measures": "metres that a policy runs on changed copies of a body, from a line one metre behind the start",
            "artifact": "policy.json",
            "is_recomputed": True,
        }

    def instance(self, request: Request, public: Path, secret: Path) -> None:
        body = draw_body(pcg64(request.seed, "body"))
        (public / "body.json").write_bytes(canonical_json(body))
        effort = float(pcg64(request.seed, "effort").uniform(*EFFORT_METRES))
        (secret / "judging.json").write_bytes(canonical_json({"effort_metres": effort}))

    def grade(self, instance: InstanceFolder, artifact: Path) -> Graded:
        weights, clock_hz = checked_policy(
            read_json(artifact, "policy.json", max_bytes=MAX_POLICY_BYTES)
        )
        request = instance.request
        body = json.loads((instance.public / "body.json").read_text(encoding="ascii"))
        judging = json.loads((instance.secret / "judging.json").read_text(encoding="ascii"))
        bodies, seconds = request.integer("bodies"), request.integer("seconds")
        changes = draw_changes(pcg64(request.seed, "changes"), bodies)
        runs = Simulation(body, changes).run(weights, clock_hz, seconds)
        halved = Simulation(body, changes, substeps=2).run(weights, clock_hz, seconds)
        guards = physical(runs, halved, seconds)
        is_sound = all(np.isfinite(each).all() for each in (runs.metres, runs.effort))
        if not is_sound:
            raise InvalidArtifact("the policy shakes the body apart: its path is no finite number")
        metres = float(runs.metres.mean())
        value = BEHIND + metres - judging["effort_metres"] * float(runs.effort.mean())
        return Graded(
            metric_value=max(LEAST, value),
            quality={"falls": float(runs.has_fallen.mean())},
            guards=guards,
            parts=(
                Part(name="metres", value=metres, n=bodies),
                Part(name="metres_at_half_the_step", value=_finite(halved), n=bodies),
                Part(name="effort", value=float(runs.effort.mean()), n=bodies),
            ),
            hidden_reads=1,
            reply_digest=hashlib.sha256(weights.tobytes()).hexdigest(),
        )

    def selfcheck(self, request: Request, workspace: Path) -> Sequence[Check]:
        body = draw_body(pcg64(request.seed, "selfcheck"))
        still = np.zeros((MUSCLES, INPUTS))
        random = pcg64(request.seed, "policies").normal(size=(MUSCLES, INPUTS)) * 0.3
        return (
            _standing(body, still),
            _gradient(body, pcg64(request.seed, "shaken")),
            _half_step(body, random),
            _alarm(body, random),
        )


def checked_policy(value: JsonValue) -> tuple[Array, float]:
    """Weights of shape (8, 13) and the clock's rate.

    Raises:
        InvalidArtifact: Wrong keys, shapes, kinds or ranges.
    """
    if not isinstance(value, dict) or set(value) != KEYS:
        raise InvalidArtifact(f"policy.json must have exactly the keys {', '.join(sorted(KEYS))}")
    rows, clock_hz = value["weights"], value["clock_hz"]
    if not _is_number(clock_hz) or not CLOCK_HZ[0] <= clock_hz <= CLOCK_HZ[1]:
        raise InvalidArtifact(f"clock_hz must be a number from {CLOCK_HZ[0]} to {CLOCK_HZ[1]}")
    if not isinstance(rows, list) or len(rows) != MUSCLES:
        raise InvalidArtifact(f"weights must have {MUSCLES} rows")
    for row in rows:
        if not isinstance(row, list) or len(row) != INPUTS or not all(map(_is_number, row)):
            raise InvalidArtifact(f"each row of weights must have {INPUTS} numbers")
        if any(abs(each) > MAX_WEIGHT for each in row):
            raise InvalidArtifact(f"a weight may be at most {MAX_WEIGHT:g} in size")
    return np.array(rows, dtype=np.float64), float(clock_hz)


def physical(runs: Runs, halved: Runs, seconds: float) -> tuple[Check, ...]:
    """Whether what was seen can be a run: at half the step, by its energy, by its speed."""
    here, there = float(runs.metres.mean()), float(halved.metres.mean())
    allowed = HALF_STEP_SHARE * abs(here) + HALF_STEP_METRES
    excess = runs.energy_excess - ENERGY_SHARE * runs.work - ENERGY_JOULES
    fastest = float(np.abs(runs.metres).max()) / seconds
    return (
        Check(
            name="half_step",
            is_ok=abs(here - there) <= allowed,  # no number is no agreement
            evidence=f"{here:.2f} m, at half the step {there:.2f} m, {allowed:.2f} m apart allowed",
        ),
        Check(
            name="energy",
            is_ok=bool((excess <= 0).all()),
            evidence=f"at most {float(excess.max()):.1f} J beyond what the muscles put in",
        ),
        Check(
            name="top_speed",
            is_ok=fastest <= TOP_SPEED,
            evidence=f"{fastest:.2f} m/s of at most {TOP_SPEED:g} m/s",
        ),
    )


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _finite(runs: Runs) -> float | None:
    metres = float(runs.metres.mean())
    return metres if math.isfinite(metres) else None


def _standing(body: Mapping[str, object], still: Array) -> Check:
    """A body whose muscles rest stays where it is, and loses the energy of its small drop."""
    runs = Simulation(body, no_changes(1)).run(still, 2.0, 3.0)
    metres, joules = float(runs.metres[0]), float(runs.energy_excess[0])
    is_ok = abs(metres) < 0.1 and joules <= 0 and not runs.has_fallen[0]
    return Check(name="a_body_at_rest_stays", is_ok=is_ok, evidence=f"{metres:+.3f} m, {joules:+.2f} J")  # fmt: skip


def _gradient(body: Mapping[str, object], rng: np.random.Generator) -> Check:
    """Spring forces are what the springs' energy falls by, found by differences."""
    simulation = Simulation(body, replace(no_changes(1), slope=np.full(1, 0.03)))
    at = simulation.start[None] + rng.normal(size=(1, *simulation.start.shape)) * 0.02
    at[..., 1] += 1.0  # off the ground
    speed, rest = np.zeros_like(at), simulation.lengths[None] * 1.05
    forces = simulation.spring_forces(at, speed, rest)[0]
    forces[:, 0] += simulation.masses[0] * simulation.along_gravity[0]
    forces[:, 1] += simulation.masses[0] * simulation.up_gravity[0]
    worst, by = 0.0, 1e-6
    for mass in range(at.shape[1]):
        for axis in range(2):
            there, back = at.copy(), at.copy()
            there[0, mass, axis] += by
            back[0, mass, axis] -= by
            fall = simulation.energy(back, speed, rest) - simulation.energy(there, speed, rest)
            worst = max(worst, abs(float(fall[0]) / (2 * by) - float(forces[mass, axis])))
    return Check(name="forces_are_the_gradient_of_the_energy", is_ok=worst < 1e-3, evidence=f"off by at most {worst:.1e} N")  # fmt: skip


def _half_step(body: Mapping[str, object], weights: Array) -> Check:
    """For as long as a run can be foretold, half the step gives the same run."""
    changes = draw_changes(np.random.default_rng(0), 8)
    found = [Simulation(body, changes, substeps=n).run(weights, 2.0, 0.4) for n in (1, 2)]
    apart = float(np.abs(found[0].metres - found[1].metres).max())
    return Check(name="half_the_step_is_the_same_run", is_ok=apart < 0.05, evidence=f"{apart:.4f} m apart")  # fmt: skip


def _alarm(body: Mapping[str, object], weights: Array) -> Check:
    """What is no run is called none: each guard can fail."""
    runs = Simulation(body, no_changes(2)).run(weights, 2.0, 0.5)
    faked = replace(
        runs, metres=runs.metres + 9.0, energy_excess=runs.energy_excess + runs.work + 50.0
    )
    failed = [each.name for each in physical(faked, runs, 0.5) if not each.is_ok]
    return Check(name="guards_can_fail", is_ok=len(failed) == 3, evidence=f"failed as they must: {', '.join(failed)}")  # fmt: skip
