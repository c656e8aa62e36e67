"""What the replay shows of a step besides the step itself: the code as of it, its diff, other programs, other rounds."""

from collections.abc import Callable, Mapping
from typing import TypeVar

from rsi.agent.store.ledger import Ledger
from rsi.agent.store.records import AgentRole, CampaignRecord, TrajectoryEvent
from rsi.agent.trajectory.recorded import turn_at
from rsi.tui.actions import fork
from rsi.tui.draw.styled import EMPTY_LINE, Line, Role, line, plain
from rsi.tui.errors import ActionRefusedError
from rsi.tui.model.diffs import colour_lines, diff_to_show
from rsi.tui.model.trajectory import CodeAsOf, code_as_of, event_lines
from rsi.tui.reading.event_store import EventStore
from rsi.tui.screens.dialogues.asking import AskText
from rsi.tui.screens.dialogues.attempts import show_attempts
from rsi.tui.screens.dialogues.steering import SteeringActions
from rsi.tui.screens.replay.side_by_side import show_side_by_side
from rsi.tui.waiting import when_done
from rsi.tui.widgets.diffview import DiffView
from rsi.tui.widgets.paper import Paper

T = TypeVar("T")

VIEWS = ("step", "diff", "code")


class ReplayViews(SteeringActions):
    """The parts of the replay that read more than one event."""

    store: EventStore
    shown_view = "step"
    _code_key: tuple[object, ...] = ()
    _marked_round: tuple[str, AgentRole] | None = None
    _of: tuple[str, AgentRole] | None

    @property
    def event(self) -> TrajectoryEvent | None:
        """The event under the cursor."""
        raise NotImplementedError

    def fetch(self, work: Callable[[Ledger], T], arrived: Callable[[T], None]) -> None:
        """Read from the ledger off the event loop."""
        raise NotImplementedError

    def _draw_step(self) -> None:
        raise NotImplementedError

    def _go_to(self, position: int) -> None:
        raise NotImplementedError

    # --- the code as of a step ---

    def action_other_view(self) -> None:
        self.shown_view = VIEWS[(VIEWS.index(self.shown_view) + 1) % len(VIEWS)]
        self.set_class(self.shown_view == "diff", "-diff")
        self._code_key = ()
        self._draw_step()

    def forget_views(self) -> None:
        """Another round is shown."""
        self._code_key = ()

    def draw_code(self, position: int) -> None:
        """Draw the code as of a step, or what changed up to it."""
        if self._of is None:
            return
        seq = self.store.seq_at(position)
        edits = [each for each in self.store.edits if each <= seq]
        key = (self._of, tuple(edits[-1:]), len(edits), self.shown_view)
        if key == self._code_key:
            return
        self._code_key = key
        round_id, agent = self._of
        shells = sum(each <= seq for each in self.store.shells)
        lineage = "" if self.steered is None else self.steered.record.lineage
        code, base, failed = (
            self.cockpit.code,
            self.store.base_commit,
            frozenset(self.store.failed_calls),
        )

        def work(ledger: Ledger) -> CodeAsOf:
            before: Mapping[str, str] = (code.tree(lineage, base) or {}) if base else {}
            events: list[TrajectoryEvent] = []
            for each in edits:
                events += ledger.events(round_id, agent, each - 1, 1)
            events = [each for each in events if each.payload.get("id") not in failed]
            found = code_as_of(before, events, seq)
            return CodeAsOf(
                before=found.before, after=found.after, edits=found.edits, shell_commands=shells
            )

        def arrived(found: CodeAsOf) -> None:
            if key == self._code_key:
                self._show_code(found)

        self.fetch(work, arrived)

    def _show_code(self, found: CodeAsOf) -> None:
        caveat = (
            f", {found.shell_commands} shell commands not followed" if found.shell_commands else ""
        )
        note: Line = ((f"{found.edits} edits{caveat}", Role.DIM),)
        if self.shown_view == "diff":
            view = self.query_one("#body-diff", DiffView)
            view.empty = (EMPTY_LINE, line("Nothing was edited up to this step.", Role.DIM))
            view.set_diff(diff_to_show(found.diff_text), key=self._code_key)
            view.set_note(note)
            return
        body = self.query_one("#body", Paper)
        body.heading = "Code as of this step"
        body.set_note(note)
        body.set_lines(_code_lines(found), from_top=True)

    # --- other programs ---

    def text_outside(self) -> str:
        event = self.event
        return "" if event is None else "".join(f"{plain(each)}\n" for each in event_lines(event))

    # --- other rounds ---

    def action_compare(self) -> None:
        """Mark this round; on another one, show both side by side from where they part."""
        if self._of is None:
            return
        if self._marked_round is None or self._marked_round == self._of:
            self._marked_round = self._of
            self.cockpit.say(f"marked {self._of[0]}; press = on another round (H L) to compare")
            return
        one, two = self._marked_round, self._of
        self._marked_round = None
        show_side_by_side(self, one, two)

    def action_attempts(self) -> None:
        """Show what changed between the last two attempts of this round."""
        shown = self.cockpit.view.round
        if self._of is None or shown is None or shown.view.id != self._of[0] or not self.steered:
            return
        show_attempts(self, shown.view, self.steered.record.lineage)

    def action_fork(self) -> None:
        """Queue a round that goes on after the turn under the cursor, with a word to the agent if there is one."""
        event, home = self.event, self.cockpit.home
        if event is None or self._of is None:
            return
        round_id, agent = self._of
        if agent is not AgentRole.PROPOSER:
            self.cockpit.say("only the proposer's run can be gone on from", is_problem=True)
            return
        if home is None:
            self.cockpit.say("this cockpit has a ledger but no home; use `rsi fork`")
            return

        def arrived(turn: int) -> None:
            after = f"after turn {turn}" if turn else "from the start, with the same brief"
            lines: list[Line] = [
                line(f"A campaign of one round goes on {after} of {round_id}:", Role.TEXT),
                line("same files, same words so far, same model and lineage.", Role.DIM),
                line("Words for the agent at that point; may be empty:", Role.DIM),
            ]

            def answered(say: str | None) -> None:
                if say is None:
                    return
                self.cockpit.say("queueing, and starting a worker when none runs …")
                future = self.cockpit.work_aside(
                    lambda ledger: fork(ledger, home, round_id, step=turn, say=say)
                )
                when_done(self, future, queued, self.say_problem)

            def queued(record: CampaignRecord) -> None:
                self.cockpit.say(f"queued {record.id}: {round_id} goes on {after}")

            self.push_over(AskText("Fork", lines, label="queue it", may_be_empty=True), answered)

        when_done(
            self,
            self.cockpit.ask_ledger(lambda ledger: turn_of(ledger, round_id, event.seq)),
            arrived,
            self.say_problem,
        )


