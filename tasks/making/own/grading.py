"""How a repo of somebody's own is graded without a line of code of its author's: the harness's files, made of facts.

Does not: decide anything. Invariant: what is held out is in the harness alone, never in the repo or in what is handed out.
"""

import json
import re
import secrets
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from rsi.sandboxes.types import FileEntry, FileTree
from rsi.tasks.choices import Direction, Honesty
from rsi.tasks.errors import NewTaskError
from rsi.tasks.files.trees import below, read_tree
from rsi.tasks.making.own.command_words import Command
from rsi.tasks.making.own.quality_words import NUMBER, Reading, Source
from rsi.tasks.types import MeasurePlan, QualityRule

_SHARE = re.compile(r"(?P<share>\d+(?:\.\d+)?)\s*%\s*of\s+(?P<path>.+)")
TEMPLATE = Path(__file__).parent.parent / "template" / "own" / "harness"
FORGED_SHARE = 0.5
"""How much better than the baseline the planted forgery says that it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldOut:
    """Data that no run is given."""

    path: str
    """In the repo's folder, where the evaluation finds it."""
    share: float | None
    """Part of the rows; None for the whole file."""
    content: bytes
    """The whole file."""
    key: str = field(default_factory=lambda: secrets.token_hex(16))
    """Which rows they are; secret, and one for the life of the task."""


