"""A parsed source file with names traced back to what they are imported from.

Does not: execute or import anything, or know which of several meanings a name has when: each is one reading of the file.
Invariant: every answer is about the text alone, so it is the same on every machine.
"""

import ast
import textwrap
from collections import ChainMap, deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from typing import TypeVar

from rsi.evals.admission.source.folding import Folded, fold_text
from rsi.evals.admission.source.naming import BUILTINS, dotted, itself, risk
from rsi.evals.types import Finding, Severity

T = TypeVar("T")

SOURCE = "rules"
PYTHON_SUFFIXES = (".py", ".pyi")
MAX_MEANINGS = 24
"""Things that one name may stand for in a file; no honest file comes near."""
_SEPARATORS = frozenset({"os.sep", "os.path.sep"})
_SHARED = (
    "_constants",
    "_lines",
    "assignments",
    "imported",
    "meanings",
    "module_bindings",
    "nodes",
    "parents",
)
_Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
_Constants = ast.Constant | ast.List | ast.Tuple | ast.Dict | ast.JoinedStr | ast.BinOp


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting(Finding):
    """A finding with the source that it speaks of: the same doubt is new again when that source changed."""

    evidence: str


DEEPEST = 150
"""Expressions within each other in a file whose values are followed; what is deeper is looked at by itself."""


class Siblings:
    """The Python files of one tree that a candidate may change, and what is made of all of them once.

    Args:
        contents: Content by path.
        first_party: As of a `SourceFile`, as are the others.
    """

    def __init__(
        self,
        contents: Mapping[str, bytes],
        first_party: frozenset[str],
        max_literal_bytes: int,
        writable: tuple[str, ...] = (),
        protected: frozenset[str] = frozenset(),
    ) -> None:
        self._contents = contents
        self._rules = (first_party, max_literal_bytes, writable, protected)
        self._kept: dict[object, object] = {}

    @cached_property
    def files(self) -> dict[str, "SourceFile"]:
        """Those that can be read; what cannot is found when it is looked at by itself."""
        found = {}
        for path, content in self._contents.items():
            module = path.removesuffix(".py").replace("/", ".")
            if path.endswith(PYTHON_SUFFIXES) and module not in self._rules[-1]:
                with suppress(SyntaxError, RecursionError):
                    file = parse_source(path, content, *self._rules, siblings=self)
                    _ = file.meanings  # a name that stands for too many things is found here
                    if _depth(file.tree) <= DEEPEST:
                        found[path] = file
        return found

    def kept(self, make: Callable[[Mapping[str, "SourceFile"]], T]) -> T:
        """What a function makes of the files, made once."""
        if make not in self._kept:
            self._kept[make] = make(self.files)
        return self._kept[make]  # type: ignore[return-value]  # what `make` gave under its own key


