"""Answers made for one shape or one instance.

Does not: mind asserts, error guards, or a fast path for a single dimension.
"""

import ast
import re
from collections.abc import Iterator

from rsi.evals.admission.source.flow import flow_of
from rsi.evals.admission.source.parsed import SourceFile
from rsi.evals.types import Finding, Severity

SHAPE_NAMES = re.compile(
    r"^(b|t|c|n|h|w|d|k|v|l|s|bs|bsz|seq|ctx|batch|batch_size|seq_len|seqlen|block_size|context|context_length|"
    r"n_embd|n_layer|n_head|dim|d_model|vocab|vocab_size|width|height|rows|cols|heads|layers|steps|n_steps|"
    r"num_steps|length|size|n_tokens|n_bytes)$",
    re.IGNORECASE,
)
SHAPE_CALLS = frozenset({"builtins.len"})
SHAPE_ATTRIBUTES = frozenset({"shape", "size", "numel", "nbytes"})
"""Not `ndim`: how many lengths there are is what every kernel has to know."""
DIGESTS = re.compile(r"^(hashlib\.|zlib\.(crc32|adler32)$|binascii\.crc32$|builtins\.hash$)")
TELLING_LENGTH = 1000
"""An exact length from which it points at one particular text; digests reduced to fewer buckets point at none."""
TELLING_WORDS = 6
"""Characters of a constant from which it is more than a mark in a text."""
TRAINED_ON = re.compile(r"^train(ing)?_?(text|data|corpus|set|stream|bytes)$", re.IGNORECASE)
VALIDATED_ON = re.compile(
    r"^(val|valid|validation|held_?out|test)_?(text|data|corpus|set|stream|bytes)?$", re.IGNORECASE
)
MAX_STEPS = 4
"""Steps that a piece of a text is followed."""
QUESTIONS = frozenset({"count", "endswith", "find", "index", "rfind", "rindex", "startswith"})
GIVEN_NAME = re.compile(r"^(train|training|validation|public|given|raw|whole)?_?(text|corpus|stream|content|data|source|program)$", re.IGNORECASE)  # fmt: skip
HEX_DIGEST = re.compile(r"^[0-9a-f]{16,128}$")


def check(file: SourceFile) -> Iterator[Finding]:
    """Report paths that are taken for one combination of sizes or one particular input."""
    for node in file.nodes:
        if isinstance(node, ast.If | ast.IfExp):
            yield from _shape_case(file, node)
            yield from _length_case(file, node)
            if any(map(_is_search, ast.walk(node.test))):
                message = "recognises one particular text by its words"
                yield file.finding("special_case", Severity.HOLD, node.test, message)
        if isinstance(node, ast.Match):
            yield from _matched_shape(file, node)
        if isinstance(node, ast.Compare):
            yield from _digest_case(file, node)
            yield from _telling_number(file, node)
            yield from _telling_words(file, node)
        if (
            isinstance(node, ast.keyword)
            and TRAINED_ON.match(node.arg or "")
            and any(
                isinstance(each, ast.Name) and VALIDATED_ON.match(each.id)
                for each in ast.walk(node.value)
            )
        ):
            message = "trains on the text that it is validated on"
            yield file.finding("special_case", Severity.HOLD, node.value, message)
        if isinstance(node, ast.BoolOp | ast.Compare):
            yield from _pinned_value(file, node)
        if isinstance(node, ast.Subscript | ast.Call):
            yield from _digest_lookup(file, node)
            yield from _start_lookup(file, node)
            yield from _told_by_words(file, node)
            yield from _length_lookup(file, node)
    yield from _shape_tables(file)


def _shape_case(file: SourceFile, node: ast.If | ast.IfExp) -> Iterator[Finding]:
    if isinstance(node, ast.If) and all(isinstance(part, ast.Raise) for part in node.body):
        return  # a guard that refuses shapes it cannot handle is honest
    pinned = sum(_pinned_dimensions(file, part) for part in _conjuncts(node.test))
    if pinned >= 2:
        # A fast path computes; an answer is a constant.
        severity = Severity.BLOCK if _answers(node) else Severity.HOLD
        message = f"another path for exactly one combination of {pinned} sizes"
        yield file.finding("special_case", severity, node, message)
    elif pinned and _pinned_around(file, node):
        message = "another path for one size within another path for one size"
        yield file.finding("special_case", Severity.HOLD, node, message)


