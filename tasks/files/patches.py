"""Apply and make unified diffs on file trees, with git, on the host, safely.

Does not: use the caller's repository, configuration, hooks, filters or file-system monitor, or write
outside a throw-away folder.
Invariant: a patch either applies exactly, without fuzz, or `PatchError` names the file and the hunk.
"""

import os
import re
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from rsi.sandboxes.errors import FileTreeError
from rsi.sandboxes.types import FileEntry, FileTree
from rsi.tasks.errors import PatchError
from rsi.tasks.files.trees import check_path, is_text, read_tree, write_tree

__all__ = ["apply_patch", "check_patch", "diff_trees", "read_tree"]

MAX_PATCH_BYTES = 4 << 20
GIT_TIMEOUT_S = 60.0
_HEADERS = re.compile(
    r"(?P<kind>diff --git|---|\+\+\+|rename from|rename to|copy from|copy to|old mode|new mode"
    r"|new file mode|deleted file mode|index|GIT binary patch|Binary files) ?(?P<rest>.*)"
)
_HUNK = re.compile(r"@@ -\d+(?:,(?P<old>\d+))? \+\d+(?:,(?P<new>\d+))? @@")
_PLAIN_MODES = frozenset({"100644", "100755"})
_STEERING_FILES = frozenset({".gitattributes", ".gitmodules"})
"""Files that change how git treats other files."""


def apply_patch(tree: Sequence[FileEntry], patch: str | bytes, *, name: str) -> FileTree:
    """The tree after a unified diff, without fuzz.

    Args:
        tree: Files before; not changed.
        patch: Unified diff with `a/` and `b/` prefixes.
        name: What to call the patch in messages.

    Returns:
        Files after, sorted by path.

    Raises:
        PatchError: Empty, too long, not UTF-8, binary, a link or submodule, a path that leaves the tree or
            touches git's own files, or it does not apply; the message names the file and the hunk.
    """
    content = patch.encode() if isinstance(patch, str) else patch
    paths = check_patch(content, name=name)
    with tempfile.TemporaryDirectory(prefix="rsi-patch-") as folder:
        root = Path(folder).resolve() / "tree"
        root.mkdir()
        write_tree(tree, root)
        applied = _git(("apply", "--whitespace=nowarn", "-"), root, content)
        if applied.returncode != 0:
            raise PatchError(_failure(name, root, content, applied.stderr))
        try:
            return read_tree(root)
        except FileTreeError as error:
            raise PatchError(
                f"patch {name!r}, which changes {', '.join(paths)}: {error}"
            ) from error


def check_patch(content: bytes, *, name: str) -> tuple[str, ...]:
    """The paths that a patch touches, after refusing everything that is not a plain change of text files.

    Raises:
        PatchError: As `apply_patch`, save for not applying.
    """
    if len(content) > MAX_PATCH_BYTES:
        raise PatchError(
            f"patch {name!r} has {len(content)} bytes, more than the {MAX_PATCH_BYTES} allowed"
        )
    try:
        lines = content.decode("utf-8").split("\n")
    except UnicodeDecodeError as error:
        raise PatchError(f"patch {name!r} is not UTF-8 at byte {error.start}") from None
    paths: dict[str, None] = {}
    has_hunks = False
    left_old = left_new = 0
    for number, line in enumerate(lines, start=1):
        if left_old > 0 or left_new > 0:
            left_old -= line[:1] in {"-", " ", ""}
            left_new -= line[:1] in {"+", " ", ""}
            continue
        if hunk := _HUNK.match(line):
            has_hunks = True
            left_old, left_new = int(hunk["old"] or 1), int(hunk["new"] or 1)
        elif header := _HEADERS.match(line):
            where = f"patch {name!r}, line {number}"
            for path in _checked_header(header["kind"], header["rest"], where):
                paths[path] = None
    if not paths or not (has_hunks or b"mode" in content or b"rename" in content):
        raise PatchError(f"patch {name!r} changes no file; expected a unified diff")
    return tuple(paths)


def diff_trees(before: Sequence[FileEntry], after: Sequence[FileEntry]) -> str:
    """Unified diff between two trees with `a/` and `b/` prefixes; empty when they are the same.

    Files that are not text are named in a line of their own. Renames are shown as a removal and an addition.

    Raises:
        PatchError: Git failed.
        FileTreeError: A path is unsafe.
    """
    old, new = {e.path: e for e in before}, {e.path: e for e in after}
    changed = [path for path in sorted({*old, *new}) if old.get(path) != new.get(path)]
    binary = [
        path
        for path in changed
        if not all(is_text(entry) for tree in (old, new) if (entry := tree.get(path)) is not None)
    ]
    shown = [path for path in changed if path not in binary]
    notes = "".join(f"Binary files a/{path} and b/{path} differ\n" for path in binary)
    if not shown:
        return notes
    with tempfile.TemporaryDirectory(prefix="rsi-diff-") as folder:
        root = Path(folder).resolve()
        for side, entries in (("a", old), ("b", new)):
            (root / side).mkdir()
            write_tree([entries[path] for path in shown if path in entries], root / side)
        words = ("diff", "--no-index", "--no-prefix", "--no-ext-diff", "--no-textconv", "--text")
        made = _git((*words, "--no-color", "--no-renames", "--full-index", "a", "b"), root, b"")
    if made.returncode not in (0, 1):
        raise PatchError(f"git could not compare the trees: {made.stderr.decode(errors='replace')}")
    return _with_both_prefixes(made.stdout.decode("utf-8")) + notes


