"""One lineage: a bare git repository that holds a task's baseline, champion and every candidate.

    refs/rsi/baseline   refs/rsi/champion   refs/rsi/repo   refs/rsi/candidates/<round>[.<attempt>]

Does not: decide what is promoted, or check anything out on the host.
Invariant: candidates are never overwritten or removed; the champion moves by compare-and-swap only.
"""

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from git import Commit, Repo
from git.exc import BadName, BadObject, GitError

from rsi.agent.errors import (
    LineageConflictError,
    LineageError,
    LineageNameError,
    StaleChampionError,
    UnknownCommitError,
)
from rsi.agent.store.git.messages import commit_message, one_line
from rsi.agent.store.git.plumbing import CLEAN_VARIABLES, NO_COMMIT, GitDir, create_bare, failed
from rsi.agent.store.git.server import LineageServer, RefElsewhereError, lineage_server
from rsi.agent.store.git.trees import read_tree, write_tree
from rsi.agent.store.home import Home
from rsi.agent.store.steps.values import FileStat
from rsi.sandboxes.types import FileTree
from rsi.tasks.files.diff_reading import cut_note

BASELINE_REF = "refs/rsi/baseline"
CHAMPION_REF = "refs/rsi/champion"
REPO_REF = "refs/rsi/repo"
"""The task's own repo, where the baseline is another tree."""
CANDIDATE_REFS = "refs/rsi/candidates/"

AUTHOR = "rsi <rsi@localhost>"
"""Author and committer when the caller names none."""

BASELINE_AT = datetime(2026, 1, 1, tzinfo=UTC)
"""A fixed date, so that the same baseline is the same commit on every machine."""

DIFF_LIMIT_BYTES = 8 << 20
"""How much of a diff is ever shown; a person reads far less, and a hostile tree can be far larger."""

_DIFF_OPTIONS = (
    "-r",
    "--no-commit-id",
    "--no-textconv",
    "--no-ext-diff",
    "--no-renames",
    "--no-color",
    "--diff-algorithm=histogram",
)

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,119}")
_OURS = re.compile(
    rf"{BASELINE_REF}|{CHAMPION_REF}|{CANDIDATE_REFS}{_NAME.pattern}(?:\.[0-9]{{1,4}})?"
)
"""The references of a lineage; a server may have others, which are left alone."""
_COMMIT = re.compile(r"[0-9a-f]{40}")
_AUTHOR = re.compile(r"([^<>\x00-\x1f]+) <([^<>\s]+)>")


