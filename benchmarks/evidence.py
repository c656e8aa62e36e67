"""Print what the deciding rules promise, simulated under measured noise: `python benchmarks/evidence.py`.

`--json` prints the rows as JSON, `--quick` uses fewer campaigns. `--live N` measures on this machine instead: N times
a patch that does 5 % less work and N times one that does the same, with a CPU hog switching on and off beside them.
"""

import argparse
import contextlib
import json
import math
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from benchmarks.simulation import (
    NOISES,
    Noise,
    campaign_plan,
    fixed_pairs_needed,
    keep_if_better,
    promote_many,
    simulate_pairs,
)

from rsi.evals.judge.alpha_spending import PLANNED_CANDIDATES, alpha_for
from rsi.evals.judge.score import score
from rsi.evals.measure.measuring import measure
from rsi.evals.types import Purpose, Score
from rsi.sandboxes.process import ProcessBackend
from rsi.sandboxes.time_slices import TimeSlot
from rsi.sandboxes.types import Environment, FileEntry, FileTree, Limits, OnOutput, SandboxSpec
from rsi.tasks.choices import Clock, Device, Direction, MetricKind, Pattern
from rsi.tasks.harness_kit.seeds import seed_commitment
from rsi.tasks.types import (
    CandidateRules,
    CandidateRun,
    Grade,
    GradeOutcome,
    Instance,
    Metric,
    Profile,
    Task,
)

CAMPAIGN_ALPHA = 0.01
MINIMUM_EFFECT = 0.01
MAX_PAIRS = 48
MIX = ((1.0, 0.80), (0.95, 0.08), (1.03, 0.08), (1.10, 0.03), (1.5, 0.01))
"""True ratios of a campaign's candidates and their shares."""


def evidence_row(noise: Noise, campaigns: int, seed: int) -> dict[str, float | str | None]:
    """Error rates, power and cost under one noise.

    Args:
        noise: What the machine does.
        campaigns: Simulated A/A campaigns of 125 candidates.
        seed: Everything derives from it.
    """
    rng = np.random.default_rng(seed)
    plan = campaign_plan(max_pairs=MAX_PAIRS, campaign_alpha=CAMPAIGN_ALPHA)
    null = promote_many(noise, np.zeros(campaigns * PLANNED_CANDIDATES), plan, MINIMUM_EFFECT, rng)
    per_campaign = null.promoted.reshape(campaigns, -1).any(axis=1)
    gain = promote_many(noise, np.full(4_000, math.log(1.03)), plan, MINIMUM_EFFECT, rng)
    mixed = np.concatenate([np.full(round(5_000 * share), math.log(r)) for r, share in MIX])
    cost = promote_many(noise, mixed, plan, MINIMUM_EFFECT, rng).pairs.mean()
    kept, claimed = keep_if_better(noise, campaigns, rng)
    fixed: int | None
    try:
        alpha = alpha_for(1, CAMPAIGN_ALPHA)
        fixed = fixed_pairs_needed(noise, math.log(1.03), alpha, MINIMUM_EFFECT, rng)
    except ValueError:
        fixed = None
    return {
        "noise": noise.name,
        "pair_sd": float(simulate_pairs(noise, 0.0, 4_000, 40, rng).std()),
        "false_campaigns": float(per_campaign.mean()),
        # Rule of three: the 95 % bound when nothing was seen, Poisson otherwise.
        "false_campaigns_high": (3.0 + 2.0 * float(per_campaign.sum())) / campaigns,
        "keep_if_better_promotions": float(kept.mean()),
        "keep_if_better_claim": float(claimed.mean()),
        "power_3_percent": float(gain.promoted.mean()),
        "pairs_null": float(null.pairs.mean()),
        "pairs_3_percent": float(gain.pairs.mean()),
        "pairs_campaign_mean": float(cost),
        "pairs_fixed": None if fixed is None else float(fixed),
        "cost_share": None if fixed is None else float(cost) / fixed,
    }


# --- live --------------------------------------------------------------------------------

