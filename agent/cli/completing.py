"""What a person may type next after the words so far: verbs, options, choices, and names that this home knows.

Does not: fail; where a name cannot be looked up, nothing is offered for it.
"""

import argparse
from collections.abc import Iterable, Sequence

from rsi.agent.cli.grammar import VerbParser
from rsi.agent.cli.help.words import COCKPIT, topic_names
from rsi.agent.cli.parser import VERBS
from rsi.agent.errors import AgentError
from rsi.agent.store.home import Home
from rsi.agent.store.ledger import Ledger
from rsi.tasks.errors import TaskError

MOST_NAMES = 200
"""Of campaigns and rounds, newest first; nobody reads a longer list."""


def candidates(parser: argparse.ArgumentParser, words: Sequence[str]) -> list[str]:
    """Words that can stand where the last one is being typed.

    Args:
        parser: Of the whole command.
        words: All words after the program's name, the unfinished one last, "" where it is not begun.
    """
    *before, last = words or ("",)
    parser, given, wants = _walk(parser, before)
    if wants is not None:
        found: Iterable[str] = _values(wants)
    elif last.startswith("-"):
        found = (each for action in parser._actions for each in action.option_strings)
    elif (verbs := _verbs(parser)) is not None:
        found = [*verbs, *(COCKPIT if not before else ())]
    else:
        positionals = [each for each in parser._actions if not each.option_strings]
        found = _values(positionals[min(given, len(positionals) - 1)]) if positionals else ()
    return [each for each in found if each.startswith(last)]


def _walk(
    parser: argparse.ArgumentParser, words: Sequence[str]
) -> tuple[argparse.ArgumentParser, int, argparse.Action | None]:
    """The parser that the words lead to, how many of its own words are given, and the option that wants a value now."""
    given, wants = 0, None
    for word in words:
        if wants is not None:
            wants = None
        elif word.startswith("-"):
            action = parser._option_string_actions.get(word)
            wants = action if action is not None and action.nargs != 0 else None
        elif word in (verbs := _verbs(parser) or {}):
            parser, given = verbs[word], 0
            if isinstance(parser, VerbParser):
                parser.filled()
        else:
            given += 1
    return parser, given, wants


def _verbs(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser] | None:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            return dict(action.choices)
    return None


def _values(action: argparse.Action) -> Iterable[str]:
    if action.choices is not None:
        return map(str, action.choices)
    try:
        return _names(action.dest)
    except (AgentError, TaskError, OSError):
        return ()


def _names(what: str) -> Iterable[str]:
    if what in ("task", "tasks"):
        from rsi.tasks.format.loader import list_tasks

        return [each.name for each in list_tasks()]
    if what == "topic":
        return topic_names(VERBS)
    if what not in ("campaign", "round", "lineage"):
        return ()
    with Ledger.open(Home.find(), read_only=True) as ledger:
        campaigns = ledger.campaigns(limit=MOST_NAMES)
        if what == "campaign":
            return [each.record.id for each in campaigns]
        if what == "lineage":
            return list(dict.fromkeys(each.record.lineage for each in campaigns))
        rounds = [each.id for one in campaigns[:20] for each in ledger.rounds(one.record.id)]
        return rounds[:MOST_NAMES]


SCRIPTS = {
    "bash": """\
_rsi() {
    local IFS=$'\\n'
    COMPREPLY=($(rsi completion next -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null))
}
complete -o default -F _rsi rsi
""",
    "zsh": """\
#compdef rsi
_rsi() {
    local -a found
    found=(${(f)"$(rsi completion next -- "${(@)words[2,CURRENT]}" 2>/dev/null)"})
    if (( ${#found} )); then compadd -a found; else _files; fi
}
compdef _rsi rsi
""",
    "fish": """\
function __rsi_next
    set -l before (commandline -opc)
    rsi completion next -- $before[2..-1] (commandline -ct | string collect --allow-empty) 2>/dev/null
end
complete -c rsi -a '(__rsi_next)'
""",
}
"""What each shell runs; the last word goes along also when it is empty."""
