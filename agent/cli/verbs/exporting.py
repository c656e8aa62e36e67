"""`rsi export`: trajectories in the formats of other tools."""

import argparse
import json
from collections.abc import Iterator
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

from rsi.agent.cli.context import chosen_campaign, emit, open_to_read, writing
from rsi.agent.errors import AgentError
from rsi.agent.store.ledger import Ledger
from rsi.agent.store.records import AgentRole, CampaignRecord
from rsi.agent.store.round_book import RoundBook
from rsi.agent.trajectory.atif import to_atif
from rsi.agent.trajectory.inspect_log import Judged, inspect_log
from rsi.agent.trajectory.recorded import Recording, last_recording, read_recordings
from rsi.agent.trajectory.sft import sft_lines


class ExportError(AgentError, ValueError):
    """What was asked for does not go together."""


def export(args: argparse.Namespace) -> int:
    """Write a campaign's agent runs as ATIF files, SFT lines or one Inspect log.

    Raises:
        ExportError: Lines for fine-tuning were asked for of agents that do not propose.
        OutputError: `--out` cannot be written.
    """
    if args.all_agents and args.format == "sft":
        raise ExportError(
            "--all-agents goes with atif and inspect: only the proposer's last run is accepted or rejected"
        )
    out = Path(args.out).resolve()
    with open_to_read() as ledger:
        campaign = chosen_campaign(ledger, args.campaign).record
        judged = _judged(ledger, campaign, is_whole=args.all_agents)
    with writing(out):
        written = _write(args, out, campaign, judged)
    emit(args, {"written": [str(each) for each in written]}, [str(each) for each in written])
    return 0


def _judged(ledger: Ledger, campaign: CampaignRecord, *, is_whole: bool) -> tuple[Judged, ...]:
    return tuple(
        Judged(
            recording=recording,
            is_promoted=line.ended_as == "promoted",
            outcome=line.ended_as,
            explanation=line.reason,
        )
        for line in RoundBook(ledger).of_campaign(campaign.id)
        for recording in _recordings(ledger, line.record.id, is_whole=is_whole)
    )


def _recordings(ledger: Ledger, round_id: str, *, is_whole: bool) -> Iterator[Recording]:
    """The proposer's last run, and when the whole round is wanted all other runs, numbered by agent."""
    events = ledger.events(round_id, AgentRole.PROPOSER)
    last = last_recording(events) if events else None
    if last is not None:
        yield last
    for agent in AgentRole if is_whole else ():
        events = ledger.events(round_id, agent)
        for number, each in enumerate(read_recordings(events) if events else (), start=1):
            if each != last:
                yield replace(each, extra={**each.extra, "run": number})


def _write(
    args: argparse.Namespace, out: Path, campaign: CampaignRecord, judged: tuple[Judged, ...]
) -> list[Path]:
    if args.format == "atif":
        out.mkdir(parents=True, exist_ok=True)
        paths = []
        for each in judged:
            path = out / _file_name(each.recording)
            document = to_atif(each.recording, version=version("rsi-lab"))
            path.write_text(json.dumps(document, indent=1), encoding="utf-8")
            paths.append(path)
        return paths
    out.parent.mkdir(parents=True, exist_ok=True)
    if args.format == "sft":
        pairs = [(each.recording, each.is_promoted) for each in judged]
        lines = sft_lines(pairs, with_rejected=args.with_rejected)
        out.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        return [out]
    log = inspect_log(
        judged,
        task=campaign.task,
        model=campaign.config.proposer,
        campaign=campaign.id,
        at=campaign.created_at,
    )
    out.write_text(json.dumps(log), encoding="utf-8")
    return [out]


def _file_name(recording: Recording) -> str:
    """The round's id for the run that counts, the whole name for the others."""
    is_other = "run" in recording.extra
    return (recording.name.replace("/", ".") if is_other else recording.round_id) + ".json"
