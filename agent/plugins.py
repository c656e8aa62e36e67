"""Every plug-in that is installed, tried: can it be used, and if not, why.

Does not: use one. The rooms do, when a campaign names it.
"""

from collections import Counter
from dataclasses import dataclass
from typing import assert_never

from rsi.agent.llm.providers import PROVIDERS
from rsi.agent.search.choose import StrategyError, choose_strategy
from rsi.agent.search.strategies import STRATEGIES
from rsi.sandboxes.errors import SandboxError
from rsi.sandboxes.plugins import Group, Plugin, find_plugins
from rsi.sandboxes.select import BACKENDS, choose_backend
from rsi.tasks.errors import TaskError
from rsi.tasks.format.loader import find_task, load_task, plugin_root


@dataclass(frozen=True, slots=True, kw_only=True)
class TriedPlugin:
    """A plug-in and whether it can be used."""

    plugin: Plugin
    problem: str
    """One sentence; empty when it can."""


def tried_plugins() -> tuple[TriedPlugin, ...]:
    """All plug-ins by group and name, each imported or loaded once."""
    tried: list[TriedPlugin] = []
    for group in Group:
        found = find_plugins(group)
        counts = Counter(each.name for each in found)
        for each in found:
            rivals = f"another distribution brings {each.name!r} too; uninstall one of them"
            problem = rivals if counts[each.name] > 1 else _problem(each)
            tried.append(TriedPlugin(plugin=each, problem=problem))
    return tuple(tried)


def _problem(plugin: Plugin) -> str:
    try:
        is_free = _try(plugin)
    except (SandboxError, StrategyError, TaskError) as error:
        return " ".join(str(error).split())
    return "" if is_free else f"not used: rsi has {plugin.name!r} already"


def _try(plugin: Plugin) -> bool:
    """Load it as it would be used; False when something else has its name and comes first."""
    name = plugin.name
    match plugin.group:
        case Group.TASKS:
            load_task(plugin_root(plugin))
            return find_task(name) == plugin_root(plugin)
        case Group.BACKENDS:
            is_free = name not in {each.name for each in BACKENDS}
            return is_free and bool(choose_backend(name))
        case Group.STRATEGIES:
            return name not in STRATEGIES and bool(choose_strategy(name))
        case Group.MODELS:
            return name not in {each.name for each in PROVIDERS} and bool(plugin.load())
        case _:
            assert_never(plugin.group)
