"""When a failed model call is tried again, and after how long.

Invariant: a provider's `retry-after` is obeyed, up to the policy's own patience; "at once" is not taken at its word.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from rsi.agent.llm.errors import ModelError

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """Exponential backoff with full jitter below a ceiling."""

    attempts: int = 6
    """Attempts in all, the first one included."""
    base_s: float = 1.0
    """Ceiling of the first wait; doubles each time."""
    ceiling_s: float = 60.0
    longest_retry_after_s: float = 600.0
    """A provider that asks for more than this is not waited for."""

    def wait_s(self, attempt: int, error: ModelError, draw: random.Random) -> float | None:
        """Seconds to wait after failed attempt number `attempt` (0-based); None to give up."""
        if not error.is_retryable or attempt + 1 >= self.attempts:
            return None
        ceiling = min(self.ceiling_s, self.base_s * 2.0**attempt)
        # At least half of the ceiling, so that a crowd of workers spreads and still backs off.
        own_s = ceiling * (0.5 + 0.5 * draw.random())
        if (asked := error.retry_after_s) is None:
            return own_s
        # To wait no time at all is no plan, and clocks that differ make a date the past.
        wait_s = asked if asked >= self.base_s else max(asked, own_s)
        return wait_s if asked <= self.longest_retry_after_s else None


def with_retries(
    attempt: Callable[[], Answer],
    *,
    policy: RetryPolicy,
    sleep: Callable[[float], None],
    draw: random.Random,
    on_wait: Callable[[ModelError, float], None] | None = None,
) -> Answer:
    """Run `attempt` until it answers or the policy gives up.

    Raises:
        ModelError: The last attempt's error.
    """
    number = 0
    while True:
        try:
            return attempt()
        except ModelError as error:
            wait_s = policy.wait_s(number, error, draw)
            if wait_s is None:
                raise
            if on_wait is not None:
                on_wait(error, wait_s)
        sleep(wait_s)
        number += 1
