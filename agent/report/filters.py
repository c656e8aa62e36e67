"""What a filter keeps: words that must all be there, each a regular expression where it is one, `!word` for the others."""

import re

from rsi.agent.report.reasons import ended_text, why_ended
from rsi.agent.store.rounds import RoundView


def keeps(pattern: str, text: str) -> bool:
    """Whether a text has every word of a pattern, in any order and case; an empty pattern keeps all.

    Args:
        pattern: As a person typed it.
        text: What is filtered.
    """
    return all(_has(word, text) for word in pattern.split() if word != "!")


def round_text(view: RoundView) -> str:
    """What a round is found by: how it ended and why, its idea, what it taught, what was found."""
    planted = f"planted {view.planted.kind.value} {view.planted.name}" if view.planted else ""
    why = why_ended(view)
    reason = "" if why is None else why.text
    found = (f"{each.rule} {each.message}" for each in view.findings)
    return " ".join((view.id, ended_text(view), reason, view.hypothesis, view.reason, view.lesson, planted, *found))  # fmt: skip


def _has(word: str, text: str) -> bool:
    wanted = word.removeprefix("!")
    try:
        found = re.search(wanted, text, re.IGNORECASE) is not None
    except re.error:
        found = wanted.lower() in text.lower()
    return found != word.startswith("!")
