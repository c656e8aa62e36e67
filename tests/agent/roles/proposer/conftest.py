"""A folder that stands for a sandbox, a small task, and one call that runs a whole proposal."""

import os
import subprocess
import sys
import time
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from tests.agent.puppet import OpenBudgetGuard

from rsi.agent.llm.scripted.model import ScriptedModel
from rsi.agent.llm.scripted.script import load_script
from rsi.agent.roles.proposer.allowance import ProposerLimits
from rsi.agent.roles.proposer.loop import propose
from rsi.agent.roles.scaffold.loading import load_scaffold
from rsi.agent.types import Brief, DevRun
from rsi.sandboxes.errors import FileTreeError, SandboxBrokenError
from rsi.sandboxes.types import (
    Assurance,
    Environment,
    ExecOutcome,
    ExecResult,
    FileEntry,
)
from rsi.tasks.choices import Clock, Device, Direction, MetricKind, Pattern
from rsi.tasks.types import CandidateRules, Metric, Solution, Task

MODEL_PY = (
    "import math\n\n\ndef area(radius):\n    return math.pi * radius * radius\n\n\nSTEPS = 100\n"
)
TREE = (
    FileEntry(path="model.py", content=MODEL_PY.encode()),
    FileEntry(path="tools/run.sh", content=b"#!/bin/sh\necho hello\n", is_executable=True),
)


class FolderSandbox:
    """Runs commands in a folder that stands for /work; no walls."""

    backend = "folder"
    assurance = Assurance.NONE

    def __init__(self, root: Path):
        self.root = root
        self.is_broken = False
        self.fail_next: ExecOutcome | None = None
        self.print_next: bytes | None = None

    def _host(self, path):
        return self.root / path.removeprefix("/work").lstrip("/")

    def exec(self, argv, *, cwd="/work", stdin=b"", wall_s=None, variables=None):
        if self.is_broken:
            raise SandboxBrokenError("killed by an earlier limit")
        is_tool = b'"verb": "repository"' not in stdin
        if is_tool and self.fail_next is not None:
            outcome, self.fail_next = self.fail_next, None
            self.is_broken = outcome is not ExecOutcome.OOM
            return _result(outcome, None, b"", b"", 0.1)
        if is_tool and self.print_next is not None:
            said, self.print_next = self.print_next, None
            return _result(ExecOutcome.OK, 0, said, b"", 0.1)
        started = time.monotonic()
        argv = [sys.executable if a == "python" else a for a in argv[:1]] + list(argv[1:])
        env = {"PATH": os.environ["PATH"], "HOME": str(self.root), **(variables or {})}
        done = subprocess.run(
            argv, cwd=self._host(cwd), input=stdin, capture_output=True, timeout=wall_s, env=env
        )
        outcome = ExecOutcome.OK if done.returncode == 0 else ExecOutcome.CRASHED
        wall = time.monotonic() - started
        return _result(outcome, done.returncode, done.stdout, done.stderr, wall)

    def put(self, tree, target="/work"):
        self._host(target).mkdir(parents=True, exist_ok=True)
        for entry in tree:
            path = self._host(target) / entry.path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(entry.content)
            path.chmod(0o755 if entry.is_executable else 0o644)

    def get(self, source="/work", *, max_bytes, max_files=10_000):
        found, total = [], 0
        top = self._host(source)
        for path in sorted(top.rglob("*")):
            if path.is_symlink():
                raise FileTreeError(f"{path.relative_to(top)} is a link")
            if path.is_file():
                content = path.read_bytes()
                total += len(content)
                if total > max_bytes:
                    raise FileTreeError(f"more than {max_bytes} bytes")
                found.append(
                    FileEntry(
                        path=path.relative_to(top).as_posix(),
                        content=content,
                        is_executable=os.access(path, os.X_OK),
                    )
                )
        return tuple(found)


def _result(outcome, code, stdout, stderr, wall_s):
    return ExecResult(
        outcome=outcome, exit_code=code, stdout=stdout, stderr=stderr, is_truncated=False,
        wall_s=wall_s, cpu_s=0.0, cpu_source="rusage", max_rss_bytes=None,
    )  # fmt: skip