def _pinned_value(file: SourceFile, node: ast.BoolOp | ast.Compare) -> Iterator[Finding]:
    """A combination of sizes as a value, outside of what decides at once."""
    outer = file.parents.get(node)
    if isinstance(outer, ast.If | ast.IfExp | ast.BoolOp | ast.Assert | ast.UnaryOp):
        return
    pinned = sum(_pinned_dimensions(file, part) for part in _conjuncts(node))
    if pinned >= 2:
        message = f"asks for exactly one combination of {pinned} sizes"
        yield file.finding("special_case", Severity.HOLD, node, message)


def _telling_number(file: SourceFile, node: ast.Compare) -> Iterator[Finding]:
    """A size against a number that no machine word has, or a computed number against one exact value."""
    if _is_guard(file, node):
        return
    sides = [node.left, *node.comparators]
    if not any(_is_telling(side) for side in sides):
        return
    others = [side for side in sides if not isinstance(side, ast.Constant)]
    is_exact = isinstance(node.ops[0], ast.Eq | ast.NotEq)
    if any(_is_measured(file, side) for side in others):
        message = "another path from one size on"
        yield file.finding("special_case", Severity.HOLD, node, message)
    elif is_exact and any(isinstance(side, ast.Call | ast.BinOp) for side in others):
        message = "recognises one particular input by a number that is made of it"
        yield file.finding("special_case", Severity.HOLD, node, message)


def _telling_words(file: SourceFile, node: ast.Compare) -> Iterator[Finding]:
    """A text that was given against words of the source: `b"the king" in text`, `text[:9] == "once upon"`."""
    sides = [node.left, *node.comparators]
    words = [file.text_of(side) or "" for side in sides]
    given = any(
        isinstance(each, ast.Name | ast.Attribute)
        and GIVEN_NAME.match(each.id if isinstance(each, ast.Name) else each.attr)
        for side in sides
        if isinstance(side, ast.Name | ast.Attribute | ast.Subscript)
        for each in (side.value if isinstance(side, ast.Subscript) else side,)
    )
    if given and any(len(each) >= TELLING_WORDS for each in words):
        message = "recognises one particular text by its words"
        yield file.finding("special_case", Severity.HOLD, node, message)


def _is_search(node: ast.AST) -> bool:
    """Whether a pattern is looked for in a text that was given."""
    match node:
        case ast.Call(func=ast.Attribute(attr="search" | "match" | "fullmatch"), args=arguments):
            return any(map(_is_given, arguments))
    return False


def _is_given(node: ast.AST) -> bool:
    """Whether an expression is a text that was given, by its name."""
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return bool(GIVEN_NAME.match(name))
    return False


def _start_lookup(file: SourceFile, node: ast.Subscript | ast.Call) -> Iterator[Finding]:
    """A table that is asked with one fixed place of a given text, and a given text that is asked for telling words."""
    match node:
        case ast.Subscript(value=table, slice=ast.Subscript(value=text, slice=place)):
            pass
        case ast.Call(func=ast.Attribute(value=table, attr="get" | "pop"), args=[ast.Subscript(value=text, slice=place), *_]):  # fmt: skip
            pass
        case ast.Call(func=ast.Attribute(value=text, attr=question), args=[word, *_]) if question in QUESTIONS:  # fmt: skip
            if _is_given(text) and len(file.text_of(word) or "") >= TELLING_WORDS:
                message = "recognises one particular text by its words"
                yield file.finding("special_case", Severity.HOLD, node, message)
            return
        case _:
            return
    tables = file.assignments.get(table.id, []) if isinstance(table, ast.Name) else [table]
    is_table = any(isinstance(each, ast.Dict) and each.keys for each in tables)
    is_fixed = not any(isinstance(each, ast.Name) for each in ast.walk(place))
    if _is_given(text) and is_table and is_fixed:
        message = "a table that is asked with one place of a text that was given"
        yield file.finding("special_case", Severity.HOLD, node, message)


