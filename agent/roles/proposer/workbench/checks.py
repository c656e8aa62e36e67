"""What the admission will say of a change, told while it can still be mended: it costs nothing.

Does not: admit. The wall is the admission after the round; a submission that is handed in again goes there as it is, so
that a cheat reaches it and is counted, and a rule that errs can be met by a person.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from rsi.agent.llm.fence import fence
from rsi.evals.admission.admission import admit
from rsi.evals.types import Finding, Severity
from rsi.sandboxes.types import FileTree
from rsi.tasks.files.globs import matches
from rsi.tasks.types import Task

SHOWN_FINDINGS = 12
MAX_REFUSALS = 3
"""Submissions that are answered instead of taken: more would make the rules a target to shoot at."""
_SHOWN = (Severity.BLOCK, Severity.HOLD)


@dataclass(slots=True, kw_only=True)
class FreeChecks:
    """The edit policy and the static rules of one task, against the champion of one round."""

    task: Task
    champion_tree: FileTree
    _refused: set[FileTree] = field(default_factory=set)

    def protection(self, path: str) -> str | None:
        """Why a path may not be written, as a sentence; None when it may."""
        if not matches(path, self.task.candidate.protected):
            return None
        return (
            f"{path} is protected: it stays as the task has it, and a change of it is not admitted."
        )

    def remarks(self, snapshot: Callable[[], FileTree], path: str) -> str:
        """What stands against one file as it is now, to follow an answer; empty when nothing does."""
        found = [each for each in self._findings(snapshot()) if each.file == path]
        return f"\nAs it is now, the admission will object:\n{_listed(found)}" if found else ""

    def refusal(self, tree: FileTree) -> str | None:
        """Why a submission is answered instead of taken; None when it is taken.

        The same files twice are taken the second time, and any after `MAX_REFUSALS`.
        """
        blocking = [each for each in self._findings(tree) if each.severity is Severity.BLOCK]
        if not blocking or tree in self._refused or len(self._refused) >= MAX_REFUSALS:
            return None
        self._refused.add(tree)
        return (
            f"Not handed over yet: it would not be admitted.\n{_listed(blocking)}\n"
            "Mend it and submit again. The same files submitted once more are handed over as they are, and the round is lost."
        )

    def _findings(self, tree: FileTree) -> list[Finding]:
        return [
            each for each in admit(self.task, self.champion_tree, tree) if each.severity in _SHOWN
        ]


def _listed(findings: Sequence[Finding]) -> str:
    lines = [finding_line(each) for each in findings[:SHOWN_FINDINGS]]
    if len(findings) > SHOWN_FINDINGS:
        lines.append(f"and {len(findings) - SHOWN_FINDINGS} more")
    return fence("\n".join(lines), source="admission")


def finding_line(finding: Finding) -> str:
    """A finding in one line, its place first."""
    place = finding.place or "the whole change"
    return f"{place}: {finding.severity.value} by {finding.rule}: {finding.message}"
