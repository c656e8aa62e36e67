"""What a set holds is written in one table; every page, form and list that shows it is made from there or agrees with it.

`RSI_TABLES=write pytest tests/test_written_once.py` writes the parts of pages that are made.
"""

import importlib
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rsi.agent.cli.grammar import Verb
from rsi.agent.cli.parser import VERBS, build_parser
from rsi.agent.llm.providers import PROVIDERS, Hosting
from rsi.agent.llm.resolve import provider_forms
from rsi.agent.search.choose import choose_strategy, strategy_kinds
from rsi.agent.trust.row_effects import made_table
from rsi.sandboxes.select import backend_kinds, backend_names
from rsi.tasks.choices import Clock, Device, Honesty, MetricKind, Option, Pattern
from rsi.tasks.format.loader import BUILT_IN, load_task, with_variants
from rsi.tasks.format.tables import expected, json_schema
from rsi.tasks.format.task_file import TaskFile
from rsi.tasks.guards import GUARDS
from rsi.tasks.harness_kit.verbs import MEASURING
from rsi.tui.app import CockpitApp
from rsi.tui.model.commands import COMMANDS, SCREENS, Scope
from rsi.tui.screens.base import CockpitScreen, screen_of
from rsi.tui.start import start

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
    ("`[rsi]` `honesty`", Honesty),
    ("`[rsi.metric]` `kind`", MetricKind),
    ("`[rsi.metric]` `clock`", Clock),
)


def format_keys() -> Iterator[str]:
    yield "\n| key | type | meaning |\n|---|---|---|\n"
    yield from key_rows((), "")
    yield "\n"


def key_rows(place: tuple[str | int, ...], table: str) -> Iterator[str]:
    """Rows of one table, then those of the tables below it."""
    schema = json_schema(TaskFile)
    node = node_at(schema, place)
    below = []
    for key, value in node.get("properties", {}).items():
        there = node_at(schema, (*place, key))
        if (
            there.get("type") == "array"
            and "$ref" in there["items"]
            and "enum" not in node_at(schema, (*place, key, 0))
        ):
            below.append(((*place, key, 0), f"[[{dotted(table, key)}]]"))
        elif there.get("type") == "object" and there.get("properties"):
            below.append(((*place, key), f"[{dotted(table, key)}]"))
        elif (
            isinstance(there.get("additionalProperties"), dict)
            and "$ref" in there["additionalProperties"]
        ):
            below.append(((*place, key, "x"), f"[{dotted(table, key)}.<name>]"))
        else:
            mark = " *" if key in node.get("required", ()) else ""
            default = (
                f" ({json.dumps(value['default'])})"
                if value.get("default") not in (None, [])
                else ""
            )
            row = f"{f'`{table}` ' if table else ''}`{key}`{mark} | {expected(TaskFile, (*place, key))}{default}"
            yield f"| {row} | {value.get('description', '')} |\n"
    for inner, name in below:
        yield from key_rows(inner, name)


def dotted(table: str, key: str) -> str:
    return f"{table.strip('[]')}.{key}" if table else key


def node_at(schema: Any, place: tuple[str | int, ...]) -> Any:
    node = schema
    for part in place:
        if isinstance(part, int):
            node = node["items"]
        else:
            node = node.get("properties", {}).get(part) or node["additionalProperties"]
        if "$ref" in node:
            node = schema["$defs"][node["$ref"].rsplit("/", 1)[-1]] | node
    return node


def test_the_page_of_the_format_lists_every_key_with_its_type_and_meaning():
    part_of_page(FORMAT, "keys", "".join(format_keys()))


def test_every_key_says_what_it_means():
    for name, table in json_schema(TaskFile)["$defs"].items():
        for key, value in table.get("properties", {}).items():
            is_table = "$ref" in value or "$ref" in str(value.get("additionalProperties")) or "$ref" in str(value.get("items"))  # fmt: skip
            assert value.get("description") or is_table, f"{name}.{key}"


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


@pytest.mark.parametrize("pattern", Pattern, ids=str)
def test_a_patterns_verb_is_one_of_the_kits(pattern):
    assert pattern.rules.verb in MEASURING


def test_no_verb_of_the_kit_is_left_without_a_pattern():
    assert set(MEASURING) == {each.rules.verb for each in Pattern}


def test_the_page_of_the_format_lists_every_word_with_its_meaning():
    part_of_page(FORMAT, "words", "".join(format_words()))


def test_every_word_says_what_it_means():
    for _, options in WORDS:
        for each in options:
            assert each.meaning, each


EVERY_VERB = [*((verb.name, verb) for verb in VERBS if not verb.words),
              *((f"{verb.name} {word.name}", word) for verb in VERBS for word in verb.words)]  # fmt: skip


