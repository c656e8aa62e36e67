"""A parsed source file with names traced back to what they are imported from.

Does not: execute or import anything. Invariant: every answer is about the text alone, so it is the same
on every machine.
"""

import ast
import builtins
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

from rsi.evals.types import Finding, Severity

SOURCE = "rules"
_BUILTINS = frozenset(dir(builtins)) | {"__builtins__", "__loader__"}
_MODULE_LOADERS = frozenset({"importlib.import_module", "builtins.__import__"})


@dataclass(frozen=True)
class SourceFile:
    """One Python file of a candidate."""

    path: str
    text: str
    tree: ast.Module
    first_party: frozenset[str]
    """Top-level module and package names of the candidate's own tree."""
    max_literal_bytes: int = 8192
    _folds: dict[int, "Folded | None"] = field(default_factory=dict, repr=False, compare=False)

    @cached_property
    def lines(self) -> list[str]:
        return self.text.splitlines()

    @cached_property
    def nodes(self) -> tuple[ast.AST, ...]:
        """Every node, parents before children."""
        return tuple(ast.walk(self.tree))

    @cached_property
    def parents(self) -> dict[ast.AST, ast.AST]:
        return {child: node for node in self.nodes for child in ast.iter_child_nodes(node)}

    def ancestors(self, node: ast.AST) -> Iterator[ast.AST]:
        """The nodes around this one, innermost first."""
        while (parent := self.parents.get(node)) is not None:
            yield parent
            node = parent

    @cached_property
    def aliases(self) -> dict[str, str]:
        """Local name to the dotted name that it stands for."""
        names: dict[str, str] = {}
        for node in self.nodes:
            if isinstance(node, ast.Import):
                for entry in node.names:
                    local = entry.asname or entry.name.split(".")[0]
                    names[local] = entry.name if entry.asname else local
            elif isinstance(node, ast.ImportFrom):
                module = self.imported_module(node)
                for entry in node.names:
                    names[entry.asname or entry.name] = f"{module}.{entry.name}"
        for _ in range(3):  # chains such as a = os; b = a.system; c = b
            for node in self.nodes:
                if isinstance(node, ast.For) and isinstance(node.target, ast.Name):
                    _name_loop_variable(node, names, self)
                if isinstance(node, ast.Assign | ast.AnnAssign | ast.NamedExpr) and node.value:
                    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                    meant = _dotted(node.value, names, self)
                    for target in targets:
                        if isinstance(target, ast.Name) and meant and target.id not in names:
                            names[target.id] = meant
        return names

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
        return frozenset(meant.split(".")[0] for meant in self.aliases.values())

    @cached_property
    def own_names(self) -> frozenset[str]:
        """Names that the file defines at module level, which hide builtins."""
        return frozenset(
            node.name
            for node in self.tree.body
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        )

    def name_of(self, node: ast.AST) -> str | None:
        """Dotted name of an expression, such as "time.perf_counter"; None when it is not a plain name.

        Sees through aliases, getattr with a constant, __dict__ lookups and import_module.
        """
        return _dotted(node, self.aliases, self)

    def fold(self, node: ast.AST) -> "Folded | None":
        """Value of a constant text expression, however it is put together; None when it is not constant."""
        key = id(node)
        if key not in self._folds:
            self._folds[key] = _fold(node, self)
        return self._folds[key]

    def text_of(self, node: ast.AST) -> str | None:
        """The constant text of an expression; None when it is not one."""
        folded = self.fold(node)
        return folded.value if folded is not None else None

    def finding(self, rule: str, severity: Severity, node: ast.AST | int, message: str) -> Finding:
        """A finding of this file at a node or a 1-based line."""
        line = node if isinstance(node, int) else getattr(node, "lineno", 1)
        return Finding(
            rule=rule,
            severity=severity,
            file=self.path,
            line=line,
            message=message,
            source=SOURCE,
        )

    def imported_module(self, node: ast.ImportFrom) -> str:
        """Dotted name of the module that a from-import names, relative ones resolved."""
        if not node.level:
            return node.module or ""
        package = self.path.split("/")[: -node.level]
        return ".".join([*package, *([node.module] if node.module else [])])


@dataclass(frozen=True, slots=True)
class Folded:
    """A constant text and whether someone went out of their way to write it in pieces."""

    value: str
    is_pieced: bool


def parse_source(
    path: str, content: bytes, first_party: frozenset[str], max_literal_bytes: int
) -> SourceFile:
    """Parse one Python file.

    Raises:
        SyntaxError: It is no Python; also for bytes that are no UTF-8 and for over-deep nesting.
    """
    try:
        text = content.decode("utf-8")
        tree = ast.parse(text, filename=path)
    except (UnicodeDecodeError, ValueError, RecursionError, MemoryError) as error:
        raise SyntaxError(str(error)) from error
    return SourceFile(
        path=path,
        text=text,
        tree=tree,
        first_party=first_party,
        max_literal_bytes=max_literal_bytes,
    )


def _name_loop_variable(node: ast.For, names: dict[str, str], file: SourceFile) -> None:
    """`for module in (time, os)`: the variable stands for the first that has a name."""
    if isinstance(node.target, ast.Name) and isinstance(node.iter, ast.Tuple | ast.List):
        for element in node.iter.elts:
            meant = _dotted(element, names, file)
            if meant and node.target.id not in names:
                names[node.target.id] = meant


