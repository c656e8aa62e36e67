"""Goes on from the middle of a recorded round: same state, same words so far, another model or another word.

`propose` takes what this returns as its `start`.
"""

from collections.abc import Iterator, Mapping

from rsi.agent.roles.calls import reply_events
from rsi.agent.roles.proposer.allowance import ProposerLimits
from rsi.agent.roles.proposer.start import Start
from rsi.agent.roles.proposer.workbench.checks import FreeChecks
from rsi.agent.store.steps.values import Cost
from rsi.agent.trajectory.recorded import Recording, Turn, turn_messages
from rsi.agent.trajectory.replay import rebuild
from rsi.sandboxes.types import FileTree, Sandbox


def fork(
    recording: Recording,
    sandbox: Sandbox,
    base_tree: FileTree,
    *,
    step: int,
    say: str | None = None,
    limits: ProposerLimits | None = None,
    checks: FreeChecks | None = None,
    start_tree: FileTree | None = None,
) -> Start:
    """Rebuild a step's sandbox and conversation.

    Args:
        recording: The proposer's run to fork.
        sandbox: Fresh and empty; afterwards its repo is as it was after `step`.
        base_tree: Files of the commit that the run started from.
        step: Number of the turn after which the fork begins; 0 starts over with the same brief.
        say: Words for the agent at the fork.
        limits: As the run had them.
        checks: Of the task and the champion of the round that goes on.
        start_tree: Files that the run found, when they were others than those of its commit.

    Raises:
        RecordingError: There is no such turn.
    """
    bench = rebuild(
        recording,
        sandbox,
        base_tree,
        upto=step,
        limits=limits,
        checks=checks,
        start_tree=start_tree,
    )
    return Start(
        bench=bench,
        brief=recording.brief,
        turns=tuple(turn_messages(turn) for turn in recording.turns[:step]),
        events=tuple(event for turn in recording.turns[:step] for event in copied(turn)),
        say=say,
        origin=f"{recording.round_id}@{step}",
    )


def copied(turn: Turn) -> Iterator[tuple[str, Mapping[str, object]]]:
    """A turn as trajectory events of another run; what it cost stays with the run that paid."""
    for kind, payload in reply_events(turn.reply, Cost(usd=None)):
        if kind == "model":
            yield kind, {**payload, "usage": None, "copied": True}
        else:
            yield kind, payload
    for answer in turn.answers:
        yield (
            "tool_result",
            {
                "call_id": answer.call_id,
                "tool": answer.tool,
                "text": answer.text,
                "is_error": answer.is_error,
                "facts": answer.facts,
            },
        )
    for text in turn.told:
        yield "user", {"text": text, "source": "rsi"}
