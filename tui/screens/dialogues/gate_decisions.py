"""What a person decides at the gate, and how it is asked: a second, different key, a reason, exactly what was shown.

Invariant: a decision names the commit and the score digest that were on the screen when it was begun; when something
else is shown by the time it is answered, nothing is written.
"""

from dataclasses import dataclass

from rsi.agent.store.ledger import Ledger
from rsi.agent.store.records import DecisionAction, DecisionRecord, RequestKind
from rsi.tasks.files.diffs import compare_texts, render
from rsi.tui.actions import record_decision
from rsi.tui.draw.phrases import interval, paid, plural
from rsi.tui.draw.styled import Line, Role, line
from rsi.tui.lines.evidence import bound_to
from rsi.tui.model.view import GateItem, RoundDetail
from rsi.tui.programs import suffix_of
from rsi.tui.screens.dialogues.asking import AskText, Confirm
from rsi.tui.screens.dialogues.steering import SteeringActions
from rsi.tui.widgets.diffview import DiffView

_PATCH_ROLES = {"+": Role.GOOD, "-": Role.BAD, "@": Role.HUNK}
_DONE = {
    DecisionAction.APPROVE: "approved",
    DecisionAction.REJECT: "rejected",
    DecisionAction.REVISE: "sent back",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """Exactly what is on the screen, and so what a decision is about."""

    round_id: str
    commit: str
    score_digest: str


class GateDecisions(SteeringActions):
    """The actions that write a decision about what is shown."""

    _shown: Shown | None

    @property
    def item(self) -> GateItem | None:
        """The candidate that is shown."""
        raise NotImplementedError

    @property
    def detail(self) -> RoundDetail | None:
        """Its details, once they are read."""
        raise NotImplementedError

    @property
    def diff(self) -> DiffView:
        """Its code."""
        raise NotImplementedError

    def why_not_approve(self) -> str:
        """Why approving is not possible now; empty when it is."""
        raise NotImplementedError

    def action_approve(self) -> None:
        shown, item = self._shown, self.item
        if shown is None or item is None or self.why_not_approve():
            return
        if not item.round.held_by:
            self._confirm_approval(shown, item, "")
            return
        lines: list[Line] = [(("▲ ", Role.WARN), (each, Role.TEXT)) for each in item.round.held_by]
        lines.append(
            line("Approving goes against this. Say why; it is recorded with your name.", Role.DIM)
        )

        def answered(reason: str | None) -> None:
            if reason:
                self._confirm_approval(shown, item, reason)

        self.app.push_screen(AskText("Override", lines, label="go on"), answered)

    def _confirm_approval(self, shown: Shown, item: GateItem, reason: str) -> None:
        lines: list[Line] = [
            line(item.round.hypothesis or item.round.id, Role.STRONG),
            (("effect  ", Role.DIM), (interval(item.round.effect), Role.STRONG)),
            (
                ("cost    ", Role.DIM),
                (paid(item.round.spend_usd, item.round.reserved_usd), Role.TEXT),
            ),
            bound_to(item.round),
            line("It becomes the champion, and the next round starts from it.", Role.DIM),
        ]
        if reason:
            lines.append((("override: ", Role.WARN), (reason, Role.TEXT)))

        def answered(answer: str | None) -> None:
            if answer:
                self._decide(shown, DecisionAction.APPROVE, reason)

        self.app.push_screen(Confirm(f"Approve {shown.round_id}?", lines, yes="approve"), answered)

    def action_reject(self) -> None:
        self._ask_and_decide(
            DecisionAction.REJECT,
            "Reject",
            "Why? The agent reads it before its next idea.",
            "reject",
        )

    def action_revise(self) -> None:
        self._ask_and_decide(
            DecisionAction.REVISE,
            "Send back",
            "What should be changed? The agent tries again.",
            "send back",
        )

    def _ask_and_decide(
        self, action: DecisionAction, title: str, question: str, label: str
    ) -> None:
        shown, item = self._shown, self.item
        if shown is None or item is None:
            return

        def answered(reason: str | None) -> None:
            if reason:
                self._decide(shown, action, reason)

        lines = [
            line(item.round.hypothesis or item.round.id, Role.STRONG),
            line(question, Role.DIM),
        ]
        self.app.push_screen(AskText(f"{title} {shown.round_id}", lines, label=label), answered)

    def _decide(self, shown: Shown, action: DecisionAction, reason: str) -> None:
        if shown != self._shown:
            self.cockpit.say("it changed while you decided; look at it again", is_problem=True)
            return

        def work(ledger: Ledger) -> DecisionRecord:
            return record_decision(
                ledger, shown.round_id, action,
                reason=reason, commit=shown.commit, score_digest=shown.score_digest,
            )  # fmt: skip

        self.write(work, f"{_DONE[action]} {shown.round_id}; the worker carries it out")

    def action_more_pairs(self) -> None:
        item = self.item
        if item is None:
            return
        best = item.round.confirm or item.round.score
        lines: list[Line] = [
            line(item.round.hypothesis or item.round.id, Role.STRONG),
            (("so far  ", Role.DIM), (interval(item.round.effect), Role.TEXT),
             (f" from {plural(best.pairs_used, 'pair')}" if best else "", Role.DIM)),
            line("More take device time. They stand beside the verdict and do not change it.", Role.DIM),
        ]  # fmt: skip

        def answered(answer: str | None) -> None:
            if answer:
                self.write_request(
                    RequestKind.AUDIT, item.campaign, "measures more pairs", round_id=item.round.id
                )

        self.app.push_screen(Confirm("Measure more pairs?", lines, yes="measure"), answered)

    def action_edit(self) -> None:
        """Change the file under the diff's cursor; the change goes back to the agent as a patch to apply."""
        detail, shown, item = self.detail, self._shown, self.item
        if detail is None or shown is None or item is None or not detail.diff.hunks:
            return
        path = detail.diff.files[detail.diff.hunks[self.diff.current_hunk].file_index].path
        tree = self.cockpit.code.tree(item.campaign.record.lineage, shown.commit)
        if tree is None or path not in tree:
            self.cockpit.say(f"{path} is not at hand here", is_problem=True)
            return
        if "\ufffd" in tree[path]:
            self.cockpit.say(
                f"{path} is not text that an editor would leave whole", is_problem=True
            )
            return
        changed = self.cockpit.edit_outside(tree[path], suffix=suffix_of(path))
        if changed is None:
            self.cockpit.say("nothing was changed")
            return
        patch = render([compare_texts(path, tree[path], changed)])
        lines: list[Line] = [
            line("The candidate goes back with your change and is measured again.", Role.DIM)
        ]
        lines += [
            line(each, _PATCH_ROLES.get(each[:1], Role.TEXT)) for each in patch.splitlines()[:20]
        ]

        def answered(answer: str | None) -> None:
            if answer:
                self._decide(
                    shown,
                    DecisionAction.REVISE,
                    # A last line of context may be blank; within a fence it is not taken off.
                    f"Apply this change, then submit:\n```diff\n{patch}```",
                )

        self.app.push_screen(
            Confirm("Send back with this change?", lines, yes="send back"), answered
        )
