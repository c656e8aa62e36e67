"""Parse and check the result file that a harness wrote.

Does not: trust it further than its schema; a file that breaks it is our failure, never the candidate's.
Invariant: a `Grade` with outcome ok has every declared quality, and the metric value where the result
file is the one to have it.
"""

import hashlib
from collections.abc import Mapping

from rsi.tasks.choices import Clock, Direction
from rsi.tasks.errors import HarnessError
from rsi.tasks.harness_kit.canonical import strict_json
from rsi.tasks.harness_kit.results import SCHEMA
from rsi.tasks.types import (
    Grade,
    GradeOutcome,
    GuardReading,
    Instance,
    Profile,
    QualityReading,
    QualityRule,
    Task,
)

RESULT_NAME = "result.json"
MAX_RESULT_BYTES = 1 << 20
"""A result file of one instance is a few kilobytes."""


def read_result(content: bytes, task: Task, profile: Profile, instance: Instance) -> Grade:
    """The grade that a result file states.

    Args:
        content: Bytes of the file.
        task: Task whose harness wrote it.
        profile: Profile in use.
        instance: Instance that was graded.

    Raises:
        HarnessError: Not strict JSON, a field missing or of the wrong kind, or a file about another
            task, profile, instance or metric.
    """
    reader = _Reader(task)
    try:
        value = strict_json(content)
    except ValueError as error:
        raise reader.error(f"is not acceptable JSON: {error}") from None
    if not isinstance(value, dict):
        raise reader.error("is not a JSON object")
    _check_identity(reader, value, task, profile, instance)
    try:
        outcome = GradeOutcome(reader.text(value, "outcome"))
    except ValueError:
        names = ", ".join(GradeOutcome)
        raise reader.error(f"has outcome {value['outcome']!r}, expected one of {names}") from None
    reason = str(value.get("reason") or "")
    if outcome is GradeOutcome.OK and (over := _over_counted(reader, value, profile)):
        outcome, reason = GradeOutcome.OUT_OF_BUDGET, over
    is_ok = outcome is GradeOutcome.OK
    return Grade(
        outcome=outcome,
        reason=reason,
        metric_value=_metric_value(reader, value, task, is_ok=is_ok),
        quality=_quality(reader, value, profile, is_ok=is_ok),
        guards=_guards(reader, value),
        result=value,
        result_sha256=hashlib.sha256(content).hexdigest(),
    )


def clocked_seconds(content: bytes) -> float | None:
    """Seconds of all calls together, where a harness kept the clock; None elsewhere, and for a file that is none."""
    try:
        value = strict_json(content)
    except ValueError:
        return None
    found = value.get("clocked_s") if isinstance(value, dict) else None
    return float(found) if isinstance(found, int | float) else None


class _Reader:
    """Typed look-ups with one kind of error."""

    def __init__(self, task: Task) -> None:
        self._task = task

    def error(self, sentence: str) -> HarnessError:
        return HarnessError(f"the result file of task {self._task.name!r} {sentence}")

    def text(self, value: Mapping[str, object], key: str) -> str:
        found = value.get(key)
        if not isinstance(found, str):
            raise self.error(f"has {key} {found!r}, expected a text")
        return found

    def number(self, value: Mapping[str, object], key: str) -> float | None:
        found = value.get(key)
        if found is None:
            return None
        if isinstance(found, bool) or not isinstance(found, int | float):
            raise self.error(f"has {key} {found!r}, expected a number or null")
        return float(found)

    def tables(self, value: Mapping[str, object], key: str) -> list[Mapping[str, object]]:
        found = value.get(key)
        if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
            raise self.error(f"has {key} {found!r:.80}, expected a list of objects")
        return found


def _over_counted(reader: _Reader, value: Mapping[str, object], profile: Profile) -> str:
    """By how much a run went over what its harness counted, held against task.toml's limit; empty when it did not.

    Raises:
        HarnessError: The budget is one that the harness counts, and it states no count.
    """
    budget = profile.budget
    if budget is None or not budget.is_counted:
        return ""
    spent = value.get("spent")
    used = reader.number(spent, "used") if isinstance(spent, dict) else None
    if used is None:
        raise reader.error(f"states no count of {budget.unit}, which [rsi.budget] is in")
    return f"spent {used:g} of {budget.limit:g} {budget.unit}" if used > budget.limit else ""


def _check_identity(
    reader: _Reader,
    value: Mapping[str, object],
    task: Task,
    profile: Profile,
    instance: Instance,
) -> None:
    expected = {
        "schema": SCHEMA,
        "task": task.name,
        "profile": profile.name,
        "purpose": instance.purpose,
        "instance_digest": instance.digest,
        "seed_commitment": instance.seed_commitment,
    }
    for key, wanted in expected.items():
        if value.get(key) != wanted:
            raise reader.error(f"has {key} {value.get(key)!r}, expected {wanted!r}")


def _metric_value(
    reader: _Reader, value: Mapping[str, object], task: Task, *, is_ok: bool
) -> float | None:
    metric = value.get("metric")
    if not isinstance(metric, dict):
        raise reader.error("has no metric object")
    declared = task.metric
    for key, wanted in (
        ("name", declared.name),
        ("kind", declared.kind.value),
        ("unit", declared.unit),
        ("direction", declared.direction.value),
    ):
        if metric.get(key) != wanted:
            raise reader.error(f"has metric.{key} {metric.get(key)!r}, task.toml says {wanted!r}")
    found = reader.number(metric, "value")
    if is_ok and found is None and declared.clock is Clock.RESULT:
        raise reader.error("has no metric.value, and no clock of the host has it either")
    return found


def _quality(
    reader: _Reader, value: Mapping[str, object], profile: Profile, *, is_ok: bool
) -> tuple[QualityReading, ...]:
    rules = {rule.name: rule for rule in profile.quality}
    readings: dict[str, QualityReading] = {}
    for entry in reader.tables(value, "quality"):
        name = reader.text(entry, "name")
        if name in readings or name not in rules:
            raise reader.error(f"has quality {name!r} twice or undeclared in task.toml")
        readings[name] = _reading(rules[name], reader.number(entry, "value"))
    if is_ok:
        for name in rules:
            if name not in readings or readings[name].value is None:
                raise reader.error(f"has no value of quality {name!r}")
    return tuple(readings.values())


def _reading(rule: QualityRule, value: float | None) -> QualityReading:
    """The harness states values; whether they keep the limit is computed here from task.toml."""
    op = "<=" if rule.direction is Direction.LOWER else ">="
    is_ok = None
    if value is not None and rule.limit is not None:
        is_ok = value <= rule.limit if op == "<=" else value >= rule.limit
    return QualityReading(name=rule.name, value=value, op=op, limit=rule.limit, is_ok=is_ok)


def _guards(reader: _Reader, value: Mapping[str, object]) -> tuple[GuardReading, ...]:
    guards = []
    for entry in reader.tables(value, "guards"):
        is_ok = entry.get("ok")
        if not isinstance(is_ok, bool):
            raise reader.error(f"has a guard with ok {is_ok!r}, expected true or false")
        name, evidence = reader.text(entry, "name"), reader.text(entry, "evidence")
        guards.append(GuardReading(name=name, is_ok=is_ok, evidence=evidence))
    return tuple(guards)
