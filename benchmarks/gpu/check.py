"""Everything of rsi that only a GPU can show, in one run of at most six minutes: a verdict a line, exit status 1 when one is FAIL.

Run it as `make gpu-check` on a machine with an NVIDIA driver; environments are made ready first and are not on the clock. Without a
GPU it checks nothing, says so and ends with 75. `--rehearse` plays the same script on processors, which says nothing about a GPU.
"""

import argparse
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace

from rsi.evals.measure.disturbance import disturbance_between, read_machine
from rsi.evals.measure.machine import timing_gpus
from rsi.sandboxes.errors import SandboxError
from rsi.sandboxes.machine.devices import device_nodes, find_gpus, gpu_health
from rsi.sandboxes.select import choose_backend
from rsi.sandboxes.types import Backend
from rsi.tasks.choices import Device
from rsi.tasks.errors import TaskError
from rsi.tasks.files.trees import read_tree
from rsi.tasks.format.loader import load_task
from rsi.tasks.running.check import check_task, patched_tree
from rsi.tasks.running.runner import grade, make_instance, run_candidate, run_spec
from rsi.tasks.types import Task

LIMIT_S = 345.0
"""No check is begun after it."""
EXIT_NO_GPU = 75
LABEL = "gpu-check"
VARIANTS = ("kernels@gpu", "lm_training@gpu")
CUDA_STARTS = "import torch; print(torch.cuda.device_count(), torch.cuda.get_device_name(0))"

Verdict = tuple[str, bool, str]
"""What was checked, whether it holds, what was seen."""