def _checked_header(kind: str, rest: str, where: str) -> tuple[str, ...]:
    """Paths named by one header line."""
    match kind:
        case "GIT binary patch" | "Binary files":
            raise PatchError(f"{where}: binary changes are refused; send text files only")
        case "old mode" | "new mode" | "new file mode" | "deleted file mode":
            _check_mode(rest.strip(), where)
            return ()
        case "index":
            _, _, mode = rest.strip().partition(" ")
            if mode:
                _check_mode(mode, where)
            return ()
        case "diff --git":
            if '"' in rest:
                raise PatchError(
                    f"{where}: quoted path {rest!r}; use printable names without quotes"
                )
            # Both sides name the same file; where they do not, the rename lines are checked instead.
            middle = (len(rest) - 1) // 2
            first, second = rest[:middle], rest[middle + 1 :]
            is_same = first[2:] == second[2:]
            return (_checked_path(first.removeprefix("a/"), where),) if is_same else ()
        case "---" | "+++":
            path = rest.split("\t")[0].rstrip("\r")
            if path == "/dev/null":
                return ()
            return (_checked_path(_without_prefix(path, where), where),)
        case _:
            return (_checked_path(rest, where),)


def _without_prefix(path: str, where: str) -> str:
    if not path.startswith(("a/", "b/")):
        raise PatchError(f"{where}: path {path!r} has no a/ or b/ before it; make it with git diff")
    return path[2:]


def _checked_path(path: str, where: str) -> str:
    try:
        check_path(path)
    except FileTreeError as error:
        raise PatchError(f"{where}: {error}") from None
    if path.rsplit("/", 1)[-1] in _STEERING_FILES:
        raise PatchError(f"{where}: {path!r} steers git and may not be changed")
    return path


def _check_mode(mode: str, where: str) -> None:
    if mode not in _PLAIN_MODES:
        kind = {"120000": "a symbolic link", "160000": "a submodule"}.get(
            mode, "an odd kind of file"
        )
        raise PatchError(f"{where}: mode {mode} is {kind}; only plain files are allowed")


def _failure(name: str, root: Path, content: bytes, first_words: bytes) -> str:
    """What did not apply: git names hunks only when it may leave rejects behind, and the folder is ours."""
    words = ("apply", "--whitespace=nowarn", "--reject", "--verbose", "-")
    told = _git(words, root, content).stderr.decode("utf-8", "replace")
    rejected = []
    file = "?"
    for line in told.splitlines():
        if line.startswith("Applying patch "):
            file = line.removeprefix("Applying patch ").split(" with ")[0]
        elif found := re.match(r"Rejected hunk #(\d+)", line):
            rejected.append(f"hunk {found[1]} of {file}")
    if rejected:
        return f"patch {name!r} does not apply: {', '.join(rejected)} found other lines"
    reason = first_words.decode("utf-8", "replace").strip().replace("\n", "; ")
    return f"patch {name!r} does not apply: {reason}"


def _git(
    arguments: Sequence[str], folder: Path, stdin: bytes
) -> subprocess.CompletedProcess[bytes]:
    settings = (
        "core.hooksPath=/dev/null",
        "core.fsmonitor=false",
        "core.attributesFile=/dev/null",
        "core.autocrlf=false",
        "core.quotePath=false",
        "core.symlinks=false",
        "diff.noprefix=false",
    )
    options = [word for setting in settings for word in ("-c", setting)]
    variables = {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": str(folder),
        "LC_ALL": "C",
        "GIT_CEILING_DIRECTORIES": str(folder.parent),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_ATTR_NOSYSTEM": "1",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_TERMINAL_PROMPT": "0",
    }
    try:
        return subprocess.run(
            ("git", *options, *arguments),
            cwd=folder,
            env=variables,
            input=stdin,
            capture_output=True,
            timeout=GIT_TIMEOUT_S,
            check=False,
        )
    except FileNotFoundError as error:
        raise PatchError("git is not installed; rsi needs it to handle patches") from error
    except subprocess.TimeoutExpired as error:
        raise PatchError(f"git took more than {GIT_TIMEOUT_S:.0f} s") from error


def _with_both_prefixes(diff: str) -> str:
    """`git diff --no-index` names an added file `b/x b/x` and a removed one `a/x a/x`; say `a/x b/x`."""
    lines = diff.split("\n")
    for number, line in enumerate(lines):
        if line.startswith("diff --git "):
            rest = line.removeprefix("diff --git ")
            path = rest[: (len(rest) - 1) // 2][2:]
            lines[number] = f"diff --git a/{path} b/{path}"
    return "\n".join(lines)