@dataclass
class Person:
    """Steers: messages by turn, and a turn at which to stop."""

    words: dict = field(default_factory=dict)
    stop_at: int | None = None
    looks: int = 0

    def wait_for_go(self):
        self.looks += 1
        return self.stop_at is None or self.looks <= self.stop_at

    def messages(self):
        return tuple(self.words.pop(self.looks, ()))


@pytest.fixture
def sandbox(tmp_path):
    root = tmp_path / "sandbox"
    root.mkdir()
    return FolderSandbox(root)


@pytest.fixture
def task(tmp_path):
    return task_in(tmp_path)


def task_in(folder):
    root = folder / "task"
    (root / "solutions").mkdir(parents=True)
    return Task(
        name="circle", description="", root=root, digest="0" * 64, pattern=Pattern.ARTIFACT,
        track="main", tracks=("main",),
        metric=Metric(
            name="cpu", kind=MetricKind.FIXED_WORK, unit="s", direction=Direction.LOWER,
            clock=Clock.CPU_S, minimum_effect=0.02, plausible_ratio=10.0,
        ),
        device=Device.CPU, environment=Environment(name="rsi-python"),
        candidate=CandidateRules(
            entry=("python", "run.py"), editable=("**/*.py",), protected=("run.py",),
            max_source_bytes=100_000, max_literal_bytes=1000, max_files_added=5,
        ),
        profiles={}, default_profile="smoke",
    )  # fmt: skip


class Lab:
    """Runs proposals of scripted models and keeps what they recorded."""

    def __init__(self, task, sandbox):
        self.task, self.sandbox = task, sandbox
        self.events, self.budget_guard, self.person = [], OpenBudgetGuard(), Person()
        self.measured = []
        self.scaffold = load_scaffold()
        self.limits = ProposerLimits()
        self.tree = TREE
        self.needs = {}

    def sink(self, agent, kind, payload):
        self.events.append((agent, kind, payload))

    def kinds(self):
        return [kind for _, kind, _ in self.events]

    def notes(self):
        return [payload["note"] for _, kind, payload in self.events if kind == "note"]

    def results(self):
        return [payload for _, kind, payload in self.events if kind == "tool_result"]

    def measure(self, tree, look=None):
        self.measured.append(tree)
        return DevRun(is_ok=True, summary="cpu 1.00 s", facts={"cpu_s": 1.0}, device_s=2.0)

    def script(self, toml: str, **patches: str):
        folder = self.task.root / "solutions"
        for name, text in patches.items():
            (folder / f"{name}.patch").write_bytes(text.encode())
        solutions = tuple(
            Solution(
                name=name, patch=folder / f"{name}.patch", title=name, needs=self.needs.get(name, ()), expect="faster",
                tracks=("main",), predicted_ratio=None,
            )
            for name in patches
        )  # fmt: skip
        task = replace(self.task, solutions=solutions)
        (folder / "demo.toml").write_text(toml)
        return load_script(self.task.name, task)

    def scripted(self, toml: str, *, round_number=1, **patches: str):
        return ScriptedModel(
            self.script(toml, **patches), round_number=round_number, spec="scripted:circle"
        )

    def run(self, model, start=None, **brief):
        return propose(
            self.brief(**brief), model, self.task, self.sandbox, sink=self.sink, budget_guard=self.budget_guard,
            steering=self.person, scaffold=self.scaffold, measure=self.measure,
            search_notebook=lambda query: f"nothing about {query}", limits=self.limits, start=start,
        )  # fmt: skip

    def brief(self, **changes):
        return Brief(
            **{
                "round_id": "r1", "round_number": 1, "task": "circle", "profile": "smoke",
                "instruction": "Make it faster.", "base_commit": "a" * 40, "base_tree": self.tree,
                "score_profile": "cpu 1.00 s", "notebook": "", **changes,
            }
        )  # fmt: skip


@pytest.fixture
def lab(task, sandbox):
    return Lab(task, sandbox)