@dataclass(frozen=True)
class SourceFile:
    """One Python file of a candidate."""

    path: str
    text: str
    tree: ast.Module
    siblings: Siblings = field(repr=False, compare=False)
    """The Python files of its tree, this one among them."""
    first_party: frozenset[str]
    """Top-level module and package names of the candidate's own tree."""
    max_literal_bytes: int = 8192
    writable: tuple[str, ...] = ()
    """Globs of what the task lets a run write in its own folder."""
    protected: frozenset[str] = frozenset()
    """Modules of the candidate's tree that it may not change: its entry, its tests."""
    reading: int = 0
    """Which of its meanings every name has here; a name with fewer has its last."""
    _folds: dict[int, Folded | None] = field(default_factory=dict, repr=False, compare=False)
    _locals: dict[ast.AST, frozenset[str]] = field(default_factory=dict, repr=False, compare=False)
    _kept: dict[object, object] = field(default_factory=dict, repr=False, compare=False)
    """Maps of the text that others make of it once, the same in every reading."""

    @cached_property
    def nodes(self) -> tuple[ast.AST, ...]:
        """Every node, parents before children."""
        return tuple(ast.walk(self.tree))

    @cached_property
    def parents(self) -> dict[ast.AST, ast.AST]:
        return {child: node for node in self.nodes for child in ast.iter_child_nodes(node)}

    @cached_property
    def imported(self) -> dict[str, list[str]]:
        """Local name to the dotted names that it is imported as, anywhere in the file."""
        names: dict[str, list[str]] = {}
        for node in self.nodes:
            if isinstance(node, ast.Import):
                for entry in node.names:
                    local = entry.asname or entry.name.split(".")[0]
                    names.setdefault(local, []).append(entry.name if entry.asname else local)
            elif isinstance(node, ast.ImportFrom):
                module = self.imported_module(node)
                for entry in node.names:
                    meant = itself(f"{module}.{entry.name}")
                    names.setdefault(entry.asname or entry.name, []).append(meant)
        return names

    @cached_property
    def meanings(self) -> dict[str, tuple[str, ...]]:
        """Local name to everything that it stands for anywhere in the file, the riskiest first.

        Raises:
            SyntaxError: A name stands for so many things that nobody could tell what the file does.
        """
        names = {name: set(meant) for name, meant in self.imported.items()}
        users: dict[str, list[int]] = {}
        for index, (_, value) in enumerate(self._bindings):
            for name in _names_in(value):
                users.setdefault(name, []).append(index)
        given: list[set[str]] = [set() for _ in self._bindings]
        waiting = deque(range(len(self._bindings)))
        while waiting:  # chains such as a = os; b = a.system; c = b, in any order
            index = waiting.popleft()
            target, value = self._bindings[index]
            meant = names.setdefault(target, set())
            # What `a = a.b` made of a is not fed to it again: it would grow without end.
            before = ChainMap({target: meant - given[index]}, names)
            fresh = set(dotted(value, before, self)) - meant
            if not fresh:
                continue
            given[index] |= fresh
            meant |= fresh
            if len(meant) > MAX_MEANINGS:
                raise SyntaxError(f"the name {target!r} stands for too many things")
            waiting.extend(users.get(target, ()))
        return {name: tuple(sorted(meant, key=risk)) for name, meant in names.items() if meant}

    @cached_property
    def _bindings(self) -> list[tuple[str, ast.expr]]:
        """Every plain name with an expression that it is given, anywhere in the file."""
        found: list[tuple[str, ast.expr]] = []
        for node in self.nodes:
            match node:
                case ast.Assign(targets=targets, value=value):
                    found += [(each.id, value) for each in targets if isinstance(each, ast.Name)]
                case (
                    ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value)
                    | ast.NamedExpr(target=ast.Name(id=name), value=value)
                ):
                    found.append((name, value))
                case ast.For(target=ast.Name(id=name), iter=ast.Tuple() | ast.List() as row):
                    found += [(name, element) for element in row.elts]
        return found

    @cached_property
    def aliases(self) -> dict[str, str]:
        """Local name to the dotted name that it stands for in this reading; a builtin's name is its own at first."""
        found = {}
        for name, meant in self.meanings.items():
            index = self.reading - (name in BUILTINS)
            if index >= 0:
                found[name] = meant[min(index, len(meant) - 1)]
        return found

    def readings(self) -> Iterator["SourceFile"]:
        """This file once for each meaning of the name that has most, so that no meaning hides another."""
        yield self
        counts = (len(meant) + (name in BUILTINS) for name, meant in self.meanings.items())
        for reading in range(1, max(counts, default=1)):
            other = replace(self, reading=reading, _folds={})
            # What is the same in every reading is not computed again.
            other.__dict__.update(
                {name: self.__dict__[name] for name in _SHARED if name in self.__dict__}
            )
            yield other

    @cached_property
    def assignments(self) -> dict[str, list[ast.expr]]:
        """Every value that a plain name is assigned, anywhere in the file."""
        values: dict[str, list[ast.expr]] = {}
        for node in self.nodes:
            if isinstance(node, ast.Assign):
                for target in node.targets:
                    if isinstance(target, ast.Name):
                        values.setdefault(target.id, []).append(node.value)
        return values

    @cached_property
    def whole_modules(self) -> frozenset[str]:
        """Local names of foreign modules that were imported as such."""
        return frozenset(
            entry.asname or entry.name
            for node in self.nodes
            if isinstance(node, ast.Import)
            for entry in node.names
            if entry.name.split(".")[0] not in self.first_party
        )

    @cached_property
    def imported_roots(self) -> frozenset[str]:
        """First parts of everything that a local name stands for."""
        return frozenset(each.split(".")[0] for meant in self.meanings.values() for each in meant)

    @cached_property
    def module_bindings(self) -> dict[str, int]:
        """Names that the module certainly binds, with the line: they hide builtins unless they are deleted."""
        bound: dict[str, int] = {}
        for statement in self.tree.body:
            for name in _bound_by(statement):
                bound.setdefault(name, statement.lineno)
        deleted = {
            node.id
            for node in self.nodes
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Del)
        }
        return {name: line for name, line in bound.items() if name not in deleted}

    def hides_builtin(self, node: ast.Name) -> bool:
        """Whether a name that a builtin has means something else at this place."""
        inner: ast.AST = node
        is_in_function = False
        while (parent := self.parents.get(inner)) is not None:
            if isinstance(parent, _Function):
                if node.id in self._locals_of(parent):
                    return True
                is_in_function = True
            inner = parent
        line = self.module_bindings.get(node.id)
        return line is not None and (is_in_function or line < node.lineno)

    def _locals_of(self, function: _Function) -> frozenset[str]:
        if function not in self._locals:
            self._locals[function] = _local_names(function)
        return self._locals[function]

    def name_of(self, node: ast.AST) -> str | None:
        """Dotted name of an expression, such as "time.perf_counter"; None when it is not a plain name.

        Sees through aliases, getattr with a constant, __dict__ lookups and import_module.
        """
        return next(iter(dotted(node, self._one_each, self)), None)

    def names_of(self, node: ast.AST) -> tuple[str, ...]:
        """Every dotted name that an expression may stand for, in any reading."""
        return dotted(node, self.meanings, self)

    @cached_property
    def module(self) -> str:
        """Dotted name of the module that the file is."""
        return self.path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")

    @cached_property
    def _one_each(self) -> dict[str, tuple[str]]:
        return {name: (meant,) for name, meant in self.aliases.items()}

    def fold(self, node: ast.AST) -> Folded | None:
        """Value of a constant text expression, however it is put together; None when it is not constant."""
        key = id(node)
        if key not in self._folds:
            self._folds[key] = fold_text(node, self)
        return self._folds[key]

    def is_separator(self, node: ast.Attribute) -> bool:
        """Whether an attribute is the separator of paths; asked while names are still being traced."""
        return not _SEPARATORS.isdisjoint(dotted(node, self.imported, self))

    def text_of(self, node: ast.AST) -> str | None:
        """The constant text of an expression; None when it is not one."""
        folded = self.fold(node)
        return folded.value if folded is not None else None

    def kept(self, make: Callable[["SourceFile"], T]) -> T:
        """What a function makes of this text, made once for all readings; it may not ask what names mean."""
        if make not in self._kept:
            self._kept[make] = make(self)
        return self._kept[make]  # type: ignore[return-value]  # what `make` gave under its own key

    def finding(self, rule: str, severity: Severity, node: ast.AST | int, message: str) -> Sighting:
        """A finding of this file at a node or a 1-based line."""
        line = node if isinstance(node, int) else getattr(node, "lineno", 1)
        return Sighting(
            rule=rule,
            severity=severity,
            file=self.path,
            line=line,
            message=message,
            source=SOURCE,
            evidence=self._lines[line - 1] if isinstance(node, int) else self._evidence(node),
        )

    def at(self, finding: Finding, node: ast.AST) -> Sighting:
        """A finding about what a node holds, such as a line of an inline kernel."""
        return Sighting(
            rule=finding.rule,
            severity=finding.severity,
            file=finding.file,
            line=finding.line,
            message=finding.message,
            source=finding.source,
            evidence=self._evidence(node),
        )

    @cached_property
    def _lines(self) -> list[str]:
        return python_lines(self.text)

    def _evidence(self, node: ast.AST) -> str:
        """Whole lines of the statement around a node, and the constants whose names it uses.

        Of the node alone where the statement holds others. A command that was looked at is another one when the list
        of its words is.
        """
        whole = node
        while not isinstance(whole, ast.stmt) and whole in self.parents:
            whole = self.parents[whole]
        if hasattr(whole, "body"):
            whole = node
        first = getattr(whole, "lineno", 1)
        last = getattr(whole, "end_lineno", None) or first
        names = {inner.id for inner in ast.walk(whole) if isinstance(inner, ast.Name)}
        constants = [self._constants[name] for name in sorted(names & self._constants.keys())]
        return textwrap.dedent("\n".join(self._lines[first - 1 : last])) + "\n".join(constants)

    @cached_property
    def _constants(self) -> dict[str, str]:
        """What is constant among the values of each name, as text."""
        return {
            name: "\n".join(
                f"{name} = {ast.unparse(value)}"
                for value in values
                if isinstance(value, _Constants)
            )
            for name, values in self.assignments.items()
        }

    def imported_module(self, node: ast.ImportFrom) -> str:
        """Dotted name of the module that a from-import names, relative ones resolved."""
        if not node.level:
            return node.module or ""
        package = self.path.split("/")[: -node.level]
        return ".".join([*package, *([node.module] if node.module else [])])


