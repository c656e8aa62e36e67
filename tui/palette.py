"""The command palette: every command of the registry that is possible here, campaigns and rounds by name."""

from collections.abc import AsyncIterator, Iterator
from typing import cast

from textual.app import App
from textual.command import DiscoveryHit, Hit, Hits, Provider
from textual.content import Content
from textual.dom import DOMNode

from rsi.agent.store.rounds import RoundView
from rsi.tui.cockpit import Cockpit
from rsi.tui.draw.safe import safe_line
from rsi.tui.model.commands import Command, Scope, in_scope, shown_key
from rsi.tui.screens.base import CockpitScreen
from rsi.tui.screens.dialogues.help import pane_scopes

Entry = tuple[str, str, "object"]
MAX_CAMPAIGNS = 300


class CommandProvider(Provider):
    """Feeds the palette from the registry and the view."""

    async def discover(self) -> Hits:
        for command in self._commands():
            yield DiscoveryHit(
                Content(_label(command, self._cockpit)),
                self._runner(command),
                text=command.title,
                help=command.help,
            )

    async def search(self, query: str) -> Hits:
        matcher = self.matcher(query)
        for command in self._commands():
            label = f"{_label(command, self._cockpit)}  {command.help}"
            score = matcher.match(label)
            if score > 0:
                yield Hit(
                    score, _highlighted(matcher.highlight(label)), self._runner(command), text=label
                )
        async for hit in self._places(query):
            yield hit

    async def _places(self, query: str) -> AsyncIterator[Hit]:
        matcher = self.matcher(query)
        view = self._cockpit.view
        for each in view.campaigns[:MAX_CAMPAIGNS]:
            record = each.record
            label = safe_line(f"campaign {record.id} {record.task} {record.track} {record.profile}")
            score = matcher.match(label)
            if score > 0:
                campaign_id = record.id
                yield Hit(score, _highlighted(matcher.highlight(label)),
                          lambda found=campaign_id: self._go_to_campaign(found), text=label)  # fmt: skip
        if view.campaign is None:
            return
        for one in view.campaign.rounds:
            label = safe_line(f"round {one.id} {one.word} {one.hypothesis}"[:160])
            score = matcher.match(label)
            if score > 0:
                yield Hit(score, _highlighted(matcher.highlight(label)),
                          lambda found=one: self._go_to_round(found), text=label)  # fmt: skip

    @property
    def _cockpit(self) -> Cockpit:
        return cast(Cockpit, self.app)

    def _commands(self) -> Iterator[Command]:
        screen = self.screen
        scope = screen.scope if isinstance(screen, CockpitScreen) else Scope.GLOBAL
        own, lists = pane_scopes(self.focused)
        # What can be done here comes before what can be done everywhere.
        for command in (c for each in (scope, *own, Scope.GLOBAL, *lists) for c in in_scope(each)):
            is_possible = not isinstance(screen, CockpitScreen) or screen.can_do(command)
            if is_possible and command.id != "global.palette":
                yield command

    def _runner(self, command: Command) -> "Runner":
        own, lists = pane_scopes(self.focused)
        if command.scope is Scope.GLOBAL:
            return Runner(self.app, self.app, command)
        return Runner(
            self.app, self.focused if command.scope in (*own, *lists) else self.screen, command
        )

    def _go_to_campaign(self, campaign_id: str) -> None:
        self._cockpit.choose(campaign_id)
        self._cockpit.open_mode("run")

    def _go_to_round(self, found: RoundView) -> None:
        self._cockpit.choose_round(found)
        self._cockpit.open_mode("replay")


class Runner:
    """Runs one command where it belongs."""

    def __init__(self, app: App[object], target: DOMNode | None, command: Command) -> None:
        self._app = app
        self._target = target
        self._command = command

    async def __call__(self) -> None:
        await self._app.run_action(self._command.action, self._target)


def _label(command: Command, cockpit: Cockpit) -> str:
    return f"{command.title}  ({shown_key(cockpit.keys_of(command))})"


def _highlighted(found: object) -> Content:
    return found if isinstance(found, Content) else Content(str(found))
