"""References to the names of one table, however they are reached.

Does not: follow data flow beyond aliases (`source.py`). Invariant: a reference counts, not only a call, so
`f = os.fork; f()` and `partial(os.system)` are seen alike.
"""

import ast
import re
import sys
from collections.abc import Iterator

from rsi.evals.admission.source.names import REFERENCES, B, H
from rsi.evals.admission.source.naming import WIDE_MODULES
from rsi.evals.admission.source.ordinary import is_ordinary, is_ordinary_module
from rsi.evals.admission.source.parsed import SourceFile
from rsi.evals.types import Finding

_LOOKERS = frozenset({"builtins.getattr", "builtins.setattr", "builtins.delattr", "builtins.hasattr", "builtins.vars", "builtins.dir"})  # fmt: skip
"""Calls that look into a module at once; what they find there is traced."""


_FORGERS = frozenset({"fork", "forkpty", "vfork", "system", "popen", "execv", "execve", "execvp", "execvpe", "spawnv", "posix_spawn", "setsid", "killpg", "clock_settime", "_exit"})  # fmt: skip
"""Functions of the system whose names are hardly anything else's, whatever they are looked up in."""
_TIMERS = frozenset({"timeit.timeit", "timeit.repeat", "timeit.Timer"})
_RAW_MEMORY = frozenset({"ctypes.memmove", "ctypes.memset"})
_LIBRARY_OPERATOR = re.compile(r"(aten|prims?|quantized|mkldnn|sparse|profiler)(::|$)")
_WATCHED = frozenset({"weakref.ref", "weakref.proxy", "weakref.WeakMethod"})
_MOCKS = frozenset({"unittest.mock.patch", "unittest.mock.patch.object", "unittest.mock.patch.multiple", "unittest.mock.patch.dict"})  # fmt: skip
_UNPICKLERS = frozenset({"pickle.loads", "pickle.load"})


def check(file: SourceFile) -> Iterator[Finding]:
    """Report every reference to a name in the table; a name covers everything below it."""
    for node in file.nodes:
        if isinstance(node, ast.Import):
            for entry in node.names:
                # What is doubtful in a module is reported where it is used; what nobody may use, here already.
                found = _report(file, node, entry.name)
                is_listed = listed(entry.name) is not None
                yield from (each for each in found if each.severity is B or not is_listed)
                yield from _unusual_module(file, node, entry.name)
                yield from _protected(file, node, entry.name)
        elif isinstance(node, ast.ImportFrom):
            module = file.imported_module(node)
            if not node.level:
                yield from _unusual_module(file, node, module)
            yield from _protected(file, node, module)
            for entry in node.names:
                yield from _protected(file, node, f"{module}.{entry.name}")
                if entry.name == "*" and module in WIDE_MODULES:
                    message = f"from {module} import * hides which of its names are used"
                    yield file.finding("import_tricks", B, node, message)
                yield from _report(file, node, f"{module}.{entry.name}")
                if not node.level:
                    yield from _unusual_name(file, node, f"{module}.{entry.name}")
        elif isinstance(node, ast.Attribute | ast.Name | ast.Call | ast.Subscript):
            yield from _namespace(file, node)
            if isinstance(node, ast.Call):
                yield from _called(file, node)
            if isinstance(file.parents.get(node), ast.Attribute):
                continue  # the longest dotted name speaks for its parts
            name = file.name_of(node)
            if isinstance(node, ast.Attribute):
                yield from _inner_name(file, node, name)
            if name is not None:
                yield from _report(file, node, name)
                yield from _unusual_name(file, node, name)
                if name in WIDE_MODULES and not _is_followed(file, node):
                    message = f"the whole module {name} as a value, so that nobody sees which of its names are used"
                    yield file.finding("obfuscation", H, node, message)
        elif isinstance(node, ast.ClassDef):
            yield from _modules_in_class(file, node)
    for name, line in file.module_bindings.items():
        if f"builtins.{name}" in REFERENCES:
            yield file.finding("obfuscation", H, line, f"hides the built-in {name}")


def _unusual_module(file: SourceFile, node: ast.stmt, name: str) -> Iterator[Finding]:
    """A module that training has no need of, and that the table does not know."""
    root = name.split(".")[0]
    if root.startswith("_") and root in sys.stdlib_module_names:
        return  # `_report` has a sentence for these
    if not is_ordinary_module(root, file.first_party) and listed(name) is None:
        message = f"{root}: training rarely needs it; see what it is for"
        yield file.finding("import_tricks", H, node, message)