def python_lines(text: str) -> list[str]:
    """Lines as Python counts them: other characters that `str.splitlines` breaks at are part of a line."""
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


def parse_source(
    path: str,
    content: bytes,
    first_party: frozenset[str],
    max_literal_bytes: int,
    writable: tuple[str, ...] = (),
    protected: frozenset[str] = frozenset(),
    siblings: Siblings | None = None,
) -> SourceFile:
    """Parse one Python file; it is alone where it has no siblings.

    Raises:
        SyntaxError: It is no Python; also for bytes that are no UTF-8 and for over-deep nesting.
    """
    try:
        text = content.decode(
            "utf-8-sig"
        )  # a mark of the byte order at the start is none of its text
        tree = _parsed(text)
    except (UnicodeDecodeError, ValueError, RecursionError, MemoryError) as error:
        raise SyntaxError(str(error)) from error
    is_alone = siblings is None
    siblings = siblings or Siblings({}, first_party, max_literal_bytes, writable, protected)
    file = SourceFile(
        path=path,
        text=text,
        tree=tree,
        first_party=first_party,
        max_literal_bytes=max_literal_bytes,
        writable=writable,
        protected=protected,
        siblings=siblings,
    )
    if is_alone:
        siblings.files[path] = file
    return file


@lru_cache(maxsize=64)
def _parsed(text: str) -> ast.Module:
    """The tree of a text, the same for the base's file and for the candidate's that did not change."""
    return ast.parse(text)


