"""Run the trainer and grade it, outside any sandbox: for calibration of code that is trusted.

Does not: decide anything. A candidate that nobody has read belongs into `rsi run`, not here.
"""

import hashlib
import json
import math
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rsi.tasks.format.loader import HARNESS_KIT, load_task
from rsi.tasks.running.variables import candidate_variables, harness_variables
from rsi.tasks.types import Profile, Solution, Task

FOLDER = Path(__file__).resolve().parent
_PROGRESS = re.compile(r"step=(\d+) .*validation_bpb=([\d.]+)")
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One validation of a run."""

    step: int
    cpu_s: float
    """CPU seconds of the process when the line was read."""
    validation_bpb: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One training run, graded."""

    exit_code: int
    cpu_s: float
    """User plus system seconds of the process and the children it waited for."""
    wall_s: float
    outcome: str
    hidden_bpb: float | None
    """None when there was nothing to grade."""
    gaps: Mapping[str, float | None]
    """The track's other qualities: on `systems` the distances from the reference's weights."""
    curve: tuple[Point, ...]


class Bench:
    """One task, profile and interpreter to run things with."""

    def __init__(self, *, profile: str, track: str, python: Path) -> None:
        self.task: Task = load_task(FOLDER.parent, track=track)
        self.profile: Profile = self.task.profiles[profile]
        self._python = str(python)

    @contextmanager
    def tree(self, solutions: Sequence[str]) -> Iterator[Path]:
        """A copy of repo/ with solutions applied in order, each after what it needs."""
        with tempfile.TemporaryDirectory(prefix="rsi-tree-") as name:
            tree = Path(name) / "code"
            shutil.copytree(self.task.repo, tree, ignore=shutil.ignore_patterns("__pycache__"))
            for patch in self._patches(solutions):
                subprocess.run(["git", "apply", "--whitespace=nowarn", patch], cwd=tree, check=True)
            yield tree

    @contextmanager
    def instance(self, seed_number: int) -> Iterator[Path]:
        """A generated instance folder for one seed number."""
        seed = hashlib.sha256(f"calibration {seed_number}".encode()).hexdigest()
        with tempfile.TemporaryDirectory(prefix="rsi-instance-") as name:
            root = Path(name) / "instance"
            purpose = ("--profile", self.profile.name, "--purpose", "dev")
            self._harness("instance", *purpose, "--seed", seed, "--out", str(root))
            yield root

    def run(self, tree: Path, instance: Path, training_seed: int) -> Run:
        """Run the trainer once on an instance and grade what it leaves."""
        with tempfile.TemporaryDirectory(prefix="rsi-run-") as name:
            exchange = Path(name)
            shutil.copytree(instance / "public", exchange / "public")
            (exchange / "out").mkdir()
            variables = self._variables(exchange, training_seed)
            exit_code, cpu_s, wall_s, curve = _timed(
                [self._python, *self.task.candidate.entry[1:]], tree, variables
            )
            outcome, quality = "crashed", dict[str, float | None]()
            if exit_code == 0:
                outcome, quality = self._grade(instance, exchange / "out", exchange / "result.json")
        return Run(
            exit_code=exit_code,
            cpu_s=cpu_s,
            wall_s=wall_s,
            outcome=outcome,
            hidden_bpb=quality.pop("hidden_bpb", None),
            gaps=quality,
            curve=curve,
        )

    def slice(self, tree: Path, instance: Path, training_seed: int) -> Point:
        """Start a run, take its first validation and end it: what the machine costs just now.

        Raises:
            RuntimeError: The run ended before its first validation.
        """
        with tempfile.TemporaryDirectory(prefix="rsi-run-") as name:
            shutil.copytree(instance / "public", Path(name) / "public")
            variables = self._variables(Path(name), training_seed)
            argv = [self._python, *self.task.candidate.entry[1:]]
            with subprocess.Popen(
                argv, cwd=tree, env=variables, stdout=subprocess.PIPE, text=True
            ) as process:
                for line in process.stdout or ():
                    if (point := _point(line, process.pid)) is not None:
                        process.kill()
                        return point
        raise RuntimeError(f"the baseline in {tree} ended before its first validation")

    def _variables(self, exchange: Path, training_seed: int) -> dict[str, str]:
        given = candidate_variables(self.profile, training_seed)
        return {**_bare_environment(), **given, "RSI_IO": str(exchange)}

    def _patches(self, solutions: Sequence[str]) -> list[Path]:
        known: Mapping[str, Solution] = {
            solution.name: solution for solution in self.task.solutions
        }
        names = [name for asked in solutions for name in (*known[asked].needs, asked)]
        return [known[name].patch for name in dict.fromkeys(names)]

    def _grade(
        self, instance: Path, artifact: Path, result: Path
    ) -> tuple[str, dict[str, float | None]]:
        folders = ("--instance", str(instance), "--artifact", str(artifact))
        self._harness("grade", *folders, "--result", str(result))
        graded = json.loads(result.read_text(encoding="utf-8"))
        return graded["outcome"], {each["name"]: each["value"] for each in graded["quality"]}

    def _harness(self, *arguments: str) -> None:
        with tempfile.TemporaryDirectory(prefix="rsi-harness-") as name:
            (Path(name) / "harness").symlink_to(self.task.harness)
            (Path(name) / "harness_kit").symlink_to(HARNESS_KIT)
            variables = {**_bare_environment(), **harness_variables(self.task, self.profile)}
            subprocess.run(
                [self._python, "-P", "-m", "harness", *arguments],
                env={**variables, "PYTHONPATH": name},
                check=True,
            )


