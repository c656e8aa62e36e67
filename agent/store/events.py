"""A change in a campaign's life, and how its champion stands against the baseline, as the ledger keeps both."""

from dataclasses import dataclass
from datetime import datetime

from rsi.agent.store.codec import Stored, value_of
from rsi.agent.store.records import CampaignEventKind, Json
from rsi.evals.types import Score

AUDITED_BEFORE = "audited before"
"""How the word begins of an end that another campaign's audit of the same champion stands for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """How the champion stands against the round-0 baseline, measured again and whole."""

    word: str
    """"measured", or why it was not."""
    baseline_commit: str
    champion_commit: str
    score: Score | None
    """None when it was not measured."""
    round_id: str | None = None
    """The round whose promotion was audited; None at the end of the campaign."""

    @property
    def is_same_code(self) -> bool:
        """Whether the champion is the baseline, so that there is nothing to measure."""
        return self.champion_commit == self.baseline_commit


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignEvent(Stored):
    """One change in a campaign's life; repeating the latest one is no change."""

    campaign_id: str
    kind: CampaignEventKind
    at: datetime
    reason: str = ""
    """In words; empty when the kind says it all."""
    request_id: int | None = None
    """The request that it carried out."""
    audit: Audit | None = None
    """None when the champion was not looked at."""

    def to_stored(self) -> Json:
        payload: dict[str, object] = {}
        if self.reason:
            payload["reason"] = self.reason
        if self.request_id is not None:
            payload["request_id"] = self.request_id
        if self.audit is not None:
            payload |= {
                "audit": self.audit.word,
                "baseline_commit": self.audit.baseline_commit,
                "champion_commit": self.audit.champion_commit,
                "score": self.audit.score,
            }
            if self.audit.round_id is not None:
                payload["round_id"] = self.audit.round_id
        return {
            "campaign_id": self.campaign_id,
            "kind": self.kind,
            "at": self.at,
            "payload": payload,
        }

    @classmethod
    def from_stored(cls, raw: object) -> "CampaignEvent":
        row = value_of(_EventRow, raw)
        said = row.payload
        audit = None
        if said.baseline_commit is not None and said.champion_commit is not None:
            audit = Audit(
                word=said.audit,
                baseline_commit=said.baseline_commit,
                champion_commit=said.champion_commit,
                score=said.score,
                round_id=said.round_id,
            )
        return cls(
            campaign_id=row.campaign_id,
            kind=row.kind,
            at=row.at,
            reason=said.reason,
            request_id=said.request_id,
            audit=audit,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _EventPayload:
    """What an event's row keeps besides its kind and time."""

    reason: str = ""
    request_id: int | None = None
    audit: str = ""
    baseline_commit: str | None = None
    champion_commit: str | None = None
    score: Score | None = None
    round_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _EventRow:
    """An event as it is stored."""

    campaign_id: str
    kind: CampaignEventKind
    at: datetime
    payload: _EventPayload = _EventPayload()