def _depth(tree: ast.AST) -> int:
    """How deep the deepest node lies."""
    depth, level = 0, [tree]
    while level:
        depth += 1
        level = [child for node in level for child in ast.iter_child_nodes(node)]
    return depth


def _names_in(value: ast.expr) -> set[str]:
    """Names that an expression may depend on; those in texts too, for `globals()["a"]`."""
    found = set()
    for node in ast.walk(value):
        match node:
            case ast.Name(id=name) | ast.Constant(value=str(name)):
                found.add(name)
    return found


def _bound_by(statement: ast.stmt) -> Iterator[str]:
    """Names that one statement binds when it is run, those of its inner statements left out."""
    match statement:
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            yield name
        case ast.Import(names=entries) | ast.ImportFrom(names=entries):
            yield from (entry.asname or entry.name.split(".")[0] for entry in entries)
        case ast.Assign(targets=targets):
            yield from (each.id for each in targets if isinstance(each, ast.Name))
        case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr()):
            yield name


def _local_names(function: _Function) -> frozenset[str]:
    """Names that are local to a function, so that they never mean a builtin inside it."""
    arguments = function.args
    every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    names = {each.arg for each in [*every, arguments.vararg, arguments.kwarg] if each is not None}
    if isinstance(function, ast.Lambda):
        return frozenset(names)
    outer: set[str] = set()
    waiting: list[ast.AST] = list(function.body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.stmt):
            names.update(_bound_by(node))
        if isinstance(node, ast.Global | ast.Nonlocal):
            outer.update(node.names)
        if not isinstance(node, _Function | ast.ClassDef):
            waiting.extend(each for each in ast.iter_child_nodes(node))
    return frozenset(names - outer)
