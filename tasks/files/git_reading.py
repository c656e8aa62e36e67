"""Read files out of git repositories that may be anybody's: objects in, bytes out, nothing of theirs takes part.

Does not: check anything out, so no hook, filter or attribute of the other side is ever asked; or write to a checkout.
Invariant: a clone lies in a throw-away folder and is bare; what is read is a commit, never a work tree.
"""

import os
import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit, urlunsplit

from rsi.tasks.errors import NewTaskError, RepoUnreachableError, TaskNotFoundError

FETCH_TIMEOUT_S = 600.0
"""A training repo comes in seconds; one with gigabytes of data in it is refused later anyway."""
READ_TIMEOUT_S = 120.0
PROTOCOLS = ("https", "http", "ssh", "git", "file")
_SCP_LIKE = re.compile(r"[A-Za-z0-9_.-]+@[A-Za-z0-9_.-]+:(?!//).+")
_REVISION = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._/~^@{}-]*")
_SAFE_CONFIG = (
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.attributesFile=/dev/null",
    "core.quotePath=false",
    "gc.auto=0",
    "maintenance.auto=false",
    "fetch.recurseSubmodules=false",
    # Nothing below runs what a repository says, so whose it is does not matter.
    "safe.directory=*",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Blob:
    """One entry of a commit's tree."""

    path: str
    mode: str
    """"100644", "100755", "120000" for a link, "160000" for a submodule."""
    oid: str
    n_bytes: int
    """0 for a submodule."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """One commit of a repository, or a folder of it, open for reading."""

    git_dir: Path
    name: str
    folder: str
    """The part of the repository that is meant; empty for all of it."""

    def blobs(self) -> tuple[Blob, ...]:
        """What the tree holds, without any content."""
        tree = f"{self.name}:{self.folder.rstrip('/')}"
        listed = _output(self.git_dir, ("ls-tree", "-r", "-l", "-z", "--full-tree", tree))
        found = []
        for record in listed.decode("utf-8", "surrogateescape").split("\0")[:-1]:
            facts, _, path = record.partition("\t")
            mode, _, oid, size = facts.split()
            found.append(
                Blob(path=path, mode=mode, oid=oid, n_bytes=int(size) if size.isdigit() else 0)
            )
        return tuple(found)

    def contents(self, oids: Sequence[str]) -> Mapping[str, bytes]:
        """Bytes of blobs, exactly as they were committed."""
        wanted = tuple(dict.fromkeys(oids))
        if not wanted:
            return {}
        told = _output(self.git_dir, ("cat-file", "--batch"), "".join(f"{o}\n" for o in wanted))
        found, position = {}, 0
        for oid in wanted:
            end = told.index(b"\n", position)
            header = told[position:end].split()
            if len(header) != 3:
                raise NewTaskError(
                    f"{self.git_dir} lacks the object {oid} of commit {self.name[:12]}; fetch it there, or name the URL"
                )
            start = end + 1
            position = start + int(header[2]) + 1
            found[oid] = told[start : position - 1]
        return found


def is_url(text: str) -> bool:
    """Whether a text names a repository elsewhere, in a spelling that git fetches."""
    scheme, separator, rest = text.partition("://")
    return bool(separator and rest and scheme in PROTOCOLS) or bool(_SCP_LIKE.fullmatch(text))


def without_credentials(url: str) -> str:
    """The URL as it may be written down: no user, password or token in it."""
    if "://" not in url:
        return url
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, host, parts.path, "", ""))


def check_revision(revision: str) -> None:
    """Refuse what git could take for an option or a refspec.

    Raises:
        NewTaskError: It is no plain name of a commit, branch or tag.
    """
    if not _REVISION.fullmatch(revision):
        raise NewTaskError(f"{revision!r} is no commit, branch or tag; give --commit one of these")


@contextmanager
def fetched(url: str, revision: str | None) -> Iterator[Commit]:
    """One commit of a repository elsewhere, in a throw-away bare clone.

    Args:
        url: As `is_url` takes it.
        revision: Commit, branch or tag; None takes what HEAD names there.

    Raises:
        RepoUnreachableError: It could not be fetched.
        TaskNotFoundError: It has no such commit.
    """
    shown = without_credentials(url)
    with TemporaryDirectory(prefix="rsi-clone-") as folder:
        git_dir = Path(folder) / "clone.git"
        _git(None, ("init", "--quiet", "--bare", "--template=", str(git_dir)))
        quick = ("fetch", "--quiet", "--no-tags", "--depth=1", "--", url, revision or "HEAD")
        said = _git(git_dir, quick, is_remote=True)
        name = "FETCH_HEAD"
        if said.returncode != 0 and revision is not None:
            # Servers need not hand out a commit by a short name or one that no branch ends in: take all, then look.
            refs = ("+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*")
            said = _git(git_dir, ("fetch", "--quiet", "--", url, *refs), is_remote=True)
            name = revision
        if said.returncode != 0:
            words = said.stderr.decode("utf-8", "replace").replace(url, shown).strip().splitlines()
            last = words[-1].removeprefix("fatal: ") if words else "git said nothing"
            raise RepoUnreachableError(f"{shown!r} could not be fetched: {last}")
        yield Commit(git_dir=git_dir, name=_resolved(git_dir, name, shown, revision), folder="")


def checkout(folder: Path, revision: str | None) -> Commit | None:
    """The commit that a folder shows, or another of its repository; None for a folder that git does not track.

    Raises:
        TaskNotFoundError: No such commit, or none at all.
    """
    asked = ("rev-parse", "--absolute-git-dir", "--is-bare-repository")
    said = _git(None, ("-C", str(folder), *asked))
    if said.returncode != 0:
        return None
    git_dir_name, is_bare = said.stdout.decode("utf-8", "surrogateescape").splitlines()
    git_dir, prefix = Path(git_dir_name), ""
    if is_bare != "true":
        shown = _git(None, ("-C", str(folder), "rev-parse", "--show-prefix"))
        prefix = shown.stdout.decode("utf-8", "surrogateescape").strip("\n")
    if prefix and revision is None:
        is_tracked = _git(git_dir, ("cat-file", "-e", f"HEAD:{prefix.rstrip('/')}"))
        if is_tracked.returncode != 0:
            return None
    name = _resolved(git_dir, revision or "HEAD", str(folder), revision)
    return Commit(git_dir=git_dir, name=name, folder=prefix.rstrip("/"))


def tracked_files(folder: Path) -> tuple[str, ...]:
    """Paths below a folder of a checkout that git tracks, those of submodules included; they need not be there."""
    return _listed(folder, ("--cached", "--recurse-submodules"))


def untracked_files(folder: Path) -> tuple[str, ...]:
    """Paths below a folder of a checkout that git neither tracks nor is told to ignore."""
    return _listed(folder, ("--others", "--exclude-standard"))


def _listed(folder: Path, which: Sequence[str]) -> tuple[str, ...]:
    said = _git(None, ("-C", str(folder), "ls-files", "-z", *which))
    if said.returncode != 0:
        words = said.stderr.decode("utf-8", "replace").strip()
        raise NewTaskError(f"git cannot list the files of {str(folder)!r}: {words}")
    return tuple(
        each for each in said.stdout.decode("utf-8", "surrogateescape").split("\0") if each
    )


def remote_url(commit: Commit) -> str | None:
    """Where a checkout came from, by its own word and without credentials; None where it does not say."""
    said = _git(commit.git_dir, ("config", "--get", "remote.origin.url"))
    url = said.stdout.decode("utf-8", "replace").strip()
    return without_credentials(url) if said.returncode == 0 and url.isprintable() and url else None


def _resolved(git_dir: Path, name: str, shown: str, revision: str | None) -> str:
    said = _git(git_dir, ("rev-parse", "--verify", "--quiet", f"{name}^{{commit}}"))
    if said.returncode != 0 and revision is None:
        raise TaskNotFoundError(f"{shown!r} has no commit yet; commit the code first")
    if said.returncode != 0:
        raise TaskNotFoundError(f"{shown!r} has no commit, branch or tag {revision!r}")
    return said.stdout.decode("ascii").strip()


def _output(git_dir: Path, arguments: Sequence[str], stdin: str = "") -> bytes:
    done = _git(git_dir, arguments, stdin=stdin)
    if done.returncode != 0:
        words = done.stderr.decode("utf-8", "replace").strip()
        raise NewTaskError(f"git {arguments[0]} failed in {git_dir}: {words}")
    return done.stdout


def _git(
    git_dir: Path | None, arguments: Sequence[str], *, stdin: str = "", is_remote: bool = False
) -> subprocess.CompletedProcess[bytes]:
    options = [word for setting in _SAFE_CONFIG for word in ("-c", setting)]
    place = [] if git_dir is None else [f"--git-dir={git_dir}"]
    timeout_s = FETCH_TIMEOUT_S if is_remote else READ_TIMEOUT_S
    try:
        return subprocess.run(
            ("git", *place, *options, *arguments),
            env=_remote_variables() if is_remote else _LOCAL_VARIABLES | _path(),
            input=stdin.encode(),
            capture_output=True,
            timeout=timeout_s,
            check=False,
        )
    except FileNotFoundError as error:
        raise RepoUnreachableError("git is not installed; rsi needs it to read a repo") from error
    except subprocess.TimeoutExpired as error:
        raise RepoUnreachableError(f"git took more than {timeout_s:.0f} s") from error


_LOCAL_VARIABLES = {
    "LC_ALL": "C",
    "HOME": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_ALLOW_PROTOCOL": "",
    "GIT_TERMINAL_PROMPT": "0",
}
"""For reading what is here: nobody's settings, and no way to the network, whatever the repository's own config says."""


def _path() -> dict[str, str]:
    return {"PATH": os.environ.get("PATH", os.defpath)}


def _remote_variables() -> dict[str, str]:
    """For fetching: the caller's own settings, which may hold proxies and credentials; never a question at the terminal."""
    kept = {name: text for name, text in os.environ.items() if not name.startswith("GIT_")}
    return kept | {
        "LC_ALL": "C",
        "GIT_ALLOW_PROTOCOL": ":".join(PROTOCOLS),
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ASKPASS": "true",
        "SSH_ASKPASS": "true",
        "GIT_SSH_COMMAND": os.environ.get("GIT_SSH_COMMAND", "ssh -o BatchMode=yes"),
    }
