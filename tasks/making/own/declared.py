"""What a repo says has to be installed: lock file, requirements, pyproject or environment.yml, with its bounds.

Does not: resolve or install anything. Invariant: what is passed over is said.
"""

import platform
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from packaging.markers import Marker, UndefinedEnvironmentName
from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name

from rsi.sandboxes.types import FileTree
from rsi.tasks.errors import NewTaskError

LOCKS = ("uv.lock", "poetry.lock")
CONDA_NAMES = {
    "pytorch": "torch",
    "pytorch-cpu": "torch",
    "pyyaml": "pyyaml",
    "opencv": "opencv-python",
}
NOT_FROM_PIP = frozenset(
    {
        "python",
        "pip",
        "cudatoolkit",
        "cuda",
        "pytorch-cuda",
        "cpuonly",
        "mkl",
        "openssl",
        "gcc",
        "gxx",
        "nodejs",
    }
)
MAX_FILES = 8
"""Requirement files that include each other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """What a repo declares."""

    lines: tuple[str, ...]
    """Requirements with their bounds, such as "numpy>=1.26"; of a lock file everything, pinned."""
    source: str
    """The file; empty where there is none."""
    is_locked: bool = False
    notes: tuple[str, ...] = ()


def declared_in(tree: FileTree) -> Declared:
    """The most exact file of a repo that says what it needs.

    Raises:
        NewTaskError: A file of that kind cannot be read.
    """
    texts = {each.path: each.content.decode("utf-8", "replace") for each in tree}
    found = _declared(texts)
    return replace(found, notes=(*found.notes, *_python_notes(texts)))


def _declared(texts: Mapping[str, str]) -> Declared:
    for name in LOCKS:
        if name in texts:
            return _of_lock(name, texts)
    if "requirements.txt" in texts:
        notes: list[str] = []
        lines = tuple(_of_requirements("requirements.txt", texts, notes, MAX_FILES))
        return Declared(lines=lines, source="requirements.txt", notes=tuple(notes))
    if "pyproject.toml" in texts:
        found = tuple(_of_pyproject(_toml("pyproject.toml", texts)))
        if found:
            return Declared(lines=found, source="pyproject.toml")
    for name in ("environment.yml", "environment.yaml"):
        if name in texts:
            return _of_conda(name, texts[name])
    return Declared(lines=(), source="")


def _python_notes(texts: Mapping[str, str]) -> tuple[str, ...]:
    """A sentence where the project asks for another Python than this one."""
    document = _toml("pyproject.toml", texts) if "pyproject.toml" in texts else {}
    wanted = _table(document, "project").get("requires-python")
    here = platform.python_version()
    try:
        is_met = not isinstance(wanted, str) or SpecifierSet(wanted).contains(
            here, prereleases=True
        )
    except InvalidSpecifier:
        return ()
    return (
        ()
        if is_met
        else (
            f"pyproject.toml asks for Python {wanted}, and this one is {here}; --python PATH takes an environment of another",
        )
    )


def project_of(line: str) -> str:
    """Normalised name of the project that a requirement names."""
    return canonicalize_name(re.split(r"[^A-Za-z0-9._-]", line, maxsplit=1)[0])


def allows(line: str, version: str) -> bool:
    """Whether a requirement is met by a version, test releases included."""
    return Requirement(line).specifier.contains(version, prereleases=True)


def _toml(name: str, texts: Mapping[str, str]) -> dict[str, object]:
    try:
        return tomllib.loads(texts[name])
    except tomllib.TOMLDecodeError as error:
        raise NewTaskError(
            f"{name} cannot be read: {error}; mend it, or leave it out with --exclude {name}"
        ) from error


def _table(value: object, *keys: str) -> Mapping[str, object]:
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


def _texts(value: object) -> list[str]:
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []


def _of_pyproject(document: Mapping[str, object]) -> Iterator[str]:
    for line in _texts(_table(document, "project").get("dependencies")):
        yield from _wanted_here(line)
    poetry = _table(document, "tool", "poetry", "dependencies")
    for name, bound in poetry.items():
        version = bound.get("version") if isinstance(bound, dict) else bound
        if name.lower() != "python" and isinstance(version, str):
            yield f"{name}{_of_poetry(version)}"


def _of_poetry(version: str) -> str:
    """Poetry's `^1.2` and `~1.2` as everybody else writes them."""
    if version in {"*", ""}:
        return ""
    if version[0] not in "^~":
        return version if version[0] in "<>=!" else f"=={version}"
    numbers = [int(part) for part in re.findall(r"\d+", version)[:3]]
    at = 0 if version[0] == "^" else min(1, len(numbers) - 1)
    if version[0] == "^":
        at = next((n for n, part in enumerate(numbers) if part), len(numbers) - 1)
    over = [*numbers[:at], numbers[at] + 1]
    return f">={version[1:].strip()},<{'.'.join(map(str, over))}"


