"""References to the names of one table, however they are reached.

Does not: follow data flow beyond aliases (`source.py`). Invariant: a reference counts, not only a call, so
`f = os.fork; f()` and `partial(os.system)` are seen alike.
"""

import ast
from collections.abc import Iterator

from rsi.evals.admission.source.names import REFERENCES, B, H
from rsi.evals.admission.source.parsed import WIDE_MODULES, SourceFile
from rsi.evals.types import Finding

_LOOKERS = frozenset({"builtins.getattr", "builtins.setattr", "builtins.delattr", "builtins.hasattr", "builtins.vars", "builtins.dir"})  # fmt: skip
"""Calls that look into a module at once; what they find there is traced."""


def check(file: SourceFile) -> Iterator[Finding]:
    """Report every reference to a name in the table; a name covers everything below it."""
    for node in file.nodes:
        if isinstance(node, ast.Import):
            for entry in node.names:
                # What is doubtful in a module is reported where it is used; what nobody may use, here already.
                found = _report(file, node, entry.name)
                is_listed = listed(entry.name) is not None
                yield from (each for each in found if each.severity is B or not is_listed)
        elif isinstance(node, ast.ImportFrom):
            module = file.imported_module(node)
            for entry in node.names:
                if entry.name == "*" and module in WIDE_MODULES:
                    message = f"from {module} import * hides which of its names are used"
                    yield file.finding("import_tricks", B, node, message)
                yield from _report(file, node, f"{module}.{entry.name}")
        elif isinstance(node, ast.Attribute | ast.Name | ast.Call | ast.Subscript):
            yield from _namespace(file, node)
            if isinstance(file.parents.get(node), ast.Attribute):
                continue  # the longest dotted name speaks for its parts
            name = file.name_of(node)
            if name is not None:
                yield from _report(file, node, name)
                if name in WIDE_MODULES and not _is_followed(file, node):
                    message = f"the whole module {name} as a value, so that nobody sees which of its names are used"
                    yield file.finding("obfuscation", H, node, message)
        elif isinstance(node, ast.ClassDef):
            yield from _modules_in_class(file, node)
    for name, line in file.module_bindings.items():
        if f"builtins.{name}" in REFERENCES:
            yield file.finding("obfuscation", H, line, f"hides the built-in {name}")


def _is_followed(file: SourceFile, node: ast.AST) -> bool:
    """Whether what becomes of a module is seen: it gets another name, is looked into at once, or is compared."""
    parent = file.parents.get(node)
    match parent:
        case ast.Assign(targets=targets):
            return all(isinstance(each, ast.Name) for each in targets)
        case ast.AnnAssign(target=target):
            return isinstance(target, ast.Name)
        case ast.Call(func=function, args=[first, *_]):
            is_lookup = isinstance(function, ast.Call)  # operator.attrgetter("x")(os)
            return first is node and (is_lookup or file.name_of(function) in _LOOKERS)
        case ast.Tuple() | ast.List():
            return isinstance(file.parents.get(parent), ast.For)
    return isinstance(parent, ast.Compare | ast.Expr | ast.Delete)


def _namespace(file: SourceFile, node: ast.AST) -> Iterator[Finding]:
    """`vars(module)` and `module.__dict__` as values: only a lookup of one constant name is traced."""
    match node:
        case ast.Attribute(attr="__dict__", value=module):
            pass
        case ast.Call(args=[module]) if file.name_of(node.func) == "builtins.vars":
            pass
        case _:
            return
    name = file.name_of(module)
    is_module = isinstance(module, ast.Name) and module.id in file.whole_modules
    parent = file.parents.get(node)
    is_lookup = isinstance(parent, ast.Subscript | ast.Compare) or (
        isinstance(parent, ast.Attribute)
        and parent.attr == "get"
        and isinstance(call := file.parents.get(parent), ast.Call)
        and file.name_of(call) is not None
    )
    if (is_module or name in WIDE_MODULES) and not is_lookup:
        message = f"every name of {name} at once, so that nobody sees which of them are used"
        yield file.finding("obfuscation", H, node, message)


def _modules_in_class(file: SourceFile, node: ast.ClassDef) -> Iterator[Finding]:
    """Modules as attributes of a class: what is reached through them is not traced."""
    for statement in node.body:
        match statement:
            case ast.Import(names=entries) if any(each.name in WIDE_MODULES for each in entries):
                yield file.finding("obfuscation", H, statement, "a whole module as an attribute")
            case ast.Assign(value=value) if file.name_of(value) in WIDE_MODULES:
                yield file.finding("obfuscation", H, statement, "a whole module as an attribute")


def listed(name: str) -> str | None:
    """The most specific entry that covers a dotted name; None when none does.

    A module reached through another, such as `tempfile._os.system`, counts as itself.
    """
    parts = name.split(".")
    for start in range(len(parts) - 1, 0, -1):
        if parts[start].lstrip("_") in WIDE_MODULES and start < len(parts) - 1:
            inner = listed(".".join([parts[start].lstrip("_"), *parts[start + 1 :]]))
            if inner is not None:
                return inner
    for length in range(len(parts), 0, -1):
        prefix = ".".join(parts[:length])
        if prefix in REFERENCES:
            return prefix
    return None


def _report(file: SourceFile, node: ast.AST, name: str) -> Iterator[Finding]:
    root = name.split(".")[0]
    if root in file.first_party:
        return
    entry = listed(name) or listed(name.lstrip("_"))  # `_socket` is what `socket` is made of
    if entry is None and root.startswith("_") and not root.startswith("__"):
        if isinstance(node, ast.Import | ast.ImportFrom):
            message = f"{root}: a private module of the standard library, past its public one"
            yield file.finding("import_tricks", H, node, message)
    elif entry is not None:
        rule, severity, message = REFERENCES[entry]
        shown = entry.removeprefix("builtins.")
        text = message if shown.split(".")[-1] in message else f"{shown}: {message}"
        yield file.finding(rule, severity, node, text)
