"""Loads a scaffold: the prompts, tool set and settings that drive a model, as one versioned folder.

Invariant: a scaffold's digest covers every file of its folder, so a trajectory that names the digest
names the exact words that drove it.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from string import Template

from rsi.tasks.format.toml_files import Problems

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
    # Here, not above: pydantic takes a tenth of a second to import.
    from rsi.agent.roles.scaffold.scaffold_file import ScaffoldTable
    from rsi.tasks.format.tables import load_table

    problems = Problems()
    settings = load_table(
        ScaffoldTable, folder / "scaffold.toml", f"scaffold {folder}/scaffold.toml", problems
    )
    if settings is None:
        raise ScaffoldError("\n".join(problems.sentences))
    prompts = {path.stem: _prompt(path) for path in sorted((folder / "prompts").glob("*.md"))}
    if absent := [name for name in REQUIRED_PROMPTS if name not in prompts]:
        raise ScaffoldError(f"{folder}: lacks prompts {', '.join(f'{n}.md' for n in absent)}")
    return Scaffold(
        name=settings.name,
        version=settings.version,
        digest=folder_digest(folder),
        prompts=prompts,
        tools=settings.tools,
        proposer=settings.proposer,
        search=settings.search,
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
