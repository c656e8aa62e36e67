"""Run the repo's own evaluation, as it was when the task was made, on what a run left.

The repo's files come from the task, the data from the instance, and only the files that the task names from the run; each
of them was looked at first (`left_files`). What the evaluation prints goes through a file of its own and never mixes with
what the harness says.
Invariant: a file of the run never stands in for one of the repo, of the data, or of the evaluation's own answers, and
none that the task does not name is there at all.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from harness_kit import InvalidArtifact

KEPT_BYTES = 1 << 20
"""Of the end of what the evaluation prints."""
LAST_WORDS = 300
CODE = frozenset({".py", ".pyc", ".pyo", ".so", ".sh", ".zip", ".egg"})
"""What an interpreter or a loader would run."""
SAFE_VARIABLES = {
    # torch.load refuses everything but weights, whatever the evaluation asks for.
    "TORCH_FORCE_WEIGHTS_ONLY_LOAD": "1",
    "WANDB_MODE": "disabled",
    "HF_HUB_OFFLINE": "1",
    "MPLBACKEND": "Agg",
}


def evaluate(
    rules: Mapping[str, Any], folder: Path, *, repo: Path, public: Path, held_out: Path, left: Path
) -> str:
    """What the evaluation printed.

    Args:
        rules: grading.json.
        folder: An empty folder to do it in; afterwards it holds what the evaluation wrote.
        repo: The repo as it was when the task was made.
        public: What the run was given.
        held_out: Data that no run is given.
        left: What the run left, under the paths that it had there.

    Raises:
        InvalidArtifact: The evaluation failed on what the run left, or found nothing.
    """
    shutil.copytree(repo, folder, dirs_exist_ok=True)
    shutil.copytree(public, folder, dirs_exist_ok=True)
    own = {path.relative_to(folder) for path in folder.rglob("*") if path.is_file()}
    answers = {Path(each["file"]) for each in rules["qualities"] if each["kind"] == "file"}
    taken = 0
    # By name alone: a run may leave anything, and a module of its own beside the evaluation would be imported by it.
    for place in map(Path, rules["left"]):
        path = left / place
        if not path.is_file() or place in own or place in answers or place.suffix in CODE:
            continue
        (folder / place).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, folder / place)
        taken += 1
    if not taken:
        raise InvalidArtifact("the run left no file that the evaluation could look at")
    if held_out.is_dir():
        shutil.copytree(held_out, folder, dirs_exist_ok=True)
    return _run(rules, folder)


def _run(rules: Mapping[str, Any], folder: Path) -> str:
    command: Sequence[str] = rules["evaluate"]
    roots: Sequence[str] = rules["roots"]
    kept = {
        n: os.environ[n]
        for n in ("PATH", "HOME", "TMPDIR", "LANG", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
        if n in os.environ
    }
    own = {"PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1", "RSI_SEED": "0"}
    if roots:
        own["PYTHONPATH"] = os.pathsep.join(str(folder / root) for root in roots)
    program = sys.executable if command[0] in {"python", "python3"} else command[0]
    words = [program, *(word.replace("{seed}", "0") for word in command[1:])]
    output = folder.parent / f"{folder.name}-printed"
    try:
        with output.open("wb") as stream:
            code = subprocess.run(
                words,
                cwd=folder / rules["evaluate_folder"],
                env=kept | own | dict(rules["variables"]) | SAFE_VARIABLES,
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
                check=False,
            ).returncode
        printed = output.read_bytes()[-KEPT_BYTES:].decode("utf-8", "replace")
    finally:
        output.unlink(missing_ok=True)
    if code != 0:
        lines = [line for line in printed.splitlines() if line.strip()]
        last = lines[-1][-LAST_WORDS:] if lines else "it printed nothing"
        raise InvalidArtifact(
            f"the evaluation ended with status {code} on what the run left: {last}"
        )
    return printed
