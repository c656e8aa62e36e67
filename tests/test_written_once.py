"""What a set holds is written in one table; every page, form and list that shows it is made from there or agrees with it.

`RSI_TABLES=write pytest tests/test_written_once.py` writes the parts of pages that are made.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path

from rsi.tasks.guards import GUARDS
from rsi.tasks.types import Clock, Device, MetricKind, Option, Pattern

ROOT = Path(__file__).parent.parent
FORMAT = ROOT / "tasks" / "format" / "FORMAT.md"


def part_of_page(page: Path, name: str, made: str) -> None:
    """The part between the marks `name` and `end of name` is what was made from the table."""
    text = page.read_text(encoding="utf-8")
    found = re.search(rf"(<!-- {name}\b[^\n]*-->\n)(.*?)(<!-- end of {name} -->)", text, re.DOTALL)
    assert found, f"{page.name} has no part {name!r}"
    if os.environ.get("RSI_TABLES") == "write":
        page.write_text(text[: found.end(1)] + made + text[found.start(3) :], encoding="utf-8")
    else:
        assert found[2] == made, f"{page.name}: take it over with RSI_TABLES=write"


WORDS: tuple[tuple[str, type[Option]], ...] = (
    ("`[rsi]` `pattern`", Pattern),
    ("`[rsi]` `device`", Device),
    ("`[rsi.metric]` `kind`", MetricKind),
    ("`[rsi.metric]` `clock`", Clock),
)


def format_words() -> Iterator[str]:
    yield "\n| key | word | meaning |\n|---|---|---|\n"
    for key, options in WORDS:
        for each in options:
            yield f"| {key} | `{each.value}` | {each.meaning}{rules_of(each)} |\n"
    for guard in GUARDS:
        needs = "; needs `[rsi.tests]`" if guard.needs_tests else ""
        yield f"| `[[rsi.guard]]` `name` | `{guard.name}` | {guard.meaning}, in {guard.unit}{needs} |\n"
    yield "\n"


def rules_of(option: Option) -> str:
    if not isinstance(option, MetricKind):
        return ""
    rules = option.rules
    asked = [
        *(["a `limit` of every quality"] if rules.needs_limit else []),
        *(["a `margin` of every quality"] if rules.needs_margin else []),
        *(["`[rsi.budget]`"] if rules.needs_budget else []),
        *([f"clock {' or '.join(f'`{each}`' for each in rules.clocks)}"] if len(rules.clocks) < len(Clock) else []),
        *([f"direction `{rules.directions[0]}`"] if len(rules.directions) == 1 else []),
    ]  # fmt: skip
    return f". Needs {', '.join(asked)}"


def test_the_page_of_the_format_lists_every_word_with_its_meaning():
    part_of_page(FORMAT, "words", "".join(format_words()))


def test_every_word_says_what_it_means():
    for _, options in WORDS:
        for each in options:
            assert each.meaning, each
