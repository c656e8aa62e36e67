"""Tries models: one call of one token each, and one sentence about what came of it.

Does not: retry, record or charge anything; a person asked for it. Invariant: whatever a provider does is a value.
"""

import re
from dataclasses import dataclass

from rsi.agent.llm.errors import ModelError, ModelRequestError
from rsi.agent.llm.naming.keys import KeyRing
from rsi.agent.llm.providers import is_reader
from rsi.agent.llm.resolve import resolve_model
from rsi.agent.llm.types import Message, Request, Role, Text

WALL_S, SILENCE_S = 60, 30
"""Longest wait for one token, unless the model's name says otherwise."""
_OUT_OF_ROOM = re.compile(r"max_(completion_)?tokens.{0,40}reached|output limit was reached")
"""How a model that thinks says that one token was too little: it was there, and it worked."""
_HELLO = Request(
    system="", messages=(Message(role=Role.USER, blocks=(Text(text="Hi."),)),), max_output_tokens=1
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TriedModel:
    """What came of one call."""

    model: str
    """As it was named."""
    is_ok: bool
    said: str
    """One sentence: that it answered and what that cost, or what is wrong."""
    latency_s: float | None = None
    """None without an answer."""
    tokens: int | None = None
    """None where nobody told."""
    usd: float | None = None


def try_model(spec: str, keys: KeyRing | None = None) -> TriedModel:
    """Ask a model for one token.

    Args:
        spec: As for `resolve_model`; the price need not be known.
        keys: Where API keys come from; None reads the process's environment.
    """
    if not is_reader(spec):
        return TriedModel(model=spec, is_ok=True, said="it needs no provider")
    try:
        model = resolve_model(_in_time(spec), keys=keys, allow_unknown_price=True)
        reply = model.complete(_HELLO)
    except ModelRequestError as error:
        if _OUT_OF_ROOM.search(str(error)):
            return TriedModel(
                model=spec, is_ok=True, said="it answers; one token is too little for it"
            )
        return TriedModel(model=spec, is_ok=False, said=_one_line(error))
    except ModelError as error:
        return TriedModel(model=spec, is_ok=False, said=_one_line(error))
    usage, price = reply.usage, model.price
    usd = None if usage is None or price is None else price.cost_usd(usage)
    cost = "at an unknown price" if usd is None else f"for ${usd:.6f}"
    return TriedModel(
        model=spec,
        is_ok=True,
        said=f"{reply.model or 'it'} answered in {reply.latency_s:.1f} s, {cost}",
        latency_s=reply.latency_s,
        tokens=None if usage is None else usage.total_tokens,
        usd=usd,
    )


def _in_time(spec: str) -> str:
    """The name with limits on waiting that it does not set itself."""
    query = spec.partition("?")[2]
    limits = {"timeout_s": WALL_S, "silence_s": SILENCE_S}
    added = [f"{name}={limit}" for name, limit in limits.items() if f"{name}=" not in query]
    return spec + ("&" if query else "?") + "&".join(added) if added else spec


def _one_line(error: ModelError) -> str:
    return " ".join(str(error).split())