@pytest.mark.parametrize(("words", "verb"), EVERY_VERB, ids=lambda each: str(each)[:30])
def test_every_verb_is_a_function_whose_help_can_be_read(words: str, verb: Verb, capsys):
    module = importlib.import_module(f"rsi.agent.cli.verbs.{verb.module}")
    assert callable(getattr(module, verb.function))
    with pytest.raises(SystemExit) as ended:
        build_parser().parse_args([*words.split(), "--help"])
    assert ended.value.code == 0
    assert f"rsi {words}" in capsys.readouterr().out


def help_of(*words: str, capsys) -> str:
    with pytest.raises(SystemExit):
        build_parser().parse_args([*words, "--help"])
    return " ".join(capsys.readouterr().out.split())


def test_help_names_every_verb_provider_backend_and_strategy(capsys):
    shown = help_of(capsys=capsys)
    assert all(f" {verb.name} " in shown for verb in VERBS)
    run = help_of("run", capsys=capsys)
    assert ", ".join(provider_forms()) in run
    assert all(f"{each.name}: {each.meaning}" in run for each in backend_kinds())
    assert ", ".join(each.name for each in strategy_kinds()) in run


def test_the_readme_names_every_verb():
    listed = re.findall(
        r"^\| (`.*?) \|", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    named = {word for row in listed for word in re.findall(r"[a-z][a-z-]+", row)}
    missing = {verb.name for verb in VERBS} - named
    assert not missing, f"README.md's table of verbs has no {sorted(missing)}"


def choices() -> Iterator[str]:
    yield "\n| option | words |\n|---|---|\n"
    shown = [
        f"`{each.form}`" + (f" ({each.meaning})" if each.meaning else "") for each in PROVIDERS
    ]
    yield f"| `--model`, `--critic`, `--reviewer` | {', '.join(shown)} |\n"
    shown = [
        "`auto` (the best that runs here)",
        *(f"`{each.name}` ({each.meaning})" for each in backend_kinds()),
    ]
    yield f"| `--sandbox` | {', '.join(shown)} |\n"
    shown = [f"`{each.name}` ({each.meaning.rstrip('.')})" for each in strategy_kinds()]
    yield f"| `--strategy` | {', '.join(shown)} |\n\n"


def test_the_readme_lists_what_can_be_chosen():
    part_of_page(ROOT / "README.md", "choices", "".join(choices()))


def test_the_readme_lists_the_rows_that_the_tasks_cover():
    roots = [each.parent for each in sorted(BUILT_IN.glob("*/task.toml"))]
    tasks = [load_task(each) for root in roots for each in with_variants(root)]
    part_of_page(ROOT / "README.md", "rows", "".join(made_table(tasks)))


def test_every_strategy_that_is_listed_can_be_chosen():
    for each in strategy_kinds():
        assert each.meaning
        assert choose_strategy(each.name).name.partition(":")[0] == each.name
    assert len({*backend_names()}) == len(backend_names())


def test_every_providers_sdk_is_kept_out_of_the_other_rooms():
    contracts = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    for each in PROVIDERS:
        if isinstance(each.make, Hosting) and each.make.sdk is not None:
            assert re.search(rf'forbidden_modules = \[.*"{each.make.sdk}"', contracts), each.name


def screens() -> Iterator[str]:
    yield "\n| key | screen | |\n|---|---|---|\n"
    for key, each in SCREENS.items():
        yield f"| {key} | [{each.label}](docs/screenshots/{each.value}.svg) | {each.purpose} |\n"
    yield "\n"


def test_the_readme_lists_every_screen():
    part_of_page(ROOT / "README.md", "screens", "".join(screens()))


@pytest.mark.parametrize("scope", SCREENS.values(), ids=str)
def test_every_screen_is_drawn_from_its_entry(scope: Scope):
    screen = CockpitApp.MODES[scope.value]
    assert screen is screen_of(scope)
    assert (screen.scope, screen.mode) == (scope, scope.value)
    assert screen.purpose, "its help begins with what it is for"
    assert (ROOT / "docs" / "screenshots" / f"{scope.value}.svg").is_file()
    ((key, command),) = (
        (each.keys, each) for each in COMMANDS if each.action == f"mode('{scope.value}')"
    )
    assert SCREENS[key] is scope
    assert (command.title, command.help) == (scope.label, scope.purpose)


def test_every_screen_class_of_the_room_has_an_entry():
    for path in (ROOT / "tui" / "screens").rglob("*.py"):
        module = ".".join(("rsi", *path.relative_to(ROOT).with_suffix("").parts))
        for found in vars(importlib.import_module(module)).values():
            if (
                isinstance(found, type)
                and issubclass(found, CockpitScreen)
                and found.__module__ == module
            ):
                assert any(issubclass(each, found) for each in CockpitApp.MODES.values()), found
    assert list(CockpitApp.MODES) == [each.value for each in SCREENS.values()]


def test_the_command_line_opens_the_cockpit_on_any_screen(capsys):
    with pytest.raises(SystemExit):
        start(["tui", "--help"])
    assert "{" + ",".join(each.value for each in SCREENS.values()) + "}" in capsys.readouterr().out
