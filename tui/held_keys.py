"""Keys one after the other: the next one is handed on when what the last one asked for has happened.

Textual hands a key to what has the focus when the key arrives. Of a burst ("/name" from a quick hand, a script or a busy
machine) the first key moves the focus only after the others were handed to a list, where letters are commands.
Invariant: a key, or a paste, meets the screen and the focus that the one before it left.
"""

import asyncio
from collections import deque

from textual import events
from textual.app import App
from textual.dom import DOMNode
from textual.screen import Screen
from textual.widget import Widget

Typed = events.Key | events.Paste

LOOK_EVERY_S = 0.01
"""Between two looks at whether a node that is waited for is still there."""
ROUNDS = 2
"""A key may leave a message, such as "submitted", that does something in its turn."""


class HeldKeys:
    """Holds what is typed while the last key is at work."""

    def __init__(self, app: App[None]) -> None:
        self._app = app
        self._held: deque[Typed] = deque()
        self._passing: Typed | None = None
        self._work: asyncio.Task[None] | None = None

    def holds(self, event: Typed) -> bool:
        """Whether this one has to wait; when not, the application hands it on now.

        Args:
            event: As it came from the terminal.
        """
        if event is self._passing:
            self._passing = None
            return False
        if self._work is not None:
            self._held.append(event)
            return True
        self._work = asyncio.create_task(self._work_off(self._target()))
        return False

    def stop(self) -> None:
        """Forget what is held."""
        self._held.clear()
        if self._work is not None:
            self._work.cancel()

    def _target(self) -> Widget:
        return self._app.focused or self._app.screen

    async def _work_off(self, target: Widget) -> None:
        try:
            await self._settled(target)
            while self._held:
                self._passing, target = self._held.popleft(), self._target()
                self._app.post_message(self._passing)
                await self._settled(target)
        finally:
            self._work = None

    async def _settled(self, target: Widget) -> None:
        """Wait until a key has gone from its target up to the application, and what it left behind is done too."""
        for _ in range(ROUNDS):
            for node in [self._app, *target.ancestors_with_self]:
                await _worked_off(node)
            while (screen := self._in_front()) is not None and not screen.is_mounted:
                await asyncio.sleep(LOOK_EVERY_S)
            for node in [each for each in (screen, self._app) if each is not None]:
                await _worked_off(node)

    def _in_front(self) -> Screen[object] | None:
        stack = self._app.screen_stack
        return stack[-1] if stack else None


async def _worked_off(node: DOMNode) -> None:
    """Wait until a node has taken what is in its queue now, or is gone."""
    done = asyncio.Event()
    if not node.is_running or not node.call_later(done.set):
        return
    while not done.is_set() and node.is_running:
        try:
            await asyncio.wait_for(done.wait(), LOOK_EVERY_S)
        except TimeoutError:
            continue
