"""CPU seconds to start `rsi`, beside the bare interpreter in the same run.

Medians of several starts each, taken in turn so that a busy machine troubles all alike. CPU seconds of the
child, not wall seconds: they say what the start costs, not who else was running.
"""

import os
import resource
import statistics
import subprocess
import sys

STARTS = 15
COMMANDS = {
    "bare interpreter": ["-c", "pass"],
    "rsi --help": ["-c", "import sys; from rsi.tui.main import main; sys.exit(main(['--help']))"],
    "import rsi.agent.cli.entry": ["-c", "import rsi.agent.cli.entry"],
}
BARE = "bare interpreter"


def cpu_s(arguments: list[str]) -> float:
    """User and system seconds of one start."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        [sys.executable, "-P", *arguments], stdout=subprocess.DEVNULL, check=True, env=os.environ
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime - before.ru_utime) + (after.ru_stime - before.ru_stime)


def main() -> None:
    """Measure and print."""
    for arguments in COMMANDS.values():
        # The first start may have to compile and to read from a cold disk.
        cpu_s(arguments)
    samples: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(STARTS):
        for name, arguments in COMMANDS.items():
            samples[name].append(cpu_s(arguments))
    medians = {name: statistics.median(values) for name, values in samples.items()}
    print(f"CPU seconds of one start, median of {STARTS}, Python {sys.version.split()[0]}")
    for name, seconds in medians.items():
        ratio = seconds / medians[BARE]
        print(f"  {name:<28} {seconds:7.3f} s  {ratio:5.1f} x the bare interpreter")


if __name__ == "__main__":
    main()
