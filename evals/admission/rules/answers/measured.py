"""Whether a run is measured at all: what a program makes of a variable of the contract being there.

Does not: mind a refusal without it, a default for it, or what is done with its value. Invariant: the question is judged the
same in a test, as a number, by a name of another file and as a caught KeyError.
"""

import ast
from collections.abc import Iterator, Sequence

from rsi.evals.admission.rules.effects.variables import CONTRACT_VARIABLES
from rsi.evals.admission.source.flow import flow_of
from rsi.evals.admission.source.parsed import SourceFile
from rsi.evals.types import Finding, Severity

MESSAGE = "decides by whether the contract's variables are there: whether it is measured"
MAX_STEPS = 6
"""Names, results and entries through which a question is followed."""
KEEPING = frozenset({"builtins.bool", "builtins.int", "builtins.float", "builtins.any", "builtins.all"})  # fmt: skip


def check(file: SourceFile) -> Iterator[Finding]:
    """Report what depends on a contract's variable being there, and is neither its value nor a refusal."""
    for node in file.nodes:
        match node:
            case ast.If(test=test, body=body, orelse=other) if _asks(file, test):
                is_plain = _uses(file, body) or _uses(file, other)
            case ast.IfExp(test=test, body=one, orelse=another) if _asks(file, test):
                is_plain = _reads(file, one) or _reads(file, another)
            case ast.BinOp(left=left, right=right):
                is_plain = not any(_is_there(file, each) for each in (left, right))
            case ast.Subscript(slice=key):
                is_plain = not _is_there(file, key)
            case ast.Try(handlers=handlers, body=body) if _reads_alone(file, body):
                is_plain = not any(_is_missing(file, each) and not _defaults(body, each.body) for each in handlers)  # fmt: skip
            case _:
                continue
        if not is_plain:
            yield file.finding("environment_probe", Severity.HOLD, node, MESSAGE)


def _asks(file: SourceFile, test: ast.expr) -> bool:
    """Whether a test depends on a variable being there: itself, or a value that is None without it."""
    match test:
        case ast.UnaryOp(op=ast.Not(), operand=inner) | ast.NamedExpr(value=inner):
            return _asks(file, inner)
        case ast.BoolOp(values=values):
            return any(_asks(file, each) for each in values)
        case ast.Compare(left=left, ops=[ast.Is() | ast.IsNot() | ast.Eq() | ast.NotEq()], comparators=[ast.Constant(value=None | "")]):  # fmt: skip
            return _is_value(file, left)
    return _is_there(file, test) or _is_value(file, test)


def _is_there(file: SourceFile, node: ast.AST, steps: int = MAX_STEPS) -> bool:
    """Whether an expression is true or false by a variable being there."""
    match node:
        case ast.Compare(left=left, ops=[ast.In() | ast.NotIn()], comparators=[right]):
            return _named(file, left) and file.name_of(right) in {"os.environ", "os.environ.keys"}
        case ast.Compare(left=left, ops=[ast.Is() | ast.IsNot()], comparators=[ast.Constant(value=None)]):  # fmt: skip
            return _is_value(file, left)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return _is_there(file, operand, steps) or _is_value(file, operand)
        case ast.Call(func=function, args=[key]) if file.name_of(function) == "os.environ.__contains__":  # fmt: skip
            return _named(file, key)
        case ast.Call(func=function, args=[inner]) if file.name_of(function) in KEEPING:
            return _is_there(file, inner, steps) or (
                file.name_of(function) == "builtins.bool" and _is_value(file, inner)
            )
    return steps > 0 and any(_is_there(other, each, steps - 1) for other, each in flow_of(file).values(file, node))  # fmt: skip


def _is_value(file: SourceFile, node: ast.AST, steps: int = MAX_STEPS) -> bool:
    """Whether an expression is what a variable holds, None without it."""
    match node:
        case ast.Call(func=function, args=[key, *rest]) if file.name_of(function) in {"os.getenv", "os.environ.get"}:  # fmt: skip
            return _named(file, key) and all(isinstance(each, ast.Constant) and not each.value for each in rest)  # fmt: skip
    return steps > 0 and any(_is_value(other, each, steps - 1) for other, each in flow_of(file).values(file, node))  # fmt: skip


def _named(file: SourceFile, node: ast.AST) -> bool:
    return file.text_of(node) in CONTRACT_VARIABLES


def _uses(file: SourceFile, body: Sequence[ast.stmt]) -> bool:
    """Whether a branch does nothing but refuse, or make something of the value."""
    return bool(body) and all(isinstance(each, ast.Raise) or _leaves(file, each) or _reads(file, each) for each in body)  # fmt: skip


def _leaves(file: SourceFile, node: ast.stmt) -> bool:
    match node:
        case ast.Expr(value=ast.Call(func=function)):
            return file.name_of(function) in {"sys.exit", "builtins.exit", "builtins.print"}
    return False


def _reads(file: SourceFile, node: ast.AST) -> bool:
    """Whether a variable's value is in what is computed."""
    for each in ast.walk(node):
        match each:
            case ast.Subscript(value=value, slice=key) if file.name_of(value) == "os.environ":
                if _named(file, key):
                    return True
            case ast.Call() | ast.Name() if _is_value(file, each):
                return True
    return False


def _reads_alone(file: SourceFile, body: Sequence[ast.stmt]) -> bool:
    return len(body) == 1 and _reads(file, body[0])


def _is_missing(file: SourceFile, handler: ast.ExceptHandler) -> bool:
    """Whether a handler is for a variable that is not there."""
    return handler.type is None or file.name_of(handler.type) in {"builtins.KeyError", "builtins.LookupError"}  # fmt: skip


def _defaults(body: Sequence[ast.stmt], handled: Sequence[ast.stmt]) -> bool:
    """Whether a handler refuses, or gives the same names or result as the attempt would have."""
    attempt = ast.dump(body[0].targets[0]) if isinstance(body[0], ast.Assign) else ""
    return all(
        isinstance(each, ast.Raise)
        or (isinstance(each, ast.Return) and isinstance(body[0], ast.Return))
        or (isinstance(each, ast.Assign) and ast.dump(each.targets[0]) == attempt)
        for each in handled
    )
