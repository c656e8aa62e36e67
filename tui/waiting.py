"""Waiting for the ledger without holding up the screen."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

from textual.dom import DOMNode

from rsi.agent.errors import AgentError
from rsi.tui.errors import CockpitError

T = TypeVar("T")


def when_done(
    node: DOMNode,
    future: "Future[T]",
    then: Callable[[T], None],
    failed: Callable[[Exception], None],
) -> None:
    """Call a function with a future's result, on the event loop, as one of the node's own messages.

    Args:
        node: The widget or screen that waits; nothing is called when it is gone by then.
        future: What is waited for.
        then: Takes the result.
        failed: Takes an error of ours, such as a ledger that cannot be read; any other error is a fault and ends the
            cockpit with its trace.
    """
    waiting = asyncio.wrap_future(future)

    def deliver() -> None:
        if not node.is_attached or waiting.cancelled():
            return
        error = waiting.exception()
        if isinstance(error, AgentError | CockpitError):
            failed(error)
        elif error is not None:
            raise error
        else:
            then(waiting.result())

    waiting.add_done_callback(lambda _: node.call_later(deliver))