def _told_by_words(file: SourceFile, node: ast.Subscript | ast.Call) -> Iterator[Finding]:
    """A table of the source with pieces of texts for keys, asked with a piece of a text that was given."""
    match node:
        case ast.Subscript(value=table, slice=key, ctx=ast.Load()):
            pass
        case ast.Call(func=ast.Attribute(value=table, attr="get" | "pop"), args=[key, *_]):
            pass
        case _:
            return
    tables = [table, *(each for _, each in flow_of(file).values(file, table))]
    telling = [
        word
        for each in tables
        if isinstance(each, ast.Dict)
        for one in each.keys
        if one is not None and (word := file.text_of(one) or "")
        if len(word) >= TELLING_WORDS and not re.fullmatch(r"[\w.-]+", word)
    ]
    if telling and _is_piece(file, key, 0):
        message = "a table that is asked with a piece of a text that was given"
        yield file.finding("special_case", Severity.HOLD, node, message)


def _is_piece(file: SourceFile, node: ast.AST, depth: int) -> bool:
    """Whether an expression is made of a text that was given."""
    if depth > MAX_STEPS:
        return False
    if any(_is_given(each) for each in ast.walk(node)):
        return True
    return any(
        _is_piece(other, value, depth + 1)
        for each in ast.walk(node)
        if isinstance(each, ast.Name)
        for other, value in flow_of(file).values(file, each)[:MAX_STEPS]
    )


def _is_telling(node: ast.expr) -> bool:
    """Whether a constant could be the size of something measured: large, and no power of two."""
    if not isinstance(node, ast.Constant) or type(node.value) is not int:
        return False
    number = node.value
    return number >= TELLING_LENGTH and not {number & (number - 1), number & (number + 1)} & {0}


def _is_measured(file: SourceFile, node: ast.expr) -> bool:
    """Whether an expression is how large what was given is, or made of that."""
    return any(
        isinstance(each, ast.Call | ast.Attribute | ast.Name) and _is_size(file, each)
        for each in ast.walk(node)
    )


def _is_guard(file: SourceFile, node: ast.expr) -> bool:
    """Whether a comparison only leads to a refusal."""
    outer: ast.AST | None = file.parents.get(node)
    while isinstance(outer, ast.BoolOp | ast.UnaryOp):
        outer = file.parents.get(outer)
    return isinstance(outer, ast.Assert) or (
        isinstance(outer, ast.If) and all(isinstance(part, ast.Raise) for part in outer.body)
    )


def _answers(node: ast.If | ast.IfExp) -> bool:
    """Whether a branch gives a constant instead of computing."""
    if isinstance(node, ast.IfExp):
        return isinstance(node.body, ast.Constant)
    return all(
        isinstance(each, ast.Return | ast.Assign | ast.Expr | ast.Pass)
        and not any(isinstance(inner, ast.Call) for inner in ast.walk(each))
        and (not isinstance(each, ast.Return) or _is_answer(each.value))
        for each in node.body
    )


def _is_answer(value: ast.expr | None) -> bool:
    return value is None or all(
        isinstance(each, ast.Constant | ast.UnaryOp | ast.unaryop | ast.Tuple | ast.List | ast.expr_context)
        for each in ast.walk(value)
    )  # fmt: skip


def _pinned_around(file: SourceFile, node: ast.AST) -> int:
    """Sizes that the conditions around a statement fix."""
    pinned, inner = 0, node
    while (outer := file.parents.get(inner)) is not None and not isinstance(inner, ast.FunctionDef):
        if isinstance(outer, ast.If) and inner in outer.body:
            pinned += sum(_pinned_dimensions(file, part) for part in _conjuncts(outer.test))
        inner = outer
    return pinned


def _matched_shape(file: SourceFile, node: ast.Match) -> Iterator[Finding]:
    """`match x.shape: case (4, 64)`."""
    if not _is_size(file, node.subject) and not _is_wrapped_size(file, node.subject):
        return
    for case in node.cases:
        values = [each.value for each in ast.walk(case.pattern) if isinstance(each, ast.MatchValue)]
        pinned = sum(_is_size_number(value) for value in values)
        if pinned >= 2:
            answers = all(
                isinstance(each, ast.Return) and _is_answer(each.value) for each in case.body
            )
            severity = Severity.BLOCK if answers else Severity.HOLD
            message = f"another path for exactly one combination of {pinned} sizes"
            yield file.finding("special_case", severity, case.pattern, message)


