"""Scripts for the scripted model: one TOML entry a round, checked when loaded.

[[round]]
patch = "fused_optimizer"      # a solution or cheat of the task, or a path beside the script; or a list
hypothesis = "..."
predicted_ratio = 1.3
risk = "..."
measure = true                 # optional: one dev run before submitting
[round.critique]               # optional: what the scripted critic says
[[round.finding]]              # optional: what the scripted reviewer reports
[[round.turn]]                 # instead of a patch: turns played as written, for tests
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from rsi.agent.llm.errors import ModelSpecError
from rsi.tasks.types import Task

_KEYS: Mapping[str, type | tuple[type, ...]] = {
    "patch": (str, list),
    "hypothesis": str,
    "predicted_ratio": (int, float),
    "risk": str,
    "parts": list,
    "measure": bool,
    "revision": (str, list),
    "give_up": str,
    "critique": dict,
    "finding": list,
    "turn": list,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One scripted turn, played as written."""

    text: str
    calls: tuple[tuple[str, Mapping[str, object]], ...]
    """Tool name and arguments; an argument `_raw` makes the call unreadable on purpose."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptedRound:
    """What the scripted model does in one round."""

    label: str
    """Names of the patches, for messages."""
    diffs: tuple[str, ...]
    """Texts of the patches in order; empty when the round gives up or plays turns."""
    revised_diffs: tuple[str, ...]
    """Played instead when a critic or a person sent the candidate back; empty plays the same again."""
    hypothesis: str
    predicted_ratio: float
    risk: str
    parts: tuple[str, ...]
    measure: bool
    give_up: str | None
    turns: tuple[Turn, ...]
    critique: Mapping[str, object] | None
    findings: tuple[Mapping[str, object], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """All rounds of one script."""

    source: str
    rounds: tuple[ScriptedRound, ...]


def load_script(target: str, task: Task | None) -> Script:
    """Find and read a script.

    Args:
        target: A path, the task's name (its solutions/demo.toml), or the stem of a script in its
            solutions folder.
        task: Whose solutions and cheats patches are named by; None allows paths only.

    Raises:
        ModelSpecError: No such script, or a mistake in it: file, round, key, what was expected.
    """
    path = _find(target, task)
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ModelSpecError(f"script {path} cannot be read: {error}") from error
    entries = content.get("round")
    if not isinstance(entries, list) or not entries or set(content) != {"round"}:
        raise ModelSpecError(
            f"script {path}: expected [[round]] entries only, found {sorted(content) or 'nothing'}"
        )
    rounds = tuple(
        _round(entry, f"script {path}, round {number}", path.parent, task)
        for number, entry in enumerate(entries, start=1)
    )
    return Script(source=str(path), rounds=rounds)


def _find(target: str, task: Task | None) -> Path:
    places = [Path(target)]
    if task is not None:
        stem = "demo" if target in ("", task.name) else target
        places += [task.root / "solutions" / f"{stem}.toml", task.root / target]
    for place in places:
        if place.is_file():
            return place
    tried = ", ".join(str(place) for place in places)
    raise ModelSpecError(f"scripted:{target}: no script found; tried {tried}")


def _round(
    entry: Mapping[str, object], where: str, folder: Path, task: Task | None
) -> ScriptedRound:
    for key, value in entry.items():
        if key not in _KEYS:
            raise ModelSpecError(f"{where}: unknown key {key!r}; known: {', '.join(_KEYS)}")
        if not isinstance(value, _KEYS[key]) or (isinstance(value, bool) and key != "measure"):
            raise ModelSpecError(f"{where}: {key} has type {type(value).__name__}, found {value!r}")
    if len({"patch", "give_up", "turn"}.intersection(entry)) != 1:
        raise ModelSpecError(f"{where}: expected exactly one of patch, give_up and turn")
    if "patch" in entry and (absent := {"hypothesis", "predicted_ratio"} - set(entry)):
        raise ModelSpecError(f"{where}: a patch needs {sorted(absent)}")
    names, revised = _names(entry.get("patch", [])), _names(entry.get("revision", []))
    give_up = entry.get("give_up")
    return ScriptedRound(
        label=", ".join(names),
        diffs=tuple(_diff_text(name, where, folder, task) for name in names),
        revised_diffs=tuple(_diff_text(name, where, folder, task) for name in revised),
        hypothesis=str(entry.get("hypothesis", "")),
        predicted_ratio=float(cast(float, entry.get("predicted_ratio", 1.0))),
        risk=str(entry.get("risk", "none stated")),
        parts=tuple(str(part) for part in cast(list[object], entry.get("parts", []))),
        measure=bool(entry.get("measure", False)),
        give_up=None if give_up is None else str(give_up),
        turns=tuple(_turn(turn, where) for turn in cast(list[object], entry.get("turn", []))),
        critique=cast(Mapping[str, object] | None, entry.get("critique")),
        findings=tuple(cast(list[Mapping[str, object]], entry.get("finding", []))),
    )


def _names(value: object) -> list[str]:
    return [value] if isinstance(value, str) else cast(list[str], value)


def _turn(turn: object, where: str) -> Turn:
    if not isinstance(turn, dict) or not set(turn) <= {"text", "calls"}:
        raise ModelSpecError(f"{where}: a turn has only text and calls, found {turn!r}")
    calls = cast(list[dict[str, object]], turn.get("calls", []))
    return Turn(
        text=str(turn.get("text", "")),
        calls=tuple(
            (str(call["tool"]), cast(Mapping[str, object], call.get("arguments", {})))
            for call in calls
        ),
    )


def _diff_text(name: str, where: str, folder: Path, task: Task | None) -> str:
    known: dict[str, Path] = {}
    if task is not None:
        known = {solution.name: solution.patch for solution in task.solutions}
        known |= {cheat.name: cheat.patch for cheat in task.cheats}
    path = known.get(name, folder / name)
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        names = ", ".join(sorted(known)) or "none"
        raise ModelSpecError(
            f"{where}: patch {name!r} is neither a solution or cheat of the task ({names}) "
            f"nor a readable file: {error}"
        ) from error
