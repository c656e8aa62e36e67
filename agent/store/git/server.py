"""A lineage's repository on a git server: references listed, objects fetched, references moved by git's own compare-and-swap.

Nothing of the server's runs here: no hook and no setting of a repository on a shared folder, and what arrives is checked
object by object. Does not: decide which references there are (`rsi.agent.store.git.lineage` does), or wait.
Invariant: a credential of the URL stands in no command line, no error and no log.
"""

import base64
import os
import re
import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit

from rsi.agent.errors import LineageError, LineageServerError
from rsi.agent.store.git.plumbing import (
    GitDir,
    GitResult,
    GitTimeoutError,
    create_bare,
)
from rsi.agent.store.home import LINEAGES_VARIABLE, Home

LIST_TIMEOUT_S, TRANSFER_TIMEOUT_S = 60, 300
"""Limits of one call: listing is a few round trips, a transfer carries a task's whole repository at first."""
CONNECT_TIMEOUT_S, SILENT_S = 15, 15
"""After three silences of this length an ssh connection is given up."""
SAID_CHARS = 200
"""How much of a server's own words is repeated."""

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_PASSED_ON = (
    "SSH_AUTH_SOCK",
    "GIT_SSL_CAINFO",
    *("http_proxy", "https_proxy", "all_proxy", "no_proxy"),
    *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"),
)
"""What git may know of this machine's network."""
_REMOTE_CONFIG = (
    "core.hooksPath=/dev/null",
    "core.alternateRefsCommand=false",
    "core.fsync=all",
    "receive.fsckObjects=true",
    "receive.autogc=false",
    "receive.denyNonFastForwards=false",
    "receive.denyDeletes=false",
)
"""Over the settings of a repository on a shared folder, whose git runs as a process of ours."""
_CONFIG = (
    "transfer.fsckObjects=true",
    "http.followRedirects=false",
    "http.lowSpeedLimit=1000",
    "http.lowSpeedTime=45",
    "push.default=nothing",
    "push.gpgSign=false",
)
_REFUSED = re.compile(r"^!\t", re.MULTILINE)
_SAME = re.compile(r"^=\t", re.MULTILINE)

