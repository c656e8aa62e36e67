"""How a Python program is run under a profiler in place of itself, and what is told of it.

Does not: time anything that counts; a profiled run is slower than a plain one.
"""

import re
from collections.abc import Sequence

SHOWN_FUNCTIONS = 20
MARK = "--- own time by function ---"
_LIBRARY = re.compile(r"[^\s:]*/lib/python3\.\d+/(?:(?:site|dist)-packages/)?")
PROGRAM = """
import cProfile, os, pstats, runpy, sys
words = sys.argv[1:]
is_module = words[0] == "-m"
sys.argv = words[1:] if is_module else words
if not is_module and not getattr(sys.flags, "safe_path", False):
    sys.path[0] = os.path.dirname(os.path.abspath(words[0]))
profile, code = cProfile.Profile(), 0
run = runpy.run_module if is_module else runpy.run_path
try:
    profile.runcall(run, sys.argv[0], run_name="__main__")
except SystemExit as end:
    code = end.code if isinstance(end.code, int) else 0 if end.code is None else 1
finally:
    stats = pstats.Stats(profile).stats
    print("%MARK%")
    print("%8.3f s in all, under the profiler" % sum(row[2] for row in stats.values()))
    for place, row in sorted(stats.items(), key=lambda item: -item[1][2])[:%SHOWN%]:
        name = place[0] if place[0] == "~" else os.path.relpath(place[0])
        name = min(name, place[0], key=len)
        print("%8.3f s own %8.3f s total %8d calls  %s:%d %s" % (row[2], row[3], row[1], name, place[1], place[2]))
    sys.stdout.flush()
sys.exit(code)
""".replace("%MARK%", MARK).replace("%SHOWN%", str(SHOWN_FUNCTIONS))


def profiled(entry: Sequence[str]) -> tuple[str, ...] | None:
    """The command that runs another one under the profiler; None when that is no Python program."""
    if not entry or entry[0] not in ("python", "python3"):
        return None
    at = 1
    while at < len(entry) and entry[at].startswith("-") and entry[at] != "-m":
        if entry[at] == "-c":
            return None
        at += 2 if entry[at] in ("-X", "-W") else 1
    if at >= len(entry):
        return None
    return (*entry[:at], "-c", PROGRAM, *entry[at:])


def profile_told(stdout: str) -> str:
    """What the profiler printed, or that it did not."""
    _, mark, rows = stdout.rpartition(f"{MARK}\n")
    if not mark:
        return "no profile: the run ended without it"
    # Where a library lies on this machine is no news, and the same long path in every row hides the names.
    return f"{MARK}\n{_LIBRARY.sub('', rows).rstrip()}"
