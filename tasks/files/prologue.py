"""Put code at the start of a Python file, as far up as the language lets it stand."""

import ast

from rsi.sandboxes.types import FileEntry


def with_prologue(entry: FileEntry, code: str) -> bytes:
    """Code put after the docstring and the imports from `__future__`, which must stay first.

    Raises:
        SyntaxError: The file is no Python.
    """
    lines = entry.content.decode("utf-8").splitlines(keepends=True)
    last = 0
    for statement in ast.parse(entry.content).body:
        is_docstring = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
        is_future = isinstance(statement, ast.ImportFrom) and statement.module == "__future__"
        if not (is_docstring or is_future):
            break
        last = statement.end_lineno or last
    return "".join([*lines[:last], code.lstrip("\n"), *lines[last:]]).encode()
