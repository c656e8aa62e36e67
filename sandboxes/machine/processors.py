"""What processors and memory this machine has, in words that decide how a program should be written for it.

Does not: reserve anything. Invariant: what the platform does not tell is left out, never guessed.
"""

import os
import platform
import re
from dataclasses import dataclass
from pathlib import Path

CPU_FILE = Path("/proc/cpuinfo")
_MODEL = re.compile(r"^model name\s*:\s*(.+)$", re.MULTILINE)
_FLAGS = re.compile(r"^(?:flags|Features)\s*:\s*(.+)$", re.MULTILINE)
_VECTOR_FLAG = re.compile(
    r"sse4_2|f16c|fma|avx\w*|amx_\w+|asimd\w*|sve\w*|sme\d*|sme_\w+|bf16|i8mm|fphp"
)
"""Flags by which code for vectors and matrices is chosen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Processors:
    """The processors of this machine."""

    model: str
    """As the kernel names it, else the kind of machine such as "x86_64"."""
    flags: tuple[str, ...]
    """Instruction sets for vectors and matrices, in the kernel's order; empty where it does not tell."""
    cores: int
    """Logical cores that this process may use."""
    memory_bytes: int

    @property
    def text(self) -> str:
        """One line."""
        flags = f" ({' '.join(self.flags)})" if self.flags else ""
        return (
            f"{self.cores} x {self.model}{flags}, {self.memory_bytes / (1 << 30):.1f} GiB of memory"
        )


def find_processors(cpu_file: Path = CPU_FILE) -> Processors:
    """What this machine has.

    Args:
        cpu_file: What the kernel says of each processor.
    """
    try:
        told = cpu_file.read_text("utf-8", errors="replace")
    except OSError:
        told = ""
    model, flags = _MODEL.search(told), _FLAGS.search(told)
    words = flags[1].split() if flags else []
    return Processors(
        model=model[1].strip() if model else platform.machine(),
        flags=tuple(word for word in words if _VECTOR_FLAG.fullmatch(word)),
        cores=len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else os.cpu_count() or 1,
        memory_bytes=os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"),
    )
