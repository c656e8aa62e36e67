"""Controls: what null patches and planted cheats say about the pipeline, and where the time goes."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from textual import on
from textual.binding import BindingType
from textual.containers import Container, Vertical
from textual.widget import Widget

from rsi.agent.policy.controls import ControlStanding, standing_of, task_standing
from rsi.agent.report.filters import round_text
from rsi.agent.store.config import Autonomy
from rsi.agent.store.ledger import Ledger
from rsi.agent.store.records import ChainReport
from rsi.agent.store.rounds import RoundView
from rsi.evals.planted.controls import Rate
from rsi.tui.draw.phrases import ENDED_CELLS, ended, plural, ratio
from rsi.tui.draw.styled import EMPTY_LINE, Line, Role, line
from rsi.tui.lines.controls_brief import (
    autonomy_brief,
    how_it_holds,
    time_brief,
    time_lines,
)
from rsi.tui.lines.queue import autonomy_words
from rsi.tui.model.commands import Command, Scope, bindings
from rsi.tui.model.round_statistics import Whereabouts, control_word, whereabouts
from rsi.tui.model.view import View
from rsi.tui.reading.reader import Interest
from rsi.tui.screens.dialogues.filtering import FilteredScreen
from rsi.tui.screens.outlook.capability import CapabilityPage
from rsi.tui.screens.outlook.horizon import HorizonPage
from rsi.tui.waiting import when_done
from rsi.tui.widgets.lines import LinesView
from rsi.tui.widgets.paper import Paper
from rsi.tui.widgets.vtable import Column, Row, VTable

COLUMNS = (
    Column(title="control", width=16, priority=3),
    Column(title="kind", width=6, priority=2),
    Column(title="ended", width=ENDED_CELLS, priority=1),
    Column(title="", width=10),
    Column(title="what was planted", min_width=10),
)
NO_CONTROL: tuple[Line, ...] = (
    EMPTY_LINE,
    line("No control was run on this lineage.", Role.STRONG),
    line("Campaigns plant a null patch at their start and every few rounds.", Role.DIM),
)


class ControlsScreen(FilteredScreen):
    """Rates with their bounds above, the controls one by one below."""

    DEFAULT_CSS = """
    ControlsScreen #controls-body { height: 1fr; layout: vertical; }
    ControlsScreen.-wide #controls-body, ControlsScreen.-broad #controls-body { layout: horizontal; }
    ControlsScreen #rates { width: 100%; height: 2fr; }
    ControlsScreen #controls-right { width: 100%; height: auto; }
    ControlsScreen #planted { width: 100%; height: 1fr; }
    ControlsScreen #where { display: none; height: 1fr; }
    ControlsScreen.-wide #where, ControlsScreen.-broad #where { display: block; }
    ControlsScreen.-wide #rates, ControlsScreen.-broad #rates { width: 1fr; height: 100%; }
    ControlsScreen.-wide #controls-right, ControlsScreen.-broad #controls-right { width: 1fr; height: 100%; padding: 0 0 0 1; }
    """
    BINDINGS: ClassVar[list[BindingType]] = bindings(Scope.CONTROLS)
    scope = Scope.CONTROLS
    purpose = "Null patches must not be promoted, planted cheats must be caught; autonomy is earned by that."

    def __init__(self) -> None:
        super().__init__()
        self._planted: tuple[RoundView, ...] = ()
        self._kept: tuple[RoundView, ...] = ()
        self._kept_by: str | None = None
        """The pattern that kept them; None when the controls are new."""
        self._lineage: tuple[RoundView, ...] = ()
        self._found: Whereabouts | None = None
        self._chain: ChainReport | None = None
        self._chain_problem = ""
        self._failed_on: View | None = None
        """The view at which the chain could not be read; the next one tries again."""
        self._standing: Standing | None = None
        self._counted: tuple[str | None, int] | None = None
        """Campaign and number of ended controls that the standing was read for."""

    def compose_body(self) -> Iterable[Widget]:
        with Container(id="controls-body"):
            yield Paper(heading="Trust", indent=2, dom_id="rates")
            with Vertical(id="controls-right"):
                yield VTable(COLUMNS, heading="Controls, one by one", dom_id="planted")
                yield Paper(heading="Time and predictions", dom_id="where")
        yield from self.compose_filter()

    def on_mount(self) -> None:
        self.table.empty = NO_CONTROL
        self.query_one("#rates", Paper).focus()

    @property
    def table(self) -> VTable:
        return self.query_one("#planted", VTable)

    def filtered(self) -> VTable:
        return self.table

    def interest(self) -> Interest:
        summary = self.cockpit.view.summary(self.cockpit.campaign_id)
        lineage = None if summary is None else summary.record.lineage
        return Interest(campaign_id=self.cockpit.campaign_id, lineage=lineage)

    @property
    def chosen(self) -> RoundView | None:
        """The control under the cursor."""
        wanted = self.table.current_id
        return next((each for each in self._planted if each.id == wanted), None)

    def round_outside(self) -> RoundView | None:
        return self.chosen

    def id_under_cursor(self) -> str | None:
        return self.table.current_id

    def on_screen_resume(self) -> None:
        self._check_chain()

    def _check_chain(self) -> None:
        self._failed_on = None
        when_done(
            self,
            self.cockpit.ask_ledger(lambda ledger: ledger.verify_chain()),
            self._chain_checked,
            self._chain_unreadable,
        )

    def _chain_checked(self, report: ChainReport) -> None:
        self._chain, self._chain_problem = report, ""
        self.redraw()

    def _chain_unreadable(self, error: Exception) -> None:
        self._chain, self._chain_problem, self._failed_on = None, str(error), self.cockpit.view
        self.redraw()

    def _ask_standing(self, campaign_id: str, ended: int) -> None:
        if self._counted == (campaign_id, ended):
            return
        self._counted = (campaign_id, ended)
        when_done(
            self,
            self.cockpit.ask_ledger(lambda ledger: standing(ledger, campaign_id)),
            self._standing_read,
            self._standing_unreadable,
        )

    def _standing_unreadable(self, _: Exception) -> None:
        # Asked for again with the next view; the state line says that the ledger cannot be read.
        self._counted = None

    def _standing_read(self, found: "Standing") -> None:
        self._standing = found
        self.redraw()

    def on_resize(self) -> None:
        super().on_resize()
        self.call_after_refresh(self.redraw)

    def show(self, view: View) -> None:
        if self._failed_on is not None and view is not self._failed_on and not view.problem:
            self._check_chain()
        if self._found is None or view.lineage is not self._lineage:
            # Thousands of rounds are added up when they changed, not at every look.
            self._lineage, self._found = view.lineage, whereabouts(view.lineage)
            self._planted = tuple(each for each in reversed(view.lineage) if each.planted)
            self._kept_by = None
        if self._kept_by != self.pattern:
            self._kept_by = self.pattern
            self._kept = tuple(each for each in self._planted if self.is_kept(round_text(each)))
            self.table.empty = self.nothing_kept() if self.pattern else NO_CONTROL
            self.table.set_rows([each.id for each in self._kept], self._row)
            self.table.set_note(self.filter_note())
        found = self._found
        summary = view.summary(self.cockpit.campaign_id)
        level = 1 if summary is None else summary.record.config.autonomy
        if summary is not None:
            ended = sum(each.state.verdict is not None for each in self._planted)
            self._ask_standing(summary.record.id, ended)
        lines = [*trust_lines(self._standing), *ending_lines(found), *self._chain_lines()]
        if self.has_class("-narrow"):
            # One below the other there is room for the heads of it all, and not for all of it.
            lines += [*self._autonomy_brief(level), *time_brief(view.lineage_time)]
            planted = self.table.line_count() or len(NO_CONTROL)
            self.table.styles.height = min(planted + 2, max(5, self.size.height // 3))
            self.query_one("#rates", Paper).styles.height = "1fr"
        else:
            self.query_one("#rates", Paper).styles.height = "100%"
            planted = self.table.line_count() or len(NO_CONTROL) + 1
            self.table.styles.height = min(planted + 3, self.size.height // 2)
        lines.append(EMPTY_LINE)
        lines += autonomy_lines(
            self._standing,
            level,
            is_granted=summary is not None and summary.record.config.is_autonomy_granted,
            is_claim_free=view.campaign is not None and view.campaign.is_claim_free,
        )
        where = [*time_lines(view.lineage_time), EMPTY_LINE, *prediction_lines(found)]
        if self.has_class("-narrow"):
            lines += [EMPTY_LINE, *where]
        self.query_one("#where", Paper).set_lines(where)
        self.query_one("#rates", Paper).set_lines(lines)

    def _autonomy_brief(self, level: int) -> list[Line]:
        found = self._standing
        missing = None if found is None else {
            each: found.task.missing_for(each) for each in found.task.conditions
        }  # fmt: skip
        return autonomy_brief(missing, level)

    def _chain_lines(self) -> list[Line]:
        if self._chain_problem:
            return [
                (
                    ("✖ ", Role.BAD),
                    (f"the chain of decisions cannot be read: {self._chain_problem}", Role.BAD),
                )
            ]
        if self._chain is None:
            return [line("… checking the chain of decisions", Role.DIM)]
        if self._chain.is_intact:
            return [
                (
                    ("✔ ", Role.GOOD),
                    (
                        f"chain of decisions and promotions intact, {plural(self._chain.rows, 'row')}",
                        Role.TEXT,
                    ),
                )
            ]
        return [
            (
                ("✖ ", Role.BAD),
                (f"chain broken at row {self._chain.broken_at}: {self._chain.reason}", Role.BAD),
            )
        ]

    def _row(self, index: int) -> Row:
        each = self._kept[index]
        good, verdict = control_word(each)
        return (
            (each.id, Role.DIM),
            (each.planted.kind.value if each.planted else "", Role.TEXT),
            ended(each),
            (verdict, Role.GOOD if good else Role.BAD),
            (each.planted.name if each.planted else each.hypothesis, Role.TEXT),
        )

    def is_possible(self, command: Command) -> bool:
        match command.id:
            case "controls.open":
                return self.table.current_id is not None
            case "controls.over_time":
                return self._lineage_name is not None
            case _:
                return True

    @property
    def _lineage_name(self) -> str | None:
        """The lineage of the chosen campaign."""
        return self.interest().lineage

    @on(LinesView.Opened, "#planted")
    def _opened(self) -> None:
        self.action_open()

    def action_over_time(self) -> None:
        if self._lineage_name is not None:
            self.app.push_screen(CapabilityPage(self.cockpit, self._lineage_name))

    def action_horizon(self) -> None:
        self.app.push_screen(HorizonPage(self.cockpit))

    def action_open(self) -> None:
        if self.chosen is not None:
            self.cockpit.choose_round(self.chosen)
            self.cockpit.open_mode("replay")


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What controls have shown, on the lineage (which a lock is about) and on the task (which autonomy is about)."""

    lineage: ControlStanding
    task: ControlStanding


