"""Path globs of a task: `*` and `?` stay inside one folder level, `**` crosses levels.

Does not: touch the file system. Paths are relative POSIX paths.
"""

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache


def matches(path: str, globs: Sequence[str]) -> bool:
    """Whether any of the globs names this path."""
    return any(_compiled(glob).fullmatch(path) is not None for glob in globs)


def first_match(path: str, globs: Sequence[str]) -> str | None:
    """The first glob that names this path; None when none does."""
    return next((glob for glob in globs if _compiled(glob).fullmatch(path) is not None), None)


def matching(paths: Iterable[str], glob: str) -> tuple[str, ...]:
    """The paths that one glob names, in their order."""
    pattern = _compiled(glob)
    return tuple(path for path in paths if pattern.fullmatch(path) is not None)


def sparing(globs: Sequence[str], paths: Sequence[str], spared: Sequence[str]) -> tuple[str, ...]:
    """Globs that name the same of `paths` but for `spared`: as they are where none of these is met, else part by part.

    Args:
        globs: What is named.
        paths: Every file there is.
        spared: Those of them that must not be named.
    """
    found: dict[str, None] = {}
    for glob in globs:
        named = matching(paths, glob)
        if not set(named) & set(spared):
            found[glob] = None
            continue
        found |= dict.fromkeys(_parts(set(named) - set(spared), paths, ""))
    return tuple(found)


def _parts(named: set[str], paths: Sequence[str], folder: str) -> list[str]:
    """`folder/**` where everything below it is named, else its named files and the parts of its folders."""
    inside = [path for path in paths if path.startswith(folder)]
    if folder and named.issuperset(inside):
        return [f"{folder}**"]
    here = [path.removeprefix(folder) for path in inside]
    files = [folder + path for path in here if "/" not in path and folder + path in named]
    for name in sorted({path.split("/")[0] for path in here if "/" in path}):
        files += _parts(named, paths, f"{folder}{name}/")
    return files


@lru_cache(maxsize=512)
def _compiled(glob: str) -> re.Pattern[str]:
    pieces: list[str] = []
    position = 0
    while position < len(glob):
        if glob.startswith("**/", position):
            pieces.append("(?:[^/]+/)*")
            position += 3
        elif glob.startswith("**", position):
            pieces.append(".+")
            position += 2
        else:
            pieces.append(
                {"*": "[^/]*", "?": "[^/]"}.get(glob[position], re.escape(glob[position]))
            )
            position += 1
    return re.compile("".join(pieces), re.DOTALL)
