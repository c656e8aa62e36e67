"""Loads a scaffold: the prompts, tool set and settings that drive a model, as one versioned folder.

Invariant: a scaffold's digest covers every file of its folder, so a trajectory that names the digest
names the exact words that drove it.
"""

import math
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Template

from rsi.agent.store.tree_blobs import tree_sha256
from rsi.sandboxes.types import FileTree
from rsi.tasks.files.trees import read_tree, write_tree
from rsi.tasks.format.loader import BUILT_IN
from rsi.tasks.format.toml_files import Problems

DEFAULT = BUILT_IN / "scaffold" / "repo" / "scaffold"
"""What drives rsi lies where the task that improves it has its repo."""
REQUIRED_PROMPTS = ("proposer", "task", "critic", "reviewer")


class ScaffoldError(ValueError):
    """A scaffold folder is missing something or cannot be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Screening:
    """When a candidate is given up before the gate's own boundary says so; it can only be dropped, never passed."""

    pairs: int = 0
    """Pairs after which it is looked at; 0 leaves it to the gate."""
    drop_below: float = 1.0
    """How many times better than the champion it must look."""

    def drops(self, log_ratios: Sequence[float]) -> bool:
        """Whether the first pairs say that it is behind; in the order of the pairs, above 0 is better."""
        if not 0 < self.pairs <= len(log_ratios):
            return False
        return math.fsum(log_ratios[: self.pairs]) / self.pairs < math.log(self.drop_below)


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
    is_repeat_withdrawn: bool = False
    """Whether an idea that nearly repeats a failed one ends there; otherwise it is pointed out."""
    screening: Screening = Screening()

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
    from rsi.agent.roles.scaffold.scaffold_file import ScaffoldTable, SearchTable
    from rsi.tasks.format.tables import load_table

    if not folder.is_dir():
        raise ScaffoldError(
            f"there is no folder {folder}; a scaffold is one with scaffold.toml, search.toml and prompts/"
        )
    problems = Problems()
    settings = load_table(
        ScaffoldTable, folder / "scaffold.toml", f"scaffold {folder}/scaffold.toml", problems
    )
    driving = load_table(
        SearchTable, folder / "search.toml", f"scaffold {folder}/search.toml", problems
    )
    if settings is None or driving is None:
        raise ScaffoldError("\n".join(problems.sentences))
    prompts = {path.stem: _prompt(path) for path in sorted((folder / "prompts").glob("*.md"))}
    if absent := [name for name in REQUIRED_PROMPTS if name not in prompts]:
        raise ScaffoldError(f"{folder}: lacks prompts {', '.join(f'{n}.md' for n in absent)}")
    return Scaffold(
        name=settings.name,
        version=settings.version,
        digest=tree_sha256(read_tree(folder)),
        prompts=prompts,
        tools=settings.tools,
        proposer=settings.proposer,
        search=driving.search,
        is_repeat_withdrawn=driving.notebook.repeats == "withdraw",
        screening=Screening(pairs=driving.screening.pairs, drop_below=driving.screening.drop_below),
    )


def _prompt(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ScaffoldError(f"{path} cannot be read: {error}") from error


def scaffold_from(tree: FileTree) -> Scaffold:
    """The scaffold whose files these are.

    Raises:
        ScaffoldError: As `load_scaffold`.
    """
    with tempfile.TemporaryDirectory(prefix="rsi-scaffold-") as folder:
        write_tree(tree, Path(folder) / "scaffold")
        return load_scaffold(Path(folder) / "scaffold")
