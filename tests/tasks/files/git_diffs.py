"""Trees that differ in every way that git can tell, and git to tell it: for tests of whatever reads a diff."""

import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

from hypothesis import strategies as st

from rsi.tasks.files.diffs import lines_of

Tree = Mapping[str, tuple[str, str]]
"""Mode and text by path."""

LINES = ["a", "b", "", "  d", "e = 1", "\t", "x\r", "\r", "\x0c", "y\u2028z\x1c", "-- x", "++ y", "--- a/f",
         "+++ b/f", "@@ -1 +1 @@", "diff --git a/x b/x", "\\ No newline at end of file", "é"]  # fmt: skip
texts = st.builds(
    lambda lines, end: "\n".join(lines) + end if lines else "",
    st.lists(st.sampled_from(LINES), max_size=14),
    st.sampled_from(["\n", "\n", "\n", ""]),
)
files = st.tuples(st.sampled_from(["100644", "100755"]), texts)
PRINTABLE_PATHS = (
    "f",
    "g.py",
    "sub/h",
    "with space/i j",
    "uml\u00e4ut",
    'quo"te',
    "back\\slash",
    "b/b/x",
)
paths = st.sampled_from([*PRINTABLE_PATHS, "tab\tname", "new\nline"])


@st.composite
def pairs_of_trees(draw, paths=paths):
    """Two trees of which the second is often a small change of the first: edits, moves, copies, modes."""
    before = draw(st.dictionaries(paths, files, max_size=5))
    after = dict(before)
    for path in list(before):
        match draw(st.sampled_from(["keep", "edit", "move", "copy", "mode", "remove"])):
            case "edit":
                rows = lines_of(after[path][1])
                at = draw(st.integers(0, len(rows)))
                new = draw(st.lists(st.sampled_from(LINES), max_size=2))
                rows[at : at + draw(st.integers(0, 2))] = [f"{line}\n" for line in new]
                text = "".join(each if each.endswith("\n") else f"{each}\n" for each in rows)
                after[path] = (after[path][0], text[: len(text) - draw(st.integers(0, 1))])
            case "move":
                after[draw(paths)] = after.pop(path)
            case "copy":
                after[draw(paths)] = after[path]
            case "mode":
                after[path] = (draw(st.sampled_from(["100644", "100755"])), after[path][1])
            case "remove":
                after.pop(path, None)
            case _:
                pass
    return before, after | draw(st.dictionaries(paths, files, max_size=1))


Git = Callable[..., bytes]


def git_in(root: Path) -> Git:
    """Git with a repository of its own."""
    subprocess.run(["git", "init", "-q", "-b", "main", str(root)], check=True)

    def run(*words: str, stdin: bytes = b"", cwd: Path = root) -> bytes:
        done = subprocess.run(["git", *words], cwd=cwd, input=stdin, capture_output=True)
        assert done.returncode == 0, done.stderr.decode(errors="replace")
        return done.stdout

    return run


def git_diff(git: Git, before: Tree, after: Tree, *flags: str, is_quoted: bool = True) -> str:
    """What `git diff` prints of two trees."""
    commit(git, "before", before)
    commit(git, "after", after)
    quoting = f"core.quotePath={str(is_quoted).lower()}"
    return git("-c", quoting, "diff", *flags, "before", "after").decode()


def commit(git, name: str, tree: Tree) -> None:
    head = f"commit refs/heads/{name}\ncommitter a <a@b> 0 +0000\ndata 0\n\nfrom 0000000000000000000000000000000000000000\n"
    stream = head.encode().replace(b"\nfrom " + b"0" * 40, b"") + b"deleteall\n"
    for path, (mode, text) in tree.items():
        body = text.encode()
        quoted = path.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        stream += f'M {mode} inline "{quoted}"\ndata {len(body)}\n'.encode() + body + b"\n"
    git("fast-import", "--quiet", "--force", stdin=stream)


def is_possible(tree: Tree) -> bool:
    """No path is a file and a folder."""
    return not any(other.startswith(f"{path}/") for path in tree for other in tree)
