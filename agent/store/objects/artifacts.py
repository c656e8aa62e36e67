"""Large contents of the ledger in an object store, by digest: a folder, S3 or Google Cloud Storage, through fsspec.

What is read is checked against the digest that the ledger has, so a store can lose something but never change it.
Does not: remove anything but its own probe; contents are facts, and other ledgers may name the same ones.
Invariant: a credential of the URL stands in no error and no log.
"""

import hashlib
import os
import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from rsi.agent.errors import LedgerCorruptError, LedgerUnavailableError
from rsi.agent.store.home import ARTIFACTS_VARIABLE, Home

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

OVER_BYTES = 16 << 10
"""What is larger leaves the database: a page of a diff stays, a whole log does not."""
CONNECT_S, READ_S = 10, 60
"""Of one call; whoever runs a campaign waits and tries again."""
SAID_CHARS = 200
SECRET = re.compile(r"(?<=://)[^/@\s]*@")
OPTIONS: dict[str, dict[str, object]] = {
    "s3": {
        "config_kwargs": {
            "connect_timeout": CONNECT_S,
            "read_timeout": READ_S,
            "retries": {"max_attempts": 2},
        }
    },
    "gs": {"timeout": READ_S},
}
EXTRAS = {"s3": "s3", "s3a": "s3", "gs": "gs", "gcs": "gs"}
"""Which extra of ours brings the driver of a kind of URL."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArtifactStore:
    """One place for contents; threads may share it."""

    url: str = field(repr=False)
    cache: Path
    """Folder for what was read or written here; it can be made again."""

    @classmethod
    def of(cls, home: Home) -> "ArtifactStore | None":
        """The store that a home names; None where everything stays in the database.

        Raises:
            LedgerUnavailableError: The URL cannot be read, or what speaks to such a store is not installed.
        """
        if home.artifacts_url is None:
            return None
        store = cls(url=home.artifacts_url, cache=home.cache / "artifacts")
        scheme = urlsplit(store.url).scheme
        try:
            store._opened()
        except (ImportError, ValueError) as error:
            extra = EXTRAS.get(scheme)
            help_ = f"`pip install 'rsi-lab[{extra}]'`" if extra else "file, s3 and gs are known"
            raise LedgerUnavailableError(
                f"{ARTIFACTS_VARIABLE} is {store.label!r}, which cannot be used here "
                f"({type(error).__name__}); {help_}"
            ) from error
        return store

    @property
    def label(self) -> str:
        """The URL without credentials."""
        found = urlsplit(self.url)
        return f"{found.scheme}://{found.netloc.rpartition('@')[2]}{found.path}"

    def put(self, content: bytes) -> str:
        """Keep bytes under their sha256, which is returned in hex.

        Raises:
            LedgerUnavailableError: The store does not answer or refuses.
        """
        sha256 = hashlib.sha256(content).hexdigest()
        with self._clear_errors("cannot be written"):
            files, root = self._opened()
            path = _path(root, sha256)
            if "file" in _protocols(files):
                # Aside and moved into place, so that nobody ever reads half of it.
                aside = f"{path}.{uuid.uuid4().hex}"
                files.makedirs(path.rpartition("/")[0], exist_ok=True)
                files.pipe_file(aside, content)
                files.mv(aside, path)
            else:
                files.pipe_file(path, content)
        self._remember(sha256, content)
        return sha256

    def get(self, sha256: str, size_bytes: int) -> bytes:
        """The bytes that were kept.

        Raises:
            LedgerCorruptError: They are gone, or others lie in their place.
            LedgerUnavailableError: The store does not answer or refuses.
        """
        cached = self._cached(sha256)
        if cached is not None:
            return cached
        with self._clear_errors("cannot be read"):
            files, root = self._opened()
            try:
                # One byte more than it should be: a forged one may be of any size.
                content = bytes(files.cat_file(_path(root, sha256), start=0, end=size_bytes + 1))
            except FileNotFoundError as error:
                raise LedgerCorruptError(
                    f"{self.label} has lost the content {sha256[:12]} of {size_bytes} bytes that the ledger names; put it back "
                    "from a backup, or look whether the URL is the one that it was written with"
                ) from error
        if hashlib.sha256(content).hexdigest() != sha256:
            raise LedgerCorruptError(
                f"what {self.label} has as {sha256[:12]} is not what the ledger stored there: it was changed or cut off; put it "
                "back from a backup"
            )
        self._remember(sha256, content)
        return content

    def probe(self) -> None:
        """Write, read and remove something of no worth.

        Raises:
            LedgerUnavailableError: One of them cannot be done.
        """
        said = uuid.uuid4().hex.encode()
        with self._clear_errors("cannot be used"):
            files, root = self._opened()
            path = f"{root.rstrip('/')}/probe-{said.decode()}"
            if "file" in _protocols(files):
                files.makedirs(root, exist_ok=True)
            files.pipe_file(path, said)
            is_same = files.cat_file(path) == said
            files.rm_file(path)
        if not is_same:
            raise LedgerUnavailableError(f"{self.label} gives back other bytes than were written")

    def _opened(self) -> "tuple[AbstractFileSystem, str]":
        from fsspec.core import url_to_fs

        files, root = url_to_fs(self.url, **OPTIONS.get(urlsplit(self.url).scheme, {}))
        return files, str(root)

    @contextmanager
    def _clear_errors(self, what: str) -> Iterator[None]:
        """One sentence of ours for what a driver says."""
        try:
            yield
        except _failures(urlsplit(self.url).scheme) as error:
            said = SECRET.sub("", str(error))[:SAID_CHARS]
            raise LedgerUnavailableError(
                f"the artifacts in {self.label} {what} ({type(error).__name__}: {said}); what needs them waits"
            ) from error

    def _remember(self, sha256: str, content: bytes) -> None:
        path = self.cache / sha256[:2] / sha256
        with suppress(OSError):  # it can be read again
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            aside = path.with_name(f"{sha256}.{uuid.uuid4().hex}")
            aside.write_bytes(content)
            aside.replace(path)

    def _cached(self, sha256: str) -> bytes | None:
        path = self.cache / sha256[:2] / sha256
        with suppress(OSError):
            content = path.read_bytes()
            if hashlib.sha256(content).hexdigest() == sha256:
                os.utime(path)  # `rsi prune` goes by when it was last asked for
                return content
        return None


def _path(root: str, sha256: str) -> str:
    return f"{root.rstrip('/')}/{sha256[:2]}/{sha256}"


def _protocols(files: Any) -> tuple[str, ...]:  # noqa: ANN401  fsspec has no types
    return (files.protocol,) if isinstance(files.protocol, str) else tuple(files.protocol)


def _failures(scheme: str) -> tuple[type[Exception], ...]:
    """What a driver raises when its store does not do what it should."""
    found: list[type[Exception]] = [OSError]
    with suppress(ImportError):
        if EXTRAS.get(scheme) == "s3":
            from botocore.exceptions import BotoCoreError, ClientError

            found += [BotoCoreError, ClientError]
        elif EXTRAS.get(scheme) == "gs":
            from aiohttp import ClientError as HttpClientError
            from gcsfs.retry import HttpError
            from google.auth.exceptions import GoogleAuthError

            found += [HttpError, HttpClientError, GoogleAuthError]
    return tuple(found)
