"""Ledgers made for measuring: a long trajectory, ten thousand campaigns, a campaign that is written to while it is watched."""

import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

from rsi.agent.store.codec import encode, time_text
from rsi.agent.store.config import CampaignConfig
from rsi.agent.store.events import CampaignEvent
from rsi.agent.store.home import Home
from rsi.agent.store.ledger import Ledger
from rsi.agent.store.records import (
    AgentRole,
    CampaignEventKind,
    CampaignRecord,
    LogChunk,
    RoundRecord,
    TrajectoryEvent,
    TrajectoryKind,
    WorkerRecord,
)
from rsi.agent.store.sql.tables import campaign_events, campaigns, trajectory
from rsi.evals.types import Arm, Disturbance, Measurement, Outcome, Purpose

MB = 1_000_000
EVENT_BYTES = 6_600
"""Mean size of an event of a real trajectory of this length."""


def campaign(number: int = 0) -> CampaignRecord:
    return CampaignRecord(
        id=f"c{number:05d}", created_at=datetime.now(UTC), task="lm_training", task_digest="d" * 64, track="fixed_model",
        profile="demo", lineage="bench", seed_commitment="e" * 64,
        config=CampaignConfig(rounds=8, proposer="scripted:demo"),
    )  # fmt: skip


def trajectory_ledger(folder: Path, megabytes: int) -> int:
    """A ledger with one long trajectory; returns the number of its events."""
    home = Home(root=folder).create()
    count = megabytes * MB // EVENT_BYTES
    with Ledger.open(home) as ledger:
        record = campaign()
        ledger.add_campaign(record)
        ledger.add_round(
            RoundRecord(
                id="c00000-0001",
                campaign_id=record.id,
                number=1,
                champion_commit="a" * 40,
                created_at=record.created_at,
            )
        )
        filler = ("step=100 loss=2.31 a line of output that a tool printed while it ran\n" * 200)[
            : EVENT_BYTES - 300
        ]
        kinds = (TrajectoryKind.MODEL, TrajectoryKind.TOOL_CALL, TrajectoryKind.TOOL_RESULT)
        for start in range(0, count, 5_000):
            rows = []
            for seq in range(start, min(count, start + 5_000)):
                kind = kinds[seq % 3]
                payload: dict[str, object] = {"texts": [f"thought {seq} {filler}"]}
                if kind is TrajectoryKind.TOOL_CALL:
                    payload = {
                        "id": f"t{seq}",
                        "name": "shell",
                        "arguments": {"command": f"run {seq}\n{filler}"},
                    }
                elif kind is TrajectoryKind.TOOL_RESULT:
                    payload = {
                        "call_id": f"t{seq - 1}",
                        "tool": "shell",
                        "text": f"answer {seq}\n{filler}",
                        "is_error": False,
                    }
                event = TrajectoryEvent(
                    round_id="c00000-0001", agent=AgentRole.PROPOSER, seq=seq, at=record.created_at + timedelta(seconds=seq), kind=kind, payload=payload
                )  # fmt: skip
                rows.append(
                    {
                        "round_id": event.round_id,
                        "agent": "proposer",
                        "number": seq,
                        "kind": kind.value,
                        "body": encode(event),
                    }
                )
            with ledger._database.write(trajectory) as connection:
                connection.execute(trajectory.insert(), rows)
    return count


def many_campaigns(folder: Path, count: int) -> None:
    with Ledger.open(Home(root=folder).create()) as ledger:
        fill_campaigns(ledger, range(count))


def fill_campaigns(ledger: Ledger, numbers: range) -> None:
    """Write campaigns that have ended, in one statement each for all of them."""
    records = [campaign(number) for number in numbers]
    with ledger._database.write(campaigns, campaign_events) as connection:
        connection.execute(
            campaigns.insert(),
            [{"id": r.id, "lineage": r.lineage, "body": encode(r)} for r in records],
        )
        events = [
            CampaignEvent(campaign_id=r.id, kind=CampaignEventKind.FINISHED, at=r.created_at)
            for r in records
        ]
        connection.execute(
            campaign_events.insert(),
            [
                {
                    "campaign_id": e.campaign_id,
                    "kind": e.kind.value,
                    "at": time_text(e.at),
                    "body": encode(e),
                }
                for e in events
            ],
        )


def measurement(arm: Arm, pair: int, value: float) -> Measurement:
    quiet = Disturbance(load_1m=0.5, steal_s=0.0, others_cpu_s=0.1, is_disturbed=False)
    return Measurement(
        arm=arm, purpose=Purpose.SCREEN, pair=pair, position=0, outcome=Outcome.OK, cpu_s=value, wall_s=value, max_rss_bytes=3 * 10**8,
        metric_value=value, quality={"hidden_bpb": 2.3}, result={}, detail="", backend="bench", assurance="none",
        seed_commitment="ab" * 32, disturbance=quiet,
    )  # fmt: skip


def live_ledger(folder: Path) -> Ledger:
    home = Home(root=folder).create()
    ledger = Ledger.open(home)
    record = campaign()
    ledger.add_campaign(record)
    ledger.add_campaign_event(
        CampaignEvent(campaign_id=record.id, kind=CampaignEventKind.STARTED, at=record.created_at)
    )
    for number in range(1, 31):
        ledger.add_round(
            RoundRecord(
                id=f"c00000-{number:04d}",
                campaign_id=record.id,
                number=number,
                champion_commit="a" * 40,
                created_at=record.created_at,
            )
        )
    return ledger


def write_live(ledger: Ledger, stopping: threading.Event, hertz: float) -> None:
    """What a busy worker writes: agent steps, output, measurements."""
    round_id, tick, now = "c00000-0030", 0, datetime.now(UTC)
    while not stopping.wait(1 / hertz):
        payload = {"texts": [f"live thought {tick}"]}
        ledger.add_events(
            [
                TrajectoryEvent(
                    round_id=round_id,
                    agent=AgentRole.PROPOSER,
                    seq=tick,
                    at=datetime.now(UTC),
                    kind=TrajectoryKind.MODEL,
                    payload=payload,
                )
            ]
        )
        rows = "".join(
            f"step={tick * 10 + each} loss={4.0 - tick / 100:.4f}\n" for each in range(10)
        )
        ledger.add_log(
            LogChunk(
                round_id=round_id,
                stream="screen/0/candidate",
                seq=tick,
                at=datetime.now(UTC),
                content=rows.encode(),
            )
        )
        if tick % 8 == 0:
            for arm, value in ((Arm.CHAMPION, 20.0), (Arm.CANDIDATE, 18.0 + tick % 3)):
                ledger.add_measurement(round_id, measurement(arm, tick // 8, value))
        if tick % 20 == 0:
            ledger.heartbeat(
                WorkerRecord(
                    id="w",
                    host="bench",
                    pid=1,
                    started_at=now,
                    heartbeat_at=datetime.now(UTC),
                    version="0",
                )
            )
        tick += 1
