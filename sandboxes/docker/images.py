"""Images for the Docker backend: built from a Dockerfile, named by the hash of everything that goes in, used by id.

Does not: run containers. The agent never reaches a Dockerfile, so what is built here is trusted.
Behind a proxy or without a registry, the operator sets RSI_BASE_IMAGE, RSI_PIP_INDEX_URL, RSI_CA_BUNDLE and
RSI_WHEEL_DIR; where the last three are not set, what pip's own variables say on this machine holds. A build sees the last two, and the requirements, in the folder `.rsi` of its context:
`requirements.txt`, `ca.pem` (empty when there is none) and `wheels/`; and the build arguments RSI_BASE_IMAGE and
PIP_INDEX_URL. A task without a Dockerfile of its own gets `minimal_dockerfile`, which shows how to use them.
"""

import hashlib
import io
import os
import re
import tarfile
import tempfile
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO

import docker
from docker.errors import APIError, DockerException, ImageNotFound

from rsi.sandboxes.errors import EnvironmentBuildError
from rsi.sandboxes.types import Environment

RECIPE = "2"
"""Part of every digest: raise it when images are built differently."""
DEFAULT_BASE_IMAGE = "python:3.11-slim-bookworm"
INPUTS_LABEL = "rsi.inputs"
NAME_LABEL = "rsi.environment"
CONTEXT_FOLDER = ".rsi"
ERROR_LINES = 12
LINE_CHARS = 160
"""Of a progress line; an instruction of a Dockerfile can be a page long."""
SPOOL_BYTES = 32 << 20
"""A build context larger than this waits on disk."""
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
"""The engine paints what a build writes to standard error."""

_BARE = """\
ARG RSI_BASE_IMAGE
FROM ${RSI_BASE_IMAGE}
RUN python3 -m venv --without-pip /opt/venv
ENV PATH=/opt/venv/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
"""
_BEGIN = """\
ARG RSI_BASE_IMAGE
FROM ${RSI_BASE_IMAGE}
ARG PIP_INDEX_URL
RUN python3 -m venv /opt/venv
COPY .rsi/ca.pem /tmp/rsi/ca.pem
COPY .rsi/wheels /tmp/rsi/wheels
"""
_LAYER = """\
COPY .rsi/layers/$NAME /tmp/rsi/$NAME
RUN set -eu; \\
    if [ -s /tmp/rsi/ca.pem ]; then export PIP_CERT=/tmp/rsi/ca.pem; fi; \\
    [ -n "${PIP_INDEX_URL:-}" ] || unset PIP_INDEX_URL; \\
    /opt/venv/bin/pip install --no-cache-dir --no-compile --disable-pip-version-check \\
        --find-links /tmp/rsi/wheels -r /tmp/rsi/$NAME; \\
    /opt/venv/bin/python -m compileall -q -j 0 /opt/venv/lib || true
"""
_END = """\
RUN rm -rf /tmp/rsi
ENV PATH=/opt/venv/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
"""
HEAVY = ("torch", "jax", "tensorflow")
"""Projects that get a layer of their own, below the others: it is shared by every image that pins them alike."""


