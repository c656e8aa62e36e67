"""Measure the reference curve and the reference solutions; writes the JSON files beside this script.

    python -m rsi.tasks.lm_training.calibration.measure curve --profile demo --seeds 5 --python ENV/bin/python
    python -m rsi.tasks.lm_training.calibration.measure pairs --profile demo --seeds 5 --python ENV/bin/python 02_batched_heads

`--python` is an interpreter with environment/requirements.txt installed. CPU seconds are the clock:
wall time on a shared machine says more about the neighbours.
"""

import argparse
import json
import math
import statistics
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from rsi.tasks.lm_training.calibration.reference import (
    CurvePoint,
    OffTheCurveError,
    drift,
    mean_curve,
    reference_cpu_s,
)
from rsi.tasks.lm_training.calibration.runs import (
    FOLDER,
    Bench,
    Run,
    fingerprint,
    log_ratio_interval,
)


def main() -> None:
    """Parse the command line, measure, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("curve", "pairs", "beside-curve"))
    parser.add_argument("--profile", required=True)
    parser.add_argument("--track", default="fixed_model")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--python", type=Path, required=True)
    parser.add_argument("--against", default="", help="parent solution; empty for the baseline")
    parser.add_argument(
        "--without-slice", action="store_true", help="skip the baseline slices of beside-curve"
    )
    parser.add_argument("--at-bpb", type=float, help="compare at this loss instead of the limit")
    parser.add_argument("solutions", nargs="*")
    arguments = parser.parse_intermixed_args()
    bench = Bench(
        profile=arguments.profile, track=arguments.track, python=arguments.python.absolute()
    )
    seeds = range(arguments.first_seed, arguments.first_seed + arguments.seeds)
    if arguments.what == "curve":
        measure_curve(bench, seeds)
        return
    for solution in arguments.solutions:
        if arguments.what == "pairs":
            measure_pairs(bench, seeds, solution, arguments.against)
        else:
            measure_beside_curve(
                bench,
                seeds,
                solution,
                has_slice=not arguments.without_slice,
                at_bpb=arguments.at_bpb,
            )


def measure_curve(bench: Bench, seeds: Sequence[int]) -> None:
    """Run the baseline on each seed and store its losses against steps and CPU seconds."""
    runs = []
    with bench.tree(()) as tree:
        for seed in seeds:
            with bench.instance(seed) as instance:
                run = bench.run(tree, instance, training_seed=seed)
            _say(f"seed={seed} {_summary(run)}")
            runs.append({"seed": seed, **asdict(run)})
            _store(bench, "reference", {"runs": runs})


def measure_pairs(bench: Bench, seeds: Sequence[int], solution: str, against: str) -> None:
    """Run a solution and its reference back to back on each seed, in ABBA order."""
    pairs = []
    with bench.tree((against,) if against else ()) as before, bench.tree((solution,)) as after:
        for seed in seeds:
            with bench.instance(seed) as instance:
                arms: dict[str, Run] = {}
                order = ("reference", "candidate") if seed % 2 == 0 else ("candidate", "reference")
                for arm in order:
                    tree = before if arm == "reference" else after
                    arms[arm] = bench.run(tree, instance, training_seed=1000 + seed)
            _say(f"{solution} seed={seed} reference: {_summary(arms['reference'])}")
            _say(f"{solution} seed={seed} candidate: {_summary(arms['candidate'])}")
            pairs.append({arm: {**asdict(run), "curve": None} for arm, run in arms.items()})
    name = f"{solution}_vs_{against or 'baseline'}"
    _store(bench, f"pairs_{name}", _pair_summary(pairs))


def measure_beside_curve(
    bench: Bench, seeds: Sequence[int], solution: str, *, has_slice: bool, at_bpb: float | None
) -> None:
    """Run a solution beside short slices of the baseline and read its speedup off the stored curve.

    The ratio compares with the baseline at the profile's limit (or at `at_bpb`), if the candidate meets
    it: a better loss earns nothing.
    """
    curve = mean_curve(_stored_reference(bench)["runs"])
    limit = bench.profile.quality[0].limit if at_bpb is None else at_bpb
    runs = []
    with bench.tree(()) as baseline, bench.tree((solution,)) as tree:
        for seed in seeds:
            with bench.instance(seed) as instance:
                before = bench.slice(baseline, instance, 1000 + seed) if has_slice else None
                run = bench.run(tree, instance, 1000 + seed)
                after = bench.slice(baseline, instance, 2000 + seed) if has_slice else None
            now = 1.0
            if before is not None and after is not None:
                slice_cpu_s = math.sqrt(before.cpu_s * after.cpu_s)
                now = drift(curve, step=before.step, slice_cpu_s=slice_cpu_s)
            is_met = run.hidden_bpb is not None and limit is not None and run.hidden_bpb <= limit
            ratio = _ratio(curve, limit, run.cpu_s / now) if is_met and limit else None
            runs.append(
                {
                    "seed": seed,
                    "drift": now if has_slice else None,
                    "ratio": ratio,
                    **asdict(run),
                    "curve": None,
                }
            )
            _say(f"{solution} seed={seed} {_summary(run)} drift={now:.3f} ratio={ratio}")
    content: dict[str, object] = {"limit_bpb": limit, "runs": runs}
    logs = [math.log(run["ratio"]) for run in runs if run["ratio"] is not None]
    if len(logs) >= 2:
        ratio, low, high = log_ratio_interval(logs)
        content |= {"ratio": ratio, "ratio_low": low, "ratio_high": high}
        _say(f"{solution} ratio {ratio:.2f} [{low:.2f}, {high:.2f}]")
    suffix = "" if at_bpb is None else f"_at_{at_bpb}"
    _store(bench, f"{solution}_beside_reference{suffix}", content)


def _stored_reference(bench: Bench) -> Mapping[str, Sequence[Mapping[str, object]]]:
    """The track's own curve, else that of fixed_model: both tracks start from the same trainer and the same model."""
    for track in (bench.task.track, "fixed_model"):
        path = FOLDER / f"{bench.profile.name}_{track}.json"
        stored = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        if "reference" in stored:
            reference: Mapping[str, Sequence[Mapping[str, object]]] = stored["reference"]
            return reference
    raise SystemExit(
        f"no curve of profile {bench.profile.name} is stored; measure one with `curve`"
    )