@dataclass(frozen=True, slots=True, kw_only=True)
class LineageCommit:
    """One commit of a lineage."""

    commit: str
    parent: str | None
    """None for the baseline."""
    title: str
    """First line of the message."""
    message: str
    """The whole message without its trailers."""
    trailers: Mapping[str, str]
    author: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Lineage:
    """An open lineage; safe to share between threads, holds no process open."""

    name: str
    git_dir: GitDir
    server: LineageServer | None = None
    """Where the lineage is shared, of which `git_dir` is a cache then; None when it is here alone."""

    @classmethod
    def open(
        cls, home: Home, name: str, *, create: bool = True, is_alone: bool = False
    ) -> "Lineage":
        """Open a lineage, making its empty repository unless told not to.

        Args:
            home: Where it is, and which server it is shared through.
            name: The lineage.
            create: Make it when it is missing.
            is_alone: Never ask the server, for who only reads and may not wait.

        Raises:
            LineageNameError: The name cannot be a folder's.
            LineageServerError: The server's URL cannot be read.
            LineageError: It is not there, is damaged, or cannot be made.
        """
        checked_name(name, "lineage")
        git_dir = GitDir(path=home.lineages / f"{name}.git")
        server = None if is_alone else lineage_server(home, name)
        lineage = cls(name=name, git_dir=git_dir, server=server)
        if not git_dir.path.exists():
            if not create and (server is None or not server.refs()):
                raise LineageError(f"there is no lineage {name!r} in {str(home.lineages)!r}")
            _create(git_dir.path)
            if not create:
                lineage.synchronize()
        with lineage._repo():
            return lineage

    def synchronize(self) -> None:
        """Bring the cache and the server to the same references; nothing where the lineage is here alone.

        What either of them lacks, the other gives; the champion is where the server has it.

        Raises:
            LineageConflictError: The server has another baseline or candidate of the same name.
            LineageServerError: The server cannot be used.
        """
        if self.server is None:
            return
        there = {ref: commit for ref, commit in self.server.refs().items() if _OURS.fullmatch(ref)}
        here = self._refs()
        for ref in (here.keys() & there.keys()) - {CHAMPION_REF}:
            if here[ref] != there[ref]:
                raise LineageConflictError(
                    f"{ref} of lineage {self.name!r} is {there[ref][:12]} on the git server and {here[ref][:12]} in "
                    f"{str(self.git_dir.path)!r}; nothing of a lineage but its champion ever moves, so one of them was "
                    "changed by hand or is another task's: use another name, or move the wrong one away"
                )
        lacking = [ref for ref, commit in there.items() if here.get(ref) != commit]
        if lacking:
            self.server.fetch(lacking, movable=CHAMPION_REF)
        unknown = {ref: commit for ref, commit in here.items() if ref not in there}
        if unknown:
            self.server.publish(unknown)

    def import_baseline(
        self, tree: FileTree, message: str, *, at: datetime = BASELINE_AT, author: str = AUTHOR
    ) -> str:
        """Make the first commit and point baseline and champion at it; the same tree again is no change.

        Raises:
            LineageConflictError: The baseline is another tree.
            LineageTreeError: A path that a git tree must not have.
        """
        tree_id = write_tree(self.git_dir, tree)
        stored = self._ref(BASELINE_REF)
        if stored is None:
            stored = self._commit(tree_id, None, message, at=at, author=author)
            if not self._create_ref(BASELINE_REF, stored, "baseline"):
                return self.import_baseline(tree, message, at=at, author=author)
        if self._tree_id(stored) != tree_id:
            raise LineageConflictError(
                f"lineage {self.name!r} starts from another baseline ({stored[:12]}); "
                "a changed task needs a lineage of another name"
            )
        if self._ref(CHAMPION_REF) is None:
            self._create_ref(CHAMPION_REF, stored, "baseline")
        return stored

    def import_repo(self, tree: FileTree, message: str) -> str:
        """Keep the task's own repo beside a baseline that is another tree; the same tree again is the same commit.

        Raises:
            LineageTreeError: A path that a git tree must not have.
        """
        tree_id = write_tree(self.git_dir, tree)
        commit = self._commit(tree_id, None, message, at=BASELINE_AT, author=AUTHOR)
        if self._ref(REPO_REF) != commit:
            self._create_ref(REPO_REF, commit, "repo")
        return commit

    def baseline(self) -> str:
        """The round-0 commit.

        Raises:
            UnknownCommitError: Nothing was imported yet.
        """
        return self._needed(BASELINE_REF)

    def champion(self) -> str:
        """The current best commit.

        Raises:
            UnknownCommitError: Nothing was imported yet.
        """
        return self._needed(CHAMPION_REF)

    def commit_candidate(
        self,
        round_id: str,
        parent: str,
        tree: FileTree,
        message: str,
        trailers: Mapping[str, str] | None = None,
        *,
        at: datetime,
        author: str = AUTHOR,
        attempt: int = 0,
    ) -> str:
        """Keep a round's tree for ever; the same tree on the same parent again is the same commit.

        Args:
            round_id: Names the ref.
            parent: The commit that the idea starts from.
            tree: All files, not a difference.
            message: Title and body, untrusted; control characters are replaced.
            trailers: "Key: value" lines below it, ours.
            at: Author and committer date, whole seconds.
            author: "Name <address>".
            attempt: 0-based; a revised candidate gets a ref of its own.

        Raises:
            LineageConflictError: This attempt of the round has another tree or parent already.
            LineageTreeError: A path that a git tree must not have.
            UnknownCommitError: No such parent.
        """
        checked_name(round_id, "round")
        ref = CANDIDATE_REFS + round_id + (f".{attempt}" if attempt else "")
        self.commit(parent)
        tree_id = write_tree(self.git_dir, tree)
        stored = self._ref(ref)
        if stored is None:
            commit = self._commit(tree_id, parent, message, trailers=trailers, at=at, author=author)
            if self._create_ref(ref, commit, f"candidate of {round_id}"):
                return commit
            stored = self._needed(ref)
        if self._tree_id(stored) != tree_id or self.commit(stored).parent != parent:
            raise LineageConflictError(
                f"round {round_id!r} attempt {attempt} has another candidate already "
                f"({stored[:12]}); candidates are never overwritten"
            )
        return stored

    def move_champion(self, expected_old: str, new: str, reason: str) -> bool:
        """Compare-and-swap of the champion; False when it is at `new` already.

        Raises:
            StaleChampionError: The champion is neither `expected_old` nor `new`.
            UnknownCommitError: No such commit.
        """
        self.commit(new)
        self.commit(expected_old)
        if self.server is not None:
            return self._move_on(self.server, expected_old, new, reason)
        arguments = ["update-ref", "--create-reflog", "-m", one_line(reason), CHAMPION_REF]
        result = self.git_dir.run([*arguments, new, expected_old])
        if result.exit_code == 0:
            return expected_old != new
        current = self.champion()
        if current == new:
            return False
        if current != expected_old:
            raise self._stale(current, expected_old)
        raise failed(self.git_dir.path, "update-ref", result.stderr)

    def _move_on(self, server: LineageServer, expected_old: str, new: str, reason: str) -> bool:
        """The server's champion first, the cache follows; whoever comes in between finds it there."""
        try:
            is_moved = server.move(CHAMPION_REF, new, expected_old)
        except RefElsewhereError as error:
            self.synchronize()
            raise self._stale(self.champion(), expected_old) from error
        arguments = ["update-ref", "--create-reflog", "-m", one_line(reason), CHAMPION_REF, new]
        self.git_dir.output(arguments)
        return is_moved

    def _stale(self, current: str, expected_old: str) -> StaleChampionError:
        return StaleChampionError(
            f"the champion of {self.name!r} is {current[:12]} by now, not {expected_old[:12]}; "
            "measure the candidate against that one"
        )

    def tree(self, commit: str) -> FileTree:
        """All files of a commit, sorted by path.

        Raises:
            UnknownCommitError: No such commit.
        """
        with self._found(commit) as found:
            return read_tree(found.tree)

    def commit(self, commit: str) -> LineageCommit:
        """What is known of one commit.

        Raises:
            UnknownCommitError: No such commit, or not a full id.
        """
        with self._found(commit) as found:
            return _lineage_commit(found)

    def history(self, commit: str | None = None) -> tuple[LineageCommit, ...]:
        """Commits from one (None: the champion) back to the baseline, by first parent."""
        with self._found(commit or self.champion()) as found:
            chain = [found]
            while chain[-1].parents:
                chain.append(chain[-1].parents[0])
            return tuple(_lineage_commit(item) for item in chain)

    def diff(self, base: str, commit: str, *, limit_bytes: int = DIFF_LIMIT_BYTES) -> str:
        r"""Unified diff of two commits; renames are shown in full, bytes that are no UTF-8 as \xNN.

        Untrusted text: show it through `safe_text`. Longer than the limit, it ends in a line that says so.

        Raises:
            UnknownCommitError: No such commit.
        """
        result = self.git_dir.output_start(
            [*self._diff_tree(base, commit), "-p", "-U3", "--full-index"],
            limit_bytes=limit_bytes,
        )
        text = result.stdout.decode("utf-8", "backslashreplace")
        if result.is_truncated:
            text = "\n".join((text.removesuffix("\n"), cut_note(limit_bytes), ""))
        return text

    def diff_stat(self, base: str, commit: str) -> tuple[FileStat, ...]:
        """Lines added and removed by file.

        Raises:
            UnknownCommitError: No such commit.
        """
        listing = self.git_dir.output([*self._diff_tree(base, commit), "--numstat"])
        stats = []
        for line in listing.decode("utf-8", "backslashreplace").splitlines():
            added, removed, path = line.split("\t", 2)
            is_binary = added == "-"
            stats.append(
                FileStat(
                    path=path,
                    added_lines=None if is_binary else int(added),
                    removed_lines=None if is_binary else int(removed),
                )
            )
        return tuple(stats)

    def _diff_tree(self, base: str, commit: str) -> list[str]:
        self.commit(base)
        self.commit(commit)
        return ["diff-tree", *_DIFF_OPTIONS, base, commit]

    def _commit(
        self,
        tree_id: str,
        parent: str | None,
        message: str,
        *,
        at: datetime,
        author: str,
        trailers: Mapping[str, str] | None = None,
    ) -> str:
        named = _AUTHOR.fullmatch(author)
        if named is None:
            raise LineageNameError(f"author {author!r} must read 'Name <address>'")
        stamp = f"{int(at.timestamp())} +0000"
        variables: dict[str, str] = {}
        for who in ("AUTHOR", "COMMITTER"):
            variables |= {
                f"GIT_{who}_NAME": named[1],
                f"GIT_{who}_EMAIL": named[2],
                f"GIT_{who}_DATE": stamp,
            }
        parents = [] if parent is None else ["-p", parent]
        text = commit_message(message, {"Lineage": self.name, **(trailers or {})})
        out = self.git_dir.output(
            ["commit-tree", tree_id, *parents], stdin=text.encode(), variables=variables
        )
        return out.decode("ascii").strip()

    def _create_ref(self, ref: str, commit: str, reason: str) -> bool:
        """False when somebody else made it first."""
        if self.server is not None:
            try:
                self.server.move(ref, commit, None)
            except RefElsewhereError:
                self.synchronize()
                return False
        arguments = ["update-ref", "--create-reflog", "-m", reason, ref, commit, NO_COMMIT]
        result = self.git_dir.run(arguments)
        if result.exit_code != 0 and self._ref(ref) is None:
            raise failed(self.git_dir.path, "update-ref", result.stderr)
        return result.exit_code == 0

    def _ref(self, ref: str) -> str | None:
        result = self.git_dir.run(["rev-parse", "--verify", "--quiet", "--end-of-options", ref])
        return result.stdout.decode("ascii").strip() if result.exit_code == 0 else None

    def _refs(self) -> Mapping[str, str]:
        listing = self.git_dir.output(
            ["for-each-ref", "--format=%(refname) %(objectname)", "refs/rsi"]
        )
        pairs = (line.split(" ") for line in listing.decode("utf-8").splitlines())
        return {ref: commit for ref, commit in pairs if _OURS.fullmatch(ref)}

    def _needed(self, ref: str) -> str:
        commit = self._ref(ref)
        if commit is None:
            raise UnknownCommitError(
                f"lineage {self.name!r} has no {ref}; import the task's baseline first"
            )
        return commit

    def _tree_id(self, commit: str) -> str:
        with self._found(commit) as found:
            return found.tree.hexsha

    @contextmanager
    def _repo(self) -> Iterator[Repo]:
        """GitPython's view of the objects, opened for one call: nothing stays open, threads do not meet."""
        try:
            repo = Repo(self.git_dir.path)
        except (GitError, OSError) as error:
            raise LineageError(
                f"{str(self.git_dir.path)!r} is no git repository; move it away or restore a copy"
                f"{_inherited()}"
            ) from error
        folder = str(self.git_dir.path)
        pinned = {"GIT_DIR": folder, "GIT_COMMON_DIR": folder}
        pinned["GIT_OBJECT_DIRECTORY"] = f"{folder}/objects"
        repo.git.update_environment(**CLEAN_VARIABLES, **pinned)
        with repo:
            yield repo

    @contextmanager
    def _found(self, commit: str) -> Iterator[Commit]:
        if not _COMMIT.fullmatch(commit):
            raise UnknownCommitError(f"{commit[:80]!r} is no full commit id of 40 hex digits")
        with self._repo() as repo:
            try:
                found = Commit.new(repo, commit)
                found.tree  # noqa: B018  # reads the object, so that a missing one shows here
            except (BadName, BadObject, ValueError, AttributeError) as error:
                raise UnknownCommitError(
                    f"no commit {commit} in lineage {self.name!r}; `rsi log` lists them"
                ) from error
            yield found


