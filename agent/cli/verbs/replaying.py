"""Verbs that look again: replay an agent's steps, compute a score again."""

import argparse
import json
from collections.abc import Mapping
from pathlib import Path

from rsi.agent.cli.context import emit, home, note, open_to_read
from rsi.agent.cli.verbs.running import from_anywhere, see_through
from rsi.agent.errors import UnknownRecordError
from rsi.agent.llm.providers import is_reader
from rsi.agent.queue.forks import queue_fork
from rsi.agent.roles.proposer.loop import limits_under
from rsi.agent.roles.proposer.workbench.checks import FreeChecks
from rsi.agent.run.contexts import scaffold_of
from rsi.agent.run.steps.development.instance import agent_room, dev_seeds
from rsi.agent.store.git.lineage import Lineage
from rsi.agent.store.ledger import Ledger
from rsi.agent.store.records import AgentRole, RoundRecord, TrajectoryEvent
from rsi.agent.store.state import last_proposal
from rsi.agent.store.tree_blobs import decode_tree
from rsi.agent.trajectory.recorded import last_recording
from rsi.agent.trajectory.replay import replay as run_again
from rsi.agent.trust.rescoring import rescore_round
from rsi.sandboxes.select import choose_backend
from rsi.sandboxes.types import FileTree
from rsi.tasks.files.trees import changed_paths
from rsi.tasks.format.loader import load_task

SHOWN_CHARS = 2000
SUBMITTED = "submitted"
"""Outcome of a run that handed in a candidate."""


def replay(args: argparse.Namespace) -> int:
    """The proposer's tool calls again in a fresh sandbox, or an agent's steps as they are recorded."""
    with open_to_read() as ledger:
        record = ledger.round(args.round)
        if args.show is None:
            return _run_again(args, ledger, record)
        events = ledger.events(args.round, AgentRole(args.show))
        if not events:
            raise UnknownRecordError(f"round {args.round} has no steps of the {args.show}")
        emit(args, list(events), [line for each in events for line in _lines(each)])
    return 0


def _run_again(args: argparse.Namespace, ledger: Ledger, record: RoundRecord) -> int:
    """Run the proposer's tool calls again in a fresh sandbox; exit status 1 when they leave another repo.

    A run that handed nothing in has no repo to compare, so its answers count.
    """
    campaign = ledger.campaign(record.campaign_id)
    config = campaign.config
    task = load_task(Path(config.task_root), track=campaign.track)
    lineage = Lineage.open(home(), campaign.lineage, create=False)
    recording = last_recording(ledger.events(args.round, AgentRole.PROPOSER))
    backend = choose_backend(config.backend).backend
    backend.prepare(task.environment, progress=note)
    profile, label = task.profiles[campaign.profile], f"{args.round}/replay"
    with agent_room(
        backend,
        task,
        profile,
        label,
        seeds=dev_seeds(bytes.fromhex(config.seed), task, campaign.lineage),
        has_instance=is_reader(recording.model) and recording.workbench > 1,
    ) as room:
        found = run_again(
            recording,
            room.sandbox,
            lineage.tree(recording.base_commit),
            limits=limits_under(scaffold_of(ledger, config), task),
            checks=FreeChecks(task=task, champion_tree=lineage.tree(record.champion_commit)),
            start_tree=None
            if recording.start_commit is None
            else lineage.tree(recording.start_commit),
        )
    handed_in = _handed_in(ledger, record.id) if recording.outcome == SUBMITTED else None
    changed = None if handed_in is None else changed_paths(handed_in, found.tree)
    is_same = found.divergence is None if changed is None else not changed
    differing = f"{len(found.differences)} answers differ" if found.differences else "no divergence"
    tree = "nothing was handed in to compare"
    if changed is not None:
        tree = f"ANOTHER REPO: {', '.join(changed[:10])}" if changed else "the same repo at the end"
    lines = [
        f"{found.calls} tool calls run again, {found.from_record} answers taken from the record: {differing}; {tree}",
        *(line for each in found.differences for line in each.text.splitlines()),
    ]
    facts = {
        "calls": found.calls,
        "from_record": found.from_record,
        "divergence": found.divergence,
        "differences": found.differences,
        "changed_files": changed,
        "is_same": is_same,
    }
    emit(args, facts, lines)
    return 0 if is_same else 1


def _handed_in(ledger: Ledger, round_id: str) -> FileTree | None:
    """The files that the latest proposal handed in; None when it handed in none."""
    proposed = last_proposal(ledger.steps(round_id))
    if proposed is None or proposed.tree_sha256 is None:
        return None
    return decode_tree(ledger.blob(proposed.tree_sha256))


def fork(args: argparse.Namespace) -> int:
    """Go on from the middle of a recorded round, as a campaign of one round on the same lineage."""
    here = home().create()
    model = None if args.model is None else from_anywhere(args.model)
    with Ledger.open(here) as ledger:
        queued = queue_fork(here, ledger, args.round, step=args.step, say=args.say, model=model)
        return see_through(args, here, ledger, queued)


def rescore(args: argparse.Namespace) -> int:
    """Compute a round's score again from stored samples: the same digest or fail."""
    with open_to_read() as ledger:
        results = rescore_round(ledger, args.round)
    lines = [
        f"{each.purpose}: {'same' if each.is_same else 'DIFFERENT'} "
        f"{'digest' if each.is_of_these_rules else 'verdict, scored by an older version: digest now'} {each.digest[:16]}"
        f"{'' if each.is_same else ' (stored ' + each.stored_digest[:16] + ')'}: {each.reason}"
        for each in results
    ]
    emit(args, list(results), lines)
    return 0 if all(each.is_same for each in results) else 1


def _lines(event: TrajectoryEvent) -> list[str]:
    spent = f"  ${event.cost_usd:.4f}" if event.cost_usd else ""
    return [f"--- {event.seq} {event.kind.value}{spent}", *_body(event.payload)]


def _body(payload: Mapping[str, object]) -> list[str]:
    text = payload.get("text")
    if not isinstance(text, str):
        text = json.dumps(payload, indent=1, ensure_ascii=False, default=str)
    if len(text) > SHOWN_CHARS:
        text = (
            text[:SHOWN_CHARS] + f"\n… {len(text) - SHOWN_CHARS} more characters; --json has them"
        )
    return text.splitlines()