def _ratio(curve: Sequence[CurvePoint], limit: float, cpu_s: float) -> float | None:
    """Speedup over the baseline at the limit; None where the stored curve does not reach it."""
    try:
        return reference_cpu_s(curve, limit) / cpu_s
    except OffTheCurveError as problem:
        at_least = curve[-1].cpu_s / cpu_s
        _say(f"more than {at_least:.1f} times the baseline, which did not get there: {problem}")
        return None


def _pair_summary(pairs: Sequence[Mapping[str, Mapping[str, object]]]) -> dict[str, object]:
    finished = [p for p in pairs if all(arm["outcome"] == "ok" for arm in p.values())]
    summary: dict[str, object] = {"pairs": list(pairs), "finished_pairs": len(finished)}
    if len(finished) >= 2:
        logs = [
            math.log(float(str(p["reference"]["cpu_s"])) / float(str(p["candidate"]["cpu_s"])))
            for p in finished
        ]
        ratio, low, high = log_ratio_interval(logs)
        gaps = [
            float(str(p["candidate"]["hidden_bpb"])) - float(str(p["reference"]["hidden_bpb"]))
            for p in finished
        ]
        losses = [float(str(p["candidate"]["hidden_bpb"])) for p in finished]
        summary |= {"ratio": ratio, "ratio_low": low, "ratio_high": high}
        summary |= {"log_ratio_sd": statistics.stdev(logs), "hidden_bpb_max": max(losses)}
        summary |= {"bpb_gap_mean": statistics.mean(gaps), "bpb_gap_sd": statistics.stdev(gaps)}
        _say(
            f"ratio {ratio:.3f} [{low:.3f}, {high:.3f}] sd {statistics.stdev(logs):.4f} "
            f"bpb gap {statistics.mean(gaps):+.4f} sd {statistics.stdev(gaps):.4f} max {max(losses):.4f}"
        )
    return summary


def _store(bench: Bench, kind: str, content: Mapping[str, object]) -> None:
    path = _path(bench)
    stored = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    stored[kind] = {"machine": fingerprint(), **content}
    path.write_text(json.dumps(stored, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def _path(bench: Bench) -> Path:
    return FOLDER / f"{bench.profile.name}_{bench.task.track}.json"


def _summary(run: Run) -> str:
    loss = "none" if run.hidden_bpb is None else f"{run.hidden_bpb:.4f}"
    gaps = "".join(f" {name}={value:.3g}" for name, value in run.gaps.items() if value is not None)
    return f"{run.outcome} cpu_s={run.cpu_s:.2f} wall_s={run.wall_s:.2f} hidden_bpb={loss}{gaps}"


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