def checked_name(name: str, what: str) -> str:
    """The name itself, if it can be a folder and part of a ref.

    Raises:
        LineageNameError: It has other characters than letters, digits, "-" and "_", or is too long.
    """
    if not _NAME.fullmatch(name):
        raise LineageNameError(
            f"{name[:140]!r} cannot name a {what}; use up to 120 letters, digits, '-' and '_'"
        )
    return name


def _create(path: Path) -> None:
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise LineageError(
            f"the folder {str(path.parent)!r} cannot be made ({error.strerror}); set RSI_HOME to "
            "a folder you may write"
        ) from error
    create_bare(path)


def _inherited() -> str:
    """A hint when rsi was started from inside git: these two make GitPython look elsewhere."""
    found = {"GIT_OBJECT_DIRECTORY", "GIT_COMMON_DIR"} & os.environ.keys()
    return f" (or unset {' and '.join(sorted(found))} first)" if found else ""


def _lineage_commit(found: Commit) -> LineageCommit:
    text = (
        found.message
        if isinstance(found.message, str)
        else found.message.decode("utf-8", "replace")
    )
    message, _, ours = text.rstrip("\n").rpartition("\n\n")
    pairs = [line.partition(": ") for line in ours.splitlines()]
    return LineageCommit(
        commit=found.hexsha,
        parent=found.parents[0].hexsha if found.parents else None,
        title=message.partition("\n")[0],
        message=message,
        trailers={key: value for key, _, value in pairs},
        author=f"{found.author.name} <{found.author.email}>",
        at=found.committed_datetime.astimezone(UTC),
    )