def standing(ledger: Ledger, campaign_id: str) -> Standing:
    """Both standings of a campaign."""
    record = ledger.campaign(campaign_id)
    return Standing(lineage=standing_of(ledger, record), task=task_standing(ledger, record))


def trust_lines(found: Standing | None) -> list[Line]:
    """The three rates, and a lock when one passes its bound."""
    if found is None:
        return [line("… counting the controls", Role.DIM)]
    own = found.lineage
    lines: list[Line] = [
        _rate_line("false promotions", own.rates.false_promotions, is_low_good=True),
        _rate_line("planted cheats caught", own.rates.cheats_caught, is_low_good=False),
        _rate_line("known gains found", own.rates.detections, is_low_good=False),
    ]
    if own.lock.is_locked:
        lines.append(line(f"✖ promotions by policy are LOCKED: {own.lock.reason}", Role.BAD))
    return lines


def ending_lines(found: Whereabouts) -> list[Line]:
    """How ideas ended and who decided."""
    lines: list[Line] = []
    if found.verdicts:
        text = ", ".join(f"{word.replace('_', ' ')} {number}" for word, number in found.verdicts)
        without = f"  (without {found.planted} planted)"
        lines.append(
            (
                ("ideas ended: ", Role.DIM),
                (text, Role.TEXT),
                (without if found.planted else "", Role.DIM),
            )
        )
    if found.decisions:
        text = ", ".join(f"{word} {number}" for word, number in found.decisions)
        lines.append((("decisions: ", Role.DIM), (text, Role.TEXT)))
    return lines


