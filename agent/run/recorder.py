"""Writes what agents do into the ledger as it happens, in one numbered stream per agent and round."""

from collections.abc import Mapping

from rsi.agent.store.ledger import Ledger
from rsi.agent.store.records import AgentRole, TrajectoryEvent, TrajectoryKind, utc_now


class Recorder:
    """A sink for one round; goes on with the next free number after a crash."""

    def __init__(self, ledger: Ledger, round_id: str) -> None:
        self._ledger = ledger
        self._round_id = round_id
        self._next: dict[AgentRole, int] = {}

    def __call__(self, agent: str, kind: str, payload: Mapping[str, object]) -> None:
        """Store one event before anybody acts on it."""
        role = AgentRole(agent)
        if role not in self._next:
            self._next[role] = self._ledger.next_event_seq(self._round_id, role)
        usage = payload.get("usage")
        tokens = usage if isinstance(usage, Mapping) else {}
        usd = payload.get("usd")
        self._ledger.add_events(
            [
                TrajectoryEvent(
                    round_id=self._round_id,
                    agent=role,
                    seq=self._next[role],
                    at=utc_now(),
                    kind=TrajectoryKind(kind),
                    payload=payload,
                    input_tokens=_sum(
                        tokens, "input_uncached_tokens", "cache_read_tokens", "cache_write_tokens"
                    ),
                    output_tokens=_sum(tokens, "output_tokens"),
                    cost_usd=float(usd) if isinstance(usd, (int, float)) else None,
                )
            ]
        )
        self._next[role] += 1


def _sum(tokens: Mapping[str, object], *names: str) -> int | None:
    found = [value for name in names if isinstance(value := tokens.get(name), int)]
    return sum(found) if found else None
