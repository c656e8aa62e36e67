"""The grammar of one verb: a row of a table, a parser that is filled when the verb is chosen, words that verbs share."""

import argparse
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from keyword import iskeyword
from typing import NoReturn

Add = Callable[[argparse.ArgumentParser], None]


@dataclass(frozen=True, slots=True)
class Verb:
    """One verb, or one word below a verb."""

    name: str
    module: str
    """Below `rsi.agent.cli.verbs`; its function has the verb's name, with "_" behind where Python uses the name itself."""
    text: str
    """What it does, without a capital and a full stop."""
    add: Add = lambda _: None
    """Adds its own words to its parser."""
    words: tuple["Verb", ...] = ()
    """Verbs below this one; the first is meant where none is given."""

    @property
    def function(self) -> str:
        """Name of the function that carries it out."""
        if self.words:
            return self.words[0].function
        name = self.name.replace("-", "_")
        return f"{name}_" if iskeyword(name) or name in _BUILTIN else name


_BUILTIN = frozenset({"list", "help"})


class WrongWordsError(Exception):
    """What was typed is no verb with its words."""

    def __init__(self, parser: "WordParser", said: str) -> None:
        super().__init__(said)
        self.parser = parser


class WordParser(argparse.ArgumentParser):
    """A parser that leaves it to its caller how wrong words are answered."""

    def error(self, message: str) -> NoReturn:
        raise WrongWordsError(self, message + _hint(message))

    def complain(self, message: str) -> NoReturn:
        """Print usage and message, and exit with status 2."""
        super().error(message)


def _hint(message: str) -> str:
    """The nearest word, where one was typed that is none of those that can stand there."""
    found = re.search(r"invalid choice: '(.*?)' \(choose from (.*)\)", message)
    if found is None or "did you mean" in message:
        return ""
    from rsi.tasks.format.toml_files import did_you_mean

    return did_you_mean(found[1], [each.strip("' ") for each in found[2].split(",")])


class VerbParser(WordParser):
    """A parser whose words are added when they are asked for: start-up stays quick, and what can be named is looked up."""

    _verb: Verb | None = None

    def of(self, verb: Verb) -> None:
        """Become the parser of a verb."""
        self._verb = verb
        self.set_defaults(
            module=f"rsi.agent.cli.verbs.{verb.module}", function=verb.function, json=False
        )

    def filled(self) -> "VerbParser":
        """The same, with its words."""
        verb, self._verb = self._verb, None
        if verb is not None:
            self.add_argument("--json", action="store_true", help="print JSON, one document")
            verb.add(self)
            if verb.words:
                add_verbs(self, verb.words, title="words", metavar="WORD")
        return self

    def parse_known_args(self, args=None, namespace=None):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201 - overloaded
        self.filled()
        return super().parse_known_args(args, namespace)

    def format_help(self) -> str:
        self.filled()
        return super().format_help()


def add_verbs(
    parser: argparse.ArgumentParser, verbs: Iterable[Verb], *, title: str, metavar: str
) -> None:
    """Add verbs to a parser, each with a parser of its own."""
    parsers = parser.add_subparsers(title=title, metavar=metavar, parser_class=VerbParser)
    for verb in verbs:
        text = verb.text.replace("%", "%%")
        parsers.add_parser(verb.name, help=text, description=f"{text[0].upper()}{text[1:]}.").of(
            verb
        )


def add_sandbox(
    parser: argparse.ArgumentParser, text: str, *, default: str | None = "auto"
) -> None:
    """Add the choice of a backend."""
    from rsi.sandboxes.select import backend_kinds

    known = "; ".join(f"{each.name}: {each.meaning}" for each in backend_kinds())
    shown = f" (default: {default})" if default else ""
    parser.add_argument(
        "--sandbox",
        default=default,
        metavar="NAME",
        help=_plain(f"{text}{shown}; auto: the best that runs here; {known}"),
    )


def model_names() -> str:
    """How a model may be named, for the help of a word."""
    from rsi.agent.llm.resolve import provider_forms

    return _plain(", ".join(provider_forms()))


def strategy_names() -> str:
    """The search strategies, for the help of a word."""
    from rsi.agent.search.choose import strategy_kinds

    return _plain(", ".join(each.name for each in strategy_kinds()))


def _plain(text: str) -> str:
    return text.replace("%", "%%")


def add_round(parser: argparse.ArgumentParser) -> None:
    """The id of a round."""
    parser.add_argument("round", help="id of a round, such as c1120-4f2a-0003")


def add_campaign_optional(parser: argparse.ArgumentParser) -> None:
    """The id of a campaign, the newest without one."""
    parser.add_argument("campaign", nargs="?", help="id of a campaign (default: the latest)")
