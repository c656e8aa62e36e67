"""Plug-ins: tasks, backends, models and strategies of other installed distributions, found by their entry points.

Does not: import a plug-in before somebody names it.
Invariant: whatever a plug-in does wrong is one sentence that names its distribution, and never takes a command down.
"""

import contextlib
import importlib
import importlib.util
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from rsi.sandboxes.errors import PluginError

if TYPE_CHECKING:
    from importlib.metadata import Distribution

_FILE = "entry_points.txt"


class Group(StrEnum):
    """What may be added from outside: the groups of entry points, and what an entry names."""

    BACKENDS = "rsi.backends"
    """A function or class without arguments that gives a `rsi.sandboxes.types.Backend`."""
    TASKS = "rsi.tasks"
    """A task's folder, written with dots; nothing of it is imported."""
    MODELS = "rsi.models"
    """A function of a `rsi.agent.llm.providers.ModelContext` that gives a `rsi.agent.llm.base.Model`."""
    STRATEGIES = "rsi.strategies"
    """A frozen dataclass with `plan`, see `rsi.agent.search.types.Strategy`; its fields are its settings."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plugin:
    """One entry point of another distribution."""

    group: Group
    name: str
    """The word by which it is chosen."""
    target: str
    """What it names, such as "package.module:Attribute"."""
    distribution: str
    version: str

    @property
    def origin(self) -> str:
        """Such as "'walled' (rsi.backends) of rsi-example 1.0", for people."""
        return f"{self.name!r} ({self.group}) of {self.distribution} {self.version}"

    def load(self) -> Callable[..., object]:
        """Import what it names.

        Raises:
            PluginError: That failed, or it cannot be called.
        """
        module, _, attribute = self.target.partition(":")
        with self.blamed("cannot be imported"):
            found: object = importlib.import_module(module)
            for name in filter(None, attribute.split(".")):
                found = getattr(found, name)
        if not callable(found):
            raise PluginError(f"plug-in {self.origin}: {self.target} is nothing that can be called")
        return found

    def folder(self) -> Path:
        """The folder that it names, of which nothing is imported.

        Raises:
            PluginError: There is no such folder.
        """
        package, *below = self.target.split(".")
        with self.blamed("cannot be found"):
            spec = importlib.util.find_spec(package)
        for root in (spec.submodule_search_locations or ()) if spec is not None else ():
            path = Path(root, *below)
            if path.is_dir():
                return path
        raise PluginError(f"plug-in {self.origin}: there is no folder {self.target}")

    @contextlib.contextmanager
    def blamed(self, what: str) -> Iterator[None]:
        """Turn whatever the plug-in's own code raises into a sentence that names its distribution.

        Args:
            what: What it could not do, such as "cannot be imported".

        Raises:
            PluginError: The block raised.
        """
        try:
            yield
        except PluginError:
            raise
        # A stranger's code may raise anything, and ends no process of ours.
        except (Exception, SystemExit) as error:
            said = " ".join(str(error).split())[:300]
            raise PluginError(
                f"plug-in {self.origin} {what}: {type(error).__name__}{f': {said}' if said else ''}; repair or "
                "uninstall that distribution"
            ) from error


def find_plugins(group: Group) -> tuple[Plugin, ...]:
    """Plug-ins of a group by name, as installed distributions list them; nothing is imported."""
    import importlib.metadata  # takes 20 ms, for nothing where no name is asked for

    found: list[Plugin] = []
    seen: set[str] = set()
    for distribution in importlib.metadata.distributions():
        try:
            text = distribution.read_text(_FILE) or ""
        except (OSError, ValueError):
            continue  # no text at all: nothing that could be named
        if group not in text:
            continue
        name, version = _identity(distribution)
        if name in seen:
            continue  # the first one on the path is what would be imported
        seen.add(name)
        found += [
            Plugin(group=group, name=word, target=target, distribution=name, version=version)
            for word, target in _entries(text, group)
        ]
    return tuple(sorted(found, key=lambda each: (each.name, each.distribution)))


def find_plugin(group: Group, name: str) -> Plugin | None:
    """The plug-in that a word names; None when no distribution brings it.

    Raises:
        PluginError: Two distributions bring it.
    """
    found = [each for each in find_plugins(group) if each.name == name]
    if len(found) > 1:
        both = " and ".join(f"{each.distribution} {each.version}" for each in found)
        raise PluginError(f"{name!r} ({group}) is brought by {both}; uninstall one of them")
    return found[0] if found else None


def _identity(distribution: "Distribution") -> tuple[str, str]:
    """Name and version; what a damaged installation does not tell is a question mark."""
    try:
        metadata = distribution.metadata
        return metadata["Name"] or "?", metadata["Version"] or "?"
    except (OSError, TypeError, ValueError, KeyError):
        return "?", "?"


def _entries(text: str, group: str) -> Iterator[tuple[str, str]]:
    """Names and targets below the group's heading; a line that is neither is passed over."""
    is_ours = False
    for line in map(str.strip, text.splitlines()):
        if line.startswith("["):
            is_ours = line == f"[{group}]"
        elif is_ours and not line.startswith("#"):
            name, equals, target = line.partition("=")
            target = target.partition("[")[0].strip()
            if equals and name.strip() and target:
                yield name.strip(), target