def _length_case(file: SourceFile, node: ast.If | ast.IfExp) -> Iterator[Finding]:
    """Another path for one exact length, or for a text that starts in one particular way."""
    for test in _conjuncts(node.test):
        match test:
            case ast.Compare(
                left=left, ops=[ast.Eq()], comparators=[ast.Constant(value=int(size))]
            ):
                if size >= TELLING_LENGTH and _is_size(file, left):
                    message = f"another path for a size of exactly {size}"
                    yield file.finding("special_case", Severity.HOLD, node, message)
            case ast.Call(func=ast.Attribute(attr="startswith" | "endswith"), args=[start, *_]):
                text = file.text_of(start)
                if text is not None and len(text) >= 16:
                    message = "another path for a text that starts or ends in one particular way"
                    yield file.finding("special_case", Severity.HOLD, node, message)


def _conjuncts(test: ast.expr) -> list[ast.expr]:
    if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.And):
        return [inner for value in test.values for inner in _conjuncts(value)]
    return [test]


def _pinned_dimensions(file: SourceFile, test: ast.expr) -> int:
    """How many sizes an equality fixes: B == 4 fixes one, x.shape == (4, 64) two."""
    if not isinstance(test, ast.Compare) or not isinstance(test.ops[0], ast.Eq | ast.Is | ast.In):
        return 0
    left, right = test.left, test.comparators[0]
    if isinstance(test.ops[0], ast.In):
        rows = right.elts if isinstance(right, ast.Set | ast.List | ast.Tuple) else []
        is_size = _is_size(file, left) or _is_wrapped_size(file, left)
        counts = [sum(map(_is_size_number, row.elts)) for row in rows if isinstance(row, ast.Tuple)]
        return max(counts, default=0) if is_size else 0
    if isinstance(left, ast.Constant | ast.Tuple | ast.List) and not isinstance(
        right, ast.Constant | ast.Tuple | ast.List
    ):
        left, right = right, left
    if isinstance(right, ast.Constant):
        return int(_is_size_number(right) and _is_size(file, left))
    if isinstance(right, ast.Tuple | ast.List):
        numbers = [part for part in right.elts if _is_size_number(part)]
        names = left.elts if isinstance(left, ast.Tuple | ast.List) else [left]
        return len(numbers) if any(_is_size(file, name) for name in names) else 0
    if isinstance(right, ast.Call) and file.name_of(right.func) == "torch.Size" and right.args:
        inner = right.args[0]
        if isinstance(inner, ast.List | ast.Tuple):
            return sum(_is_size_number(part) for part in inner.elts)
    return 0


def _is_wrapped_size(file: SourceFile, node: ast.AST) -> bool:
    """`tuple(x.shape)`, `(rows, columns)`."""
    if isinstance(node, ast.Call):
        return len(node.args) == 1 and _is_size(file, node.args[0])
    return isinstance(node, ast.Tuple) and any(_is_size(file, each) for each in node.elts)


