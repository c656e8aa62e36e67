"""Python environments for the backends without images: one per set of requirements, built once, or one that is there.

Does not: run anything of a candidate's. Requirements come from the task, which is trusted.
Invariant: an environment that carries its completion mark is never written to again.
"""

import contextlib
import fcntl
import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from rsi.sandboxes.errors import EnvironmentBuildError
from rsi.sandboxes.machine import layering
from rsi.sandboxes.types import Environment

RECIPE = "1"
"""Part of every digest: raise it when environments are built differently."""
DONE_MARK = ".complete"
ERROR_LINES = 30
BUILD_TIMEOUT_S = 3600
UNUSED_S = 30 * 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PythonEnvironment:
    """A prepared environment."""

    digest: str
    """SHA-256 over the requirements, the interpreter and the recipe."""
    folder: Path
    """Root of the virtual environment."""
    interpreter: Path
    """The interpreter it was made from, all links resolved."""

    @property
    def bin_folder(self) -> Path:
        """Where its "python" is."""
        return self.folder / "bin"


def cache_folder() -> Path:
    """Where environments and other rebuildable things are kept: $RSI_CACHE or the user's cache folder."""
    return Path(os.environ.get("RSI_CACHE") or platformdirs.user_cache_dir("rsi")).resolve()


def base_interpreter() -> Path:
    """The interpreter below every virtual environment, links resolved."""
    name = f"python{sys.version_info.major}.{sys.version_info.minor}"
    candidates = [Path(sys.base_prefix) / "bin" / name, Path(sys.base_prefix) / "bin" / "python3"]
    for candidate in candidates:
        if candidate.exists():
            return candidate.resolve()
    return Path(sys.executable).resolve()


def environment_digest(environment: Environment) -> str:
    """Identity of the Python environment that `environment` asks for on this machine."""
    facts = [
        RECIPE,
        sys.version,
        platform.machine(),
        str(base_interpreter()),
        *sorted(environment.requirements),
    ]
    return hashlib.sha256("\0".join(facts).encode()).hexdigest()


def prepare_python(
    environment: Environment,
    progress: Callable[[str], None] | None = None,
    *,
    cache: Path | None = None,
) -> PythonEnvironment:
    """Build the environment, or find it built.

    Args:
        environment: Only its requirements matter here.
        progress: Called with a line now and then.
        cache: Where to keep it; None for the user's cache.

    Raises:
        EnvironmentBuildError: venv or pip failed; the message holds the end of the output.
    """
    if environment.python is not None:
        return _present(environment, environment.python)
    digest = environment_digest(environment)
    folder = (cache or cache_folder()) / "environments" / digest[:24]
    prepared = PythonEnvironment(digest=digest, folder=folder, interpreter=base_interpreter())
    if (folder / DONE_MARK).exists():
        with contextlib.suppress(OSError):
            os.utime(folder / DONE_MARK)  # in use
            if not (
                folder / layering.RECORD
            ).exists():  # made before environments were begun with others
                layering.record(folder, environment.requirements, _made_with(prepared))
        return prepared
    folder.parent.mkdir(parents=True, exist_ok=True)
    report = progress or (lambda _: None)
    with _locked(folder.with_suffix(".lock"), report):
        if not (folder / DONE_MARK).exists():
            # Each with PyTorch takes most of a gigabyte.
            for unused, _ in unused_environments(time.time() - UNUSED_S, folder.parent.parent):
                with contextlib.suppress(OSError):
                    forget_environment(unused)
            _build(environment, prepared, report)
    return prepared


def packages_in(prefix: Path) -> dict[str, str]:
    """Versions of the packages that are installed below a prefix, by normalised name; those installed from a folder left out.

    Read from the names of their metadata folders: nothing of the environment is run.
    """
    found: dict[str, str] = {}
    for folder in site_folders(prefix):
        for each in sorted(folder.glob("*.dist-info")):
            name, _, version = each.name.removesuffix(".dist-info").partition("-")
            if version and not _is_from_a_folder(each):
                found.setdefault(re.sub(r"[-_.]+", "-", name).lower(), version)
    return found


def site_folders(prefix: Path) -> tuple[Path, ...]:
    """Folders from which the interpreter of a prefix imports what is installed, those of its base where it sees them."""
    found = [*prefix.glob("lib/python3*/site-packages"), *prefix.glob("lib/python3/dist-packages")]
    settings = prefix / "pyvenv.cfg"
    if settings.is_file():
        text = settings.read_text(encoding="utf-8", errors="replace").replace(" ", "").lower()
        if "include-system-site-packages=true" in text:
            found += site_folders((prefix / "bin" / "python").resolve().parent.parent)
    return tuple(found)


def _is_from_a_folder(metadata: Path) -> bool:
    origin = metadata / "direct_url.json"
    return origin.is_file() and "dir_info" in origin.read_text(encoding="utf-8", errors="replace")


