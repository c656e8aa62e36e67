"""Searching a trajectory: all its steps, piece by piece, while they are still being loaded."""

from bisect import bisect_left

from textual import on

from rsi.agent.store.ledger import Ledger
from rsi.tui.model.trajectory import searchable
from rsi.tui.screens.dialogues.filtering import FilterInput
from rsi.tui.screens.replay.views import ReplayViews
from rsi.tui.waiting import when_done
from rsi.tui.widgets.vtable import VTable

SEARCHED_AT_ONCE = 500
"""Steps searched at once, so that the feed's looks come in between."""


class ReplaySearch(ReplayViews):
    """The search of the replay: what is searched for, and which steps match."""

    _search = ""
    _searched = 0
    _is_searching = False
    _goes_to_match = False
    """True from the asking until the first match is found."""

    def __init__(self) -> None:
        super().__init__()
        self._matches: list[int] = []
        """Positions of the steps that match, in order."""

    @property
    def table(self) -> VTable:
        """The list of steps."""
        raise NotImplementedError

    @property
    def position(self) -> int:
        """Position of the step under the cursor; -1 when there is none."""
        raise NotImplementedError

    def _draw_head(self) -> None:
        raise NotImplementedError

    def is_match(self, position: int) -> bool:
        """Whether the step at a position matches."""
        at = bisect_left(self._matches, position)
        return at < len(self._matches) and self._matches[at] == position

    def match_count(self) -> str:
        """How many steps match, with "…" while not all have been searched."""
        return f"{len(self._matches)}{'' if self._searched >= len(self.store) else '…'}"

    def forget_matches(self) -> None:
        """Begin the search anew, as in another trajectory."""
        self._matches, self._searched, self._is_searching = [], 0, False
        self._goes_to_match = False

    def action_search(self) -> None:
        self.query_one(FilterInput).open(self._search, back_to=self.table)

    @on(FilterInput.Submitted)
    def _search_asked(self, event: FilterInput.Submitted) -> None:
        event.stop()
        self._search = event.value.strip().lower()
        self.forget_matches()
        self._goes_to_match = True
        self._search_on()
        self.table.refresh()
        self._draw_head()

    def _search_on(self) -> None:
        """Search the next of those steps that are loaded; goes on when more of them are."""
        store, wanted, searched = self.store, self._search, self._searched
        if self._of is None or not wanted or self._is_searching or searched >= len(store):
            return
        self._is_searching = True
        round_id, agent = self._of
        after = store.seq_at(searched) - 1
        amount = min(SEARCHED_AT_ONCE, len(store) - searched)

        def look(ledger: Ledger) -> list[int]:
            events = ledger.events(round_id, agent, after, amount)
            return [each.seq for each in events if wanted in searchable(each)]

        def arrived(seqs: list[int]) -> None:
            if store is not self.store or wanted != self._search or searched != self._searched:
                return
            self._is_searching = False
            self._matches += [store.position_of(seq) for seq in seqs]
            self._searched += amount
            if self._matches and self._goes_to_match:
                self._goes_to_match = False
                self._go_to(self._matches[0])
            self._search_on()
            self.table.refresh()
            self._draw_head()

        def failed(error: Exception) -> None:
            self._is_searching = False
            self.say_problem(error)

        when_done(self, self.cockpit.ask_ledger(look), arrived, failed)

    def action_search_next(self, by: int) -> None:
        here = self.position
        found = [at for at in self._matches if (at > here if by > 0 else at < here)]
        if found:
            self._go_to(found[0] if by > 0 else found[-1])

    def go_back(self) -> bool:
        if self._search:
            self._search, self._matches, self._is_searching = "", [], False
            self.table.refresh()
            self._draw_head()
            return True
        return False
