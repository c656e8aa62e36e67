"""A small training repo, and the task that owns it."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from rsi.evals.admission.admission import admit
from rsi.evals.admission.rules.catalogue import RULES, Rule
from rsi.evals.types import Finding
from rsi.sandboxes.types import Environment, FileEntry, FileTree, Limits
from rsi.tasks.choices import Clock, Device, Direction, MetricKind, Pattern
from rsi.tasks.types import CandidateRules, MeasurePlan, Metric, Profile, Task

BASE = {
    "run.py": '''"""Protected entry."""
import json
import os
from pathlib import Path

from trainer.train import train

io = Path(os.environ["RSI_IO"])
train((io / "public" / "train.bin").read_bytes(), int(os.environ["RSI_SEED"]), io / "out")
''',
    "PUBLIC.md": "# The protocol\\n",
    "trainer/__init__.py": "",
    "trainer/model.py": '''"""A small transformer."""
import torch
from torch import nn


class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, x):
        return x + self.mlp(self.norm(x))
''',
    "trainer/loader.py": '''"""Batches of bytes."""
import numpy as np
import torch


def batches(text, batch_size, context, seed):
    rng = np.random.default_rng(seed)
    while True:
        rows = []
        for _ in range(batch_size):
            start = rng.integers(0, len(text) - context - 1)
            rows.append(list(text[start : start + context + 1]))
        rows = torch.tensor(rows)
        yield rows[:, :-1], rows[:, 1:]
''',
    "trainer/train.py": '''"""Train to the end and write the weights."""
import time

import numpy as np
import torch

from trainer.loader import batches
from trainer.model import Block


def train(text, seed, out):
    torch.manual_seed(seed)
    model = Block(64)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    started = time.perf_counter()
    for step, (x, y) in enumerate(batches(text, 16, 64, seed)):
        loss = torch.nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        if step == 300:
            break
    print("seconds", time.perf_counter() - started)
    np.savez(out / "weights.npz", **{k: v.numpy() for k, v in model.state_dict().items()})
''',
}
LIMITS = Limits(wall_s=10, memory_bytes=1 << 28)


@pytest.fixture(scope="session")
def base_tree() -> FileTree:
    return tuple(FileEntry(path=path, content=text.encode()) for path, text in BASE.items())


@pytest.fixture(scope="session")
def task() -> Task:
    profile = Profile(
        name="demo",
        limits=LIMITS,
        grade_limits=LIMITS,
        plan=MeasurePlan(min_pairs=3, max_pairs=6, confirm_pairs=3, alpha=0.01),
        quality=(),
        guards=(),
        settings={},
        claim="screen",
    )
    return Task(
        name="rsi/trainer",
        description="Train a small model.",
        root=Path("nowhere"),
        digest="0" * 64,
        pattern=Pattern.ARTIFACT,
        track="default",
        tracks=("default",),
        metric=Metric(
            name="cpu",
            kind=MetricKind.TIME_TO_TARGET,
            unit="s",
            direction=Direction.LOWER,
            clock=Clock.CPU_S,
            minimum_effect=0.02,
            plausible_ratio=25.0,
        ),
        device=Device.CPU,
        environment=Environment(name="rsi-torch"),
        candidate=CandidateRules(
            entry=("python", "-P", "run.py"),
            editable=("trainer/**",),
            protected=("run.py", "PUBLIC.md"),
            max_source_bytes=64_000,
            max_literal_bytes=1_000,
            max_files_added=4,
        ),
        profiles={"demo": profile},
        default_profile="demo",
    )


@pytest.fixture(scope="session")
def findings_of(task: Task, base_tree: FileTree) -> Callable[..., tuple[Finding, ...]]:
    """Findings about the base with some files replaced, added, or (None) removed."""

    def find(
        files: Mapping[str, str | bytes | None], rules: Mapping[str, Rule] = RULES
    ) -> tuple[Finding, ...]:
        tree = {entry.path: entry for entry in base_tree}
        for path, content in files.items():
            if content is None:
                del tree[path]
                continue
            raw = content.encode() if isinstance(content, str) else content
            tree[path] = FileEntry(path=path, content=raw)
        return admit(task, base_tree, tuple(tree.values()), rules=rules)

    return find
