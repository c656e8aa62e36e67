"""The champion over a lineage's rounds: how it was measured to stand against the baseline, move by move.

`champion_points` is pure, `ChampionBook` reads. Invariant: a total is one measurement of the whole; steps are never
multiplied up, so a champion that was not measured whole has none.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from statistics import median

from rsi.agent.policy.audits import SAME_CODE, ChampionAudit, audits_in
from rsi.agent.report.reasons import deciding_score
from rsi.agent.store.ledger import Ledger
from rsi.agent.store.records import CampaignSummary, PromotionKind, PromotionRecord
from rsi.agent.store.round_book import RoundBook
from rsi.agent.store.rounds import RoundView
from rsi.evals.types import Arm, Interval, Measurement, Purpose, QualityResult


class Move(StrEnum):
    """What happened to the champion."""

    BASELINE = "baseline"
    PROMOTION = "promotion"
    ROLLBACK = "rollback"
    AUDIT = "audit"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChampionPoint:
    """One moment of the curve."""

    place: int
    """Ideas tried on the lineage until then."""
    move: Move
    label: str
    """The round's id; empty for the baseline and for what no round made."""
    commit: str
    at: datetime | None
    """When it came about; None for the baseline."""
    total: Interval | None
    """Over the round-0 baseline, measured whole; None where that was not done."""
    is_supported: bool
    """False for an audit that does not bear the claim out."""
    step: Interval | None
    """Over the champion before; None but for a promotion."""
    qualities: tuple[QualityResult, ...]
    """As the promoted candidate kept them."""
    absolute: tuple[float, float] | None
    """The deciding number of champion and candidate, side by side; None but for a promotion."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacedAudit:
    """An audit and where on the curve it stands."""

    place: int
    audit: ChampionAudit


@dataclass(frozen=True, slots=True, kw_only=True)
class Promoted:
    """A promoted round and where on the curve it stands."""

    place: int
    view: RoundView
    absolute: tuple[float, float] | None
    """The deciding number of champion and candidate; None where no run of one has any."""


def champion_points(
    moves: Sequence[PromotionRecord],
    rounds: Mapping[str, Promoted],
    audits: Sequence[PlacedAudit],
) -> tuple[ChampionPoint, ...]:
    """The curve of one lineage, the baseline first; empty while nothing was promoted.

    Args:
        moves: Of the champion, oldest first.
        rounds: The promoted rounds by id.
        audits: Oldest first.
    """
    if not moves:
        return ()
    baseline = moves[0].old_commit
    totals: dict[str, Interval | None] = {baseline: SAME_CODE}
    points = [_point(0, Move.BASELINE, baseline, None, total=SAME_CODE)]
    happened: list[tuple[datetime, int, PromotionRecord | PlacedAudit]] = [
        *((each.at, 0, each) for each in moves),
        *((each.audit.at, 1, each) for each in audits),
    ]
    for _, _, each in sorted(happened, key=lambda item: item[:2]):
        last = points[-1]
        if isinstance(each, PlacedAudit):
            audit = each.audit
            if audit.is_supported:
                totals[audit.commit] = audit.effect
            point = _point(
                max(each.place, last.place), Move.AUDIT, audit.commit, audit.at, total=audit.effect,
                label=audit.round_id or "", is_supported=audit.is_supported,
            )  # fmt: skip
        elif each.kind is PromotionKind.ROLLBACK:
            point = _point(
                last.place,
                Move.ROLLBACK,
                each.new_commit,
                each.at,
                total=totals.get(each.new_commit),
            )
        else:
            point = _promotion(each, rounds.get(each.round_id), last.place, baseline)
            totals[point.commit] = point.total
        points.append(point)
    return tuple(points)


def _promotion(
    move: PromotionRecord, found: Promoted | None, last_place: int, baseline: str
) -> ChampionPoint:
    if found is None:
        return _point(last_place, Move.PROMOTION, move.new_commit, move.at, label=move.round_id)
    view = found.view
    score = deciding_score(view)
    # A first step is measured against the baseline, so that its effect is the whole.
    whole = view.baseline.effect if view.baseline is not None else None
    if whole is None and view.record.champion_commit == baseline:
        whole = view.effect
    return ChampionPoint(
        place=max(found.place, last_place),
        move=Move.PROMOTION,
        label=view.id,
        commit=move.new_commit,
        at=move.at,
        total=whole,
        is_supported=True,
        step=view.effect,
        qualities=() if score is None else score.quality,
        absolute=found.absolute,
    )


def _point(
    place: int, move: Move, commit: str, at: datetime | None, *, total: Interval | None = None, label: str = "", is_supported: bool = True,
) -> ChampionPoint:  # fmt: skip
    return ChampionPoint(
        place=place, move=move, label=label, commit=commit, at=at, total=total, is_supported=is_supported, step=None,
        qualities=(), absolute=None,
    )  # fmt: skip


def absolute_of(measurements: Sequence[Measurement]) -> tuple[float, float] | None:
    """The usual deciding number of champion and candidate: of the confirming runs, else of those that screened."""
    for purpose in (Purpose.CONFIRM, Purpose.SCREEN):
        values = [
            [m.metric_value for m in measurements if (m.purpose, m.arm) == (purpose, arm)]
            for arm in (Arm.CHAMPION, Arm.CANDIDATE)
        ]
        champion, candidate = ([v for v in each if v is not None] for each in values)
        if champion and candidate:
            return median(champion), median(candidate)
    return None


class ChampionBook:
    """Reads the curves of lineages; a promoted round and a campaign's audits are read once."""

    def __init__(self, ledger: Ledger, book: RoundBook) -> None:
        self._ledger = ledger
        self._book = book
        self._rounds: dict[str, RoundView] = {}
        self._absolutes: dict[str, tuple[float, float] | None] = {}
        self._audits: dict[str, tuple[datetime, tuple[ChampionAudit, ...]]] = {}
        """By campaign, with when it last changed as they were read."""

    def curve(self, lineage: str) -> tuple[ChampionPoint, ...]:
        """The curve of one lineage; its campaigns are read only where something was promoted."""
        return self._points(lineage, self._absolute)

    def totals(self, lineage: str) -> tuple[Interval, ...]:
        """The champion's measured totals alone, oldest first, for a list; empty while nothing was promoted."""
        points = self._points(lineage, lambda _: None)
        return tuple(each.total for each in points if each.total is not None)

    def _points(
        self, lineage: str, absolute: Callable[[str], tuple[float, float] | None]
    ) -> tuple[ChampionPoint, ...]:
        moves = [each for each in self._book.promotions if each.lineage == lineage]
        if not moves:
            return ()
        before: dict[str, int] = {}
        audits: list[PlacedAudit] = []
        tried = 0
        for each in reversed(self._ledger.campaigns(lineage=lineage)):
            before[each.record.id] = tried
            # A campaign that promoted nothing leaves its champion as it was audited before.
            for audit in self.audits(each) if each.promoted else ():
                own = self.round(audit.round_id).record.number if audit.round_id else each.rounds
                audits.append(PlacedAudit(place=tried + own, audit=audit))
            tried += each.rounds
        promoted = {
            each.round_id: self.round(each.round_id)
            for each in moves
            if each.kind is PromotionKind.PROMOTE and each.round_id
        }
        placed = {
            key: Promoted(
                place=before.get(view.record.campaign_id, 0) + view.record.number,
                view=view,
                absolute=absolute(key),
            )
            for key, view in promoted.items()
        }
        return champion_points(moves, placed, sorted(audits, key=lambda each: each.audit.at))

    def round(self, round_id: str) -> RoundView:
        """A promoted round; what it was promoted for does not change any more."""
        if round_id not in self._rounds:
            self._rounds[round_id] = self._book.one(round_id)
        return self._rounds[round_id]

    def _absolute(self, round_id: str) -> tuple[float, float] | None:
        if round_id not in self._absolutes:
            self._absolutes[round_id] = absolute_of(self._ledger.measurements(round_id))
        return self._absolutes[round_id]

    def audits(self, campaign: CampaignSummary) -> tuple[ChampionAudit, ...]:
        """A campaign's audits, read again when something happened to it."""
        key, known = campaign.record.id, self._audits.get(campaign.record.id)
        if known is None or known[0] != campaign.changed_at:
            known = campaign.changed_at, audits_in(self._ledger.campaign_events(key))
            self._audits[key] = known
        return known[1]
