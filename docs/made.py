"""Pages of the documentation that are made from the code: verbs, exit codes, the task format, ledger tables, modules.

A hook of MkDocs. Nothing of it is written by hand a second time, so nothing of it can be out of date.
"""

import argparse
import ast
from pathlib import Path

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("tui", "agent", "evals", "tasks", "sandboxes")


def on_files(files: Files, config: object) -> Files:
    """Add the made pages."""
    pages = {
        "reference/verbs.md": verbs(),
        "reference/exit-codes.md": exit_codes(),
        "reference/topics.md": topics(),
        "reference/task-format.md": (ROOT / "tasks/format/FORMAT.md").read_text("utf-8"),
        "reference/ledger.md": ledger(),
        "reference/modules.md": modules(),
    }
    for path, content in pages.items():
        files.append(File.generated(config, path, content=content))
    return files


def verbs() -> str:
    """Each verb's own help."""
    from rsi.agent.cli.parser import build_parser

    parser = build_parser()
    lines = ["# Verbs", "", "What `rsi VERB --help` prints.", ""]
    actions = [each for each in parser._actions if isinstance(each, argparse._SubParsersAction)]
    for name, verb in actions[0].choices.items():
        lines += [f"## rsi {name}", "", "```text", verb.format_help().rstrip(), "```", ""]
    return "\n".join(lines)


def exit_codes() -> str:
    """The numbers that a script may rely on."""
    from rsi.agent.cli import entry
    from rsi.agent.cli.help.tables import EXIT_CODES

    names = {getattr(entry, name): name for name in dir(entry) if name.startswith("EXIT_")}
    lines = ["# Exit codes", "", "| code | name | meaning |", "|---|---|---|"]
    lines += [
        f"| {code} | {names[code].removeprefix('EXIT_').lower()} | {meaning} |"
        for code, meaning in EXIT_CODES
    ]
    return "\n".join([*lines, ""])


def topics() -> str:
    """What `rsi help TOPIC` says."""
    from rsi.agent.cli.help.topics import NAMES, as_markdown, topic

    shown = [as_markdown(topic(name)) for name in NAMES]
    return "\n".join(
        ["# Topics", "", "What `rsi help TOPIC` prints, and the manual page has.", "", *shown]
    )


def ledger() -> str:
    """Tables of the ledger with their columns."""
    from rsi.agent.store.sql import tables

    lines = ["# Ledger tables", "", "Insert-only; SQLite by default, PostgreSQL by URL.", ""]
    for table in tables.metadata.sorted_tables:
        lines += [f"## {table.name}", "", "| column | type |", "|---|---|"]
        lines += [f"| {column.name} | {column.type} |" for column in table.columns] + [""]
    return "\n".join(lines)


def modules() -> str:
    """First sentence of every module, folder by folder."""
    lines = [
        "# Modules",
        "",
        "The first sentence of each module, from its docstring; rooms from top to bottom.",
        "",
    ]
    for room in ROOMS:
        folder = ""
        for path in sorted((ROOT / room).rglob("*.py"), key=lambda each: (each.parent, each.name)):
            place = path.relative_to(ROOT)
            if {"repo", "solutions", "cheats", "template"} & set(place.parts):
                continue
            if str(place.parent) != folder:
                folder = str(place.parent)
                lines += ["", f"## {folder}/", "", "| module | what it is |", "|---|---|"]
            said = (ast.get_docstring(ast.parse(path.read_text("utf-8"))) or "").split("\n\n")[0]
            words = (
                " ".join(said.split()).replace("|", "\\|").replace("<", "&lt;").replace("[", "\\[")
            )
            lines.append(f"| `{path.name}` | {words} |")
    return "\n".join([*lines, ""])
