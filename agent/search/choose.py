"""From the flag `--strategy`, or a scaffold's [search] table, to a strategy: a name, and settings after a colon.

Examples: `greedy`, `best_of_n:n=6`, `tree:pick=softmax,temperature=0.05`, `archive:islands=4`.
"""

import contextlib
import dataclasses
import math
from collections.abc import Mapping
from enum import Enum
from typing import cast, get_type_hints

from rsi.agent.search.bandit import WithModels
from rsi.agent.search.strategies import STRATEGIES
from rsi.agent.search.types import Facts, Plan, Strategy
from rsi.sandboxes.errors import PluginError
from rsi.sandboxes.plugins import Group, Plugin, find_plugin, find_plugins

DEFAULT = next(iter(STRATEGIES))


class StrategyError(ValueError):
    """A strategy was named wrongly, or is a plug-in that cannot be used."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class StrategyKind:
    """One strategy that can be chosen."""

    name: str
    meaning: str
    """A sentence for lists and forms."""


def strategy_kinds() -> tuple[StrategyKind, ...]:
    """Every strategy that can be named: rsi's own, then those of plug-ins, none of them imported."""
    own = tuple(
        StrategyKind(name=name, meaning=(made.__doc__ or "").partition("\n")[0])
        for name, made in STRATEGIES.items()
    )
    added = {each.name: each for each in find_plugins(Group.STRATEGIES)}
    return own + tuple(
        StrategyKind(name=name, meaning=f"Of {each.distribution} {each.version}.")
        for name, each in added.items()
        if name not in STRATEGIES
    )


def choose_strategy(flag: str) -> WithModels:
    """The strategy that a flag names; the models of a campaign are chosen by the bandit in each.

    Raises:
        StrategyError: No such strategy or setting, a value that it cannot have, or a plug-in that cannot be used.
    """
    name, _, rest = flag.partition(":")
    try:
        made = STRATEGIES.get(name.replace("-", "_"))
        if made is not None:
            return WithModels(inner=_made(made, rest, flag))
        plugin = find_plugin(Group.STRATEGIES, name)
        if plugin is not None:
            return WithModels(inner=_added(plugin, rest, flag))
    except PluginError as error:
        raise StrategyError(str(error)) from error
    known = ", ".join(each.name for each in strategy_kinds())
    raise StrategyError(f"no strategy {name!r}; there are {known}")


def flag_of(search: Mapping[str, object]) -> str:
    """The flag that a scaffold's [search] table stands for; an empty table stands for the default.

    Args:
        search: `strategy` is its name, every other key a setting of it.

    Raises:
        StrategyError: As `choose_strategy`.
    """
    settings = ",".join(f"{key}={value}" for key, value in search.items() if key != "strategy")
    flag = str(search.get("strategy", DEFAULT)) + (f":{settings}" if settings else "")
    choose_strategy(flag)
    return flag


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class PluginStrategy:
    """A strategy of a plug-in, whose plans are looked at before anything is built on them."""

    plugin: Plugin
    inner: Strategy

    @property
    def name(self) -> str:
        """As the plug-in says."""
        return self.inner.name

    @property
    def reads_archive(self) -> bool:
        """As the plug-in's class says; False where it says nothing."""
        return getattr(self.inner, "reads_archive", False) is True

    def plan(self, facts: Facts, seed: int) -> Plan:
        """The plug-in's plan; see `Strategy.plan`.

        Raises:
            StrategyError: It raised, or what it gave is no plan from a commit that it was shown.
        """
        known = {facts.champion, facts.baseline}
        tried = (*facts.archive, *facts.nodes)
        known |= {each for node in tried for each in (node.parent, node.commit) if each}
        try:
            with self.plugin.blamed("cannot plan a round"):
                plan = self.inner.plan(facts, seed)
                if not isinstance(plan, Plan) or plan.parent not in known:
                    raise TypeError(f"{plan!r:.200} is no plan from a commit that it was shown")
        except PluginError as error:
            raise StrategyError(str(error)) from error
        return plan


def _added(plugin: Plugin, rest: str, flag: str) -> Strategy:
    made = plugin.load()
    if not (isinstance(made, type) and dataclasses.is_dataclass(made) and hasattr(made, "plan")):
        raise PluginError(f"plug-in {plugin.origin}: {plugin.target} is no dataclass with `plan`")
    return PluginStrategy(
        plugin=plugin, inner=_made(cast(type[Strategy], made), rest, flag, plugin)
    )


def _made(made: type[Strategy], rest: str, flag: str, plugin: Plugin | None = None) -> Strategy:
    """A strategy with its settings, each of the type that its field has."""
    with contextlib.nullcontext() if plugin is None else plugin.blamed("has no readable settings"):
        known = get_type_hints(made)
    names = [each.name for each in dataclasses.fields(cast(type, made)) if each.init]
    settings: dict[str, object] = {}
    for part in filter(None, rest.split(",")):
        key, _, text = part.partition("=")
        if key not in names:
            has = ", ".join(names) or "none"
            raise StrategyError(
                f"strategy {flag!r}: no setting {key!r}; {flag.partition(':')[0]} has {has}"
            )
        try:
            settings[key] = _typed(known[key], text)
        except ValueError as error:
            raise StrategyError(f"strategy {flag!r}: {key}={text!r}: {error}") from error
    with contextlib.nullcontext() if plugin is None else plugin.blamed("cannot be made"):
        try:
            return made(**settings)
        except ValueError as error:
            problem = error
    raise StrategyError(f"strategy {flag!r}: {problem}") from problem


def _typed(kind: object, text: str) -> object:
    """A setting's text as its field's type.

    Raises:
        ValueError: It is not of that type; the message says what would do.
    """
    if kind is int:
        return int(text)
    if kind is float:
        value = float(text)
        if not math.isfinite(value):
            raise ValueError("write a finite number")
        return value
    if isinstance(kind, type) and issubclass(kind, Enum):
        words = [str(each.value) for each in kind]
        if text not in words:
            raise ValueError(f"one of {', '.join(words)}")
        return kind(text)
    return text
