"""Entry of the task: lay out the data, run the command, hand over what it left. Protected.

The command runs in the repo's folder as it always did and needs to know nothing of rsi. `{seed}` in it becomes the run's
seed. What it prints is passed on, and its end is kept where the task reads numbers out of it.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

ARTIFACT = "metrics.json"
"""The file that a run must leave: its path in the repo's folder; a bare name is looked for in the folders below too. Empty
where settings.json says what is handed over."""
CODE = Path(__file__).resolve().parent.parent
PRINTED_BYTES = 1 << 20
"""Of the end of what is printed."""
NO_RESULTS = (".py", ".pyc", ".pyo", ".so")
"""Code that a run leaves is no result of it."""


def main(command: list[str]) -> int:
    """Run the command of one run and return its exit code."""
    folder = Path(os.environ["RSI_IO"])
    path = Path(__file__).with_name("settings.json")
    settings = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    shutil.copytree(folder / "public", CODE, dirs_exist_ok=True)
    size = size_of_run(folder, settings)
    command = size.get("command", command)
    if ARTIFACT:
        # A file that came with the code is no result of this run.
        (CODE / ARTIFACT).unlink(missing_ok=True)
    before = {path: path.stat().st_mtime_ns for path in files()}
    interpreters = {"python": sys.executable, "python3": sys.executable}
    program = interpreters.get(command[0], command[0])
    words = [program, *(word.replace("{seed}", os.environ["RSI_SEED"]) for word in command[1:])]
    variables = os.environ | settings.get("variables", {}) | size.get("variables", {})
    roots = [str(CODE / root) for root in settings.get("roots", [])]
    # A path that the command sets comes before the one of the run, whose observer it would hide.
    paths = [*roots, variables.get("PYTHONPATH"), os.environ.get("PYTHONPATH")]
    if any(paths):
        variables["PYTHONPATH"] = os.pathsep.join(dict.fromkeys(filter(None, paths)))
    folder_of_run = CODE / size.get("folder", settings.get("folder", ""))
    if settings.get("keeps_output"):
        code, printed = run_and_listen(words, folder_of_run, variables)
        kept = folder / "out" / "printed.txt"
        if printed or not kept.exists():
            kept.write_bytes(printed)
    else:
        code = subprocess.run(words, cwd=folder_of_run, env=variables, check=False).returncode
    written = [path for path in files() if path.stat().st_mtime_ns != before.get(path)]
    if ARTIFACT:
        hand_over(written, folder / "out")
    for path in written:
        place = path.relative_to(CODE)
        if any(place.match(glob) for glob in settings.get("left", [])):
            goal = folder / "out" / "left" / place
            goal.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, goal)
    return code if code >= 0 else 128 - code


def size_of_run(folder: Path, settings: dict[str, Any]) -> dict[str, Any]:
    """What is started where the instance asks for another size of the run; empty for the usual one."""
    sizes: dict[str, dict[str, Any]] = settings.get("sizes", {})
    instance = folder / "public" / "rsi_instance.json"
    if not sizes or not instance.exists():
        return {}
    return sizes.get(json.loads(instance.read_text(encoding="utf-8")).get("size"), {})


def run_and_listen(words: list[str], cwd: Path, variables: dict[str, str]) -> tuple[int, bytes]:
    """Run the command, pass on what it prints, and keep the end of it."""
    kept = b""
    with subprocess.Popen(
        words, cwd=cwd, env=variables, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as process:
        assert process.stdout is not None  # noqa: S101 - it is a pipe
        while chunk := os.read(process.stdout.fileno(), 1 << 16):
            sys.stdout.buffer.write(chunk)
            sys.stdout.buffer.flush()
            kept = (kept + chunk)[-PRINTED_BYTES:]
    return process.returncode, kept


def hand_over(written: list[Path], out: Path) -> None:
    """Copy the artifact: the named path first, else the newest file of that name below."""
    named = [path for path in written if path == CODE / ARTIFACT]
    if "/" not in ARTIFACT:
        others = [path for path in written if path.name == ARTIFACT and path not in named]
        named += sorted(others, key=lambda path: path.stat().st_mtime_ns, reverse=True)
    handed_over = out / Path(ARTIFACT).name
    if named:
        shutil.copyfile(named[0], handed_over)
    elif not handed_over.exists():
        sys.stderr.write(f"rsi_entry: the run left no {ARTIFACT}\n")


def files() -> list[Path]:
    """Files below the repo's folder that may be a result."""
    return [path for path in CODE.rglob("*") if path.suffix not in NO_RESULTS and path.is_file()]


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