def _is_size_number(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and type(node.value) is int and node.value > 1


def _is_size(file: SourceFile, node: ast.AST) -> bool:
    if isinstance(node, ast.Name):
        return bool(SHAPE_NAMES.match(node.id))
    if isinstance(node, ast.Attribute):
        return node.attr in SHAPE_ATTRIBUTES or bool(SHAPE_NAMES.match(node.attr))
    if isinstance(node, ast.Subscript):
        key = file.text_of(node.slice)
        return _is_size(file, node.value) or (key is not None and bool(SHAPE_NAMES.match(key)))
    if isinstance(node, ast.Call):
        if isinstance(node.func, ast.Attribute) and node.func.attr in SHAPE_ATTRIBUTES:
            return True
        return file.name_of(node.func) in SHAPE_CALLS
    return False


def _shape_tables(file: SourceFile) -> Iterator[Finding]:
    """Dictionaries with whole shapes for keys that are looked up with a size, where they stand or by name."""
    tables = [
        node
        for node in file.nodes
        if isinstance(node, ast.Dict)
        and any(
            isinstance(k, ast.Tuple) and sum(map(_is_size_number, k.elts)) >= 2 for k in node.keys
        )
    ]
    asked = _asked_a_size(file) if tables else frozenset()
    for table in tables:
        targets = getattr(file.parents.get(table), "targets", ())
        names = {target.id for target in targets if isinstance(target, ast.Name)}
        if table in asked or names & asked:
            message = "a table of answers by exact combinations of sizes"
            yield file.finding("special_case", Severity.BLOCK, table, message)


def _length_lookup(file: SourceFile, node: ast.Subscript | ast.Call) -> Iterator[Finding]:
    """A table of the source that is asked how long something is, with lengths that only one input has."""
    match node:
        case ast.Subscript(value=table, slice=ast.Call() as key):
            pass
        case ast.Call(func=ast.Attribute(value=table, attr="get" | "pop"), args=[ast.Call() as key, *_]):  # fmt: skip
            pass
        case _:
            return
    if not _is_size(file, key):
        return
    if (table.id if isinstance(table, ast.Name) else table) in file.kept(_tables_by_length):
        message = "answers for particular inputs by how long they are"
        yield file.finding("special_case", Severity.HOLD, node, message)


def _tables_by_length(file: SourceFile) -> frozenset[ast.AST | str]:
    """Dictionaries with lengths that only one input has for keys, and the names that they are given."""
    found: set[ast.AST | str] = set()
    for node in file.nodes:
        if isinstance(node, ast.Dict) and any(map(_is_odd_length, node.keys)):
            parent = file.parents.get(node)
            targets = parent.targets if isinstance(parent, ast.Assign) else [getattr(parent, "target", None)]  # fmt: skip
            found |= {node, *(each.id for each in targets if isinstance(each, ast.Name))}
    return frozenset(found)


def _is_odd_length(node: ast.expr | None) -> bool:
    """Whether a key is a length that no setting has: three digits, and no multiple of eight or of ten."""
    if not isinstance(node, ast.Constant) or type(node.value) is not int:
        return False
    return node.value >= 100 and bool(node.value % 8) and bool(node.value % 10)


def _asked_a_size(file: SourceFile) -> frozenset[ast.AST | str]:
    """Whatever is looked up with a size, names by their text."""
    asked: set[ast.AST | str] = set()
    for node in file.nodes:
        match node:
            case ast.Subscript(value=table, slice=key):
                pass
            case ast.Call(func=ast.Attribute(value=table, attr="get"), args=[key, *_]):
                pass
            case ast.Compare(left=key, ops=[ast.In()], comparators=[table]):
                pass
            case _:
                continue
        if _is_size(file, key) or _is_wrapped_size(file, key):
            asked.add(table.id if isinstance(table, ast.Name) else table)
    return frozenset(asked)


def _digest_case(file: SourceFile, node: ast.Compare) -> Iterator[Finding]:
    texts = [file.text_of(side) for side in (node.left, *node.comparators)]
    for container in node.comparators:
        if isinstance(container, ast.Set | ast.List | ast.Tuple):
            texts.extend(file.text_of(part) for part in container.elts)
    has_constant = any(isinstance(side, ast.Constant) for side in (node.left, *node.comparators))
    takes_digest = any(
        isinstance(inner, ast.Call) and DIGESTS.match(file.name_of(inner.func) or "")
        for side in (node.left, *node.comparators)
        if not _is_bucket(side)
        for inner in ast.walk(side)
    )
    if (has_constant and takes_digest) or any(
        text and HEX_DIGEST.match(text) and not text.isdigit() for text in texts
    ):
        yield file.finding(
            "special_case", Severity.BLOCK, node, "recognises one particular input by its digest"
        )


def _digest_lookup(file: SourceFile, node: ast.Subscript | ast.Call) -> Iterator[Finding]:
    """A table of the source that is asked with a digest; a cache that starts empty is none."""
    match node:
        case ast.Subscript(value=table, slice=key):
            pass
        case ast.Call(func=ast.Attribute(value=table, attr="get" | "pop"), args=[key, *_]):
            pass
        case _:
            return
    asked = any(
        isinstance(inner, ast.Call) and DIGESTS.match(file.name_of(inner.func) or "")
        for inner in ast.walk(key)
    )
    if not asked or _is_bucket(key):
        return
    values = file.assignments.get(table.id, []) if isinstance(table, ast.Name) else [table]
    if any(isinstance(each, ast.Dict) and each.keys for each in values):
        message = "answers for particular inputs by their digests"
        yield file.finding("special_case", Severity.BLOCK, node, message)


def _is_bucket(node: ast.AST) -> bool:
    """A digest reduced to few values, which spreads inputs and recognises none."""
    match node:
        case ast.BinOp(op=ast.Mod() | ast.BitAnd(), right=ast.Constant(value=int(buckets))):
            return buckets < TELLING_LENGTH
    return False
