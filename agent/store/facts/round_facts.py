"""The ledger's inside of a round: steps, measurements, trajectories, logs and blobs."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Literal, overload

from sqlalchemy import ColumnElement, FromClause, Select, exists, func, or_, select

from rsi.agent.errors import LedgerConflictError, LedgerValueError, UnknownRecordError
from rsi.agent.store.codec import decode, encode, time_text
from rsi.agent.store.config import MAX_PARALLEL
from rsi.agent.store.facts.inserting import FactStore, Key, insert_once
from rsi.agent.store.objects.contents import (
    ELSEWHERE,
    MARK,
    TEXT_MARK,
    Artifact,
    artifact_of,
    artifact_of_text,
    at_of_text,
    content_of,
    stored,
    stored_text,
    text_of,
)
from rsi.agent.store.records import (
    AgentRole,
    LogChunk,
    Reopening,
    Step,
    StepOutcome,
    TrajectoryEvent,
)
from rsi.agent.store.sql.tables import (
    blobs,
    campaigns,
    log_chunks,
    measurements,
    reopenings,
    rounds,
    steps,
    trajectory,
)
from rsi.agent.store.steps.facts import (
    Admitted,
    Briefed,
    Committed,
    Critiqued,
    Decided,
    Measured,
    Opened,
    Promoted,
    Proposed,
    Reported,
    Reviewed,
    Scored,
    StepFact,
)
from rsi.agent.store.steps.record import StepRecord
from rsi.evals.types import Measurement, Purpose

BLOB_LIMIT_BYTES = 32 << 20
"""Largest blob: far above a diff or a checkpoint of a small model, far below what chokes a database."""


class RoundFacts(FactStore):
    """What happened inside rounds."""

    def add_step(self, record: StepRecord) -> bool:
        """Store a finished step; False when it is there already with the same outcome and payload.

        Raises:
            LedgerConflictError: The same attempt of the step ended otherwise before.
            UnknownRecordError: No such round.
        """
        key = Key(
            columns={
                "round_id": record.round_id,
                "step": record.step.value,
                "attempt": record.attempt,
                "retry": record.retry,
            },
            name=f"step {record.step.value} (attempt {record.attempt}) of round {record.round_id!r}",
        )
        return self._insert(steps, key, {"outcome": record.outcome, "body": encode(record)})

    def steps(self, round_id: str) -> tuple[StepRecord, ...]:
        """A round's finished steps in the order they finished; where it broke before it was reopened is left out."""
        query = select(steps.c.body).where(steps.c.round_id == round_id, counts(steps))
        query = query.order_by(steps.c.seq)
        with self._database.read() as connection:
            return tuple(decode(StepRecord, body) for body in connection.scalars(query))

    @overload
    def step(self, round_id: str, step: Literal[Step.OPEN], attempt: int = 0) -> Opened | None: ...
    @overload
    def step(
        self, round_id: str, step: Literal[Step.BRIEF], attempt: int = 0
    ) -> Briefed | None: ...
    @overload
    def step(
        self, round_id: str, step: Literal[Step.PROPOSE], attempt: int = 0
    ) -> Proposed | None: ...
    @overload
    def step(
        self, round_id: str, step: Literal[Step.COMMIT], attempt: int = 0
    ) -> Committed | None: ...
    @overload
    def step(
        self, round_id: str, step: Literal[Step.CRITIQUE], attempt: int = 0
    ) -> Critiqued | None: ...
    @overload
    def step(
        self, round_id: str, step: Literal[Step.ADMIT], attempt: int = 0
    ) -> Admitted | None: ...
    @overload
    def step(
        self, round_id: str, step: Literal[Step.MEASURE], attempt: int = 0
    ) -> Measured | None: ...
    @overload
    def step(self, round_id: str, step: Literal[Step.SCORE], attempt: int = 0) -> Scored | None: ...
    @overload
    def step(
        self, round_id: str, step: Literal[Step.REVIEW], attempt: int = 0
    ) -> Reviewed | None: ...
    @overload
    def step(
        self, round_id: str, step: Literal[Step.DECIDE], attempt: int = 0
    ) -> Decided | None: ...
    @overload
    def step(
        self, round_id: str, step: Literal[Step.PROMOTE], attempt: int = 0
    ) -> Promoted | None: ...
    @overload
    def step(
        self, round_id: str, step: Literal[Step.REPORT], attempt: int = 0
    ) -> Reported | None: ...
    def step(self, round_id: str, step: Step, attempt: int = 0) -> StepFact | None:
        """What a step left; None when it has not finished, or left only why the round goes no further."""
        record = self.step_record(round_id, step, attempt)
        return record.fact if record is not None and isinstance(record.fact, StepFact) else None

    def step_record(self, round_id: str, step: Step, attempt: int = 0) -> StepRecord | None:
        """A finished step however it ended; None when it has not finished."""
        query = select(steps.c.body).where(
            steps.c.round_id == round_id,
            steps.c.step == step.value,
            steps.c.attempt == attempt,
            counts(steps),
        )
        with self._database.read() as connection:
            body = connection.scalar(query)
        return None if body is None else decode(StepRecord, body)

    def steps_of(
        self,
        *,
        campaign_id: str | None = None,
        lineage: str | None = None,
        step: Step | None = None,
    ) -> tuple[StepRecord, ...]:
        """Finished steps of a whole campaign or of all campaigns on a lineage, oldest first."""
        query = select(steps.c.body).join_from(steps, rounds, steps.c.round_id == rounds.c.id)
        query = query.where(counts(steps))
        if lineage is not None:
            query = query.join(campaigns, rounds.c.campaign_id == campaigns.c.id).where(
                campaigns.c.lineage == lineage
            )
        if campaign_id is not None:
            query = query.where(rounds.c.campaign_id == campaign_id)
        if step is not None:
            query = query.where(steps.c.step == step.value)
        with self._database.read() as connection:
            bodies = connection.scalars(query.order_by(steps.c.seq)).all()
        return tuple(decode(StepRecord, body) for body in bodies)

    def reopen(self, record: Reopening) -> bool:
        """Let a round that failed on our side go on from where it broke; False when it is reopened already.

        Raises:
            LedgerConflictError: Somebody else reopened it.
            UnknownRecordError: No such round.
        """
        key = Key(
            columns={"round_id": record.round_id, "number": record.number},
            name=f"reopening {record.number} of round {record.round_id!r}",
        )
        return self._insert(reopenings, key, {"body": encode(record)})

    def reopenings(self, round_id: str) -> tuple[Reopening, ...]:
        """How often a round was run again after failing on our side, oldest first."""
        query = select(reopenings.c.body).where(reopenings.c.round_id == round_id)
        with self._database.read() as connection:
            bodies = connection.scalars(query.order_by(reopenings.c.number)).all()
        return tuple(decode(Reopening, body) for body in bodies)

    def add_measurement(self, round_id: str, measurement: Measurement, *, attempt: int = 0) -> bool:
        """Store one measurement whole; False when the same one is there already.

        Raises:
            LedgerConflictError: This arm of this pair was measured before with another result.
            LedgerValueError: It holds NaN or infinity.
            UnknownRecordError: No such round.
        """
        key = Key(
            columns={
                "round_id": round_id,
                "attempt": attempt,
                "purpose": measurement.purpose.value,
                "pair": measurement.pair,
                "arm": measurement.arm.value,
            },
            name=(
                f"measurement {measurement.purpose.value} pair {measurement.pair} "
                f"{measurement.arm.value} of round {round_id!r}"
            ),
        )
        return self._insert(measurements, key, {"body": encode(measurement)})

    def measurements(
        self, round_id: str, purpose: Purpose | None = None, *, attempt: int | None = None
    ) -> tuple[Measurement, ...]:
        """A round's measurements by attempt, then in the order they were stored."""
        query = select(measurements.c.body).where(measurements.c.round_id == round_id)
        if purpose is not None:
            query = query.where(measurements.c.purpose == purpose.value)
        if attempt is not None:
            query = query.where(measurements.c.attempt == attempt)
        query = query.order_by(measurements.c.attempt, measurements.c.seq)
        with self._database.read() as connection:
            return tuple(decode(Measurement, body) for body in connection.scalars(query))

    def add_events(self, events: Sequence[TrajectoryEvent]) -> int:
        """Store trajectory events in one transaction; returns how many were new.

        Raises:
            LedgerConflictError: An event with this number is there and says something else.
            UnknownRecordError: No such round.
        """
        if not events:
            return 0
        store = self._database.artifacts
        bodies = [stored_text(encode(each), time_text(each.at), store) for each in events]
        with self._database.write(trajectory) as connection:
            return sum(
                insert_once(
                    connection,
                    trajectory,
                    Key(
                        columns={
                            "round_id": event.round_id,
                            "agent": event.agent.value,
                            "number": event.seq,
                        },
                        name=f"event {event.seq} of the {event.agent.value} in round {event.round_id!r}",
                    ),
                    {"kind": event.kind.value, "body": body},
                )
                for event, body in zip(events, bodies, strict=True)
            )

    def events(
        self,
        round_id: str,
        agent: AgentRole | None = None,
        after_seq: int = -1,
        limit: int | None = None,
    ) -> tuple[TrajectoryEvent, ...]:
        """Trajectory events with seq > after_seq, by agent and seq."""
        query = select(trajectory.c.body).where(
            trajectory.c.round_id == round_id, trajectory.c.number > after_seq
        )
        if agent is not None:
            query = query.where(trajectory.c.agent == agent.value)
        query = query.order_by(trajectory.c.agent, trajectory.c.number).limit(limit)
        with self._database.read() as connection:
            bodies = connection.scalars(query).all()
        store = self._database.artifacts
        return tuple(decode(TrajectoryEvent, text_of(each, store)) for each in bodies)

    def event_count(self, round_id: str, agent: AgentRole | None = None) -> int:
        """How many trajectory events a round has."""
        query = select(func.count()).where(trajectory.c.round_id == round_id)
        if agent is not None:
            query = query.where(trajectory.c.agent == agent.value)
        with self._database.read() as connection:
            return int(connection.scalar(query) or 0)

    def next_event_seq(self, round_id: str, agent: AgentRole) -> int:
        """The first free seq: where an agent goes on when its step runs again."""
        query = select(func.max(trajectory.c.number)).where(
            trajectory.c.round_id == round_id, trajectory.c.agent == agent.value
        )
        with self._database.read() as connection:
            last = connection.scalar(query)
        return 0 if last is None else int(last) + 1

    def add_log(self, chunk: LogChunk) -> bool:
        """Store a piece of output; False when it is there already.

        Raises:
            LedgerConflictError: This piece is there with other bytes.
            UnknownRecordError: No such round.
        """
        key = Key(
            columns={"round_id": chunk.round_id, "stream": chunk.stream, "number": chunk.seq},
            name=f"log piece {chunk.seq} of {chunk.stream!r} in round {chunk.round_id!r}",
        )
        content = stored(chunk.content, self._database.artifacts)
        try:
            return self._insert(log_chunks, key, {"at": time_text(chunk.at), "content": content})
        except LedgerConflictError:
            # The same bytes may stand there in another way, from a time with another store or none.
            (there,) = self.log(chunk.round_id, chunk.stream, chunk.seq - 1, limit=1)
            if (there.seq, there.content) != (chunk.seq, chunk.content):
                raise
            return False

    def log(
        self, round_id: str, stream: str, after_seq: int = -1, limit: int | None = None
    ) -> tuple[LogChunk, ...]:
        """Pieces of one stream with seq > after_seq."""
        query = (
            select(log_chunks.c.number, log_chunks.c.at, log_chunks.c.content)
            .where(
                log_chunks.c.round_id == round_id,
                log_chunks.c.stream == stream,
                log_chunks.c.number > after_seq,
            )
            .order_by(log_chunks.c.number)
            .limit(limit)
        )
        with self._database.read() as connection:
            rows = connection.execute(query).all()
        return tuple(
            LogChunk(
                round_id=round_id,
                stream=stream,
                seq=number,
                at=datetime.fromisoformat(at),
                content=content_of(bytes(content), self._database.artifacts),
            )
            for number, at, content in rows
        )

    def log_streams(self, round_id: str) -> tuple[str, ...]:
        """Names of a round's output streams, in the order they began."""
        query = (
            select(log_chunks.c.stream)
            .where(log_chunks.c.round_id == round_id)
            .group_by(log_chunks.c.stream)
            .order_by(func.min(log_chunks.c.seq))
        )
        with self._database.read() as connection:
            return tuple(connection.scalars(query))

    def pulse(self, campaign_id: str) -> str:
        """A short text that changes when anything is written about the open rounds of a campaign, or its newest."""
        open_rounds = _open_rounds(campaign_id)
        tables = (steps, measurements, trajectory, log_chunks)
        query = select(
            *(
                select(func.max(each.c.seq))
                .where(each.c.round_id.in_(open_rounds))
                .scalar_subquery()
                for each in tables
            )
        )
        with self._database.read() as connection:
            return ".".join(str(value or 0) for value in connection.execute(query).one())

    def last_said_at(self, campaign_id: str) -> datetime | None:
        """When an open round of a campaign, or its newest, last said something: a step's end, an agent, output; None before."""
        open_rounds = _open_rounds(campaign_id)
        step, event, chunk = (
            select(func.max(each.c.seq)).where(each.c.round_id.in_(open_rounds)).scalar_subquery()
            for each in (steps, trajectory, log_chunks)
        )
        moments = []
        with self._database.read() as connection:
            if body := connection.scalar(select(steps.c.body).where(steps.c.seq == step)):
                ended = decode(StepRecord, body)
                moments.append(ended.started_at + timedelta(seconds=ended.wall_s))
            if body := connection.scalar(
                select(trajectory.c.body).where(trajectory.c.seq == event)
            ):
                moments.append(datetime.fromisoformat(at_of_text(body)))
            if at := connection.scalar(select(log_chunks.c.at).where(log_chunks.c.seq == chunk)):
                moments.append(datetime.fromisoformat(at))
        return max(moments, default=None)

    def put_blob(self, content: bytes) -> str:
        """Keep bytes under their sha256, once; returns it in hex.

        Raises:
            LedgerValueError: More than BLOB_LIMIT_BYTES.
        """
        if len(content) > BLOB_LIMIT_BYTES:
            raise LedgerValueError(
                f"a blob of {len(content)} bytes is over the limit of {BLOB_LIMIT_BYTES}; "
                "keep it as a file or keep less of it"
            )
        sha256 = hashlib.sha256(content).hexdigest()
        key = Key(columns={"sha256": sha256}, name=f"blob {sha256}")
        # The same bytes may stand there in another way, from a time with another store or none.
        with suppress(LedgerConflictError):
            self._insert(blobs, key, {"content": stored(content, self._database.artifacts)})
        return sha256

    def blob(self, sha256: str) -> bytes:
        """The bytes kept under a sha256.

        Raises:
            UnknownRecordError: No such blob.
        """
        with self._database.read() as connection:
            content = connection.scalar(select(blobs.c.content).where(blobs.c.sha256 == sha256))
        if content is None:
            raise UnknownRecordError(f"no blob {sha256!r} in the ledger")
        return content_of(bytes(content), self._database.artifacts)

    def artifacts(self) -> Iterator[Artifact]:
        """What the object store has of this ledger's, each once; reads every row that may name something."""
        seen: set[str] = set()
        start = MARK + ELSEWHERE
        for column in (blobs.c.content, log_chunks.c.content):
            query = select(column).where(func.substr(column, 1, len(start)) == start)
            with self._database.read() as connection:
                rows = [artifact_of(bytes(each)) for each in connection.scalars(query)]
            yield from _each_once(rows, seen)
        texts = select(trajectory.c.body).where(
            func.substr(trajectory.c.body, 1, len(TEXT_MARK)) == TEXT_MARK
        )
        with self._database.read() as connection:
            rows = [artifact_of_text(each) for each in connection.scalars(texts)]
        yield from _each_once(rows, seen)


