"""The build of a clocked worker: the task's own file is compiled from the task's words alone."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from rsi.tasks.format.loader import load_task
from rsi.tasks.harness_kit import building

KIT = Path(building.__file__).parent


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    if shutil.which("gcc") is None or shutil.which("readelf") is None:
        pytest.skip("needs gcc and readelf")
    return Path(shutil.copytree(load_task("lm_training_c").repo, tmp_path / "repo"))


def build(repo: Path) -> "subprocess.CompletedProcess[str]":
    variables = os.environ | {"RSI_KIT": str(KIT)}
    return subprocess.run(
        [sys.executable, "-P", KIT / "building.py"], cwd=repo, env=variables, capture_output=True, text=True, check=False, timeout=60
    )  # fmt: skip


def symbols_of_entry(repo: Path) -> set[str]:
    """Build, and say which functions the object of `worker/main.c` asks for."""
    built = build(repo)
    assert built.returncode == 0, built.stderr
    listed = subprocess.run(
        ["readelf", "--wide", "--symbols", repo / "build" / "0.o"], capture_output=True, text=True, check=True, timeout=60
    )  # fmt: skip
    return {line.split()[-1] for line in listed.stdout.splitlines() if " UND " in line}


EARLY = "\n__attribute__((used)) long early(int link, void *place, unsigned long size) { (void)link; (void)place; return (long)size; }\n"
CALLED = "__attribute__((used)) void __cyg_profile_func_{0}(void *here, void *from) {{ (void)here; (void)from; }}\n"


def test_a_macro_of_the_flags_renames_nothing_in_the_tasks_own_file(repo: Path) -> None:
    with (repo / "src" / "trainer.c").open("a") as source:
        source.write(EARLY)
    (repo / "flags.txt").write_text("-O2 -Dread=early\n")
    asked = symbols_of_entry(repo)
    assert "read" in asked
    assert "early" not in asked


def test_a_flag_puts_no_calls_into_the_tasks_own_file(repo: Path) -> None:
    with (repo / "src" / "trainer.c").open("a") as source:
        source.write(CALLED.format("enter") + CALLED.format("exit"))
    (repo / "flags.txt").write_text("-O2 -finstrument-functions\n")
    assert not [name for name in symbols_of_entry(repo) if name.startswith("__cyg")]


def test_a_header_of_the_candidate_stands_in_for_none_of_the_system(repo: Path) -> None:
    with (repo / "src" / "trainer.c").open("a") as source:
        source.write(EARLY)
    (repo / "src" / "unistd.h").write_text("#include_next <unistd.h>\n#define read early\n")
    asked = symbols_of_entry(repo)
    assert "read" in asked
    assert "early" not in asked


def test_a_candidates_own_headers_and_words_reach_its_own_source(repo: Path) -> None:
    (repo / "src" / "sizes.h").write_text("#ifndef WIDE\n#error not told\n#endif\n")
    with (repo / "src" / "trainer.c").open("a") as source:
        source.write('\n#include "sizes.h"\n#include <sizes.h>\n')
    (repo / "flags.txt").write_text("-O2 -DWIDE=8\n")
    assert "train" in symbols_of_entry(repo)


@pytest.mark.parametrize("flags", ["-O2", "-O2 -Dearly=read"])
def test_a_function_of_the_candidate_stands_in_for_none_of_the_library(
    repo: Path, flags: str
) -> None:
    with (repo / "src" / "trainer.c").open("a") as source:
        source.write(EARLY if "=read" in flags else EARLY.replace("early", "read"))
    (repo / "flags.txt").write_text(flags + "\n")
    built = build(repo)
    assert built.returncode == 1
    assert "src/ defines read, which the worker takes from the C library" in built.stderr