LIVE_UNITS = 60
WORKLOAD = """import hashlib, sys
block = bytes(1 << 20)
for unit in range(8 * int(sys.argv[1])):
    hashlib.blake2b(block).digest()
"""
"""Compiled code over one block, as training is: a loop in Python moves by several percent with the layout of memory."""
HOG = "while True: pass"
CORE = 0
"""Both arms and the hog beside them run on it."""
LIMITS = Limits(wall_s=60, memory_bytes=1 << 29)


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopRunner:
    """Runs a loop of as many units as the tree's file says, in a real sandbox; quality plays no part."""

    backend: ProcessBackend
    takes_time_slices: bool = True
    gpus: tuple[str, ...] = ()

    def ready(
        self, task: Task, profile: Profile, training_seed: int, label: str, *, arms: int
    ) -> contextlib.AbstractContextManager["LoopRunner"]:
        return contextlib.nullcontext(self)

    def make_instance(
        self, task: Task, profile: Profile, purpose: Purpose, seed: bytes, label: str
    ) -> Instance:
        commitment = seed_commitment(seed)
        return Instance(
            profile=profile.name,
            purpose=purpose.value,
            public=(),
            secret=(),
            digest=commitment,
            seed_commitment=commitment,
        )

    def run_candidate(
        self,
        task: Task,
        profile: Profile,
        tree: FileTree,
        instance: Instance,
        training_seed: int,
        label: str,
        *,
        time_slot: TimeSlot | None = None,
        on_output: OnOutput | None = None,
    ) -> CandidateRun:
        limits = replace(profile.limits, cpus=(CORE,))  # as the real runner pins both arms
        spec = SandboxSpec(environment=task.environment, limits=limits, label=label)
        with self.backend.open(spec) as sandbox:
            execution = sandbox.exec(
                ("python", "-c", WORKLOAD, tree[0].content.decode()), time_slot=time_slot
            )
        return CandidateRun(
            execution=execution,
            output=tree,
            output_problem="",
            backend=self.backend.name,
            assurance=self.backend.assurance.value,
        )

    def grade(
        self, task: Task, profile: Profile, instance: Instance, output: FileTree, label: str
    ) -> Grade:
        return Grade(
            outcome=GradeOutcome.OK,
            reason="",
            metric_value=None,
            quality=(),
            guards=(),
            result={},
            result_sha256="",
        )

    def test(self, task: Task, profile: Profile, tree: FileTree, label: str) -> None:
        return None


@contextlib.contextmanager
def hog() -> Iterator[None]:
    """A process that burns the core of the measured runs for a while, rests for a while, and so on."""
    burner = subprocess.Popen([sys.executable, "-c", HOG])
    os.sched_setaffinity(burner.pid, {CORE})
    done = threading.Event()

    def switch() -> None:
        chance = random.Random(1)
        while not done.is_set():
            for order in (signal.SIGCONT, signal.SIGSTOP):
                os.kill(burner.pid, order)
                done.wait(chance.uniform(0.3, 3.0))

    thread = threading.Thread(target=switch)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
        burner.kill()
        burner.wait()


def live_score(units: int, repeat: int, cache: Path) -> Score:
    """Measure a champion of LIVE_UNITS against a candidate of `units`."""
    plan = campaign_plan(max_pairs=MAX_PAIRS, campaign_alpha=CAMPAIGN_ALPHA)
    profile = Profile(
        name="live",
        limits=LIMITS,
        grade_limits=LIMITS,
        plan=plan,
        quality=(),
        guards=(),
        settings={},
        claim="none",
    )
    task = Task(
        name="rsi/loop",
        description="Run a loop.",
        root=Path(),
        digest="",
        pattern=Pattern.ARTIFACT,
        track="default",
        tracks=("default",),
        metric=Metric(
            name="cpu",
            kind=MetricKind.FIXED_WORK,
            unit="s",
            direction=Direction.LOWER,
            clock=Clock.CPU_S,
            minimum_effect=MINIMUM_EFFECT,
            plausible_ratio=10.0,
        ),
        device=Device.CPU,
        environment=Environment(name="rsi-python"),
        candidate=CandidateRules(
            entry=("python",),
            editable=("**",),
            protected=(),
            max_source_bytes=1000,
            max_literal_bytes=1000,
            max_files_added=0,
        ),
        profiles={"live": profile},
        default_profile="live",
    )
    backend = ProcessBackend()
    runs = measure(
        task,
        profile,
        backend,
        (FileEntry(path="units", content=str(LIVE_UNITS).encode()),),
        (FileEntry(path="units", content=str(units).encode()),),
        purpose=Purpose.SCREEN,
        campaign_secret=b"live evidence 01",
        lineage="live",
        round_id=f"{units}-{repeat}",
        runner=LoopRunner(backend=backend),
        cache=cache,
    )
    return score(task, profile, runs, purpose=Purpose.SCREEN)


