"""The result file: the only thing that a score is made of.

Invariant: no NaN, no number for "missing"; a reading outside its limit is said, not hidden.
"""
# ruff: noqa: TID251, TID252 - relative imports, because it also runs outside `rsi`

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from .canonical import canonical_json

SCHEMA = 1
OUTCOMES = ("ok", "crashed", "timeout", "oom", "invalid_output", "tampered", "out_of_budget")


@dataclass(frozen=True, kw_only=True)
class Part:
    """One family, member or domain of the score; shown at the gate."""

    name: str
    value: float | None
    n: int


@dataclass(frozen=True, kw_only=True)
class Check:
    """One check of the harness's own, with what it saw."""

    name: str
    is_ok: bool
    evidence: str


@dataclass(frozen=True, kw_only=True)
class Graded:
    """What a harness found out about one artifact."""

    quality: Mapping[str, float] = field(default_factory=dict)
    """Value of each quality rule that task.toml declares, in the rule's unit."""
    metric_value: float | None = None
    """None when the host's clock decides."""
    outcome: str = "ok"
    """One of OUTCOMES."""
    reason: str = ""
    """One sentence when the outcome is not ok."""
    parts: Sequence[Part] = ()
    guards: Sequence[Check] = ()
    used: float | None = None
    """Spent of the budget where the harness meters it; None when the host does."""
    clocked_s: float | None = None
    """Seconds of all calls together where the harness keeps the clock; the host holds the worker's CPU time against it."""
    hidden_reads: int = 0
    reply_digest: str | None = None
    """sha256 of what the candidate answered, to spot answers that do not depend on the seed."""


def result_value(
    graded: Graded, *, declared: Mapping[str, object], identity: Mapping[str, object]
) -> dict[str, object]:
    """The result file's content.

    Args:
        graded: What the harness found.
        declared: RSI_TASK_JSON: task, metric, quality rules, budget.
        identity: harness_sha256, profile, purpose, instance_digest, seed_commitment.

    Raises:
        ValueError: A declared quality is missing, a number is not finite, an unknown outcome.
    """
    if graded.outcome not in OUTCOMES:
        raise ValueError(f"outcome {graded.outcome!r} is not one of {', '.join(OUTCOMES)}")
    metric = dict(_table(declared, "metric"))
    metric["value"] = _finite("metric", graded.metric_value)
    return {
        "schema": SCHEMA,
        "task": declared["task"],
        **identity,
        "outcome": graded.outcome,
        "reason": graded.reason,
        "metric": metric,
        "parts": [
            {"name": part.name, "value": _finite(part.name, part.value), "n": part.n}
            for part in graded.parts
        ],
        "quality": _quality_entries(graded, declared),
        "spent": _spent(graded, declared),
        "guards": [
            {"name": guard.name, "ok": guard.is_ok, "evidence": guard.evidence}
            for guard in graded.guards
        ],
        "clocked_s": _finite("clocked_s", graded.clocked_s),
        "hidden_reads": graded.hidden_reads,
        "reply_digest": graded.reply_digest,
    }


def write_result(path: Path, value: Mapping[str, object]) -> None:
    """Write the result file whole or not at all.

    Raises:
        ValueError: The value holds NaN or an infinity.
    """
    content = canonical_json(value)
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(path.name + ".part")
    unfinished.write_bytes(content)
    unfinished.replace(path)


def _quality_entries(graded: Graded, declared: Mapping[str, object]) -> list[dict[str, object]]:
    rules = declared["quality"]
    if not isinstance(rules, list):
        raise TypeError("RSI_TASK_JSON: quality is not a list")
    known = {str(rule["name"]) for rule in rules}
    if unknown := sorted(set(graded.quality) - known):
        raise ValueError(f"quality {', '.join(unknown)} is not declared in task.toml")
    entries = []
    for rule in rules:
        name = str(rule["name"])
        value = _finite(name, graded.quality.get(name))
        if value is None and graded.outcome == "ok":
            raise ValueError(f"quality {name!r} is declared in task.toml but was not graded")
        op = "<=" if rule["direction"] == "lower" else ">="
        limit = rule["limit"]
        is_ok = None
        if value is not None and limit is not None:
            is_ok = value <= limit if op == "<=" else value >= limit
        entries.append({"name": name, "value": value, "op": op, "limit": limit, "ok": is_ok})
    return entries


def _spent(graded: Graded, declared: Mapping[str, object]) -> dict[str, object] | None:
    if declared.get("budget") is None:
        return None
    budget = _table(declared, "budget")
    by = "host" if graded.used is None else "harness"
    used = _finite("used", graded.used)
    return {"unit": budget["unit"], "used": used, "limit": budget["limit"], "by": by}


def _table(declared: Mapping[str, object], key: str) -> Mapping[str, object]:
    value = declared[key]
    if not isinstance(value, dict):
        raise TypeError(f"RSI_TASK_JSON: {key} is not a table")
    return value


def _finite(name: str, value: float | None) -> float | None:
    if value is not None and not math.isfinite(value):
        raise ValueError(f"{name} is {value}, and only finite numbers are results")
    return value
