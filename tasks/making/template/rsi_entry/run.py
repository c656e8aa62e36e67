"""Entry of the task: lay out the data, run the command, hand over what it left. Protected.

The command runs in the repo's folder as it always did and needs to know nothing of rsi.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ARTIFACT = "metrics.json"
"""The file that a run must leave: its path in the repo's folder; a bare name is looked for in the folders below too."""
CODE = Path(__file__).resolve().parent.parent


def main(command: list[str]) -> int:
    """Run the command of one run and return its exit code."""
    folder = Path(os.environ["RSI_IO"])
    shutil.copytree(folder / "public", CODE, dirs_exist_ok=True)
    # A file that came with the code is no result of this run.
    (CODE / ARTIFACT).unlink(missing_ok=True)
    before = {path: path.stat().st_mtime_ns for path in candidates()}
    interpreters = {"python": sys.executable, "python3": sys.executable}
    program = interpreters.get(command[0], command[0])
    code = subprocess.run([program, *command[1:]], cwd=CODE, check=False).returncode
    written = (path for path in candidates() if path.stat().st_mtime_ns != before.get(path))
    found = next(written, None)
    handed_over = folder / "out" / Path(ARTIFACT).name
    if found is not None:
        shutil.copyfile(found, handed_over)
    elif not handed_over.exists():
        sys.stderr.write(f"rsi_entry: the run left no {ARTIFACT}\n")
    return code if code >= 0 else 128 - code


def candidates() -> list[Path]:
    """Files that may be the artifact, the named path first, then the newest."""
    named = [CODE / ARTIFACT] if (CODE / ARTIFACT).is_file() else []
    if "/" in ARTIFACT:
        return named
    others = [path for path in CODE.rglob(ARTIFACT) if path.is_file() and path not in named]
    return named + sorted(others, key=lambda path: path.stat().st_mtime_ns, reverse=True)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