def live(repeats: int) -> int:
    """Print the verdicts of both patches, repeat by repeat; 1 when any is wrong."""
    wrong = 0
    with tempfile.TemporaryDirectory() as folder, hog():
        for name, units, is_gain in (
            ("5 % less work", LIVE_UNITS * 95 // 100, True),
            ("the same work", LIVE_UNITS, False),
        ):
            supported = 0
            pairs = 0
            for repeat in range(repeats):
                found = live_score(units, repeat, Path(folder))
                supported += found.verdict == "supported"
                pairs += found.pairs_used
                effect = found.effect
                span = (
                    ""
                    if effect is None
                    else f"{effect.estimate:.3f} [{effect.low:.3f}, {effect.high:.3f}]"
                )
                sys.stdout.write(
                    f"{name} #{repeat}: {found.verdict} {span} {found.pairs_used} pairs\n"
                )
                sys.stdout.flush()
            wrong += repeats - supported if is_gain else supported
            sys.stdout.write(
                f"{name}: supported in {supported} of {repeats}, {pairs / repeats:.1f} pairs on average\n"
            )
    return int(wrong > 0)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print one row a noise."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--seed", type=int, default=20261120)
    parser.add_argument("--live", type=int, default=0, metavar="N")
    chosen, _ = parser.parse_known_args(arguments)  # `make bench ARGS=...` is shared by all
    if chosen.live:
        return live(chosen.live)
    began = time.perf_counter()
    campaigns = 200 if chosen.quick else 2_000
    rows = [evidence_row(noise, campaigns, chosen.seed) for noise in NOISES]
    if chosen.json:
        sys.stdout.write(json.dumps(rows, indent=1) + "\n")
        return 0
    out = sys.stdout.write
    out(
        f"{campaigns} A/A campaigns of {PLANNED_CANDIDATES} candidates each, declared "
        f"{CAMPAIGN_ALPHA:.0%} a campaign, minimum effect {MINIMUM_EFFECT:.0%}, "
        f"at most {MAX_PAIRS} pairs a stage\n\n"
    )
    out(
        f"{'noise':14}{'pair sd':>8}{'false':>8}{'(95 %)':>8}{'keep-if-better':>20}"
        f"{'power 3 %':>11}{'null':>7}{'3 %':>7}{'mix':>7}{'fixed':>7}{'cost':>7}\n"
    )
    for row in rows:
        fixed = "-" if row["pairs_fixed"] is None else f"{row['pairs_fixed']:.0f}"
        share = "-" if row["cost_share"] is None else f"{row['cost_share']:.2f}"
        out(
            f"{row['noise']:14}{row['pair_sd']:8.1%}{row['false_campaigns']:8.2%}"
            f"{row['false_campaigns_high']:8.2%}"
            f"{row['keep_if_better_promotions']:9.1f} for {row['keep_if_better_claim']:.3f}x"
            f"{row['power_3_percent']:11.1%}{row['pairs_null']:7.1f}{row['pairs_3_percent']:7.1f}"
            f"{row['pairs_campaign_mean']:7.1f}{fixed:>7}{share:>7}\n"
        )
    out(
        "\nfalse: campaigns with any promotion. keep-if-better: promotions and claimed speedup of the rule "
        "'run once, keep the fastest'.\nnull, 3 %, mix: mean pairs, both stages. fixed: pairs a "
        f"fixed-size test needs at the same rates.\n{time.perf_counter() - began:.0f} s\n"
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
