"""Every benchmark starts as `make bench` starts it: none is lost to a module that moved."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
IMPORT = "import importlib.util, sys; spec = importlib.util.spec_from_file_location('bench', sys.argv[1]); " \
    "module = importlib.util.module_from_spec(spec); sys.modules['bench'] = module; spec.loader.exec_module(module)"  # fmt: skip


@pytest.mark.parametrize(
    "path", sorted((ROOT / "benchmarks").glob("*.py")), ids=lambda path: path.stem
)
def test_a_benchmark_imports_what_there_is(path: Path):
    recipe = next(
        line for line in (ROOT / "Makefile").read_text().splitlines() if "benchmarks/*.py" in line
    )
    variables = {"PYTHONPATH": str(ROOT)} if "PYTHONPATH=$(CURDIR)" in recipe else {}
    done = subprocess.run(
        [sys.executable, "-P", "-c", IMPORT, str(path)],
        env={**{k: v for k, v in os.environ.items() if k != "PYTHONPATH"}, **variables},
        cwd="/", capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
