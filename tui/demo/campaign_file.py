"""Recordings: one campaign's facts and code in one file, to be played where nothing was run.

A recording is a compressed tar with `rows.jsonl`, every fact in the order it happened with its moment, and
`lineage.bundle`, the git objects that the facts speak of. It is made from a real campaign's ledger by
`python -m rsi.tui.demo.campaign_file CAMPAIGN FILE`, never by hand.
"""

import dataclasses
import io
import json
import subprocess
import sys
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TypeVar

from rsi.agent.errors import AgentError
from rsi.agent.store.codec import decode, encode, value_of
from rsi.agent.store.events import CampaignEvent
from rsi.agent.store.home import Home
from rsi.agent.store.ledger import Ledger
from rsi.agent.store.records import (
    CampaignRecord,
    ChargeRecord,
    DecisionRecord,
    LogChunk,
    PromotionRecord,
    RoundRecord,
    Step,
    TrajectoryEvent,
)
from rsi.agent.store.steps.record import StepRecord
from rsi.evals.types import Measurement, Purpose
from rsi.tui.errors import CampaignFileError

T = TypeVar("T")

FORMAT = 1
ROWS = "rows.jsonl"
BUNDLE = "lineage.bundle"
HEAD = "recording.json"


Fact = (
    CampaignRecord | CampaignEvent | RoundRecord | StepRecord | TrajectoryEvent | DecisionRecord
    | PromotionRecord | ChargeRecord
)  # fmt: skip
_KINDS: Mapping[str, type[Fact]] = {
    "campaign": CampaignRecord, "campaign_event": CampaignEvent, "round": RoundRecord,
    "step": StepRecord, "event": TrajectoryEvent, "decision": DecisionRecord,
    "promotion": PromotionRecord, "charge": ChargeRecord,
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedMeasurement:
    """A measurement with its round; its moment is a share of its step's time."""

    round_id: str
    attempt: int
    measurement: Measurement


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedRow:
    """One fact and when it happened, in seconds from the campaign's creation."""

    at_s: float
    fact: Fact | RecordedMeasurement | LogChunk


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """A recording in memory."""

    campaign: CampaignRecord
    rows: tuple[RecordedRow, ...]
    """By time."""
    bundle: bytes
    """Git bundle of the lineage."""


# --- making one --------------------------------------------------------------------------


def record(ledger: Ledger, home: Home, campaign_id: str) -> Recording:
    """Collect one campaign.

    Raises:
        AgentError: There is no such campaign, or its repository is not here.
        CampaignFileError: Git cannot bundle the repository.
    """
    campaign = ledger.campaign(campaign_id)
    start = campaign.created_at
    config = dataclasses.replace(campaign.config, seed="", task_root="", scaffold=None)
    campaign = dataclasses.replace(campaign, config=config)
    rows = [RecordedRow(at_s=0.0, fact=campaign)]
    rows += [_row(each, each.at, start) for each in ledger.campaign_events(campaign_id)]
    rows += [_row(each, each.reserved_at, start) for each in ledger.charges(campaign_id)]
    own = frozenset(each.id for each in ledger.rounds(campaign_id))
    for each in ledger.rounds(campaign_id):
        rows += _round_rows(ledger, each, start)
    rows += [
        _row(each, each.at, start)
        for each in ledger.promotions(campaign.lineage)
        if each.round_id in own
    ]
    rows.sort(key=lambda each: each.at_s)
    return Recording(
        campaign=campaign,
        rows=tuple(rows),
        bundle=_bundle(home.lineages / f"{campaign.lineage}.git"),
    )


def _round_rows(ledger: Ledger, record: RoundRecord, start: datetime) -> list[RecordedRow]:
    rows = [_row(record, record.created_at, start)]
    steps = ledger.steps(record.id)
    rows += [_row(each, _end(each), start) for each in steps]
    rows += [_row(each, each.at, start) for each in ledger.events(record.id)]
    rows += [_row(each, each.at, start) for each in ledger.decisions(record.id)]
    for stream in ledger.log_streams(record.id):
        rows += [_row(each, each.at, start) for each in ledger.log(record.id, stream)]
    return rows + list(_measurement_rows(ledger, record.id, steps, start))


def _measurement_rows(
    ledger: Ledger, round_id: str, steps: Sequence[StepRecord], start: datetime
) -> Iterator[RecordedRow]:
    """Spread the runs of a purpose over the step that made them; the ledger keeps no moment of theirs."""
    makers = {Purpose.SCREEN: Step.MEASURE, Purpose.CONFIRM: Step.REVIEW}
    for purpose in Purpose:
        runs = ledger.measurements(round_id, purpose, attempt=0)
        maker = [each for each in steps if each.step is makers.get(purpose)]
        for number, run in enumerate(runs):
            if maker:
                offset = maker[-1].wall_s * (number + 1) / (len(runs) + 1)
                moment = maker[-1].started_at + timedelta(seconds=offset)
            else:
                moment = max((_end(each) for each in steps), default=start)
            fact = RecordedMeasurement(round_id=round_id, attempt=0, measurement=run)
            yield RecordedRow(at_s=(moment - start).total_seconds(), fact=fact)


def _row(fact: Fact | LogChunk, moment: datetime, start: datetime) -> RecordedRow:
    return RecordedRow(at_s=(moment - start).total_seconds(), fact=fact)


def _end(step: StepRecord) -> datetime:
    return step.started_at + timedelta(seconds=step.wall_s)


def _bundle(repository: Path) -> bytes:
    return _git("-C", str(repository), "bundle", "create", "-", "--all")


def _git(*words: str) -> bytes:
    try:
        done = subprocess.run(["git", *words], capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        said = getattr(error, "stderr", b"") or str(error).encode()
        raise CampaignFileError(
            f"git {words[-1]!r} failed: {said.decode(errors='replace').strip()}"
        ) from error
    return done.stdout


# --- as a file ---------------------------------------------------------------------------


def save(recording: Recording, path: Path) -> None:
    """Write a recording; the same recording gives the same bytes."""
    head = {
        "format": FORMAT,
        "campaign": recording.campaign.id,
        "lineage": recording.campaign.lineage,
    }
    rows = "\n".join(json.dumps(_row_to_json(each), sort_keys=True) for each in recording.rows)
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:xz") as file:
        for name, content in (
            (HEAD, json.dumps(head).encode()), (ROWS, rows.encode()), (BUNDLE, recording.bundle),
        ):  # fmt: skip
            member = tarfile.TarInfo(name)
            member.size = len(content)
            file.addfile(member, io.BytesIO(content))


def load(path: Path) -> Recording:
    """Read a recording.

    Raises:
        CampaignFileError: The file is not there, is not a recording, or is of a newer version.
    """
    try:
        with tarfile.open(path, "r:xz") as file:
            parts = {name: _member(file, name) for name in (HEAD, ROWS, BUNDLE)}
        head = json.loads(parts[HEAD])
        if head.get("format") != FORMAT:
            raise CampaignFileError(
                f"{path}: recordings of format {head.get('format')!r} are not known here"
            )
        rows = tuple(_row_from_json(each) for each in parts[ROWS].decode().split("\n"))
    except (OSError, tarfile.TarError, ValueError, KeyError, AgentError) as error:
        raise CampaignFileError(f"{path}: no recording can be read there ({error})") from error
    campaign = next(each.fact for each in rows if isinstance(each.fact, CampaignRecord))
    return Recording(campaign=campaign, rows=rows, bundle=parts[BUNDLE])


def _member(file: tarfile.TarFile, name: str) -> bytes:
    member = file.extractfile(name)
    if member is None:
        raise KeyError(name)
    return member.read()


def _row_to_json(row: RecordedRow) -> dict[str, object]:
    fact = row.fact
    body: object = fact
    match fact:
        case LogChunk():
            kind, text = "log", fact.content.decode(errors="replace")
            body = _LogBody(round_id=fact.round_id, stream=fact.stream, seq=fact.seq, text=text)
        case RecordedMeasurement():
            kind = "measurement"
            body = _RunBody(round_id=fact.round_id, attempt=fact.attempt, value=fact.measurement)
        case _:
            kind = next(name for name, each in _KINDS.items() if type(fact) is each)
    return {"s": row.at_s, "kind": kind, "body": json.loads(encode(body))}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    """One line of the file."""

    s: float
    kind: str
    body: Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class _LogBody:
    round_id: str
    stream: str
    seq: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _RunBody:
    round_id: str
    attempt: int
    value: Measurement


def _row_from_json(text: str) -> RecordedRow:
    row = decode(_Row, text)
    if row.kind == "log":
        log = value_of(_LogBody, row.body)
        chunk = LogChunk(
            round_id=log.round_id, stream=log.stream, seq=log.seq,
            at=datetime.fromtimestamp(0).astimezone(), content=log.text.encode(),
        )  # fmt: skip
        return RecordedRow(at_s=row.s, fact=chunk)
    if row.kind == "measurement":
        run = value_of(_RunBody, row.body)
        fact = RecordedMeasurement(
            round_id=run.round_id, attempt=run.attempt, measurement=run.value
        )
        return RecordedRow(at_s=row.s, fact=fact)
    return RecordedRow(at_s=row.s, fact=value_of(_KINDS[row.kind], row.body))


# --- writing it into a ledger ------------------------------------------------------------


def unpack_code(recording: Recording, home: Home) -> None:
    """Put the recording's repository into a home.

    Raises:
        CampaignFileError: Git cannot read the bundle.
    """
    repository = home.lineages / f"{recording.campaign.lineage}.git"
    bundle = home.cache / BUNDLE
    bundle.write_bytes(recording.bundle)
    _git("init", "-q", "--bare", str(repository))
    _git("-C", str(repository), "fetch", "-q", str(bundle), "+refs/*:refs/*")
    bundle.unlink()


def write_row(ledger: Ledger, row: RecordedRow, at: datetime) -> None:
    """Write one fact, as if it had happened at `at`.

    Raises:
        LedgerError: The ledger refuses it, for example because an earlier row is missing.
    """
    fact = row.fact
    match fact:
        case LogChunk():
            ledger.add_log(dataclasses.replace(fact, at=at))
        case RecordedMeasurement():
            ledger.add_measurement(fact.round_id, fact.measurement, attempt=fact.attempt)
        case CampaignRecord():
            ledger.add_campaign(dataclasses.replace(fact, created_at=at))
        case CampaignEvent():
            ledger.add_campaign_event(dataclasses.replace(fact, at=at))
        case RoundRecord():
            ledger.add_round(dataclasses.replace(fact, created_at=at))
        case StepRecord():
            ledger.add_step(
                dataclasses.replace(fact, started_at=at - timedelta(seconds=fact.wall_s))
            )
        case TrajectoryEvent():
            ledger.add_events([dataclasses.replace(fact, at=at)])
        case DecisionRecord():
            ledger.add_decision(dataclasses.replace(fact, at=at))
        case PromotionRecord():
            ledger.add_promotion(dataclasses.replace(fact, at=at))
        case ChargeRecord():
            _write_charge(ledger, fact, at)


def _write_charge(ledger: Ledger, fact: ChargeRecord, at: datetime) -> None:
    plain = dataclasses.replace(
        fact, reserved_at=at, status=type(fact.status).RESERVED, actual_usd=None, tokens={},
        device_s=None, settled_at=None,
    )  # fmt: skip
    ledger.reserve(plain)
    if fact.settled_at is not None:
        ledger.settle(
            fact.id, actual_usd=fact.actual_usd, at=at, tokens=fact.tokens, device_s=fact.device_s
        )


def main(argv: Sequence[str]) -> int:
    """Record a campaign of this home: `python -m rsi.tui.demo.campaign_file CAMPAIGN FILE`."""
    if len(argv) != 2:
        sys.stderr.write("usage: python -m rsi.tui.demo.campaign_file CAMPAIGN FILE\n")
        return 2
    home = Home.find()
    try:
        with Ledger.open(home, read_only=True) as ledger:
            made = record(ledger, home, argv[0])
        save(made, Path(argv[1]))
    except (AgentError, CampaignFileError) as error:
        sys.stderr.write(f"rsi: {error}\n")
        return 6
    sys.stdout.write(f"{argv[1]}: {len(made.rows)} facts of campaign {argv[0]}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