def _protected(file: SourceFile, node: ast.stmt, name: str) -> Iterator[Finding]:
    if name in file.protected:
        message = f"imports {name}, which starts or tests the candidate"
        yield file.finding("import_tricks", H, node, message)


def _unusual_name(file: SourceFile, node: ast.AST, name: str) -> Iterator[Finding]:
    """A name of an ordinary module that training has no need of, and that the table does not know."""
    if is_ordinary(name, file.first_party) or listed(name) is not None:
        return
    message = f"{name.removeprefix('builtins.')}: training rarely needs it; see what it is for"
    yield file.finding("unusual_name", H, node, message)


def _called(file: SourceFile, node: ast.Call) -> Iterator[Finding]:
    """Calls whose arguments say whether they are harmless."""
    name = file.name_of(node.func)
    if name in _MOCKS and node.args:
        yield from _mocked(file, node, name or "")
    if any(each.arg == "eval_str" for each in node.keywords):
        message = "evaluates annotations that are text"
        yield file.finding("dynamic_code", H, node, message)
    if name in _WATCHED and len(node.args) > 1:
        yield file.finding("deferred_work", H, node, f"{name} runs work when an object dies")
    if name == "warnings.catch_warnings" and any(each.arg == "record" for each in node.keywords):
        message = "recorded warnings say who calls"
        yield file.finding("introspection", H, node, message)
    if name is not None and name.startswith("torch.library."):
        texts = [
            file.text_of(each) or ""
            for each in (*node.args, *(each.value for each in node.keywords))
        ]
        if any(_LIBRARY_OPERATOR.match(each) for each in texts):
            message = "gives an operator of torch another meaning for everyone"
            yield file.finding("monkeypatch", H, node, message)
    if name in _RAW_MEMORY:
        is_object = any(
            isinstance(each, ast.Call) and file.name_of(each.func) == "builtins.id"
            for argument in node.args
            for each in ast.walk(argument)
        )
        message = f"{name} writes raw memory"
        yield file.finding("native_code", B if is_object else H, node, message)


def _mocked(file: SourceFile, node: ast.Call, function: str) -> Iterator[Finding]:
    """What a test's double stands in for: by its name in a text, or the thing itself."""
    target = file.text_of(node.args[0]) or file.name_of(node.args[0])
    if target == "os.environ" or (target and target.split(".")[0] in file.first_party):
        return
    severity = B if target else H
    message = f"{function} replaces what belongs to a library"
    yield file.finding("monkeypatch", severity, node, message)


def _inner_name(file: SourceFile, node: ast.Attribute, name: str | None) -> Iterator[Finding]:
    """Private parts of the standard library, and the system's functions looked up in what nobody can trace."""
    if name is None:
        if node.attr in _FORGERS:
            message = f"{node.attr} of something that cannot be traced"
            yield file.finding("obfuscation", H, node, message)
        return
    root, *parts = name.split(".")
    is_standard = root in sys.stdlib_module_names and root not in file.first_party
    if is_standard and listed(name) is None and root != "builtins":
        private = next((each for each in parts if each.startswith("_") and not each.endswith("__")), None)  # fmt: skip
        if private is not None:
            message = f"{root}.{private}: a private part of the standard library"
            yield file.finding("import_tricks", H, node, message)


def _is_given_code(file: SourceFile, node: ast.AST) -> bool:
    """Whether a timer gets a function of the source, not a text."""
    parent = file.parents.get(node)
    match parent:
        case ast.Call(func=function, args=[ast.Lambda(), *_]) if function is node:
            return True
        case ast.Call(func=function, args=[ast.Name(id=name), *_]) if function is node:
            return any(
                isinstance(each, ast.FunctionDef) and each.name == name for each in file.nodes
            )
    return False


def _is_round_trip(file: SourceFile, node: ast.AST) -> bool:
    """`pickle.loads(pickle.dumps(x))`: bytes of its own making."""
    parent = file.parents.get(node)
    match parent:
        case ast.Call(func=function, args=[ast.Call(func=maker), *_]) if function is node:
            return file.name_of(maker) == "pickle.dumps"
    return False


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
    # What an import gave a name, modules and classes of others alike.
    is_module = (
        isinstance(module, ast.Name)
        and module.id in file.imported
        and name is not None
        and name.split(".")[0] not in file.first_party
    )
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
        if entry in _TIMERS and _is_given_code(file, node):
            return
        if entry in _UNPICKLERS and _is_round_trip(file, node):
            severity = H
        shown = entry.removeprefix("builtins.")
        text = message if shown.split(".")[-1] in message else f"{shown}: {message}"
        yield file.finding(rule, severity, node, text)