def main() -> int:
    """Print the verdicts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sandbox", default="auto")
    parser.add_argument("--rehearse", action="store_true")
    args = parser.parse_args()
    if not find_gpus() and not args.rehearse:
        print("gpu-check: no NVIDIA GPU is here; nothing was checked")
        return EXIT_NO_GPU
    backend = choose_backend(args.sandbox).backend
    tasks = [load_task(each) for each in VARIANTS]
    if args.rehearse:
        print("gpu-check: a rehearsal on processors; nothing of it is about a GPU")
        tasks = [replace(each, device=Device.CPU) for each in tasks]
    for task in tasks:
        backend.prepare(task.environment, progress=lambda line: print(line, file=sys.stderr))
    begun_s, failed = time.monotonic(), 0
    checks = [] if args.rehearse else [("the machine", _machine(tasks[0], backend))]
    for task in tasks:
        checks += [
            (f"{task.name} baseline", _baseline(task, backend)),
            (f"{task.name} ladder", _ladder(task, backend)),
            (f"{task.name} cheats", _cheats(task, backend)),
        ]
    for title, verdicts in checks:
        if time.monotonic() - begun_s > LIMIT_S:
            print(f"skip  {title}: six minutes are over", flush=True)
            continue
        for what, is_ok, seen in _guarded(title, verdicts):
            failed += not is_ok
            print(f"{'ok  ' if is_ok else 'FAIL'}  {what}: {seen}", flush=True)
    print(f"gpu-check: {failed} FAIL after {time.monotonic() - begun_s:.0f} s on {_names()}")
    return 1 if failed else 0


def _names() -> str:
    return ", ".join(f"{each.name} (driver {each.driver})" for each in find_gpus()) or "processors"


def _guarded(title: str, verdicts: Iterator[Verdict]) -> Iterator[Verdict]:
    """A failure of ours is a verdict too, so that the rest is still checked."""
    try:
        yield from verdicts
    except (SandboxError, TaskError, OSError) as error:
        yield title, False, f"{type(error).__name__}: {error}"


def _machine(task: Task, backend: Backend) -> Iterator[Verdict]:
    """The driver answers, a lease holds the GPU, and a sandbox starts CUDA on it."""
    with timing_gpus(task) as gpus:
        (uuid,) = gpus or ()
        health = gpu_health(uuid)
        yield "NVML", health.memory_bytes > 0, str(health)
        yield "device nodes", bool(device_nodes([uuid])), ", ".join(device_nodes([uuid]))
        yield "nobody else computes", not health.foreign_pids, f"{len(health.foreign_pids)} others"
        profile = task.profiles["smoke"]
        for given in ((uuid,), ()):
            with backend.open(run_spec(task, profile, 0, LABEL, gpus=given)) as sandbox:
                done = sandbox.exec(["python", "-c", CUDA_STARTS])
            said = (done.stdout or done.stderr[-300:]).decode("utf-8", "replace").strip()
            if given:
                yield "CUDA starts in the sandbox", done.stdout.startswith(b"1 "), said
            else:
                is_hidden = done.exit_code != 0
                yield "a sandbox without a GPU sees none", is_hidden, said.splitlines()[-1]


def _baseline(task: Task, backend: Backend) -> Iterator[Verdict]:
    """`rsi task check` at the smallest size."""
    with timing_gpus(task) as gpus:
        report = check_task(task, "smoke", backend, gpus=gpus or ())
    wrong = [f"{each.name}: {each.detail}" for each in report.lines if not each.is_ok]
    yield f"{task.name} smoke", report.is_ok, "; ".join(wrong) or f"{len(report.lines)} checks"


def _ladder(task: Task, backend: Backend) -> Iterator[Verdict]:
    """Each solution after the one before on a fresh instance of its own size, with the GPU's state beside the runs."""
    profile = task.profiles["smoke" if task.device is Device.CPU else task.default_profile]
    versions = [("start", read_tree(task.repo))]
    versions += [(each.name, patched_tree(task, each)) for each in task.solutions if each.expect == "faster"]  # fmt: skip
    before = None
    with timing_gpus(task) as gpus:
        instance = make_instance(task, profile, "screen", bytes(range(32)), backend)
        for name, tree in versions:
            reading = read_machine(gpus=gpus or ())
            done = run_candidate(task, profile, tree, instance, 1, backend, LABEL, gpus=gpus or ())
            state = disturbance_between(
                reading, read_machine(gpus=gpus or ()), done.execution.cpu_s
            )
            what = f"{task.name} {profile.name} {name}"
            if done.output is None:
                said = done.execution.stderr[-300:].decode("utf-8", "replace").strip()
                yield what, False, f"{done.output_problem}; {said}"
                continue
            found = grade(task, profile, instance, done.output, backend, LABEL)
            is_right = found.outcome.value == "ok" and all(
                each.is_ok is not False for each in found.quality
            )
            value = found.metric_value or done.execution.wall_s
            ratio = "" if before is None else f", {before / value:.2f}x the one before"
            seen = (
                f"{value:.4g} s{ratio}; {'; '.join((*state.gpus, *state.gpu_problems)) or 'no GPU'}"
            )
            is_gain = before is None or before > value or task.device is Device.CPU
            yield what, is_right and is_gain, f"{found.reason or seen}"
            before = value


def _cheats(task: Task, backend: Backend) -> Iterator[Verdict]:
    """What a variant's own cheats answer is wrong; those of its task are tried without a GPU."""
    profile = task.profiles["smoke"]
    own = [each for each in task.cheats if each.patch.is_relative_to(task.root)]
    with ExitStack() as held:
        gpus = held.enter_context(timing_gpus(task)) or ()
        instance = make_instance(task, profile, "screen", bytes(range(32)), backend)
        for cheat in own:
            tree = patched_tree(task, cheat)
            done = run_candidate(task, profile, tree, instance, 1, backend, LABEL, gpus=gpus)
            what = f"{task.name} cheat {cheat.name}"
            if done.output is None:
                yield what, True, done.output_problem
                continue
            found = grade(task, profile, instance, done.output, backend, LABEL)
            broken = [f"{each.name} {each.value}" for each in found.quality if each.is_ok is False]
            yield what, bool(broken), ", ".join(broken) or "every answer was right"


if __name__ == "__main__":
    raise SystemExit(main())
