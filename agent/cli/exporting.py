"""`rsi export`: trajectories in the formats of other tools."""

import argparse
import json
from importlib.metadata import version
from pathlib import Path

from rsi.agent.cli.context import chosen_campaign, emit, open_to_read
from rsi.agent.store.ledger import Ledger
from rsi.agent.store.records import AgentRole, CampaignRecord
from rsi.agent.tally import round_lines
from rsi.agent.trajectory.atif import to_atif
from rsi.agent.trajectory.inspect_log import Judged, inspect_log
from rsi.agent.trajectory.recording import last_recording
from rsi.agent.trajectory.sft import sft_lines


def export(args: argparse.Namespace) -> int:
    """Write a campaign's proposer runs as ATIF files, SFT lines or one Inspect log."""
    out = Path(args.out).resolve()
    with open_to_read() as ledger:
        campaign = chosen_campaign(ledger, args.campaign).record
        judged = _judged(ledger, campaign)
    written = _write(args, out, campaign, judged)
    emit(args, {"written": [str(each) for each in written]}, [str(each) for each in written])
    return 0


def _judged(ledger: Ledger, campaign: CampaignRecord) -> tuple[Judged, ...]:
    return tuple(
        Judged(
            recording=last_recording(ledger.events(line.record.id, AgentRole.PROPOSER)),
            is_promoted=line.ended_as == "promoted",
            outcome=line.ended_as,
            explanation=line.reason,
        )
        for line in round_lines(ledger, campaign.id)
        if ledger.event_count(line.record.id, AgentRole.PROPOSER)
    )


def _write(
    args: argparse.Namespace, out: Path, campaign: CampaignRecord, judged: tuple[Judged, ...]
) -> list[Path]:
    if args.format == "atif":
        out.mkdir(parents=True, exist_ok=True)
        paths = []
        for each in judged:
            path = out / f"{each.recording.round_id}.json"
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
        model=str(campaign.config.get("proposer", "")),
        campaign=campaign.id,
        at=campaign.created_at,
    )
    out.write_text(json.dumps(log), encoding="utf-8")
    return [out]
