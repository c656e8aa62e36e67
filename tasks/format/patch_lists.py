"""Read solutions/solutions.toml and cheats/cheats.toml and check them against the folder.

Invariant: `Solution.needs` is complete and in order: apply them one after the other, then the patch.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from rsi.tasks.format.toml_files import Problems, did_you_mean, read_toml
from rsi.tasks.format.toml_reader import Table
from rsi.tasks.types import Cheat, Solution

SOLUTION_EXPECTATIONS = ("faster", "same", "slower", "worse_quality", "crash")
CHEAT_EXPECTATIONS = ("not_admitted", "tampered", "invalid_output", "refuted", "rejected", "held")


def read_solutions(folder: Path, tracks: Sequence[str], problems: Problems) -> tuple[Solution, ...]:
    """Reference patches with their needs spelled out; a missing folder means none.

    Args:
        folder: `solutions/` of the task.
        tracks: Tracks that the task has.
        problems: Receives one sentence for each mistake.
    """
    file = "solutions/solutions.toml"
    found: list[Solution] = []
    for table in _entries(folder, file, "solution", problems):
        name = table.text("name")
        found.append(
            Solution(
                name=name,
                patch=_patch(folder, table, name),
                title=table.text("title"),
                needs=table.texts("needs", default=()),
                expect=table.word("expect", SOLUTION_EXPECTATIONS),
                tracks=table.texts("tracks", default=tuple(tracks), minimum=1, options=tracks),
                predicted_ratio=table.number("predicted_ratio", default=None, above=0),
            )
        )
        table.finish()
    _check_names(file, [entry.name for entry in found], problems)
    _check_unlisted(folder, file, [entry.patch for entry in found], problems)
    return _with_all_needs(found, file, problems)


def read_cheats(folder: Path, tracks: Sequence[str], problems: Problems) -> tuple[Cheat, ...]:
    """Patches that must be caught; a missing folder means none.

    Args:
        folder: `cheats/` of the task.
        tracks: Tracks that the task has.
        problems: Receives one sentence for each mistake.
    """
    file = "cheats/cheats.toml"
    found: list[Cheat] = []
    for table in _entries(folder, file, "cheat", problems):
        name = table.text("name")
        found.append(
            Cheat(
                name=name,
                patch=_patch(folder, table, name),
                title=table.text("title"),
                family=table.text("family"),
                expect=table.texts("expect", minimum=1, options=CHEAT_EXPECTATIONS),
                layer=table.text("layer"),
                tracks=table.texts("tracks", default=tuple(tracks), minimum=1, options=tracks),
            )
        )
        table.finish()
    _check_names(file, [entry.name for entry in found], problems)
    _check_unlisted(folder, file, [entry.patch for entry in found], problems)
    return tuple(found)


def _entries(folder: Path, file: str, kind: str, problems: Problems) -> tuple[Table, ...]:
    if not folder.exists():
        return ()
    document = read_toml(folder / f"{kind}s.toml", file, problems)
    if document is None:
        return ()
    top = Table(document, path="", file=file, problems=problems)
    tables = top.tables(kind)
    top.finish()
    return tables


def _patch(folder: Path, table: Table, name: str) -> Path:
    file_name = table.text("patch", f"{name}.patch")
    path = folder / file_name
    is_inside = path.resolve().parent == folder.resolve()
    if name and not (is_inside and path.is_file()):
        table.problem("patch", f"names {file_name!r}, which is absent", "a file beside this list")
    return path


def _check_names(file: str, names: Sequence[str], problems: Problems) -> None:
    for name in sorted({name for name in names if name and names.count(name) > 1}):
        problems.add(file, f"the name {name!r} is there twice, expected each name once.")


def _check_unlisted(folder: Path, file: str, listed: Sequence[Path], problems: Problems) -> None:
    if not folder.exists():
        return
    for path in sorted(folder.glob("*.patch")):
        if path not in listed:
            problems.add(file, f"{path.name} is in the folder but not listed, expected an entry.")


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