def log_ratio_interval(log_ratios: Sequence[float]) -> tuple[float, float, float]:
    """Geometric mean of the ratios with a 95% Student interval.

    Args:
        log_ratios: Natural logs of the ratio, one a pair; at least two.
    """
    count = len(log_ratios)
    mean = sum(log_ratios) / count
    variance = sum((value - mean) ** 2 for value in log_ratios) / (count - 1)
    # 97.5% quantiles of Student's t for 1 to 9 degrees of freedom.
    quantile = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262)[min(count, 10) - 2]
    half = quantile * math.sqrt(variance / count)
    return math.exp(mean), math.exp(mean - half), math.exp(mean + half)


def fingerprint() -> dict[str, str | int]:
    """What kind of machine this is; figures from different kinds are not comparable."""
    text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    model = re.search(r"^model name\s*:\s*(.*)$", text, re.MULTILINE)
    flags = re.search(r"^flags\s*:\s*(.*)$", text, re.MULTILINE)
    wanted = ("avx2", "avx512f", "avx512_bf16", "amx_bf16")
    found = set(flags.group(1).split()) if flags else set()
    return {
        "cpu": model.group(1) if model else "unknown",
        "cores": os.cpu_count() or 1,
        "flags": " ".join(flag for flag in wanted if flag in found),
        "python": sys.version.split()[0],
    }


def _bare_environment() -> dict[str, str]:
    return {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}


def _timed(
    argv: Sequence[str], folder: Path, variables: Mapping[str, str]
) -> tuple[int, float, float, tuple[Point, ...]]:
    started = time.monotonic()
    curve: list[Point] = []
    with subprocess.Popen(
        argv, cwd=folder, env=variables, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        # Consumed line by line, so that each reading of the clock belongs to its line.
        lines = process.stdout or ()
        curve.extend(p for line in lines if (p := _point(line, process.pid)) is not None)
        errors = process.stderr.read() if process.stderr else ""
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        sys.stderr.write(errors[-800:])
    wall_s = time.monotonic() - started
    return process.returncode, usage.ru_utime + usage.ru_stime, wall_s, tuple(curve)


def _point(line: str, pid: int) -> Point | None:
    match = _PROGRESS.match(line)
    if match is None:
        return None
    step, loss = int(match.group(1)), float(match.group(2))
    return Point(step=step, cpu_s=_cpu_so_far(pid), validation_bpb=loss)


def _cpu_so_far(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS_PER_S
