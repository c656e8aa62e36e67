"""The ledger's decisions and promotions: chained by hash, one row after the other.

A champion moves in three parts: an intent here, the move in git, the promotion here. A chain cannot show by itself that its end was cut off; the steps that carried its rows out do.
Invariant: every row points at the row before it; writers take turns, so the chain never forks.
"""

from collections import Counter
from dataclasses import replace

from sqlalchemy import Connection, Select, insert, select

from rsi.agent.errors import LedgerConflictError, UnknownRecordError
from rsi.agent.store.codec import decode, encode, stored_text
from rsi.agent.store.facts.chain import GENESIS, Link, check_chain, link_hash
from rsi.agent.store.facts.inserting import FactStore
from rsi.agent.store.records import (
    ChainReport,
    DecisionAction,
    DecisionRecord,
    LineageMoves,
    PromotionKind,
    PromotionRecord,
    Step,
)
from rsi.agent.store.sql.tables import gate, rounds, steps

_DECISION = "decision"
_PROMOTION = "promotion"
_INTENT = "intent"


class GateFacts(FactStore):
    """Decisions, promotions, and the chain over both."""

    def add_decision(self, record: DecisionRecord) -> bool:
        """Store the gate's word; False when the same word on the same thing is there already.

        Raises:
            LedgerConflictError: Somebody decided otherwise on this commit and score; say `is_override`.
            UnknownRecordError: No such round.
        """
        with self._database.write(gate) as connection:
            for body in connection.scalars(_bodies(_DECISION, round_id=record.round_id)):
                stored = decode(DecisionRecord, body)
                if _shown(stored) != _shown(record):
                    continue
                if stored.action == record.action:
                    return False
                raise LedgerConflictError(
                    f"round {record.round_id!r} was decided before: {stored.action.value} by "
                    f"{stored.actor}; to go against it, override it with a reason"
                )
            _append(connection, _DECISION, record, lineage=None, action=record.action.value)
        return True

    def add_intent(self, record: PromotionRecord) -> bool:
        """Store that the champion is about to move; False when this very move is under way already.

        Raises:
            LedgerConflictError: Another move of the lineage is under way, or its last one does not end where this starts.
            UnknownRecordError: No such round.
        """
        with self._database.write(gate) as connection:
            moves = _moves(connection, record.lineage)
            if moves.under_way is not None and _move(moves.under_way) == _move(record):
                return False
            if (
                moves.under_way is not None
                or (moves.champion or record.old_commit) != record.old_commit
            ):
                last = moves.under_way or moves.done[-1]
                raise LedgerConflictError(
                    f"the champion of {record.lineage!r} is moved to {last.new_commit[:12]} by round "
                    f"{last.round_id!r}; measure against that one"
                )
            _append(
                connection,
                _INTENT,
                record,
                lineage=stored_text(record.lineage, "lineage"),
                action=record.kind.value,
            )
        return True

    def moves(self, lineage: str) -> LineageMoves:
        """How the champion of a lineage moved, and the move that is under way."""
        with self._database.read() as connection:
            return _moves(connection, lineage)

    def add_promotion(self, record: PromotionRecord) -> bool:
        """Store that the champion moved; False when this very move is there already.

        A move that was announced is stored once for each time that it was.

        Raises:
            LedgerConflictError: The lineage's last promotion does not end where this one starts.
            UnknownRecordError: No such round.
        """
        with self._database.write(gate) as connection:
            moves = _moves(connection, record.lineage)
            is_open = moves.under_way is not None and _move(moves.under_way) == _move(record)
            if not is_open and _move(record) in {_move(each) for each in moves.announced}:
                return False
            if moves.done and _move(moves.done[-1]) == _move(record):
                return False
            if moves.done and moves.done[-1].new_commit != record.old_commit:
                if any(_move(move) == _move(record) for move in moves.done):
                    return False
                last = moves.done[-1]
                raise LedgerConflictError(
                    f"the champion of {record.lineage!r} is {last.new_commit[:12]} since round "
                    f"{last.round_id!r}, not {record.old_commit[:12]}; measure against that one"
                )
            _append(
                connection,
                _PROMOTION,
                record,
                lineage=stored_text(record.lineage, "lineage"),
                action=record.kind.value,
            )
        return True

    def decisions(self, round_id: str | None = None) -> tuple[DecisionRecord, ...]:
        """Decisions on one round, or all, oldest first."""
        with self._database.read() as connection:
            bodies = connection.scalars(_bodies(_DECISION, round_id=round_id)).all()
        return tuple(decode(DecisionRecord, body) for body in bodies)

    def promotions(
        self, lineage: str | None = None, *, round_id: str | None = None
    ) -> tuple[PromotionRecord, ...]:
        """Promotions of a lineage or of a round, or all, oldest first."""
        with self._database.read() as connection:
            bodies = connection.scalars(
                _bodies(_PROMOTION, lineage=lineage, round_id=round_id)
            ).all()
        return tuple(decode(PromotionRecord, body) for body in bodies)

    def verify_chain(self) -> ChainReport:
        """Recompute every hash, and see whether what was carried out is still written down."""
        with self._database.read() as connection:
            # Steps first: whatever they carried out was written before them.
            carried_out = connection.execute(_carried_out()).all()
            rows = connection.execute(select(gate).order_by(gate.c.position)).mappings().all()
        report = check_chain(
            (
                Link(
                    position=row["position"],
                    kind=row["kind"],
                    body=row["body"],
                    columns=(row["round_id"], row["lineage"], row["action"]),
                    prev_hash=row["prev_hash"],
                    hash=row["hash"],
                )
                for row in rows
            ),
        )
        known = Counter((row["kind"], row["round_id"], row["action"]) for row in rows)
        words = Counter(_word_of(*each) for each in carried_out)
        missing = next((each for each, times in words.items() if known[each] < times), None)
        if missing is None or not report.is_intact:
            return report
        kind, round_id, action = missing
        return replace(
            report,
            is_intact=False,
            broken_at=report.rows + 1,
            reason=f"round {round_id} carried out a {kind} ({action}) that is not there: its end was cut off",
        )


