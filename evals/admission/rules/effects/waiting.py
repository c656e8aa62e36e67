"""Time that passes without work: waits with a time limit, whatever they wait for.

Does not: mind a wait that ends when work is done. Invariant: a wait for nothing is a sleep, by any name.
"""

import ast
from collections.abc import Iterator
from itertools import pairwise

from rsi.evals.admission.source.calls import Call, calls_of
from rsi.evals.admission.source.flow import flow_of
from rsi.evals.admission.source.parsed import SourceFile
from rsi.evals.types import Finding, Severity

WAITERS = frozenset({"wait", "wait_for", "join", "acquire", "get", "put", "result", "exception", "poll", "select", "communicate", "run"})  # fmt: skip
"""Methods that take a time limit."""
BY_POSITION = frozenset({"wait", "join", "result", "exception", "poll"})
"""Those whose first argument, as a number, is one."""
AFTER_SWITCH = frozenset({"get", "put", "acquire"})
"""Those whose time limit follows a switch that says whether to wait: `get(True, 3)`."""
FUNCTIONS = frozenset({"concurrent.futures.wait", "concurrent.futures.as_completed", "asyncio.wait", "asyncio.wait_for", "asyncio.timeout", "multiprocessing.connection.wait"})  # fmt: skip

MAX_DEPTH = 4
"""Steps that a time limit is followed through names."""


def check(file: SourceFile) -> Iterator[Finding]:
    """Report calls that wait for a time."""
    for call in calls_of(file):
        if _waits(file, call):
            message = "waits for a time; waiting is no training"
            yield file.finding("clock_use", Severity.HOLD, call.node, message)


def _waits(file: SourceFile, call: Call) -> bool:
    limit = call.keywords.get("timeout")
    is_waiter = call.name in FUNCTIONS or (call.name is None and call.method in WAITERS)
    if call.name is not None and call.name.startswith(("threading.", "queue.", "select.")):
        is_waiter = True
    if is_waiter and limit is not None:
        return not (isinstance(limit, ast.Constant) and limit.value is None)
    if call.method in AFTER_SWITCH and any(
        isinstance(switch, ast.Constant) and switch.value is True and _is_limit(file, limit)
        for switch, limit in pairwise(call.arguments)
    ):
        return True
    if call.method == "wait_for" and any(_is_number(file, each) for each in call.arguments[1:]):
        return True
    is_open = call.method in BY_POSITION and bool(call.arguments) and call.name not in FUNCTIONS
    return is_open and _is_number(file, call.arguments[0])


def _is_limit(file: SourceFile, node: ast.expr) -> bool:
    """Whether what stands where a time limit does may be one: a number, or what nobody can follow."""
    is_unknown = isinstance(node, ast.Name) and not flow_of(file).values(file, node)
    return is_unknown or _is_number(file, node)


def _is_number(file: SourceFile, node: ast.expr, depth: int = 0) -> bool:
    if depth > MAX_DEPTH:
        return False
    match node:
        case ast.Constant(value=int() | float() as number):
            return not isinstance(number, bool)
        case ast.Name() | ast.Attribute() | ast.Subscript():
            values = flow_of(file).values(file, node)[:MAX_DEPTH]
            return any(_is_number(other, each, depth + 1) for other, each in values)
        case ast.BinOp(left=left, right=right):
            return _is_number(file, left, depth + 1) and _is_number(file, right, depth + 1)
    return False
