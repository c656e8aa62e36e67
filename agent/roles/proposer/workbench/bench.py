"""The state that a proposer's tools share, and the type of their answers."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from rsi.agent.llm.fence import fence
from rsi.agent.roles.proposer.allowance import ProposerLimits
from rsi.agent.roles.proposer.workbench.checks import FreeChecks
from rsi.agent.roles.proposer.workbench.outputs import OutputStore
from rsi.agent.roles.proposer.workbench.workspace import Workspace
from rsi.agent.types import Measure, SearchNotebook
from rsi.sandboxes.types import FileTree

Arguments = Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """The end that the model chose: a patch, or none."""

    tree: FileTree
    """Empty when given up."""
    hypothesis: str
    predicted_ratio: float | None
    risk: str
    parts: tuple[str, ...]
    reason: str
    """Why there is no patch; empty when there is one."""

    @property
    def is_patch(self) -> bool:
        """Whether something was submitted."""
        return self.predicted_ratio is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a tool tells the model."""

    text: str
    is_error: bool = False
    is_malformed: bool = False
    """The call could not be used at all."""
    ending: Submission | None = None
    facts: Mapping[str, object] | None = None
    """Numbers for the record, not shown to the model."""


@dataclass(slots=True, kw_only=True)
class Bench:
    """What the tools work on."""

    workspace: Workspace
    outputs: OutputStore
    limits: ProposerLimits
    measure: Measure
    search_notebook: SearchNotebook
    checks: FreeChecks | None = None
    """None where no admission follows: a recording of before there were any."""
    measures_used: int = 0
    measured_s: float = 0.0
    """Device seconds that measuring took in this round."""
    jobs: dict[str, int] = field(default_factory=dict)
    """Commands in the background by name, each with the bytes of its output that were shown."""


def with_shown(words: str, shown: str) -> str:
    """Our words, and what a sandbox said, fenced."""
    return f"{words}\n{fence(shown, source='sandbox')}" if shown else words