def _each_once(rows: Iterable[Artifact | None], seen: set[str]) -> Iterator[Artifact]:
    for each in rows:
        if each is not None and each.sha256 not in seen:
            seen.add(each.sha256)
            yield each


def counts(table: FromClause) -> ColumnElement[bool]:
    """Whether a row of steps says how things stand: not the place where a round broke before it was reopened."""
    times = (
        select(func.count())
        .select_from(reopenings)
        .where(reopenings.c.round_id == table.c.round_id)
        .scalar_subquery()
    )
    return or_(table.c.outcome != StepOutcome.HARNESS_ERROR.value, table.c.retry >= times)


def _open_rounds(campaign_id: str) -> Select[tuple[str]]:
    """The round that was opened last, controls among them, and those just before it that are not reported."""
    latest = (
        select(rounds.c.seq, rounds.c.id)
        .where(rounds.c.campaign_id == campaign_id)
        .order_by(rounds.c.seq.desc())
        .limit(MAX_PARALLEL + 1)
        .subquery()
    )
    newest = select(func.max(rounds.c.seq)).where(rounds.c.campaign_id == campaign_id)
    is_reported = exists().where(
        steps.c.round_id == latest.c.id, steps.c.step == Step.REPORT.value, counts(steps)
    )
    return select(latest.c.id).where(or_(latest.c.seq == newest.scalar_subquery(), ~is_reported))