def _wanted_here(line: str) -> Iterator[str]:
    """A requirement without its marker, when the marker holds on this machine."""
    try:
        found = Requirement(line)
    except InvalidRequirement:
        return
    if found.url is None and _holds(found.marker):
        extras = f"[{','.join(sorted(found.extras))}]" if found.extras else ""
        yield f"{found.name}{extras}{found.specifier}"


def _holds(marker: Marker | None) -> bool:
    try:
        return marker is None or marker.evaluate({"extra": ""})
    except UndefinedEnvironmentName:
        return False


def _of_requirements(
    name: str, texts: Mapping[str, str], notes: list[str], files_left: int
) -> Iterator[str]:
    for raw in re.sub(r"\\\r?\n", " ", texts[name]).splitlines():
        line = re.sub(r"(^|\s)#.*", "", raw).strip()
        line = re.sub(r"\s--hash=\S+", "", line).strip()
        if not line:
            continue
        if match := re.match(r"(?:-r|--requirement)[ =]?\s*(\S+)", line):
            if match[1] in texts and files_left > 1:
                yield from _of_requirements(match[1], texts, notes, files_left - 1)
            else:
                notes.append(f"{name} includes {match[1]!r}, which is not here")
        elif line.startswith("-"):
            notes.append(
                f"{name}: {line.split()[0]} is passed over; RSI_PIP_INDEX_URL says where packages come from"
            )
        elif "://" in line or line.startswith((".", "/")):
            notes.append(
                f"{name}: {line!r} is passed over: only packages by name and version can be repeated"
            )
        else:
            found = tuple(_wanted_here(line))
            yield from found
            if not found and ";" not in line:
                notes.append(f"{name}: {line!r} is no requirement and is passed over")


def _of_lock(name: str, texts: Mapping[str, str]) -> Declared:
    """The exact versions of everything that the project needs, its extras and groups left out."""
    document = _toml(name, texts)
    listed = document.get("package")
    packages: dict[str, Mapping[str, object]] = {}
    for each in listed if isinstance(listed, list) else []:
        if isinstance(each, dict) and isinstance(each.get("name"), str):
            packages[canonicalize_name(each["name"])] = each
    own = {
        key
        for key, each in packages.items()
        if {"virtual", "editable", "directory"} & set(_table(each, "source"))
    }
    project = _toml("pyproject.toml", texts) if "pyproject.toml" in texts else {}
    waiting = [project_of(line) for line in _of_pyproject(project)] or sorted(own)
    found: dict[str, str] = {}
    seen: set[str] = set()
    while waiting:
        key = waiting.pop()
        each = packages.get(key)
        if key in seen or each is None:
            continue
        seen.add(key)
        if key not in own and isinstance(each.get("version"), str):
            found[key] = f"{key}=={each['version']}"
        waiting += _needed(each)
    return Declared(lines=tuple(found[key] for key in sorted(found)), source=name, is_locked=True)


def _needed(package: Mapping[str, object]) -> Iterator[str]:
    """Names of what a locked package depends on here, as uv and as poetry write it."""
    needs = package.get("dependencies")
    if isinstance(needs, list):
        for each in needs:
            marker = each.get("marker") if isinstance(each, dict) else None
            if isinstance(each, dict) and _holds(
                Marker(marker) if isinstance(marker, str) else None
            ):
                yield canonicalize_name(str(each.get("name")))
    elif isinstance(needs, dict):
        for name, bound in needs.items():
            marker = bound.get("markers") if isinstance(bound, dict) else None
            is_optional = isinstance(bound, dict) and bound.get("optional") is True
            if not is_optional and _holds(Marker(marker) if isinstance(marker, str) else None):
                yield canonicalize_name(name)


def _of_conda(name: str, text: str) -> Declared:
    """The flat list of an environment.yml and the list below its `pip`; everything else in it is passed over."""
    lines: list[str] = []
    left_out: list[str] = []
    is_inside = False
    for raw in text.splitlines():
        line = raw.split("#", 1)[0].rstrip()
        if re.match(r"\S", line):
            is_inside = line.startswith("dependencies")
        match = re.fullmatch(r"\s*-\s*['\"]?([^'\"]+?)['\"]?", line) if is_inside else None
        if match is None or match[1].endswith(":"):
            continue
        said = match[1].rpartition("::")[2].strip()
        conda = re.fullmatch(r"([A-Za-z0-9_.-]+)\s*(?:=\s*([0-9][\w.*]*))?(?:=[\w.*]+)?", said)
        if conda is not None and "==" not in said:
            plain = CONDA_NAMES.get(conda[1].lower(), conda[1].lower())
            if plain in NOT_FROM_PIP:
                left_out.append(said)
                continue
            version = conda[2]
            said = (
                plain
                if version is None
                else f"{plain}=={version if version.endswith('*') else version + '.*'}"
            )
        lines += _wanted_here(said)
    notes = (
        (f"{name}: {', '.join(left_out)} are passed over: they are no Python packages",)
        if left_out
        else ()
    )
    return Declared(lines=tuple(dict.fromkeys(lines)), source=name, notes=notes)
