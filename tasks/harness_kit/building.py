"""The build of a clocked task's worker in C: the task's own `worker/main.c` with the candidate's `src/`, by the words of `flags.txt`.

It lies in the package `harness_link` beside every candidate: `python -P -m harness_link.building`. It runs in the candidate's
sandbox before anything of the candidate does, so that it can refuse: flags by an allow-list, then each object and the linked
worker are read. Does not: judge source; admission does.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

FLAGS = re.compile(
    r"-O[0-3s]|-Ofast|-g|-pthread|-std=(gnu|c)(99|11|17)"
    r"|-m[a-z0-9.]+(-[a-z0-9.]+)*(=[A-Za-z0-9_-]+)?"
    r"|-f(?!lto|plugin|dump|profile|sanitize|use-ld|ipa-icf-)[a-z0-9]+(-[a-z0-9]+)*(=[a-z0-9,-]+)?"
    r"|-D[A-Za-z_]\w*(=\w+)?|--param=[a-z0-9-]+=\d+"
)
LIBRARIES = frozenset({"libc.so.6", "libm.so.6", "libmvec.so.1", "libgomp.so.1", "libgcc_s.so.1"})
FORBIDDEN = re.compile(
    r"_*(dl(m?open|v?sym|addr|_iterate_phdr)|system|popen|posix_spawn\w*|exec(v\w*|l\w*)|v?fork|clone3?|ptrace"
    r"|f?open(64|at|at64)?|creat|socket(pair)|bind|listen|accept4?|send(to|mmsg)|shm_open|memfd_create|mkfifo"
    r"|process_vm_\w+|timer_\w+|setitimer|signalfd|eventfd|syscall|clock_(gettime|settime)|gettimeofday|time)"
)
"""Functions of the C library that no kernel needs: other programs, files, libraries, clocks, ways to go on afterwards."""
THREADS = re.compile(r"_*(pthread_create|thrd_create|GOMP_\w+|omp_\w+)")
"""Refused as well where a task allows one core: the words `--one-thread` of its build command."""
MAX_BYTES = 4 << 20


def main() -> None:
    """Build, check, or say why not."""
    has_threads = "--one-thread" not in sys.argv[1:]
    words = Path("flags.txt").read_text(encoding="utf-8").split()
    for word in words:
        if not FLAGS.fullmatch(word):
            sys.exit(
                f"flags.txt: {word!r} is not among the flags that may be used, see INTERFACE.md"
            )
    sources = ["worker/main.c", *sorted(str(path) for path in Path("src").rglob("*.c"))]
    target = Path("build")
    target.mkdir(exist_ok=True)
    objects = []
    headers = [f"-I{os.environ['RSI_KIT']}", "-Iworker"]
    for number, source in enumerate(sources):
        objects.append(str(target / f"{number}.o"))
        # The task's own file sees neither words nor headers of the candidate, by which another function could stand in for `read`.
        given = [*headers, "-O2"] if source == sources[0] else [*headers, "-Isrc", *words]
        _gcc(*given, "-c", source, "-o", objects[-1])
        check_object(source, Path(objects[-1]))
    check_stand_ins(*map(Path, objects))
    worker = target / "worker"
    _gcc(*words, *objects, "-o", str(worker), "-lm")
    if worker.stat().st_size > MAX_BYTES:
        sys.exit(f"the worker has {worker.stat().st_size} bytes, {MAX_BYTES} are allowed")
    check(worker, has_threads=has_threads)


def _gcc(*words: str) -> None:
    built = subprocess.run(
        ["gcc", "-std=gnu11", *words], capture_output=True, text=True, check=False
    )
    if built.returncode:
        sys.exit(built.stderr[-1500:])


def check_object(source: str, path: Path) -> None:
    """Nothing that runs before `main` or chooses functions while the worker is loaded."""
    sections = _readelf("--sections", path)
    if early := re.search(
        r"\.(preinit_array|init_array|fini_array|ctors|dtors|init|fini)\b", sections
    ):
        sys.exit(
            f"{source} has {early.group()}: code that runs before the first call or after the last"
        )
    if re.search(r"\bIFUNC\b", _readelf("--symbols", path)):
        sys.exit(
            f"{source} chooses a function while the worker is loaded; choose it in the first call"
        )


def check_stand_ins(entry: Path, *others: Path) -> None:
    """No function of the candidate in the place of one of the C library that the task's own file calls."""
    library = subprocess.run(
        ["gcc", "-print-file-name=libc.so.6"], capture_output=True, text=True, check=True
    )
    wanted = set(re.findall(r" UND (\w+)", _readelf("--symbols", entry)))
    wanted &= set(re.findall(r" \d+ (\w+)@@", _readelf("--dyn-syms", Path(library.stdout.strip()))))
    for path in others:
        if own := sorted(wanted & set(re.findall(r" (?!UND)\w+ (\w+)$", _readelf("--symbols", path), re.MULTILINE))):  # fmt: skip
            sys.exit(f"src/ defines {', '.join(own)}, which the worker takes from the C library")


def check(worker: Path, *, has_threads: bool) -> None:
    """Only libraries of the language, no function that reaches out, and no threads where there are none to have."""
    dynamic = _readelf("--dynamic", worker)
    needed = set(re.findall(r"\(NEEDED\).*\[(.+?)\]", dynamic))
    if extra := sorted(needed - LIBRARIES):
        sys.exit(f"the worker needs {', '.join(extra)}; allowed are {', '.join(sorted(LIBRARIES))}")
    if re.search(r"\((RPATH|RUNPATH)\)", dynamic):
        sys.exit("the worker names a folder for libraries")
    symbols = _readelf("--dyn-syms", worker)
    undefined = re.findall(r" UND (\w+)", symbols)
    if used := sorted({name for name in undefined if FORBIDDEN.fullmatch(name)}):
        sys.exit(f"the worker calls {', '.join(used)}, which no kernel needs")
    threads = sorted({name for name in undefined if THREADS.fullmatch(name)})
    if threads and not has_threads:
        sys.exit(f"the worker calls {', '.join(threads)}, and one thread is allowed")


def _readelf(what: str, worker: Path) -> str:
    done = subprocess.run(
        ["readelf", "--wide", what, str(worker)], capture_output=True, text=True, check=True
    )
    return done.stdout


if __name__ == "__main__":
    main()
