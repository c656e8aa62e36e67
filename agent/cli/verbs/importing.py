"""`rsi import`: a trajectory of another program (ATIF, Inspect, mini-swe-agent), looked at, and made one of ours.

Does not: write to the ledger, whose trajectories belong to rounds that were run here. A campaign with `--model
replay:FILE` runs the imported one, and from then on it is a round like any other.
"""

import argparse
import json
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

from rsi.agent.cli.context import emit, writing
from rsi.agent.llm.types import Text
from rsi.agent.trajectory.atif import CONTINUED, to_atif
from rsi.agent.trajectory.foreign import read_trajectory
from rsi.agent.trajectory.recorded import Recording, Turn, calls_of, reasoning_text

SHOWN_CHARS = 2000


def import_(args: argparse.Namespace) -> int:
    """Check a trajectory file, show its steps, and with --out write it as `rsi export` does.

    Raises:
        RecordingError: It cannot be read, or holds no trajectory of a form that is known.
        OutputError: `--out` cannot be written.
    """
    recording = read_trajectory(Path(args.file), sample=args.sample)
    document = to_atif(recording, version=version("rsi-lab"))
    lines = list(_lines(recording))
    if args.out:
        out = Path(args.out).resolve()
        with writing(out):
            out.parent.mkdir(parents=True, exist_ok=True)
            out.write_text(json.dumps(document, indent=1), encoding="utf-8")
        lines.append(f"written: {out}; `rsi run TASK --model replay:{out}` says the same again")
    emit(args, document, lines)
    return 0


def _lines(recording: Recording) -> Iterator[str]:
    yield (
        f"{recording.name}  {recording.model or 'unknown model'}  {len(recording.turns)} turns  "
        f"{recording.outcome or 'no outcome'}"
    )
    for title, texts in (("system", (recording.system,)), ("brief", recording.brief)):
        for text in filter(None, texts):
            yield from _part(title, text)
    for turn in recording.turns:
        yield from _turn(turn)
    if CONTINUED in recording.extra:
        yield f"--- goes on in {recording.extra[CONTINUED]}, which can be imported too"


def _turn(turn: Turn) -> Iterator[str]:
    blocks = turn.reply.blocks
    if thought := reasoning_text(blocks):
        yield from _part(f"{turn.number} thinking", thought)
    for block in blocks:
        if isinstance(block, Text):
            yield from _part(f"{turn.number} model", block.text)
    for call in calls_of(blocks):
        yield from _part(
            f"{turn.number} tool_call {call.name}", json.dumps(dict(call.arguments), indent=1)
        )
    for answer in turn.answers:
        yield from _part(f"{turn.number} tool_result", answer.text)
    for text in turn.told:
        yield from _part(f"{turn.number} user", text)


def _part(title: str, text: str) -> Iterator[str]:
    yield f"--- {title}"
    yield from text[:SHOWN_CHARS].splitlines()
    if len(text) > SHOWN_CHARS:
        yield f"… {len(text) - SHOWN_CHARS} more characters; --json has them"
