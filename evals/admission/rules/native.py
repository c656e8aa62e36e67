"""C, C++ and CUDA source, in files or inline in a string: calls that no kernel needs.

Does not: parse C. A kernel computes; it does not start programs, open sockets or read clocks of others.
"""

import ast
import re
from collections.abc import Iterator

from rsi.evals.admission.rules import kernels
from rsi.evals.admission.source.parsed import SourceFile, python_lines
from rsi.evals.types import Finding, Severity

SOURCE = "rules"
NATIVE_SUFFIXES = (".c", ".cc", ".cpp", ".cxx", ".cu", ".cuh", ".h", ".hh", ".hpp", ".inc", ".inl", ".s", ".asm")  # fmt: skip
LOOKS_NATIVE = re.compile(r"#\s*include|__global__|extern\s+\"C\"|PYBIND11_MODULE|TORCH_LIBRARY")
UNREAD = "native source; a person should read it"
"""Of the finding that native code is there at all; no finding where the task is to write it."""
_FREE = r"(?:\bstd\s*::\s*|(?<![.>])(?<!\w::)\b)"
"""Before a function of the C library: no method and nothing of a library's own namespace, such as `x.clone()`, `at::clone()`."""
CALLS: tuple[tuple[str, re.Pattern[str], Severity, str], ...] = (
    ("process_escape", re.compile(rf"{_FREE}(clone|daemon|exec[lv]p?e?|system|popen|kill|nice)\s*\(|\b(v?fork|setsid|setpgid|posix_spawnp?|ptrace|prctl|unshare|setns|setpriority)\b"), Severity.BLOCK, "starts or touches processes"),
    ("network", re.compile(r"(?<![.>])(?<!\w::)\b(socket|connect|accept|bind|sendto|recvfrom|getaddrinfo)\s*\("), Severity.BLOCK, "uses the network"),
    ("clock_patch", re.compile(r"\b(clock_settime|settimeofday|adjtimex?|stime)\s*\(|\b(clock_gettime|gettimeofday|time|clock)\s*\([^;{}]*\)\s*\{"), Severity.BLOCK, "sets or replaces a clock"),
    ("dynamic_code", re.compile(r"\b(dlopen|dlsym|dlmopen|mprotect|memfd_create|process_vm_(read|write)v)\s*\("), Severity.BLOCK, "loads or writes code at run time"),
    ("deferred_work", re.compile(r"__attribute__\s*\(\(\s*(constructor|destructor|ifunc)"), Severity.BLOCK, "runs outside every call"),
    ("native_code", re.compile(r"\b(syscall|__asm__|asm)\s*[\(v]"), Severity.HOLD, "assembly or raw system calls"),
    ("outside_paths", re.compile(r"\"/(proc|sys|etc|root|home|work|var|dev/(?!null))"), Severity.BLOCK, "names a folder of the host"),
    ("deferred_work", re.compile(r"\b(atexit|on_exit|signal|sigaction|pthread_create|std::thread)\s*[\(<]"), Severity.HOLD, "starts work of its own"),
    ("file_tricks", re.compile(r"\b(fopen|open|openat|std::i?fstream|mmap|shm_open|unlink|symlink)\s*\("), Severity.HOLD, "opens files"),
)  # fmt: skip


COUNTER = re.compile(r"\bstatic\s+(?:(?:volatile|unsigned|_Atomic|long)\s+)*(?:int|long|unsigned|size_t|u?int\d+_t)\s+(\w+)\s*[;=,]")  # fmt: skip
COUNTED = r"(?:\+\+\s*(?:{0})|\b(?:{0})\s*\+\+)\s*(?:%|&(?!&)|==|>=?(?!>)|<=?(?!<))"
"""A counter that outlives a call, compared where it is counted."""


def check(file: SourceFile) -> Iterator[Finding]:
    """Read native source that is inline in a Python file."""
    for node in file.nodes:
        match node:
            case ast.Constant(value=str(text)) if LOOKS_NATIVE.search(text):
                for finding in check_native(file.path, text, first_line=node.lineno):
                    yield file.at(finding, node)


def check_native(
    path: str, text: str, *, first_line: int = 1, own: frozenset[str] = frozenset()
) -> Iterator[Finding]:
    """Report calls that a kernel does not need, and that there is native code at all.

    Args:
        path: File that holds the text.
        text: C, C++ or CUDA source.
        first_line: Line of the file on which the text starts.
        own: Functions that the candidate's native files define.
    """
    yield Finding(
        rule="native_code",
        severity=Severity.HOLD,
        file=path,
        line=first_line,
        message=UNREAD,
        source=SOURCE,
    )
    bare = re.sub(r"//[^\n]*|/\*.*?(?:\*/|\Z)", _blank, text, flags=re.DOTALL)
    for number, line in enumerate(python_lines(bare), start=first_line):
        for rule, pattern, severity, message in CALLS:
            if found := pattern.search(line):
                yield Finding(
                    rule=rule,
                    severity=severity,
                    file=path,
                    line=number,
                    message=f"{found.group(0).strip()!r} {message}",
                    source=SOURCE,
                )
    counters = "|".join(sorted(set(COUNTER.findall(bare))))
    if counters and (found := re.search(COUNTED.format(counters), bare)):
        yield Finding(
            rule="special_case",
            severity=Severity.HOLD,
            file=path,
            line=first_line + bare.count("\n", 0, found.start()),
            message="decides by how often it was called",
            source=SOURCE,
        )
    for offset, rule, message in kernels.unusual(bare, own):
        yield Finding(
            rule=rule,
            severity=Severity.HOLD,
            file=path,
            line=first_line + bare.count("\n", 0, offset),
            message=message,
            source=SOURCE,
        )


def _blank(comment: re.Match[str]) -> str:
    """A comment as nothing but its line breaks, so that line numbers stay right."""
    return "\n" * comment.group(0).count("\n")
