"""Chooses among several proposer models by gain per dollar.

Bootstrap Thompson sampling: each model's past rounds are drawn again with replacement, together with one
hopeful round that it never had, and the model with the best drawn gain per dollar is taken. A model
with few rounds is drawn with a wide spread, so it is tried; one that keeps failing fades without ever
being shut out.
Source: Eckles and Kaptein, Thompson sampling with the online bootstrap (2014).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from rsi.agent.search.frontier import draw_for
from rsi.agent.search.types import Facts, Node, Plan, Strategy

FREE_ROUND_USD = 0.001
"""What a round of a free model counts as costing: its time. Without it any free model would win for ever."""


HOPE = 1.5
"""The round that a model never had gains this much more than the best round of all."""
SMALL_GAIN = 0.01
"""What is hoped for while nothing gained anything, in log(effect)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRecord:
    """How one model did."""

    model: str
    rounds: int
    gain: float
    """Sum of log(effect) of its supported rounds; others add nothing."""
    usd: float


def records(nodes: Sequence[Node], models: Sequence[str]) -> tuple[ModelRecord, ...]:
    """Finished rounds by model, in the order of `models`."""
    result: list[ModelRecord] = []
    for model in models:
        own = [node for node in nodes if node.model == model and not node.is_open]
        result.append(
            ModelRecord(
                model=model,
                rounds=len(own),
                gain=math.fsum(_gain(node) for node in own),
                usd=math.fsum(_usd(node) for node in own),
            )
        )
    return tuple(result)


def choose_model(facts: Facts, seed: int) -> str | None:
    """The model for the next round; None when there is nothing to choose."""
    if not facts.models:
        return None
    if len(facts.models) == 1:
        return facts.models[0]
    finished = [node for node in facts.nodes if not node.is_open]
    tried = {node.model for node in facts.nodes}
    for model in facts.models:
        if model not in tried:
            return model
    draw = draw_for(seed, facts.next_number, "model")
    hope = HOPE * max((_gain(node) for node in finished), default=0.0) or SMALL_GAIN
    drawn: list[tuple[float, int]] = []
    for index, model in enumerate(facts.models):
        own = [node for node in finished if node.model == model]
        costs = [_usd(node) for node in own]
        typical = math.fsum(costs) / len(costs) if costs else FREE_ROUND_USD
        pairs = [(_gain(node), _usd(node)) for node in own]
        pairs.append((hope, typical))
        sample = [draw.choice(pairs) for _ in pairs]
        drawn.append(
            (math.fsum(gain for gain, _ in sample) / math.fsum(usd for _, usd in sample), -index)
        )
    return facts.models[-max(drawn)[1]]


@dataclass(frozen=True, slots=True, kw_only=True)
class WithModels:
    """A strategy whose proposer is chosen by the bandit."""

    inner: Strategy

    @property
    def name(self) -> str:
        return self.inner.name

    @property
    def reads_archive(self) -> bool:
        """Whether the strategy builds on what other campaigns on the lineage left (`Facts.archive`)."""
        return getattr(self.inner, "reads_archive", False) is True

    def plan(self, facts: Facts, seed: int) -> Plan:
        """The inner strategy's plan, with a model."""
        return replace(self.inner.plan(facts, seed), model=choose_model(facts, seed))


def _gain(node: Node) -> float:
    return max(0.0, node.gain) if node.gain is not None else 0.0


def _usd(node: Node) -> float:
    return max(FREE_ROUND_USD, node.cost_usd) if node.cost_usd is not None else FREE_ROUND_USD
