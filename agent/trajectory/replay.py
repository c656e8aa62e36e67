"""Runs a recording's tool calls again in a fresh sandbox: to compare the answers, or to rebuild a step's state.

Every call is run, and what counts is the repo at the end. On the way printed text is compared with what cannot repeat
masked (clocks, process ids, addresses, temporary names); what differs all the same is listed. Measurements and notebook
searches are answered from the recording. Commands are run for real, so replaying needs the same environment, not the same
machine.
"""

import difflib
import re
from collections.abc import Iterator
from dataclasses import dataclass

from rsi.agent.llm.types import ToolCall
from rsi.agent.roles.proposer.allowance import ProposerLimits
from rsi.agent.roles.proposer.workbench.answered import SandboxGoneError
from rsi.agent.roles.proposer.workbench.bench import Bench
from rsi.agent.roles.proposer.workbench.checks import FreeChecks
from rsi.agent.roles.proposer.workbench.outputs import OutputStore
from rsi.agent.roles.proposer.workbench.toolbox import answer_call
from rsi.agent.roles.proposer.workbench.workspace import Workspace
from rsi.agent.store.codec import value_of
from rsi.agent.trajectory.recorded import Recording, RecordingError, ToolAnswer, calls_of
from rsi.agent.types import DevRun, Look
from rsi.sandboxes.errors import SandboxBrokenError
from rsi.sandboxes.types import FileTree, Sandbox

FROM_THE_RECORD = frozenset({"measure", "search_notebook"})
"""Tools whose answers cannot repeat; the recorded one stands."""
TIMED = frozenset({"bash_output"})
"""Tools that are run again, whose answers depend on the moment and are not compared."""
_SECONDS = re.compile(r"\b\d+(?:\.\d+)?(?:e-?\d+)?\s?(?:s|ms|us|µs|ns|sec|seconds|min)\b")
_MARK = re.compile(r"data-[0-9a-f]{10,32}")
_PROCESS_IDS = re.compile(r"\b(pid|PID)[ =:]*\d+|\[\d+\] \d+")
_ADDRESSES = re.compile(r"0x[0-9a-f]{6,}")
_MOMENTS = re.compile(
    r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?(?:Z|[+-]\d\d:?\d\d)?"
    r"|\b(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) [ \d]\d \d\d:\d\d(?::\d\d)?(?: [A-Z]{3,4})?(?: \d{4})?"
    r"|\b\d{1,2}:\d\d:\d\d(?:[.,]\d+)?\b|\b\d+m\d+(?:\.\d+)?s\b"
)
"""Dates as logs, `ls` and `date` print them, times of day, and durations of `time`."""
_TEMPORARY = re.compile(r"/tmp/(?:tmp[\w.]{4,}|pytest-of-\w+/pytest-\d+)")  # noqa: S108 (a pattern)
_SHOWN_LINES = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Divergence:
    """A place where a replay answered differently."""

    turn: int
    tool: str
    call_id: str
    recorded: str
    replayed: str

    @property
    def text(self) -> str:
        """What differs, as the first lines of a diff; what may differ is masked."""
        lines = difflib.unified_diff(
            masked(self.recorded).splitlines(), masked(self.replayed).splitlines(),
            "recorded", "replayed", lineterm="", n=1,
        )  # fmt: skip
        shown = list(lines)[:_SHOWN_LINES]
        return f"turn {self.turn}, {self.tool}:\n" + "\n".join(shown)


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """What a replay found."""

    turns: int
    calls: int
    """Calls that were run again."""
    from_record: int
    """Calls whose recorded answer stood."""
    differences: tuple[Divergence, ...]
    """Answers that differ in more than what cannot repeat, in order."""
    tree: FileTree
    """The repo afterwards; empty when the sandbox was lost."""

    @property
    def divergence(self) -> Divergence | None:
        """The first answer that differs; None when none does."""
        return self.differences[0] if self.differences else None


