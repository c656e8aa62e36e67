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