def layers_of(requirements: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    """Requirements in the order of their layers, those that seldom change and take long first."""
    heavy = tuple(line for name in HEAVY for line in requirements if _project(line) == name)
    rest = tuple(line for line in requirements if line not in heavy)
    return (*((line,) for line in heavy), *((rest,) if rest else ()))


def _project(line: str) -> str:
    return re.split(r"[^A-Za-z0-9._-]", line, maxsplit=1)[0].lower()


def minimal_dockerfile(requirements: Sequence[str]) -> str:
    """What an environment without a Dockerfile of its own is built from: one layer more, and none below is built again."""
    layers = layers_of(requirements)
    if not layers:
        return _BARE
    steps = [_LAYER.replace("$NAME", f"{number}.txt") for number in range(len(layers))]
    return "".join([_BEGIN, *steps, _END])


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildSettings:
    """What the operator may change about every build."""

    base_image: str = DEFAULT_BASE_IMAGE
    pip_index_url: str | None = None
    ca_bundle: Path | None = None
    """A PEM file that pip trusts inside the build."""
    wheel_dir: Path | None = None
    """A folder of wheels that pip looks into first."""

    @classmethod
    def from_environ(cls, environ: Mapping[str, str] = os.environ) -> "BuildSettings":
        """Read the RSI_ variables; without one, packages come from where pip outside a container gets them."""
        bundle = environ.get("RSI_CA_BUNDLE") or environ.get("PIP_CERT")
        wheels = environ.get("RSI_WHEEL_DIR")
        if not wheels and Path(links := environ.get("PIP_FIND_LINKS", "")).is_absolute():
            wheels = links if Path(links).is_dir() else None
        return cls(
            base_image=environ.get("RSI_BASE_IMAGE") or DEFAULT_BASE_IMAGE,
            pip_index_url=environ.get("RSI_PIP_INDEX_URL") or environ.get("PIP_INDEX_URL"),
            ca_bundle=Path(bundle) if bundle else None,
            wheel_dir=Path(wheels) if wheels else None,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltImage:
    """An image of ours in the engine."""

    image_id: str
    environment: str
    inputs: str
    """Digest of everything that went in."""
    size_bytes: int
    created_s: float
    """Seconds since 1970."""


def prepare_image(
    client: docker.DockerClient,
    environment: Environment,
    settings: BuildSettings,
    progress: Callable[[str], None] | None = None,
) -> str:
    """Build the environment's image, or find it built; returns its id ("sha256:...").

    Raises:
        EnvironmentBuildError: The base image cannot be had or the build failed.
    """
    report = progress or (lambda _: None)
    try:
        base_id = _base_image(client, settings, report)
        files = dict(_context_files(environment, settings))
        inputs = _digest(files, base_id, settings)
        found = client.api.images(filters={"label": f"{INPUTS_LABEL}={inputs}"})
        if found:
            return str(found[0]["Id"])
        return _build(client, environment, settings, files, inputs, report)
    except DockerException as error:
        raise EnvironmentBuildError(f"image for {environment.name!r}: {error}") from error
    except OSError as error:
        raise EnvironmentBuildError(
            f"image for {environment.name!r}: cannot read its inputs: {error}"
        ) from error


def list_images(client: docker.DockerClient) -> tuple[BuiltImage, ...]:
    """Images that we built, newest first."""
    found = client.api.images(filters={"label": INPUTS_LABEL})
    images = (
        BuiltImage(
            image_id=each["Id"],
            environment=each["Labels"].get(NAME_LABEL, ""),
            inputs=each["Labels"][INPUTS_LABEL],
            size_bytes=each["Size"],
            # The listing counts whole seconds: two builds may share one.
            created_s=datetime.fromisoformat(
                client.api.inspect_image(each["Id"])["Created"]
            ).timestamp(),
        )
        for each in found
    )
    return tuple(sorted(images, key=lambda image: image.created_s, reverse=True))


def prune_images(
    client: docker.DockerClient, keep: Collection[str] = (), *, newest: int = 1
) -> tuple[str, ...]:
    """Remove our images, except the newest ones of each environment and those in `keep`; returns the ids removed.

    An image that a container still uses stays.
    """
    removed: list[str] = []
    seen: Counter[str] = Counter()
    for image in list_images(client):
        seen[image.environment] += 1
        if seen[image.environment] > newest and image.image_id not in keep:
            try:
                client.api.remove_image(image.image_id)
            except APIError:
                continue
            removed.append(image.image_id)
    return tuple(removed)


def _base_image(
    client: docker.DockerClient, settings: BuildSettings, progress: Callable[[str], None]
) -> str:
    """Id of the base image, pulled when missing."""
    try:
        return str(client.api.inspect_image(settings.base_image)["Id"])
    except ImageNotFound:
        progress(f"pulling {settings.base_image}")
    try:
        client.api.pull(*_name_and_tag(settings.base_image))
        return str(client.api.inspect_image(settings.base_image)["Id"])
    except APIError as error:
        raise EnvironmentBuildError(
            f"base image {settings.base_image!r} is not here and cannot be pulled ({error.explanation});"
            " load one and name it in RSI_BASE_IMAGE"
        ) from error


def _name_and_tag(reference: str) -> tuple[str, str]:
    name, colon, tag = reference.rpartition(":")
    return (name, tag) if colon and "/" not in tag else (reference, "latest")


def _context_files(
    environment: Environment, settings: BuildSettings
) -> Iterator[tuple[str, Path | bytes]]:
    """Every file of the build context by its name there."""
    if environment.dockerfile is None:
        yield "Dockerfile", minimal_dockerfile(environment.requirements).encode()
        for number, lines in enumerate(layers_of(environment.requirements)):
            text = "".join(f"{line}\n" for line in lines)
            yield f"{CONTEXT_FOLDER}/layers/{number}.txt", text.encode()
    else:
        for path in sorted(environment.dockerfile.rglob("*")):
            if path.is_file() and not path.is_symlink():
                yield path.relative_to(environment.dockerfile).as_posix(), path
    requirements = "".join(f"{line}\n" for line in environment.requirements)
    yield f"{CONTEXT_FOLDER}/requirements.txt", requirements.encode()
    bundle = settings.ca_bundle
    yield f"{CONTEXT_FOLDER}/ca.pem", bundle.read_bytes() if bundle is not None else b""
    yield f"{CONTEXT_FOLDER}/wheels/.keep", b""
    if settings.wheel_dir is not None and environment.requirements:
        for path in sorted(settings.wheel_dir.glob("*.whl")):
            yield f"{CONTEXT_FOLDER}/wheels/{path.name}", path


def _digest(files: Mapping[str, Path | bytes], base_id: str, settings: BuildSettings) -> str:
    digest = hashlib.sha256(f"{RECIPE}\0{base_id}\0{settings.pip_index_url}".encode())
    for name, content in files.items():
        if isinstance(content, Path) and content.suffix == ".whl":
            # A wheel's name says what it is; hashing gigabytes at every start would be felt.
            identity = str(content.stat().st_size).encode()
        elif name == f"{CONTEXT_FOLDER}/ca.pem":
            identity = b""  # how the build reached the index does not change what it built
        else:
            identity = content.read_bytes() if isinstance(content, Path) else content
        digest.update(f"\0{name}\0{len(identity)}\0".encode() + identity)
    return digest.hexdigest()


def _build(
    client: docker.DockerClient,
    environment: Environment,
    settings: BuildSettings,
    files: Mapping[str, Path | bytes],
    inputs: str,
    progress: Callable[[str], None],
) -> str:
    lines: list[str] = []
    with tempfile.SpooledTemporaryFile(max_size=SPOOL_BYTES) as context:
        _write_context(context, files)
        context.seek(0)
        stream = client.api.build(
            fileobj=context,
            custom_context=True,
            tag=f"rsi/{environment.name}:{inputs[:12]}",
            labels={INPUTS_LABEL: inputs, NAME_LABEL: environment.name},
            buildargs={
                "RSI_BASE_IMAGE": settings.base_image,
                "PIP_INDEX_URL": settings.pip_index_url or "",
            },
            network_mode="host",
            rm=True,
            forcerm=True,
            decode=True,
        )
        for event in stream:
            text = _COLOUR.sub("", str(event.get("stream") or "")).rstrip()
            if text:
                lines = [*lines[-ERROR_LINES:], *text.splitlines()]
                progress(lines[-1][:LINE_CHARS])
            if "error" in event:
                # What the engine adds is the whole RUN instruction once more.
                tail = "\n".join(lines[-ERROR_LINES:]) or str(event["error"])
                raise EnvironmentBuildError(
                    f"image for {environment.name!r} could not be built; behind a proxy set RSI_CA_BUNDLE,"
                    f" RSI_PIP_INDEX_URL or RSI_WHEEL_DIR. The end of the output:\n{tail}"
                )
    return str(client.api.images(filters={"label": f"{INPUTS_LABEL}={inputs}"})[0]["Id"])


def _write_context(target: IO[bytes], files: Mapping[str, Path | bytes]) -> None:
    """A reproducible tar: no owners, no times."""
    with tarfile.open(fileobj=target, mode="w") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.mode = 0o644
            if isinstance(content, bytes):
                entry.size = len(content)
                archive.addfile(entry, io.BytesIO(content))
            else:
                entry.size = content.stat().st_size
                entry.mode = content.stat().st_mode & 0o755
                with content.open("rb") as file:
                    archive.addfile(entry, file)
