"""The harness's own modules, imported as they are in its sandbox: as `harness`, beside `harness_kit`."""

import importlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from tests.tasks.conftest import importing

from rsi.tasks.format.loader import HARNESS_KIT, load_task
from rsi.tasks.running.variables import harness_variables
from rsi.tasks.types import Task

MODULES = (
    "language",
    "corpus",
    "ngram",
    "family",
    "forward",
    "gradients",
    "equivalence",
    "looking_ahead",
    "selfcheck",
    "task",
)
SEED = bytes(range(32))


@pytest.fixture(scope="session")
def lm_task() -> Task:
    return load_task("lm_training", track="fixed_model")


def load_harness(folder: Path) -> SimpleNamespace:
    """The modules of a harness that lies in `folder` beside its kit."""
    with importing(folder, "harness"):
        modules = {name: importlib.import_module(f"harness.{name}") for name in MODULES}
        kit = importlib.import_module("harness_kit")
    return SimpleNamespace(**modules, kit=kit)


@pytest.fixture(scope="session")
def harness(lm_task: Task, tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    folder = tmp_path_factory.mktemp("trusted")
    (folder / "harness").symlink_to(lm_task.harness)
    (folder / "harness_kit").symlink_to(HARNESS_KIT)
    return load_harness(folder)


@pytest.fixture
def leaking_harness(lm_task: Task, harness: SimpleNamespace, tmp_path: Path) -> SimpleNamespace:
    """The harness with models whose mask is off by one: what cheat 09 would be, were its model the one that counts."""
    copied = tmp_path / "leaking" / "harness"
    shutil.copytree(lm_task.harness, copied)
    forward = copied / "forward.py"
    honest = forward.read_text(encoding="utf-8")
    assert honest.count("k=1)") == 1
    forward.write_text(honest.replace("k=1)", "k=2)"), encoding="utf-8")
    return load_harness(copied.parent)


@pytest.fixture(scope="session")
def request_of(harness: SimpleNamespace) -> Callable[..., object]:
    """A harness request for one profile and track of the task."""

    def make(profile: str = "smoke", track: str = "fixed_model", seed: bytes = SEED) -> object:
        task = load_task("lm_training", track=track)
        declared = json.loads(harness_variables(task, task.profiles[profile])["RSI_TASK_JSON"])
        return harness.kit.Request(
            profile=profile,
            purpose="dev",
            seed=seed,
            track=track,
            settings=declared["settings"],
            limits={rule["name"]: rule["limit"] for rule in declared["quality"]},
        )

    return make


@pytest.fixture
def graded(
    harness: SimpleNamespace, request_of: Callable[..., object], tmp_path: Path
) -> Callable[..., object]:
    """Grade weights (and a configuration) as the harness would; returns its `Graded`."""
    made: dict[str, object] = {}

    def instance(track: str) -> object:
        if track not in made:
            request = request_of(track=track)
            root = tmp_path / track
            for part in ("public", "secret"):
                (root / part).mkdir(parents=True)
            harness.task.TrainingHarness().instance(request, root / "public", root / "secret")
            made[track] = harness.kit.InstanceFolder(root=root, request=request)
        return made[track]

    def grade(
        prepare: Callable[[Path], None],
        track: str = "fixed_model",
        hidden: bytes | None = None,
        by: SimpleNamespace = harness,
    ) -> object:
        folder = instance(track)
        if hidden is not None:
            (folder.secret / "hidden.txt").write_bytes(hidden)
        out = tmp_path / "out"
        out.mkdir(exist_ok=True)
        prepare(out)
        return by.task.TrainingHarness().grade(folder, out)

    return grade


@pytest.fixture
def pinned(request_of: Callable[..., object]) -> dict[str, object]:
    """The smoke profile's pinned model configuration, as a candidate may copy it."""
    return dict(request_of().settings["model"])


@pytest.fixture
def leave(
    harness: SimpleNamespace, pinned: dict[str, object]
) -> Callable[..., Callable[[Path], None]]:
    """Builds a `prepare` function that writes random weights, with some of them changed."""

    def make(**changes: object) -> Callable[[Path], None]:
        config = {**pinned, **changes.pop("config", {})}
        weights = harness.selfcheck.random_weights(
            harness.family.read_config(config), np.random.default_rng(0)
        )
        for name, value in changes.items():
            weights[name.replace("__", ".")] = value

        def prepare(out: Path) -> None:
            (out / "config.json").write_text(json.dumps(config), encoding="utf-8")
            np.savez(out / "weights.npz", **weights)

        return prepare

    return make
