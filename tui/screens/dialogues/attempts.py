"""One attempt of a round against the one before it, below the note that sent that one back."""

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from rsi.agent.store.rounds import RoundView
from rsi.tui.cockpit import Cockpit
from rsi.tui.draw.styled import EMPTY_LINE, Line, Role, Span, line
from rsi.tui.lines.evidence import finding_lines
from rsi.tui.model.attempts import attempt_pairs
from rsi.tui.reading.attempt_diffs import AttemptDiff, attempt_diff
from rsi.tui.screens.dialogues.diff import DiffDialogue
from rsi.tui.screens.dialogues.steering import SteeringActions
from rsi.tui.waiting import when_done
from rsi.tui.widgets.sentence import Sentence

NOTE_ROWS = 8
"""Most rows of the note; whole it stands with the round's decisions."""


class AttemptDialogue(DiffDialogue):
    """The difference between two attempts, with the note on top."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("b", "older", "Older", show=False)]

    def __init__(self, cockpit: Cockpit, found: AttemptDiff, *, has_older: bool) -> None:
        before, after = found.pair.before.number, found.pair.after.number
        title = f"Attempt {after} against attempt {before}"
        super().__init__(cockpit, title, found.diff, text=found.text)
        self._found = found
        self._has_older = has_older

    def compose(self) -> ComposeResult:
        yield Sentence(most_rows=NOTE_ROWS, dom_id="note")
        yield from super().compose()

    def on_mount(self) -> None:
        super().on_mount()
        self.query_one("#note", Sentence).set_sentence(*note_lines(self._found))

    def key_spans(self) -> list[Span]:
        older: list[Span] = [(" b", Role.KEY), (" the attempts before ", Role.TEXT)]
        return [*super().key_spans(), *(older if self._has_older else [])]

    def action_older(self) -> None:
        if self._has_older:
            self.dismiss(True)


def note_lines(found: AttemptDiff) -> list[Line]:
    """Who sent the earlier attempt back, with which words, and what is compared below."""
    before = found.pair.before
    back = before.sent_back
    if back is None:
        lines = [line(f"Attempt {before.number} was given up without a note.", Role.DIM)]
    else:
        lines = [
            ((f"↩ {back.by} sent attempt {before.number} back: ", Role.WARN), (back.note or "without a word", Role.TEXT)),
            *(finding_lines(back.findings) if back.findings else []),
        ]  # fmt: skip
    if found.is_of_patches:
        lines.append(line("Below the two patches are compared as texts.", Role.DIM))
    return [*lines, EMPTY_LINE]


def show_attempts(
    screen: SteeringActions, view: RoundView, lineage: str, *, newest: int = 0
) -> None:
    """Show what changed between the last two attempts of a round; says so where there was one alone.

    Args:
        screen: In front of which it is shown.
        view: The round.
        lineage: Whose repository has the commits.
        newest: Pairs of attempts from the newest that are passed over.
    """
    pairs = attempt_pairs(view)
    at = len(pairs) - 1 - newest
    if at < 0:
        screen.cockpit.say(why_no_attempts(view))
        return
    code = screen.cockpit.code

    def closed(wants_older: bool | None) -> None:
        if wants_older:
            show_attempts(screen, view, lineage, newest=newest + 1)

    def show(found: AttemptDiff | None) -> None:
        if found is None:
            screen.cockpit.say("the code of these attempts is on another machine", is_problem=True)
            return
        dialogue = AttemptDialogue(screen.cockpit, found, has_older=at > 0)
        screen.push_over(dialogue, closed)

    when_done(
        screen,
        screen.cockpit.ask_ledger(lambda ledger: attempt_diff(ledger, code, lineage, pairs[at])),
        show,
        screen.say_problem,
    )


def why_no_attempts(view: RoundView) -> str:
    """Why there are no two attempts to compare, as the end of a sentence."""
    if view.state.attempt == 0:
        return "it was never sent back, so there is one attempt alone"
    return "the next attempt has left no code yet"
