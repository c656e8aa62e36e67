"""What a machine is, for comparing what was measured on it with what was measured elsewhere.

Does not: measure how fast it is. Invariant: two machines of one class are alike in all that programs are written for.
"""

import hashlib
import platform
from dataclasses import dataclass

from rsi.sandboxes.machine.devices import find_gpus
from rsi.sandboxes.machine.processors import find_processors

CLASS_DIGITS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Hardware:
    """A machine's description, as its worker tells it."""

    cpu: str
    """Model, as the kernel names it."""
    flags: tuple[str, ...]
    """Instruction sets for vectors and matrices."""
    cores: int
    """Logical cores that the worker may use."""
    memory_gib: int
    """Rounded: kernels of one machine keep different amounts for themselves."""
    gpus: tuple[str, ...]
    """Their names, sorted; empty without any."""
    driver: str
    """Of the GPUs; empty without any."""
    kernel: str

    @property
    def class_id(self) -> str:
        """Short name of the class of machines that this is one of; an update of kernel or driver changes no class."""
        parts = (
            self.cpu,
            *self.flags,
            "|",
            str(self.cores),
            str(self.memory_gib),
            *self.gpus,
        )
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:CLASS_DIGITS]

    @property
    def text(self) -> str:
        """One line."""
        gpus = f", {len(self.gpus)} x {self.gpus[0]} ({self.driver})" if self.gpus else ", no GPU"
        return f"{self.cores} x {self.cpu}, {self.memory_gib} GiB{gpus}, {self.kernel}, class {self.class_id}"


def find_hardware() -> Hardware:
    """What this machine is."""
    processors, gpus = find_processors(), find_gpus()
    return Hardware(
        cpu=processors.model,
        flags=processors.flags,
        cores=processors.cores,
        memory_gib=round(processors.memory_bytes / (1 << 30)),
        gpus=tuple(sorted(each.name for each in gpus)),
        driver=gpus[0].driver if gpus else "",
        kernel=f"{platform.system()} {platform.release()}",
    )