def turn_of(ledger: Ledger, round_id: str, seq: int) -> int:
    """Number of the proposer's turn that an event belongs to; 0 before its first.

    Raises:
        ActionRefusedError: It is of a run that does not count, or was recorded by a version that kept less.
    """
    try:
        return turn_at(ledger.events(round_id, AgentRole.PROPOSER), seq)
    except (KeyError, ValueError) as error:
        raise ActionRefusedError(f"{round_id} cannot be gone on from here: {error}") from error


def _code_lines(found: CodeAsOf) -> list[Line]:
    """The files that changed, whole; then the names of the others."""
    changed = [path for path in sorted(found.after) if found.before.get(path) != found.after[path]]
    lines: list[Line] = []
    for path in changed:
        lines.append(line(path, Role.TITLE))
        texts = tuple(found.after[path].split("\n"))
        old = frozenset((found.before.get(path) or "").split("\n"))
        for number, (text, spans) in enumerate(
            zip(texts, colour_lines(path, texts), strict=True), start=1
        ):
            sign = ("  ", Role.DIM) if text in old else ("▎ ", Role.GOOD)
            lines.append(((f"{number:>5} ", Role.DIM), sign, *spans))
        lines.append(EMPTY_LINE)
    others = [path for path in sorted(found.after) if path not in changed]
    if others:
        lines.append(line("Unchanged", Role.TITLE))
        lines += [line(f"  {path}", Role.DIM) for path in others]
    return lines or [
        line("Nothing was edited up to this step, and the repository is not here.", Role.DIM)
    ]
