"""How far the pairs of an unchanged candidate spread, in turns and one after the other: `python benchmarks/pairing.py`.

Alternates both ways of measuring the same A/A pairs of the flagship, with a CPU hog switching on and off beside them.
The ratio of the two spreads is what turns are worth; squared, it is the factor in pairs.
"""

import argparse
import json
import runpy
import tempfile
from dataclasses import replace
from pathlib import Path

from rsi.evals.measure.measuring import measure
from rsi.evals.measure.noise import pair_noise
from rsi.evals.measure.runner import TaskRunner
from rsi.evals.types import Measurement, Purpose
from rsi.sandboxes.select import choose_backend
from rsi.tasks.files.trees import read_tree
from rsi.tasks.format.loader import load_task, profile_of

PAIRS = 4
"""Pairs of one block."""


def run_block(backend, task, profile, *, takes_time_slices: bool, block: int) -> list[Measurement]:
    """One block of A/A pairs, numbered on from the block before."""
    tree = read_tree(task.repo)
    with tempfile.TemporaryDirectory() as cache:
        runs = measure(
            task,
            profile,
            backend,
            tree,
            tree,
            purpose=Purpose.EXTRA,
            campaign_secret=b"pairing benchmark",
            lineage="bench",
            round_id=f"{takes_time_slices}-{block}",
            runner=TaskRunner(backend=backend, cpus=(0,), takes_time_slices=takes_time_slices),
            cache=Path(cache),
        )
    return [replace(run, pair=run.pair + block * PAIRS) for run in runs]


def main() -> None:
    """Run the benchmark and print it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--task", default="lm_training")
    parser.add_argument("--profile")
    parser.add_argument("--blocks", type=int, default=2, help="blocks of 4 pairs for each way")
    parser.add_argument("--quick", action="store_true", help="one block")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    task = load_task(args.task)
    profile = profile_of(task, args.profile)
    plan = replace(profile.plan, min_pairs=PAIRS, confirm_pairs=PAIRS)
    profile = replace(profile, plan=plan)
    backend = choose_backend("auto").backend
    backend.prepare(task.environment)
    found: dict[bool, list[Measurement]] = {True: [], False: []}
    hog = runpy.run_path(str(Path(__file__).with_name("evidence.py")))["hog"]
    with hog():
        for block in range(1 if args.quick else args.blocks):
            for takes_time_slices in (bool(block % 2), not block % 2):
                found[takes_time_slices] += run_block(
                    backend, task, profile, takes_time_slices=takes_time_slices, block=block
                )
    noise = {way: pair_noise(task.metric, runs, Purpose.EXTRA) for way, runs in found.items()}
    in_turns, in_sequence = noise[True], noise[False]
    row = {
        "task": task.name,
        "pairs_each": in_turns.pairs,
        "spread_in_turns": in_turns.sd,
        "spread_in_sequence": in_sequence.sd,
        "ratio": in_sequence.sd / in_turns.sd,
    }
    if args.json:
        print(json.dumps(row))
    else:
        print(
            f"{task.name}, {in_turns.pairs} A/A pairs each: the log-ratio spreads by {in_turns.sd:.4f} in turns, "
            f"{in_sequence.sd:.4f} one after the other: {row['ratio']:.1f} times less"
        )


if __name__ == "__main__":
    main()