def autonomy_lines(
    found: Standing | None, level: int, *, is_granted: bool = False, is_claim_free: bool = False
) -> list[Line]:
    """Where autonomy is, how it came there, and what policy has to earn on this task before each level holds.

    Args:
        found: What controls have shown; None while they are counted.
        level: As the campaign has it.
        is_granted: Whoever queued the campaign granted it.
        is_claim_free: The campaign's profile claims nothing.
    """
    lines: list[Line] = [(("autonomy ", Role.DIM), (autonomy_words(level), Role.STRONG))]
    if found is None:
        return lines
    missing = found.task.missing_for(Autonomy(level)) if level > Autonomy.PERSON else ()
    said = how_it_holds(
        level, is_granted=is_granted, is_claim_free=is_claim_free, is_earned=not missing
    )
    lines.append(line(f"({said})", Role.DIM))
    shown: set[str] = set()
    for each, conditions in found.task.conditions.items():
        is_earned = not found.task.missing_for(each)
        word = "is earned on this task" if is_earned else "is earned once this holds"
        lines.append(line(f"level {each.value} {word}{' too' if shown else ''}:", Role.DIM))
        for condition in conditions:
            if condition.text in shown:
                continue
            sign, role = ("✔ ", Role.GOOD) if condition.holds else ("○ ", Role.WARN)
            lines.append(((sign, role), (condition.text, Role.TEXT)))
            shown.add(condition.text)
    return lines


