"""The modules of the harness that a repo of somebody's own gets, imported as they are in its sandbox."""

import importlib
from types import SimpleNamespace

import pytest
from tests.tasks.conftest import importing

from rsi.tasks.format.loader import HARNESS_KIT
from rsi.tasks.making.own.grading import TEMPLATE

MODULES = ("splitting", "numbers_read", "left_files", "evaluating")


@pytest.fixture(scope="session")
def own_harness(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trusted")
    (folder / "harness").symlink_to(TEMPLATE)
    (folder / "harness_kit").symlink_to(HARNESS_KIT)
    with importing(folder, "harness"):
        modules = {name: importlib.import_module(f"harness.{name}") for name in MODULES}
        kit = importlib.import_module("harness_kit")
    return SimpleNamespace(**modules, kit=kit)