_MISSING = re.compile(
    r"not appear to be a git repository|[Rr]epository .*not (?:found|exist)|returned error: 404|no such file or directory",
    re.IGNORECASE,
)
_LASTING = (
    (r"host key verification failed", "its host key is not known here; connect once by hand with ssh"),
    (r"dubious ownership", "its folder belongs to another user; use an ssh:// URL for it"),
    (
        r"permission denied|authentication failed|could not read (?:username|password)|returned error: 40[13]",
        "it does not let us in; check the key or the credentials and what they may write",
    ),
    (r"no space left|quota|disk (?:is )?full", "it has no room left; free some there"),
    (r"redirect|returned error: 30\d", "it sends us to another address; name that one"),
    (r"certificate|ssl|tls", "its certificate is not trusted here; GIT_SSL_CAINFO names a file of your own"),
    (r"rejected|denied|refus(?:ed|ing) to|declined|unpacker error|fsck", "it refuses what we send"),
)  # fmt: skip
"""What does not pass by itself, and what to do."""
_PASSING = re.compile(
    r"resolve host|connection refused|timed out|connection reset|connection closed|no route to host|unreachable|hung up|"
    r"early eof|rpc failed|disconnect|broken pipe|failed to connect|couldn't connect|returned error: (?:429|5\d\d)|"
    r"cannot lock ref|file exists|failed to update ref|kex_exchange|operation too slow",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerAddress:
    """A folder of bare repositories on a git server, as a URL names it."""

    url: str
    """Without credentials, without a slash at the end."""
    scheme: str
    folder: Path | None
    """Of a file:// URL."""
    authorization: str | None = field(default=None, repr=False)
    """Header that carries the URL's user and password; None without them."""
    secrets: tuple[str, ...] = field(default=(), repr=False)

    @classmethod
    def parse(cls, url: str) -> "ServerAddress":
        """Read the URL.

        Raises:
            LineageServerError: It is none of the kinds that are served.
        """
        try:
            parts = urlsplit(url)
            host, port = parts.hostname or "", parts.port
        except ValueError:
            raise _bad_url("is no URL") from None
        if re.search(r"[\s\x00-\x1f\x7f]", url) or parts.query or parts.fragment:
            raise _bad_url("has a blank, a query or a fragment in it")
        if parts.scheme not in {"ssh", "https", "http", "file"}:
            raise _bad_url("is no ssh://, https:// or file:// URL")
        if parts.scheme == "http" and host not in _LOOPBACK:
            raise _bad_url("is http:// to another machine, which anybody may read on the way")
        is_file = parts.scheme == "file"
        if is_file and (parts.netloc or not parts.path.startswith("/")):
            raise _bad_url("must have three slashes and an absolute path, as file:///srv/rsi")
        if not is_file and (not host or host.startswith("-")):
            raise _bad_url("names no host")
        if parts.scheme == "ssh" and parts.password is not None:
            raise _bad_url("holds a password for ssh, which takes keys only")
        place = f"[{host}]" if ":" in host else host
        place += f":{port}" if port is not None else ""
        if parts.scheme == "ssh" and parts.username:
            place = f"{parts.username}@{place}"
        authorization, secrets = _credentials(parts)
        return cls(
            url=f"{parts.scheme}://{place}{parts.path.rstrip('/')}",
            scheme=parts.scheme,
            folder=Path(unquote(parts.path)) if is_file else None,
            authorization=authorization,
            secrets=secrets,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class LineageServer:
    """One lineage's repository on a server, and the local repository that is its cache."""

    address: ServerAddress
    name: str
    git_dir: GitDir

    @property
    def url(self) -> str:
        return f"{self.address.url}/{self.name}.git"

    def refs(self) -> Mapping[str, str]:
        """What the server has below refs/rsi; a repository that a shared folder lacks is made by the first push.

        Raises:
            LineageServerError: It cannot be asked.
        """
        if (path := self._path()) is not None and not path.exists():
            return {}
        done = self._git(["ls-remote", *self._serving("upload-pack"), self.url, "refs/rsi/*"])
        if done.exit_code != 0:
            raise self._failed(done.stderr)
        lines = done.stdout.decode("utf-8", "backslashreplace").splitlines()
        return {ref: commit for commit, _, ref in (line.partition("\t") for line in lines)}

    def fetch(self, refs: Collection[str], *, movable: str) -> None:
        """Bring some references and all that they need into the cache, checked; only `movable` may go anywhere.

        Raises:
            LineageServerError: They cannot be fetched.
        """
        wanted = "".join(f"{'+' if each == movable else ''}{each}:{each}\n" for each in refs)
        options = ["--no-tags", "--no-write-fetch-head", "--no-auto-gc", "--no-recurse-submodules"]
        done = self._git(
            ["fetch", "--quiet", *options, *self._serving("upload-pack"), "--stdin", self.url],
            stdin=wanted.encode(),
            timeout_s=TRANSFER_TIMEOUT_S,
        )
        if done.exit_code != 0:
            raise self._failed(done.stderr)

    def move(self, ref: str, new: str, expected: str | None) -> bool:
        """Compare-and-swap of one reference; False when it is at `new` already.

        Args:
            ref: The reference.
            new: A commit of the cache.
            expected: Where it has to be; None when it must not exist.

        Raises:
            RefElsewhereError: It is neither where it was expected nor at `new`.
            LineageServerError: The server cannot be reached or refuses.
        """
        done = self._push([f"--force-with-lease={ref}:{expected or ''}"], [f"{new}:{ref}"])
        if done.exit_code == 0:
            return _SAME.search(done.stdout.decode("utf-8", "replace")) is None
        # Who was refused looks where it is: another may have moved it, or we did and the answer was lost.
        if _REFUSED.search(done.stdout.decode("utf-8", "replace")):
            current = self.refs().get(ref)
            if current == new:
                return False
            if current != expected:
                raise RefElsewhereError(f"{ref} is at {current or 'nothing'} by now")
        raise self._failed(_said(done))

    def publish(self, refs: Mapping[str, str]) -> None:
        """Send references that the server has never had; all of them or none.

        Raises:
            LineageServerError: It cannot be reached or refuses.
        """
        leases = [f"--force-with-lease={each}:" for each in refs]
        done = self._push(leases, [f"{commit}:{each}" for each, commit in refs.items()])
        if done.exit_code != 0:
            there = self.refs()
            if any(there.get(ref) != commit for ref, commit in refs.items()):
                raise self._failed(_said(done))

    def reach(self) -> None:
        """Ask the server for this repository, which need not be there.

        Raises:
            LineageServerError: There is no such server, or it does not let us in.
        """
        if self._path() is not None:
            return
        done = self._git(["ls-remote", self.url, "refs/rsi/baseline"])
        if done.exit_code != 0 and not _MISSING.search(done.stderr):
            raise self._failed(done.stderr)

    def try_writing(self, commit: str) -> None:
        """Make a throw-away reference and take it away again.

        Raises:
            LineageServerError: The server does not let us.
        """
        ref = f"refs/rsi/doctor/{uuid.uuid4().hex}"
        self.move(ref, commit, None)
        done = self._push([f"--force-with-lease={ref}:{commit}"], [f":{ref}"])
        if done.exit_code != 0:
            raise self._failed(_said(done))

    def _push(self, leases: Sequence[str], moves: Sequence[str]) -> GitResult:
        self._make()
        options = ["--porcelain", "--atomic", "--no-verify", "--no-signed", "--no-follow-tags"]
        return self._git(
            ["push", *options, *self._serving("receive-pack"), *leases, self.url, *moves],
            timeout_s=TRANSFER_TIMEOUT_S,
        )

    def _serving(self, service: str) -> tuple[str, ...]:
        """On a shared folder the server's side is a process of ours: it runs nothing that the folder asks for."""
        if self.address.folder is None:
            return ()
        settings = " ".join(f"-c {each}" for each in _REMOTE_CONFIG)
        return (f"--{service}=git {settings} {service}",)

    def _git(
        self, arguments: Sequence[str], *, stdin: bytes = b"", timeout_s: int = LIST_TIMEOUT_S
    ) -> GitResult:
        config = [*_CONFIG, f"protocol.{self.address.scheme}.allow=always"]
        settings = [part for each in config for part in ("-c", each)]
        try:
            return self.git_dir.run(
                [*settings, *arguments],
                stdin=stdin,
                variables=_variables(self.address),
                timeout_s=timeout_s,
            )
        except GitTimeoutError as error:
            raise self._error(
                f"gave no answer in {timeout_s} s; a campaign asks it again by itself"
            ) from error

    def _path(self) -> Path | None:
        """Where the repository is on a shared folder; None on other servers."""
        folder = self.address.folder
        if folder is not None and not folder.is_dir():
            raise self._error(f"is not there: make or mount the folder {str(folder)!r}")
        return None if folder is None else folder / f"{self.name}.git"

    def _make(self) -> None:
        """On a shared folder there is nobody else to make a repository."""
        if (path := self._path()) is None or path.exists():
            return
        try:
            create_bare(path)
        except LineageError as error:
            raise self._error(f"cannot be made: {error}") from error

    def _failed(self, said: str) -> LineageServerError:
        """One sentence for what git or the server said."""
        for secret in self.address.secrets:
            said = said.replace(secret, "***")
        # Lines of the server's own begin with "remote:"; git's last one says least.
        lines = [each.strip() for each in said.splitlines() if each.strip()]
        for pattern, advice in _LASTING:
            found = next((each for each in lines if re.search(pattern, each, re.IGNORECASE)), None)
            if found is not None:
                return self._error(f"cannot be used: {advice} ({_short(found)})")
        if _MISSING.search(said):
            return self._error(
                f"is not there; make it on the server, as with `git init --bare {self.name}.git`"
            )
        found = next((each for each in lines if _PASSING.search(each)), None)
        if found is not None:
            return self._error(
                f"cannot be reached ({_short(found)}); a campaign asks it again by itself"
            )
        return self._error(f"cannot be used: git said {_short(lines[0] if lines else 'nothing')!r}")

    def _error(self, what: str) -> LineageServerError:
        return LineageServerError(f"the lineage {self.name!r} on the git server {self.url} {what}")


def lineage_server(home: Home, name: str) -> LineageServer | None:
    """Where a lineage of this home is shared; None when it is here alone.

    Raises:
        LineageServerError: The URL cannot be read.
    """
    if home.lineages_url is None:
        return None
    git_dir = GitDir(path=home.lineages / f"{name}.git")
    return LineageServer(address=ServerAddress.parse(home.lineages_url), name=name, git_dir=git_dir)


class RefElsewhereError(LineageError):
    """A reference on the server is not where it was expected."""


def _bad_url(what: str) -> LineageServerError:
    """Without the URL itself, which may hold a credential."""
    return LineageServerError(
        f"{LINEAGES_VARIABLE} {what}; name a folder of bare repositories, such as ssh://git@host/srv/rsi, "
        "https://host/team or file:///srv/rsi"
    )


def _credentials(parts: SplitResult) -> tuple[str | None, tuple[str, ...]]:
    if parts.scheme not in {"http", "https"} or parts.username is None:
        return None, ()
    user, password = unquote(parts.username), unquote(parts.password or "")
    word = base64.b64encode(f"{user}:{password}".encode()).decode("ascii")
    raw = (parts.username, parts.password or "", user, password, word)
    secrets = sorted({each for each in raw if len(each) > 2}, key=len, reverse=True)
    return f"Authorization: Basic {word}", tuple(secrets)


def _variables(address: ServerAddress) -> Mapping[str, str]:
    """What git is told in its environment, which other users of this machine cannot read."""
    ssh = os.environ.get("GIT_SSH_COMMAND", "ssh")
    options = (
        f"ConnectTimeout={CONNECT_TIMEOUT_S} ServerAliveInterval={SILENT_S} ServerAliveCountMax=3"
    )
    variables = {each: os.environ[each] for each in _PASSED_ON if each in os.environ}
    variables["GIT_NO_LAZY_FETCH"] = "1"
    variables["GIT_SSH_VARIANT"] = "ssh"
    variables["GIT_SSH_COMMAND"] = " ".join(
        (ssh, *(f"-o{each}" for each in ("BatchMode=yes", *options.split())))
    )
    if address.authorization is not None:
        variables["GIT_CONFIG_COUNT"] = "1"
        variables["GIT_CONFIG_KEY_0"] = "http.extraHeader"
        variables["GIT_CONFIG_VALUE_0"] = address.authorization
    return variables


def _said(done: GitResult) -> str:
    """A refused reference says why on stdout, the server says it on stderr."""
    return f"{done.stderr}\n{done.stdout.decode('utf-8', 'replace')}"


def _short(line: str) -> str:
    return " ".join("".join(each if each.isprintable() else " " for each in line).split())[
        :SAID_CHARS
    ]
