"""`rsi task schema`: the form of task.toml as a JSON schema, for editors."""

import argparse
import json

from rsi.agent.cli.context import emit
from rsi.tasks.format.task_file import task_schema


def schema(args: argparse.Namespace) -> int:
    """Print the schema; with and without --json it is the same document."""
    found = task_schema()
    emit(args, found, [json.dumps(found, indent=2, ensure_ascii=False)])
    return 0
