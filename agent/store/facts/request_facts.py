"""The ledger's requests: who wants what, who took it and how it ended."""

import uuid
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from rsi.agent.errors import UnknownRecordError
from rsi.agent.store.codec import decode, encode
from rsi.agent.store.facts.inserting import FactStore, Key, insert_once
from rsi.agent.store.records import (
    Asked,
    HandledMark,
    RequestKind,
    RequestRecord,
)
from rsi.agent.store.sql.tables import request_marks, requests


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wish:
    """A request as it is stored: its id is the row's number."""

    kind: RequestKind
    actor: str
    at: datetime
    campaign_id: str | None
    round_id: str | None
    payload: Asked


class RequestFacts(FactStore):
    """Requests with their marks."""

    def add_request(
        self,
        kind: RequestKind,
        *,
        actor: str,
        at: datetime,
        campaign_id: str | None = None,
        round_id: str | None = None,
        payload: Asked | None = None,
        key: str | None = None,
    ) -> RequestRecord:
        """Write a wish down; returns it with the id the ledger gave it.

        Args:
            kind: What is wanted.
            actor: "person:<name>".
            at: When.
            campaign_id: None when it concerns no campaign.
            round_id: None when it concerns no round.
            payload: What the kind needs.
            key: The same key twice is one request; None makes a new one each time.

        Raises:
            LedgerConflictError: The key was used for another request.
        """
        wish = _Wish(
            kind=kind,
            actor=actor,
            at=at,
            campaign_id=campaign_id,
            round_id=round_id,
            payload=payload or Asked(),
        )
        unique = key or uuid.uuid4().hex
        columns = {"kind": kind.value, "campaign_id": campaign_id, "round_id": round_id}
        with self._database.write(requests) as connection:
            insert_once(
                connection,
                requests,
                Key(columns={"key": unique}, name=f"request {unique!r}"),
                {**columns, "body": encode(wish)},
            )
            row = connection.execute(
                select(requests.c.seq, requests.c.body).where(requests.c.key == unique)
            ).one()
        return _request(row[0], row[1], None)

    def mark_handled(self, mark: HandledMark) -> bool:
        """Say how a request ended; False when it was marked before: the first mark wins.

        Raises:
            UnknownRecordError: No such request.
        """
        with self._database.write(request_marks) as connection:
            is_known = connection.scalar(
                select(requests.c.seq).where(requests.c.seq == mark.request_id)
            )
            if is_known is None:
                raise UnknownRecordError(f"no request {mark.request_id}")
            is_marked = connection.scalar(
                select(request_marks.c.seq).where(request_marks.c.request_id == mark.request_id)
            )
            if is_marked is not None:
                return False
            return insert_once(
                connection,
                request_marks,
                Key(
                    columns={"request_id": mark.request_id},
                    name=f"mark of request {mark.request_id}",
                ),
                {"body": encode(mark)},
            )

    def requests(
        self,
        *,
        unhandled_only: bool = True,
        campaign_id: str | None = None,
    ) -> tuple[RequestRecord, ...]:
        """Requests, oldest first."""
        query = (
            select(requests.c.seq, requests.c.body, request_marks.c.body)
            .outerjoin_from(requests, request_marks, request_marks.c.request_id == requests.c.seq)
            .order_by(requests.c.seq)
        )
        if unhandled_only:
            query = query.where(request_marks.c.seq.is_(None))
        if campaign_id is not None:
            query = query.where(requests.c.campaign_id == campaign_id)
        with self._database.read() as connection:
            rows = connection.execute(query).all()
        return tuple(_request(row[0], row[1], row[2]) for row in rows)


def _request(number: int, body: str, mark: str | None) -> RequestRecord:
    stored = decode(_Wish, body)
    return RequestRecord(
        id=number,
        kind=stored.kind,
        actor=stored.actor,
        at=stored.at,
        campaign_id=stored.campaign_id,
        round_id=stored.round_id,
        payload=stored.payload,
        handled=None if mark is None else decode(HandledMark, mark),
    )