def _present(environment: Environment, python: Path) -> PythonEnvironment:
    """An environment that somebody else made, if it still holds what the task was made with."""
    prefix = python.parent.parent
    if not python.exists():
        raise EnvironmentBuildError(
            f"environment {environment.name!r} is the Python at {str(python)!r}, which is gone; make the task again, or take "
            "`python` out of its task.toml"
        )
    here = packages_in(prefix)
    for line in environment.requirements:
        name, _, version = line.partition("==")
        plain = re.sub(r"[-_.]+", "-", name.partition("[")[0]).lower()
        if here.get(plain) != version:
            raise EnvironmentBuildError(
                f"environment {environment.name!r} was made with {line}, and the Python at {str(python)!r} has "
                f"{here.get(plain) or 'none'} now; install that version there, or make the task again"
            )
    facts = [RECIPE, str(python), platform.machine(), *(f"{a}=={b}" for a, b in here.items())]
    return PythonEnvironment(
        digest=hashlib.sha256("\0".join(facts).encode()).hexdigest(),
        folder=prefix,
        interpreter=python.resolve(),
    )


@contextlib.contextmanager
def _locked(path: Path, progress: Callable[[str], None]) -> Iterator[None]:
    """Hold a lock file, so that two processes never build the same environment at once."""
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress("waiting for another process that builds the same environment")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _build(
    environment: Environment, prepared: PythonEnvironment, progress: Callable[[str], None]
) -> None:
    """Build in place (a virtual environment knows its own path) and mark it complete at the end."""
    shutil.rmtree(prepared.folder, ignore_errors=True)
    needs_pip = bool(environment.requirements)
    progress(f"making a Python environment for {environment.name}")
    venv = [str(prepared.interpreter), "-I", "-m", "venv"]
    _run(
        [*venv, *([] if needs_pip else ["--without-pip"]), str(prepared.folder)],
        environment,
        progress,
    )
    python = str(prepared.bin_folder / "python")
    _begin(environment, prepared, progress)
    if needs_pip:
        pip = [python, "-I", "-m", "pip", "install", "--no-compile", "--disable-pip-version-check"]
        _run([*pip, *environment.requirements], environment, progress)
        progress("compiling its modules")
        # Bytecode made now, not by the first run that happens to import: runs must not differ by it.
        site = str(prepared.folder / "lib")
        compile_all = [python, "-I", "-m", "compileall", "-q", "-j", "0", site]
        subprocess.run(compile_all, check=False, capture_output=True, timeout=BUILD_TIMEOUT_S)
    layering.record(prepared.folder, environment.requirements, _made_with(prepared))
    (prepared.folder / DONE_MARK).write_text(prepared.digest)


def _begin(
    environment: Environment, prepared: PythonEnvironment, progress: Callable[[str], None]
) -> None:
    """Take over what another environment holds of it; pip then installs what is missing."""
    part = layering.richest_part(
        prepared.folder.parent, environment.requirements, _made_with(prepared), DONE_MARK
    )
    if part is None:
        return
    progress("taking over the packages of an environment that has a part of them")
    try:
        layering.begin_with(part, prepared.folder)
    except OSError as error:
        raise EnvironmentBuildError(
            f"environment {environment.name!r}: packages of {str(part)!r} cannot be taken over ({error.strerror}); remove that folder"
        ) from error


def _made_with(prepared: PythonEnvironment) -> str:
    return f"{prepared.interpreter} {sys.version} {platform.machine()}"


def pip_settings(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The operator's words about where packages come from, as pip reads them; the same that image builds obey."""
    names = {
        "RSI_PIP_INDEX_URL": "PIP_INDEX_URL",
        "RSI_CA_BUNDLE": "PIP_CERT",
        "RSI_WHEEL_DIR": "PIP_FIND_LINKS",
    }
    return {pip: environ[ours] for ours, pip in names.items() if environ.get(ours)}


def unused_environments(
    before_s: float, cache: Path | None = None
) -> tuple[tuple[Path, float], ...]:
    """Folders of environments that nothing has asked for since a moment, and when something last did.

    Args:
        before_s: Seconds since the epoch.
        cache: Where they are; None for the user's cache.
    """
    found = []
    for mark in sorted(((cache or cache_folder()) / "environments").glob(f"*/{DONE_MARK}")):
        with contextlib.suppress(OSError):
            used_s = mark.stat().st_mtime
            if used_s < before_s:
                found.append((mark.parent, used_s))
    return tuple(found)


def forget_environment(folder: Path) -> None:
    """Remove an environment; whoever wants it builds it anew."""
    (folder / DONE_MARK).unlink(missing_ok=True)  # without its mark it is not there
    shutil.rmtree(folder, ignore_errors=True)


def _run(argv: list[str], environment: Environment, progress: Callable[[str], None]) -> None:
    process = subprocess.Popen(
        argv,
        env=os.environ | pip_settings(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        umask=0o022,
    )
    lines: list[str] = []
    with process:
        assert process.stdout is not None  # noqa: S101 - it is a pipe
        for line in process.stdout:
            lines = [*lines[-ERROR_LINES:], line.rstrip()]
            if line.startswith(("Collecting", "Downloading", "Installing", "Processing")):
                progress(line.strip())
    if process.returncode != 0:
        tail = "\n".join(lines)
        raise EnvironmentBuildError(
            f"environment {environment.name!r} ({', '.join(environment.requirements)}) could not be built;"
            f" check the requirements and the package index. The end of the output:\n{tail}"
        )
