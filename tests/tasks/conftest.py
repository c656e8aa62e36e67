"""A copy of the toy task that a test may break, and packages imported from wherever they lie."""

import contextlib
import importlib
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest

from rsi.tasks.format.loader import BUILT_IN, HARNESS_KIT
from rsi.tasks.types import Task

TOY = BUILT_IN / "toy"


@pytest.fixture
def toy_copy(tmp_path: Path) -> Path:
    folder = tmp_path / "tasks" / "toy"
    shutil.copytree(TOY, folder, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


@pytest.fixture
def edit_toml(toy_copy: Path) -> Callable[..., Path]:
    """Replace text that occurs once in a file of the copy; returns the task folder."""

    def edit(old: str, new: str, file: str = "task.toml") -> Path:
        path = toy_copy / file
        content = path.read_text(encoding="utf-8")
        assert content.count(old) == 1, f"{old!r} occurs {content.count(old)} times in {file}"
        path.write_text(content.replace(old, new), encoding="utf-8")
        return toy_copy

    return edit


@contextlib.contextmanager
def harness_of(task: Task, folder: Path, names: Sequence[str]) -> Iterator[SimpleNamespace]:
    """Modules of a task's harness by name, imported from a folder in which it lies beside the kit as in a sandbox."""
    (folder / "harness").symlink_to(task.harness)
    (folder / "harness_kit").symlink_to(HARNESS_KIT)
    with importing(folder, "harness"):
        yield SimpleNamespace(
            **{each: importlib.import_module(f"harness.{each}") for each in names}
        )


@contextlib.contextmanager
def importing(folder: Path, package: str) -> Iterator[None]:
    """Import from a folder, and forget what it calls `package` afterwards: every task's has the same name."""
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))
        for name in [each for each in sys.modules if each.partition(".")[0] == package]:
            del sys.modules[name]
