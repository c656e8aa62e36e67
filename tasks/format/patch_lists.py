"""Read solutions/solutions.toml and cheats/cheats.toml and check them against the folder.

Invariant: `Solution.needs` is complete and in order: apply them one after the other, then the patch.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from rsi.tasks.format.tables import Listed, Positive, Table, Text, Texts, load_table
from rsi.tasks.format.toml_files import Problems, asks, did_you_mean, shown
from rsi.tasks.types import Cheat, Solution


class _PatchTable(Table):
    name: Text
    title: Text
    """one sentence"""
    patch: Text | None = None
    """file beside the list (`<name>.patch`)"""
    tracks: Annotated[Texts, Field(min_length=1)] | None = None
    """those that it is for; all where it names none"""


class SolutionTable(_PatchTable):
    """A reference patch that proves headroom and drives the scripted model."""

    expect: Literal["faster", "same", "slower", "worse_quality", "crash"]
    needs: Texts = ()
    """solutions that it is made on, whose own needs follow"""
    predicted_ratio: Positive | None = None
    expert_min: Positive | None = None
    """minutes that this step and all it needs take an expert"""
    expert_source: Literal["measured", "published", "estimated"] = "estimated"


class CheatTable(_PatchTable):
    """A patch that would win if it were not caught."""

    family: Text
    expect: Annotated[
        Listed[
            Literal[
                "not_admitted",
                "crashed",
                "tampered",
                "out_of_turn",
                "invalid_output",
                "refuted",
                "rejected",
                "held",
            ]
        ],
        Field(min_length=1),
    ]
    """outcomes that count as caught"""
    layer: Text
    """the defence that must catch it"""


class SolutionsFile(Table):
    """solutions/solutions.toml."""

    solution: Listed[SolutionTable] = ()


class CheatsFile(Table):
    """cheats/cheats.toml."""

    cheat: Listed[CheatTable] = ()


def read_solutions(
    folder: Path, tracks: Sequence[str], problems: Problems
) -> tuple[Solution, ...] | None:
    """Reference patches with their needs spelled out; a missing folder means none, None that the list is broken.

    Args:
        folder: `solutions/` of the task.
        tracks: Tracks that the task has.
        problems: Receives one sentence for each mistake.
    """
    entries = _entries(SolutionsFile, folder, "solution", tracks, problems)
    if entries is None:
        return None
    found = [Solution(**entry) for entry in entries]
    return _with_all_needs(found, "solutions/solutions.toml", problems)


def read_cheats(folder: Path, tracks: Sequence[str], problems: Problems) -> tuple[Cheat, ...]:
    """Patches that must be caught; a missing folder means none.

    Args:
        folder: `cheats/` of the task.
        tracks: Tracks that the task has.
        problems: Receives one sentence for each mistake.
    """
    entries = _entries(CheatsFile, folder, "cheat", tracks, problems)
    return tuple(Cheat(**entry) for entry in entries or ())


def _entries(
    model: type[Table], folder: Path, kind: str, tracks: Sequence[str], problems: Problems
) -> list[dict[str, Any]] | None:
    """Fields of each entry, with what it leaves out filled in; None when the list is broken."""
    if not folder.exists():
        return []
    file = f"{kind}s/{kind}s.toml"
    table = load_table(model, folder / f"{kind}s.toml", file, problems)
    if table is None:
        return None
    entries = [dict(entry) for entry in getattr(table, kind)]
    for number, entry in enumerate(entries):
        _check_tracks(entry["tracks"] or (), tracks, f"{kind}[{number}]", file, problems)
        entry["tracks"] = entry["tracks"] or tuple(tracks)
        name = entry["patch"] or f"{entry['name']}.patch"
        path = entry["patch"] = folder / name
        if path.resolve().parent != folder.resolve() or not path.is_file():
            what = "expected a file beside this list."
            problems.add(file, f"{kind}[{number}].patch names {name!r}, which is absent, {what}")
    names = [entry["name"] for entry in entries]
    for name in sorted({name for name in names if names.count(name) > 1}):
        problems.add(file, f"the name {name!r} is there twice, expected each name once.")
    for path in sorted(folder.glob("*.patch")):
        if path not in [entry["patch"] for entry in entries]:
            problems.add(file, f"{path.name} is in the folder but not listed, expected an entry.")
    return entries


def _check_tracks(
    named: Sequence[str], tracks: Sequence[str], where: str, file: str, problems: Problems
) -> None:
    for number, name in enumerate(named):
        if name not in tracks:
            expected = f"a list of {', '.join(tracks)}{did_you_mean(name, tracks)}"
            problems.add(file, f"{where}.tracks[{number}] is {shown(name)}, {asks(expected)}")


def _with_all_needs(
    found: Sequence[Solution], file: str, problems: Problems
) -> tuple[Solution, ...]:
    by_name = {entry.name: entry for entry in found}
    completed = []
    for entry in found:
        for need in entry.needs:
            _check_need(entry, need, by_name, file, problems)
        order: dict[str, None] = {}
        cycle = _collect(entry.name, by_name, order, ())
        if cycle:
            problems.add(file, f"needs go in a circle ({' -> '.join(cycle)}), expected an order.")
        completed.append(replace(entry, needs=tuple(n for n in order if n != entry.name)))
    return tuple(completed)


def _check_need(
    entry: Solution, need: str, by_name: Mapping[str, Solution], file: str, problems: Problems
) -> None:
    if need not in by_name:
        guess = did_you_mean(need, tuple(by_name))
        problems.add(
            file,
            f"{entry.name!r} needs {need!r}, expected the name of another solution{guess or '.'}",
        )
    elif missing := sorted(set(entry.tracks) - set(by_name[need].tracks)):
        problems.add(
            file,
            f"{entry.name!r} is for track {', '.join(missing)} but needs {need!r}, which is not, "
            "expected a need that is there in every track.",
        )


def _collect(
    name: str, by_name: Mapping[str, Solution], order: dict[str, None], trail: tuple[str, ...]
) -> tuple[str, ...]:
    """Depth-first order of needs into `order`; returns a circle when there is one."""
    if name in trail:
        return (*trail[trail.index(name) :], name)
    if name in order or name not in by_name:
        return ()
    for need in by_name[name].needs:
        if cycle := _collect(need, by_name, order, (*trail, name)):
            return cycle
    order[name] = None
    return ()