def replay(
    recording: Recording,
    sandbox: Sandbox,
    base_tree: FileTree,
    *,
    limits: ProposerLimits | None = None,
    checks: FreeChecks | None = None,
    start_tree: FileTree | None = None,
) -> Replayed:
    """Run every tool call again and compare the answers.

    Args:
        recording: A proposer's run.
        sandbox: Fresh and empty, of the environment that the run had.
        base_tree: Files of the commit that the run started from.
        limits: As the run had them; what a tool shows is cut by them.
        checks: Of the run's task and champion; a recording of before there were any is played without.
        start_tree: Files that the run found, when they were others than those of its commit.

    Raises:
        FileTreeError: The repo cannot be read out at the end.
    """
    limits = limits or ProposerLimits()
    bench = _bench(recording, sandbox, base_tree, limits, checks, start_tree)
    calls = from_record = 0
    differences: list[Divergence] = []
    is_lost = False
    for turn, call, recorded in _pairs(recording):
        if call.name in FROM_THE_RECORD:
            _skip(bench, call, recorded)
            from_record += 1
            continue
        try:
            answer = answer_call(bench, call, recording.tools).text
        except (SandboxGoneError, SandboxBrokenError) as error:
            answer, is_lost = f"the sandbox is lost: {error}", True
        calls += 1
        if call.name not in TIMED and masked(answer) != masked(recorded.text):
            differences.append(
                Divergence(
                    turn=turn,
                    tool=call.name,
                    call_id=call.id,
                    recorded=recorded.text,
                    replayed=answer,
                )
            )
        if is_lost:
            break
    return Replayed(
        turns=len(recording.turns),
        calls=calls,
        from_record=from_record,
        differences=tuple(differences),
        tree=() if is_lost else bench.workspace.snapshot(),
    )


def rebuild(
    recording: Recording,
    sandbox: Sandbox,
    base_tree: FileTree,
    *,
    upto: int,
    limits: ProposerLimits | None = None,
    checks: FreeChecks | None = None,
    start_tree: FileTree | None = None,
) -> Bench:
    """Bring a fresh sandbox to the state after a turn, by running its calls again; nothing is compared.

    Args:
        recording: A proposer's run.
        sandbox: Fresh and empty.
        base_tree: Files of the commit that the run started from.
        upto: Number of the last turn to run, 0 for none.
        limits: As the run had them.
        checks: As for `replay`.
        start_tree: As for `replay`.

    Returns:
        The tools in the state of that turn: files, kept outputs, measurements used.

    Raises:
        RecordingError: There is no such turn.
    """
    if not 0 <= upto <= len(recording.turns):
        raise RecordingError(
            f"round {recording.round_id} has turns 1 to {len(recording.turns)}, not {upto}"
        )
    bench = _bench(recording, sandbox, base_tree, limits or ProposerLimits(), checks, start_tree)
    for turn, call, recorded in _pairs(recording):
        if turn > upto:
            break
        if call.name in FROM_THE_RECORD:
            _skip(bench, call, recorded)
        else:
            answer_call(bench, call, recording.tools)
    return bench


def masked(text: str) -> str:
    """A tool's answer without what differs from run to run: times, process ids, addresses, fence marks."""
    for pattern, mask in (
        (_MOMENTS, "<time>"),
        (_TEMPORARY, "<temporary>"),
        (_SECONDS, "<time>"),
        (_PROCESS_IDS, "<process>"),
        (_ADDRESSES, "<address>"),
        (_MARK, "<mark>"),
    ):
        text = pattern.sub(mask, text)
    return text


def _bench(
    recording: Recording,
    sandbox: Sandbox,
    base_tree: FileTree,
    limits: ProposerLimits,
    checks: FreeChecks | None,
    start_tree: FileTree | None,
) -> Bench:
    workspace = Workspace(sandbox, limits)
    workspace.fill(base_tree, base_commit=recording.base_commit, start=start_tree)
    return Bench(
        workspace=workspace,
        outputs=OutputStore(limits.shown_chars),
        limits=limits,
        measure=_never_measured,
        search_notebook=_never_searched,
        checks=checks if recording.workbench > 1 else None,
    )


def _pairs(recording: Recording) -> Iterator[tuple[int, ToolCall, ToolAnswer]]:
    """Turn number, call and recorded answer, in the order in which they ran."""
    for turn in recording.turns:
        answers = {answer.call_id: answer for answer in turn.answers}
        for call in calls_of(turn.reply.blocks):
            if call.id in answers:
                yield turn.number, call, answers[call.id]


def _skip(bench: Bench, call: ToolCall, recorded: ToolAnswer) -> None:
    """Leave the marks that a call left besides its answer: the meter, and the name of a cut output."""
    if call.name == "measure" and recorded.facts is not None:
        bench.measures_used += 1
        bench.measured_s += value_of(float, recorded.facts.get("device_s", 0.0))
    if "characters left out; read_output(" in recorded.text:
        bench.outputs.cut(recorded.text + " " * bench.limits.shown_chars)


def _never_measured(tree: FileTree, look: Look) -> DevRun:
    raise AssertionError(f"a replay measures nothing ({len(tree)} files, {look})")


def _never_searched(query: str) -> str:
    raise AssertionError(f"a replay searches nothing ({query!r})")
