"""Loads a scaffold: the prompts, tool set and settings that drive a model, as one versioned folder.

Invariant: a scaffold's digest covers every file of its folder, so a trajectory that names the digest
names the exact words that drove it.
"""

import hashlib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from string import Template

DEFAULT = Path(__file__).parent / "default"
REQUIRED_PROMPTS = ("proposer", "task", "critic", "reviewer")


class ScaffoldError(ValueError):
    """A scaffold folder is missing something or cannot be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scaffold:
    """What drives a model, apart from the model."""

    name: str
    version: str
    digest: str
    """sha256 over the folder's files."""
    prompts: Mapping[str, str]
    """Template texts by file stem; $name marks what is filled in."""
    tools: tuple[str, ...]
    """Names of the proposer's tools, in the order shown to the model."""
    proposer: Mapping[str, float]
    """Limits of the proposer loop that this scaffold sets; names as in `ProposerLimits`."""
    search: Mapping[str, object]
    """Strategy name and settings, for campaigns that name no strategy themselves."""

    def render(self, prompt: str, **values: object) -> str:
        """A prompt with its blanks filled.

        Raises:
            ScaffoldError: The prompt does not exist, or has a blank that nobody fills.
        """
        if prompt not in self.prompts:
            raise ScaffoldError(
                f"scaffold {self.name!r} has no prompts/{prompt}.md; it has {sorted(self.prompts)}"
            )
        try:
            return Template(self.prompts[prompt]).substitute({k: str(v) for k, v in values.items()})
        except (KeyError, ValueError) as error:
            raise ScaffoldError(
                f"scaffold {self.name!r}, prompts/{prompt}.md: blank {error} is not one of "
                f"{sorted(values)}; write $$ for a plain dollar sign"
            ) from error


def load_scaffold(folder: Path = DEFAULT) -> Scaffold:
    """Read and check a scaffold folder.

    Raises:
        ScaffoldError: No folder, no scaffold.toml, a missing prompt or an unknown key.
    """
    settings_path = folder / "scaffold.toml"
    try:
        settings = tomllib.loads(settings_path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ScaffoldError(f"no scaffold at {folder}: {settings_path.name} {error}") from error
    except UnicodeDecodeError as error:
        raise ScaffoldError(f"{settings_path}: not UTF-8 text: {error}") from error
    except tomllib.TOMLDecodeError as error:
        raise ScaffoldError(f"{settings_path}: not valid TOML: {error}") from error
    known = {"name", "version", "tools", "proposer", "search"}
    if unknown := set(settings) - known:
        raise ScaffoldError(
            f"{settings_path}: unknown key {sorted(unknown)}; known: {sorted(known)}"
        )
    if missing := {"name", "version", "tools"} - set(settings):
        raise ScaffoldError(f"{settings_path}: lacks {sorted(missing)}")
    tools = settings["tools"]
    if not isinstance(tools, list) or not all(isinstance(name, str) for name in tools):
        raise ScaffoldError(f"{settings_path}: tools must be a list of names, found {tools!r}")
    proposer, search = settings.get("proposer", {}), settings.get("search", {})
    for key, table in (("proposer", proposer), ("search", search)):
        if not isinstance(table, dict):
            raise ScaffoldError(f"{settings_path}: {key} must be a table, written [{key}]")
    prompts = {path.stem: _prompt(path) for path in sorted((folder / "prompts").glob("*.md"))}
    if absent := [name for name in REQUIRED_PROMPTS if name not in prompts]:
        raise ScaffoldError(f"{folder}: lacks prompts {', '.join(f'{n}.md' for n in absent)}")
    return Scaffold(
        name=str(settings["name"]),
        version=str(settings["version"]),
        digest=folder_digest(folder),
        prompts=prompts,
        tools=tuple(tools),
        proposer=proposer,
        search=search,
    )


def _prompt(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ScaffoldError(f"{path} cannot be read: {error}") from error


def folder_digest(folder: Path) -> str:
    """sha256 over the names and bytes of all files below a folder, in order of name."""
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(folder).as_posix()}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()
