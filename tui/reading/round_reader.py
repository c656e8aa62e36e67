"""Everything about the one round that is looked at: its diff, its runs, its curves, what its agents say.

Invariant: only reads; each part is read again only when a table that it comes from has something new.
"""

import logging
from collections.abc import Set
from contextlib import suppress

from rsi.agent.errors import LedgerError
from rsi.agent.report.task_facts import TaskFacts
from rsi.agent.store.ledger import Ledger
from rsi.agent.store.records import AgentRole
from rsi.agent.store.rounds import RoundView
from rsi.agent.store.steps.facts import Committed, Critiqued
from rsi.evals.judge.judging import AGAINST_BASELINE
from rsi.evals.types import Measurement
from rsi.tui.model.code import Code
from rsi.tui.model.diffs import Diff, diff_to_show
from rsi.tui.model.pairs import PairPoint, pair_points
from rsi.tui.model.trajectory import Headline, headline
from rsi.tui.model.view import RoundDetail
from rsi.tui.reading.training import CurveReader

TAIL_EVENTS = 60
"""Steps of agents shown live; the replay shows all."""

OF_ROUND = frozenset(
    {"steps", "measurements", "gate", "log_chunks", "charges", "settlements", "trajectory"}
)
"""Tables with news about a round."""

log = logging.getLogger(__name__)


class RoundReader:
    """Reads one round after the other; keeps what has not changed of the latest."""

    def __init__(self, ledger: Ledger, code: Code) -> None:
        self._ledger = ledger
        self._code = code
        self._latest: RoundDetail | None = None
        self._curves: CurveReader | None = None
        self._tail_round = ""
        self._tail_kept: tuple[Headline, ...] = ()

    def needs(self, round_id: str, changed: Set[str]) -> bool:
        """Whether there may be something new about a round."""
        return not self._is_latest(round_id) or not OF_ROUND.isdisjoint(changed)

    def _is_latest(self, round_id: str) -> bool:
        return self._latest is not None and self._latest.view.id == round_id

    @property
    def latest(self) -> RoundDetail | None:
        """What was read last."""
        return self._latest

    def forget(self) -> None:
        """No round is looked at."""
        self._latest = None

    def read(self, view: RoundView, changed: Set[str], facts: TaskFacts) -> RoundDetail:
        """The round with its details.

        Args:
            view: The round as it stands now.
            changed: Names of the tables with something new since the last reading.
            facts: What its task declares.
        """
        old = self._latest if self._is_latest(view.id) else None
        text, diff = self._diff(view, changed, old)
        measured, points = self._runs(view, changed, old, facts)
        streams = (
            old.streams
            if old and "log_chunks" not in changed
            else self._ledger.log_streams(view.id)
        )
        if old is None or self._curves is None:
            self._curves = CurveReader(self._ledger, view.id)
        name, curves = self._curves.read(streams, measured)
        has_spoken = old is None or "trajectory" in changed
        critique = view.left(Critiqued)
        self._latest = RoundDetail(
            view=view,
            diff=diff,
            diff_text=text,
            measurements=measured,
            points=points,
            curves=curves,
            curve_name=name,
            critique="" if critique is None else critique.text,
            streams=streams,
            tail=self._tail(view.id) if has_spoken or old is None else old.tail,
            agents=self._agents(view.id) if has_spoken or old is None else old.agents,
        )
        return self._latest

    def _diff(
        self, view: RoundView, changed: Set[str], old: RoundDetail | None
    ) -> tuple[str, Diff]:
        """The candidate's diff, parsed again only when it is another text."""
        if old is not None and "steps" not in changed:
            return old.diff_text, old.diff
        text = diff_text(self._ledger, self._code, view)
        is_same = old is not None and old.diff_text == text
        return text, old.diff if is_same and old is not None else diff_to_show(text)

    def _runs(
        self, view: RoundView, changed: Set[str], old: RoundDetail | None, facts: TaskFacts
    ) -> tuple[tuple[Measurement, ...], tuple[PairPoint, ...]]:
        """The attempt's measurements and its pairs, read again only when there are new ones."""
        attempt = view.state.attempt
        is_same = old is not None and old.view.state.attempt == attempt
        if old is not None and is_same and "measurements" not in changed:
            return old.measurements, old.points
        measured = self._ledger.measurements(view.id, attempt=attempt)
        points = pair_points(
            # Against the baseline a ratio holds many steps; it says little of this candidate's own.
            [each for each in measured if each.purpose not in AGAINST_BASELINE],
            is_lower_better=facts.is_lower_better,
            is_spoiled_by_load=facts.is_spoiled_by_load,
        )
        return measured, points

    def _agents(self, round_id: str) -> tuple[AgentRole, ...]:
        return tuple(each for each in AgentRole if self._ledger.next_event_seq(round_id, each))

    def _tail(self, round_id: str) -> tuple[Headline, ...]:
        """The latest steps of all agents; each event is read once, though the pane shows it many times."""
        if self._tail_round != round_id:
            self._tail_round, self._tail_kept = round_id, ()
        kept = list(self._tail_kept)
        for agent in AgentRole:
            own = [each.seq for each in kept if each.agent is agent]
            following = self._ledger.next_event_seq(round_id, agent)
            after = max(own[-1] if own else -1, following - TAIL_EVENTS - 1)
            if following - 1 > after:
                kept += [headline(each) for each in self._ledger.events(round_id, agent, after)]
        kept.sort(key=lambda each: each.at)
        self._tail_kept = tuple(kept[-TAIL_EVENTS:])
        return self._tail_kept


def diff_text(ledger: Ledger, code: Code, view: RoundView) -> str:
    """A candidate's diff: from the ledger where it is kept there, else from the lineage's repository; "" without one."""
    committed = view.left(Committed)
    if committed is not None:
        lineage = ledger.campaign(view.record.campaign_id).lineage
        found = patch_text(ledger, code, lineage, committed)
        if found is not None:
            return found
        log.warning("round=%s step=diff outcome=missing_blob", view.id)
    return "" if view.report is None else view.report.diff


def patch_text(ledger: Ledger, code: Code, lineage: str, committed: Committed) -> str | None:
    """What a commit changed; None when neither ledger nor repository has it."""
    # A recording keeps no blobs; the repository has the same text then.
    with suppress(LedgerError):
        return ledger.blob(committed.diff_sha256).decode(errors="replace")
    return code.diff(lineage, committed.parent, committed.commit)
