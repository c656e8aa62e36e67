"""Which machines a campaign asks for, and whether a worker's machine is one of them.

A wish is "KEY=VALUE", such as "gpu=h100"; a machine fits when it answers all of them. Invariant: a pure function of the
worker's own description.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from rsi.agent.store.records import WorkerRecord
from rsi.sandboxes.machine.hardware import Hardware

LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
"""What an operator may call a worker by."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WishKind:
    """One key of a wish."""

    meaning: str
    """What its value names."""
    is_met: Callable[[WorkerRecord, str], bool]
    """Whether a worker answers it, given the value in lower case."""


def _words(text: str) -> frozenset[str]:
    return frozenset(re.findall(r"[a-z0-9]+", text.lower()))


def _has_gpu(worker: WorkerRecord, value: str) -> bool:
    gpus = () if worker.hardware is None else worker.hardware.gpus
    return any(_words(value) <= _words(each) for each in gpus)


def _has_cpu(worker: WorkerRecord, value: str) -> bool:
    found: Hardware | None = worker.hardware
    if found is None:
        return False
    return _words(value) <= _words(found.cpu) or any(each.startswith(value) for each in found.flags)


WISHES: Mapping[str, WishKind] = {
    "gpu": WishKind(meaning="words of a GPU's name, such as h100", is_met=_has_gpu),
    "cpu": WishKind(
        meaning="words of the processor's model, or how an instruction set begins, such as avx512",
        is_met=_has_cpu,
    ),
    "label": WishKind(
        meaning="what `rsi worker --label` calls it",
        is_met=lambda worker, value: value in {each.lower() for each in worker.labels},
    ),
    "class": WishKind(
        meaning="the class that `rsi workers` tells",
        is_met=lambda worker, value: (
            worker.hardware is not None and worker.hardware.class_id == value
        ),
    ),
}


def fits(worker: WorkerRecord, wishes: Sequence[str]) -> bool:
    """Whether a worker's machine is what was asked for; nothing asked for fits everywhere."""
    pairs = (each.partition("=") for each in wishes)
    return all(
        key in WISHES and WISHES[key].is_met(worker, value.lower()) for key, _, value in pairs
    )


def wish_problem(wishes: Sequence[str]) -> str:
    """What is wrong with a wish, in one sentence; empty when nothing is."""
    for each in wishes:
        key, mark, value = each.partition("=")
        if not mark or key not in WISHES:
            keys = "; ".join(f"{name}: {kind.meaning}" for name, kind in WISHES.items())
            return f"the machine asked for is {each!r}; give KEY=VALUE ({keys})"
        if not _words(value):
            return f"the machine asked for is {each!r}; give {WISHES[key].meaning} after the '='"
    return ""


def label_problem(labels: Sequence[str]) -> str:
    """What is wrong with a worker's label, in one sentence; empty when nothing is."""
    wrong = next((each for each in labels if LABEL.fullmatch(each) is None), None)
    if wrong is None:
        return ""
    return f"the label is {wrong!r}; give letters, digits, '.', '_' and '-', at most 63 of them"
