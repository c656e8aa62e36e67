"""Scripts for the scripted model: one TOML entry a round, checked when loaded, its patches included.

[[round]]
patch = "fused_optimizer"      # a solution or cheat of the task, or a path beside the script; or a list
hypothesis = "..."
predicted_ratio = 1.3
risk = "..."
measure = true                 # optional: one dev run before submitting
[round.instead]                # optional: another patch, for a champion that lacks what this one builds on
[round.critique]               # optional: what the scripted critic says
[[round.finding]]              # optional: what the scripted reviewer reports
[[round.turn]]                 # instead of a patch: turns played as written, for tests

Every key is in `script_file`. Invariant: a patch that no tool can play whole does not load.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rsi.agent.llm.errors import ModelSpecError
from rsi.tasks.errors import PatchError
from rsi.tasks.files.diff_reading import parse_diff
from rsi.tasks.files.diffs import FileDiff
from rsi.tasks.files.patches import check_patch
from rsi.tasks.format.toml_files import Problems
from rsi.tasks.types import Task

if TYPE_CHECKING:
    from rsi.agent.llm.scripted.script_file import IdeaTable, RoundTable, TurnTable


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One scripted turn, played as written."""

    text: str
    calls: tuple[tuple[str, Mapping[str, object]], ...]
    """Tool name and arguments; an argument `_raw` makes the call unreadable on purpose."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patch:
    """One patch that is played."""

    name: str
    files: tuple[FileDiff, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Idea:
    """Patches that are proposed together, and what their author says of them."""

    patches: tuple[Patch, ...]
    needs: tuple[Patch, ...] = ()
    """What the patches were made on and do not bring along, in order."""
    hypothesis: str
    predicted_ratio: float
    risk: str
    parts: tuple[str, ...]
    measure: bool

    @property
    def label(self) -> str:
        """Names of the patches, for messages."""
        return ", ".join(patch.name for patch in self.patches)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptedRound:
    """What the scripted model does in one round."""

    idea: Idea | None = None
    """None when the round gives up or plays turns."""
    revision: tuple[Patch, ...] = ()
    """Played when a critic or a person sent the candidate back; empty plays the same again."""
    instead: Idea | None = None
    """Played when the champion lacks what the idea needs; None skips the round then."""
    give_up: str | None = None
    turns: tuple[Turn, ...] = ()
    critique: Mapping[str, object] | None = None
    findings: tuple[Mapping[str, object], ...] = ()

    @property
    def label(self) -> str:
        """Names of the patches, for messages; empty when there are none."""
        return "" if self.idea is None else self.idea.label


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
        ModelSpecError: No such script, or mistakes in it: file, round, key, what was expected.
    """
    from rsi.agent.llm.scripted.script_file import ScriptTable
    from rsi.tasks.format.tables import load_table

    path = _find(target, task)
    problems = Problems()
    table = load_table(ScriptTable, path, f"script {path}", problems)
    if table is None:
        raise ModelSpecError("\n".join(problems.sentences))
    rounds = tuple(
        _round(entry, _Shelf(f"script {path}: round[{number}].patch", path.parent, task))
        for number, entry in enumerate(table.round)
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


class _Shelf:
    """Patches by name, for one round of a script."""

    def __init__(self, where: str, folder: Path, task: Task | None) -> None:
        self._where = where
        self._folder = folder
        self._solutions = {} if task is None else {each.name: each for each in task.solutions}
        self._paths = {name: solution.patch for name, solution in self._solutions.items()}
        self._paths |= {} if task is None else {cheat.name: cheat.patch for cheat in task.cheats}

    def patches(self, names: Iterable[str]) -> tuple[Patch, ...]:
        return tuple(Patch(name=name, files=self._files(name)) for name in names)

    def needs(self, names: Iterable[str]) -> tuple[Patch, ...]:
        """What solutions of these names are made on, those of the names themselves left out."""
        own = tuple(names)
        needed = (
            need for name in own if name in self._solutions for need in self._solutions[name].needs
        )
        return self.patches(dict.fromkeys(need for need in needed if need not in own))

    def _files(self, name: str) -> tuple[FileDiff, ...]:
        path = self._paths.get(name, self._folder / name)
        try:
            content = path.read_bytes()
        except OSError as error:
            names = ", ".join(sorted(self._paths)) or "none"
            raise ModelSpecError(
                f"{self._where} names {name!r}, which is no file that can be read ({error.strerror}), "
                f"expected a solution or cheat of the task ({names}) or a file beside the script."
            ) from error
        if not content:
            return ()  # a patch that changes nothing, on purpose
        try:
            check_patch(content, name=name)
        except PatchError as error:
            raise ModelSpecError(f"{self._where} cannot be played: {error}") from error
        return parse_diff(content.decode())


def _round(entry: "RoundTable", shelf: _Shelf) -> ScriptedRound:
    return ScriptedRound(
        idea=None if entry.patch is None else _idea(entry, entry.patch, shelf),
        revision=shelf.patches(entry.revision),
        instead=None if entry.instead is None else _idea(entry.instead, entry.instead.patch, shelf),
        give_up=entry.give_up,
        turns=tuple(_turn(turn) for turn in entry.turn),
        critique=entry.critique,
        findings=entry.finding,
    )


def _idea(said: "RoundTable | IdeaTable", names: tuple[str, ...], shelf: _Shelf) -> Idea:
    return Idea(
        patches=shelf.patches(names),
        needs=shelf.needs(names),
        hypothesis=said.hypothesis,
        predicted_ratio=said.predicted_ratio,
        risk=said.risk,
        parts=said.parts,
        measure=said.measure,
    )


def _turn(turn: "TurnTable") -> Turn:
    return Turn(text=turn.text, calls=tuple((call.tool, call.arguments) for call in turn.calls))
