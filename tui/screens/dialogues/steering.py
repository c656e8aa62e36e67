"""Pause, resume, stop, requeue, a word to the agent, another budget: what a person asks of a campaign, the same on every screen that shows one."""

from collections.abc import Callable

from rsi.agent.store.ledger import Ledger
from rsi.agent.store.records import Asked, CampaignState, CampaignSummary, RequestKind
from rsi.tui.actions import request
from rsi.tui.draw.phrases import paid, usd
from rsi.tui.draw.styled import DASH, Line, Role, line
from rsi.tui.model.view import CampaignView
from rsi.tui.screens.base import CockpitScreen
from rsi.tui.screens.dialogues.asking import AskText, Confirm
from rsi.tui.waiting import when_done


class SteeringActions(CockpitScreen):
    """Actions on the campaign that the screen shows."""

    @property
    def steered(self) -> CampaignSummary | None:
        """The campaign that the actions are about."""
        raise NotImplementedError

    def action_pause(self) -> None:
        campaign = self.steered
        if campaign is None:
            return
        if campaign.state is CampaignState.PAUSED or self._is_pausing():
            self.write_request(RequestKind.RESUME, campaign, "goes on")
        else:
            self.write_request(RequestKind.PAUSE, campaign, "pauses after its present step")

    def action_stop(self) -> None:
        campaign = self.steered
        if campaign is None:
            return
        lines: list[Line] = [
            line(f"{campaign.record.id}: {campaign.record.task}, {campaign.rounds} rounds so far."),
            line("The round under way is dropped; everything recorded stays.", Role.DIM),
        ]
        if campaign.spend_usd:
            lines.append(
                line(f"Spent so far: {paid(campaign.spend_usd, campaign.reserved_usd)}.", Role.DIM)
            )

        def answered(answer: str | None) -> None:
            if answer:
                self.write_request(RequestKind.STOP, campaign, "is stopping")

        self.app.push_screen(Confirm("Stop this campaign?", lines, yes="stop it"), answered)

    def action_retry(self) -> None:
        campaign = self.steered
        if campaign is None:
            return
        asked = campaign.record.config.rounds
        lines: list[Line] = [
            line(
                f"{campaign.record.id}: {campaign.record.task}, {campaign.rounds} of {asked or DASH} rounds so far."
            ),
            line(
                f"A worker takes it up again; it has spent {paid(campaign.spend_usd, campaign.reserved_usd)}.",
                Role.DIM,
            ),
        ]

        def answered(answer: str | None) -> None:
            if answer:
                self.write_request(RequestKind.RETRY, campaign, "goes on when a worker takes it")

        self.app.push_screen(Confirm("Let this campaign go on?", lines, yes="go on"), answered)

    def action_message(self) -> None:
        campaign = self.steered
        if campaign is None:
            return

        def answered(text: str | None) -> None:
            if text:
                self.write_request(
                    RequestKind.MESSAGE, campaign, "will read it at its next turn", Asked(text=text)
                )

        lines: list[Line] = [
            line("The agent reads it at its next turn; it is kept with the round.", Role.DIM)
        ]
        self.app.push_screen(AskText("Message to the agent", lines, label="send"), answered)

    def action_budget(self) -> None:
        shown = self._steered_view
        if shown is None:
            return
        campaign, now = shown.summary, shown.budget_usd

        def answered(text: str | None) -> None:
            if not text:
                return
            try:
                limit = float(text)
            except ValueError:
                limit = 0.0
            if not 0 < limit < 1e9:
                self.cockpit.say(f"{text!r} is no amount in dollars above 0", is_problem=True)
                return
            self.write_request(
                RequestKind.BUDGET,
                campaign,
                f"may cost {usd(limit)}",
                Asked(limits={"budget_usd": limit}),
            )

        lines: list[Line] = [
            line(
                f"Spent {paid(campaign.spend_usd, campaign.reserved_usd)} of {usd(now) if now else 'no limit'}."
            ),
            line("Dollars that the models of this campaign may cost in all:", Role.DIM),
        ]
        self.app.push_screen(
            AskText("Budget", lines, label="set", text=f"{now:g}" if now else ""), answered
        )

    def write_request(
        self,
        kind: RequestKind,
        campaign: CampaignSummary,
        said: str,
        payload: Asked | None = None,
        *,
        round_id: str | None = None,
    ) -> None:
        """Write a request and say so."""
        campaign_id = campaign.record.id
        self.write(
            lambda ledger: request(
                ledger, kind, campaign_id=campaign_id, round_id=round_id, payload=payload
            ),
            f"{campaign_id} {said}",
        )

    def write(self, work: Callable[[Ledger], object], said: str) -> None:
        """Write to the ledger off the event loop, then say how it went.

        Args:
            work: What to write; raises `ActionRefusedError` when it may not be.
            said: The toast on success.
        """
        if self.cockpit.is_read_only:
            self.cockpit.say("read-only: nothing was written", is_problem=True)
            return

        when_done(
            self,
            self.cockpit.ask_ledger(work),
            lambda _: self.cockpit.say(said),
            self.say_problem,
        )

    def say_problem(self, error: Exception) -> None:
        """Say what went wrong."""
        self.cockpit.say(str(error), is_problem=True)

    @property
    def _steered_view(self) -> CampaignView | None:
        """The campaign with its rounds and requests, once it is read."""
        view, campaign = self.cockpit.view.campaign, self.steered
        is_read = view is not None and campaign is not None and view.id == campaign.record.id
        return view if is_read else None

    def _is_pausing(self) -> bool:
        view = self._steered_view
        return view is not None and view.is_pause_asked