def _carried_out() -> Select[str, str, str]:
    """Steps that only a decision or a promotion before them could have brought about, oldest first."""
    decided = (steps.c.step == Step.DECIDE.value) & steps.c.outcome.in_(
        [each.value for each in DecisionAction]
    )
    promoted = (steps.c.step == Step.PROMOTE.value) & (steps.c.outcome == "promoted")
    query = select(steps.c.round_id, steps.c.step, steps.c.outcome)
    return query.where(decided | promoted).order_by(steps.c.seq)


def _word_of(round_id: str, step: str, outcome: str) -> tuple[str, str, str]:
    """Kind, round and action of the row that a step carried out."""
    if step == Step.PROMOTE.value:
        return _PROMOTION, round_id, PromotionKind.PROMOTE.value
    return _DECISION, round_id, outcome


def _bodies(kind: str, *, round_id: str | None = None, lineage: str | None = None) -> Select[str]:
    query = select(gate.c.body).where(gate.c.kind == kind).order_by(gate.c.position)
    if round_id is not None:
        query = query.where(gate.c.round_id == round_id)
    if lineage is not None:
        query = query.where(gate.c.lineage == lineage)
    return query


def _moves(connection: Connection, lineage: str) -> LineageMoves:
    query = (
        select(gate.c.kind, gate.c.body)
        .where(gate.c.lineage == lineage, gate.c.kind.in_((_INTENT, _PROMOTION)))
        .order_by(gate.c.position)
    )
    rows = [(kind, decode(PromotionRecord, body)) for kind, body in connection.execute(query)]
    announced = tuple(move for kind, move in rows if kind == _INTENT)
    return LineageMoves(
        done=tuple(move for kind, move in rows if kind == _PROMOTION),
        announced=announced,
        under_way=announced[-1] if rows and rows[-1][0] == _INTENT else None,
    )


def _append(
    connection: Connection,
    kind: str,
    record: DecisionRecord | PromotionRecord,
    *,
    lineage: str | None,
    action: str,
) -> None:
    found = connection.scalar(select(rounds.c.id).where(rounds.c.id == record.round_id))
    if found is None:
        raise UnknownRecordError(f"no round {record.round_id!r}; `rsi rounds` lists them")
    last_position, prev_hash = _head(connection)
    body = encode(record)
    connection.execute(
        insert(gate).values(
            position=last_position + 1,
            kind=kind,
            round_id=record.round_id,
            lineage=lineage,
            action=action,
            body=body,
            prev_hash=prev_hash,
            hash=link_hash(position=last_position + 1, kind=kind, body=body, prev_hash=prev_hash),
        )
    )


def _head(connection: Connection) -> tuple[int, str]:
    query = select(gate.c.position, gate.c.hash).order_by(gate.c.position.desc()).limit(1)
    row = connection.execute(query).first()
    return (0, GENESIS) if row is None else (int(row[0]), str(row[1]))


def _shown(record: DecisionRecord) -> tuple[str | None, str | None, bool]:
    return record.commit, record.score_digest, record.is_override


def _move(record: PromotionRecord) -> tuple[str, str, str, str]:
    return record.round_id, record.kind.value, record.old_commit, record.new_commit