def _dotted(node: ast.AST, names: dict[str, str], file: SourceFile) -> str | None:
    if isinstance(node, ast.Name):
        if node.id in names:
            return names[node.id]
        if node.id in _BUILTINS and node.id not in file.own_names:
            return f"builtins.{node.id}"
        return None
    if isinstance(node, ast.Attribute):
        base = _dotted(node.value, names, file)
        if base == "builtins.__builtins__":
            base = "builtins"
        return f"{base}.{node.attr}" if base else None
    if isinstance(node, ast.Subscript):
        return _looked_up(node, names, file)
    if isinstance(node, ast.Call):
        return _loaded(node, names, file)
    return None


def _looked_up(node: ast.Subscript, names: dict[str, str], file: SourceFile) -> str | None:
    """module.__dict__["x"], vars(module)["x"], sys.modules["x"], __builtins__["x"]."""
    key = file.text_of(node.slice)
    if key is None:
        return None
    base = _dotted(node.value, names, file)
    if base == "sys.modules":
        return key
    if base and base.endswith(".__dict__"):
        return f"{base.removesuffix('.__dict__')}.{key}"
    if base in {"builtins.__builtins__", "builtins.__dict__"}:
        return f"builtins.{key}"
    if isinstance(node.value, ast.Call):
        function = _dotted(node.value.func, names, file)
        if function == "builtins.vars" and node.value.args:
            inner = _dotted(node.value.args[0], names, file)
            return f"{inner}.{key}" if inner else None
        if function == "builtins.globals" and key in names:
            return names[key]
    return None


def _loaded(node: ast.Call, names: dict[str, str], file: SourceFile) -> str | None:
    """import_module("x"), __import__("x"), getattr(x, "y")."""
    function = _dotted(node.func, names, file)
    if function in _MODULE_LOADERS and node.args:
        return file.text_of(node.args[0])
    if function == "builtins.getattr" and len(node.args) >= 2:
        return _member(_dotted(node.args[0], names, file), file.text_of(node.args[1]))
    if function == "sys.modules.get" and node.args:
        return file.text_of(node.args[0])
    if isinstance(node.func, ast.Attribute) and node.args:
        if node.func.attr in {"__getattribute__", "__getattr__"}:
            base = _dotted(node.func.value, names, file)
            return _member(base, file.text_of(node.args[-1]))
        match node.func:
            case ast.Attribute(value=ast.Attribute(value=inner, attr="__dict__"), attr="get"):
                return _member(_dotted(inner, names, file), file.text_of(node.args[0]))
    if isinstance(node.func, ast.Call):
        maker = _dotted(node.func.func, names, file)
        if maker == "operator.attrgetter" and node.func.args and node.args:
            base = _dotted(node.args[0], names, file)
            return _member(base, file.text_of(node.func.args[0]))
    return None


def _member(base: str | None, attribute: str | None) -> str | None:
    return f"{base}.{attribute}" if base and attribute else None


def _fold(node: ast.AST, file: SourceFile) -> Folded | None:
    match node:
        case ast.Constant(value=str(text)):
            return Folded(text, False)
        case ast.Attribute(attr="sep") if file.name_of(node) in {"os.sep", "os.path.sep"}:
            return Folded("/", True)
        case ast.Constant(value=bytes(raw)):
            return Folded(raw.decode("latin-1"), False)
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return _joined([file.fold(left), file.fold(right)])
        case ast.JoinedStr(values=values):
            return _joined([file.fold(value) for value in values])
        case ast.FormattedValue(value=value):
            return file.fold(value)
        case ast.Subscript(value=value, slice=ast.Slice(lower=None, upper=None, step=step)):
            inner = file.fold(value)
            is_reversed = isinstance(step, ast.UnaryOp) and isinstance(step.op, ast.USub)
            return Folded(inner.value[::-1], True) if inner and is_reversed else None
        case ast.Call():
            return _fold_call(node, file)
    return None


def _fold_call(node: ast.Call, file: SourceFile) -> Folded | None:
    match node:
        case ast.Call(func=ast.Name(id="chr"), args=[ast.Constant(value=int(code))]):
            return Folded(chr(code), True) if 0 <= code < 0x110000 else None
        case ast.Call(
            func=ast.Attribute(value=glue, attr="join"),
            args=[ast.List(elts=parts) | ast.Tuple(elts=parts)],
        ):
            between = file.fold(glue)
            folded = [file.fold(part) for part in parts]
            if between is None or any(part is None for part in folded):
                return None
            texts = [part.value for part in folded if part is not None]
            return Folded(between.value.join(texts), True)
        case ast.Call(func=ast.Attribute(value=value, attr="replace"), args=[old, new]):
            inner, before, after = file.fold(value), file.fold(old), file.fold(new)
            if inner is None or before is None or after is None:
                return None
            return Folded(inner.value.replace(before.value, after.value), True)
        case ast.Call(func=ast.Attribute(value=value, attr="lower" | "decode" | "strip")):
            inner = file.fold(value)
            return Folded(inner.value.lower(), True) if inner else None
        case ast.Call(func=ast.Attribute(value=ast.Name(id="bytes"), attr="fromhex"), args=[text]):
            return _from_hex(file.fold(text))
        case ast.Call(func=ast.Name(id="bytes"), args=[ast.List(elts=parts)]):
            codes = [part.value for part in parts if isinstance(part, ast.Constant)]
            if len(codes) == len(parts) and all(
                isinstance(code, int) and 0 <= code < 256 for code in codes
            ):
                return Folded("".join(chr(int(str(code))) for code in codes), True)
    return None


def _joined(parts: list[Folded | None]) -> Folded | None:
    if any(part is None for part in parts):
        return None
    return Folded("".join(part.value for part in parts if part is not None), len(parts) > 1)


def _from_hex(folded: Folded | None) -> Folded | None:
    if folded is None:
        return None
    try:
        return Folded(bytes.fromhex(folded.value).decode("latin-1"), True)
    except ValueError:
        return None