FULL = "full"
"""Profile of the run as it is, where ideas are searched on a smaller size of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FullSize:
    """The run as it is, beside the smaller size that ideas are searched on."""

    command: Command
    wall_s: float
    """Most that it may take."""
    plan: MeasurePlan

    def table(self, disk_mb: int) -> str:
        """Its profile in task.toml; no campaign searches on it by default."""
        return (
            f"\n[rsi.profile.{FULL}]\n"
            f'claim = "none"  # its noise was not measured; `{shlex.join(self.command.words)}`\n'
            f"\n[rsi.profile.{FULL}.limits]\nwall_s = {self.wall_s:g}\ndisk_mb = {disk_mb}\n"
            f"\n[rsi.profile.{FULL}.plan]\nmin_pairs = {self.plan.min_pairs}\nmax_pairs = {self.plan.max_pairs}\n"
            f"confirm_pairs = {self.plan.confirm_pairs}\nalpha = {self.plan.alpha:g}\n"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnGrading:
    """Everything that the harness of such a task is made of."""

    readings: tuple[Reading, ...]
    margins: Mapping[str, float]
    """How much worse than the champion each may be."""
    evaluate: tuple[str, ...] = ()
    """The protected evaluation; empty where the run's own word is taken."""
    evaluate_folder: str = ""
    """Folder of the repo that the evaluation starts in."""
    folder: str = ""
    """Folder of the repo that a run starts in."""
    left: tuple[str, ...] = ()
    """Files of the run that the grader gets."""
    data: FileTree = ()
    held_out: tuple[HeldOut, ...] = ()
    budget_s: float | None = None
    """Seconds of one run, in which the first quality is to become better; None where time is to shrink."""
    roots: tuple[str, ...] = ()
    """Folders of the repo from which modules are imported."""
    variables: Mapping[str, str] = field(default_factory=dict)
    samples: Mapping[str, float] = field(default_factory=dict)
    """A value of each quality that was seen."""
    writes: tuple[str, ...] = ()
    """Paths that a run writes and whose suffix is otherwise that of code, such as model.pth."""
    is_margin_given: bool = False
    """Whether the person said how much worse is allowed."""
    quoted: Mapping[str, str] = field(default_factory=dict)
    """The printed words that a value was read in."""
    full: FullSize | None = None
    """None where the run has one size."""

    @property
    def honesty(self) -> Honesty:
        if not self.evaluate:
            return Honesty.L0
        return Honesty.L2 if self.held_out else Honesty.L1

    @property
    def evidence(self) -> str:
        """What the grader says about its own number, shown beside every score."""
        names = ", ".join(each.name for each in self.readings)
        match self.honesty:
            case Honesty.L0:
                return f"L0: {names} as the run said it; nobody worked it out"
            case Honesty.L1:
                return f"L1: {names} worked out by the protected evaluation, on data that the run had too"
            case Honesty.L2:
                hidden = ", ".join(each.path for each in self.held_out)
                return f"L2: {names} worked out by the protected evaluation, on rows of {hidden} that no run is given"

    def rules(self) -> tuple[QualityRule, ...]:
        """Quality rules of the task."""
        return tuple(
            QualityRule(
                name=each.name, unit="points", direction=each.direction, limit=None,
                margin=self.margins.get(each.name, 0.0),
            )
            for each in self.readings
        )  # fmt: skip

    def settings(self) -> dict[str, object]:
        """What the protected entry is told."""
        return {
            "folder": self.folder,
            "keeps_output": not self.evaluate,
            "left": list(self.left),
            "roots": list(self.roots),
            "variables": dict(self.variables),
            "sizes": {}
            if self.full is None
            else {
                FULL: {
                    "command": list(self.full.command.words),
                    "folder": self.full.command.folder,
                    "variables": dict(self.full.command.variables),
                }
            },
        }

    def harness(self) -> FileTree:
        """Files of the harness's folder."""
        template = [each for each in read_tree(TEMPLATE) if each.path.endswith(".py")]
        grading = {
            "honesty": self.honesty.value,
            "evidence": self.evidence,
            "qualities": [each.facts() for each in self.readings],
            "metric": self.readings[0].name if self.budget_s is not None else None,
            "evaluate": list(self.evaluate),
            "evaluate_folder": self.evaluate_folder,
            "left": list(self.left),
            "roots": list(self.roots),
            "variables": dict(self.variables),
            "held_out": [
                {"path": each.path, "share": each.share, "key": each.key} for each in self.held_out
            ],
        }
        text = json.dumps(grading, indent=2, sort_keys=True) + "\n"
        hidden = [FileEntry(path=each.path, content=each.content) for each in self.held_out]
        return (
            *template,
            FileEntry(path="grading.json", content=text.encode()),
            *below("data", self.data),
            *below("held_out", hidden),
        )

    def forgery(self) -> str:
        """Python that says a better number than any run earned and leaves at once."""
        lines = ["import json, pathlib"]
        for each in self.readings:
            better = self._better(each)
            match each.source:
                case Source.PATTERN:
                    lines.append(f"print({self._sentence(each, better)!r})")
                case Source.JSON_LINE:
                    lines.append(f"print(json.dumps({_nested(each.key, better)!r}))")
                case Source.FILE:
                    lines += [
                        f"_file = pathlib.Path({each.file!r})",
                        "_file.parent.mkdir(parents=True, exist_ok=True)",
                        f"_file.write_text(json.dumps({_nested(each.key, better)!r}))",
                    ]
        return "\n".join([*lines, "raise SystemExit(0)", ""])

    def _better(self, reading: Reading) -> float:
        seen = self.samples.get(reading.name, 1.0)
        by = FORGED_SHARE * abs(seen) or 1.0
        return float(f"{seen - by if reading.direction is Direction.LOWER else seen + by:.6g}")

    def _sentence(self, reading: Reading, value: float) -> str:
        quoted = self.quoted.get(reading.name, f"{reading.name}: 0")
        found = re.search(reading.pattern, quoted) or re.search(NUMBER, quoted)
        if found is None:
            return f"{reading.name}: {value:g}"
        start, end = found.span(1)
        return f"{quoted[:start]}{value:g}{quoted[end:]}"


def _nested(key: str, value: float) -> dict[str, object]:
    first, _, rest = key.partition(".")
    return {first: _nested(rest, value) if rest else value}


def read_held_out(words: str) -> tuple[str, float | None]:
    """(path, share) of what a person wants held out; a share of None is the whole file.

    Raises:
        NewTaskError: It is neither a path nor "10% of PATH".
    """
    match = _SHARE.fullmatch(words.strip())
    if match is None:
        if "%" in words:
            raise NewTaskError(
                f"--hold-out {words!r} cannot be read; expected a file, or '10% of FILE'"
            )
        return words.strip().removeprefix("./"), None
    share = float(match["share"]) / 100
    if not 0 < share < 1:
        raise NewTaskError(
            f"--hold-out {words!r} leaves nothing on one side; expected between 0% and 100%"
        )
    return match["path"].strip().removeprefix("./"), share