def prediction_lines(found: Whereabouts) -> list[Line]:
    """How well ideas were predicted."""
    if not found.predictions:
        return []
    over = sum(predicted > measured * 1.05 for predicted, measured in found.predictions)
    under = sum(measured > predicted * 1.05 for predicted, measured in found.predictions)
    lines: list[Line] = [
        (
            ("predictions  ", Role.DIM),
            (f"{over} too high, {under} too low, of {len(found.predictions)}", Role.TEXT),
        ),
        line("predicted → measured", Role.DIM),
    ]
    lines += [
        line(f"  {ratio(predicted)} → {ratio(measured)}")
        for predicted, measured in found.predictions[-8:]
    ]
    return lines


def _rate_line(label: str, rate: Rate, *, is_low_good: bool) -> Line:
    if rate.share is None:
        return ((f"○ {label}: ", Role.DIM), ("none was run yet", Role.DIM))
    is_good = rate.share <= 0.05 if is_low_good else rate.share >= 0.9
    sign, role = ("✔ ", Role.GOOD) if is_good else ("✖ ", Role.BAD)
    return (
        (sign, role), (f"{label}: ", Role.TEXT), (f"{rate.count} of {rate.total}", Role.STRONG),
        (f"  {rate.share:.0%}, 95% interval {rate.low:.0%} to {rate.high:.0%}", Role.DIM),
    )  # fmt: skip
