"""Weights or data carried in the source: by size, by entropy, and by how they are unpacked.

Does not: count docstrings and comments as data while they read like prose.
Invariant: splitting a blob over many words, literals, numbers, names or files does not help, because all that a candidate
adds is summed (`added_data`).
"""

import ast
import io
import math
import re
import tokenize
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise

from rsi.evals.admission.rules.native import LOOKS_NATIVE
from rsi.evals.admission.source.parsed import SourceFile
from rsi.evals.types import Finding, Severity

DENSE_BITS = 5.2
"""Bits per character above which text is no prose and no code: English has 4.2, source 4.8, base64 5.9."""
DENSE_WORDS_BITS = 5.7
"""The same where there are words, white space removed: of 512 characters C and Python stay below 5.6, base62 is above 5.75."""
WINDOW = 512
"""Characters that are judged together, so that prose around a blob does not thin it out."""
SHORTEST_BLOB = 48
"""Characters below which entropy says nothing."""
LONGEST_WORD = 120
"""No prose, code or kernel has a longer run without white space."""
BLOB_SHARE = 0.3
"""Part of a text that must be data before the whole counts as data; a formula in a docstring is not."""
IDEOGRAPHS = re.compile("[\u3000-\u30ff\u3400-\u9fff\uac00-\ud7af\uff00-\uffef]")
"""Scripts of thousands of characters: how dense a text in them is says nothing, so a person judges it."""
NAMES_ALLOWANCE = 8
"""Different names may have this many times the literal cap in all: honest source of the largest size stays below 6."""
PROSE_ALLOWANCE = 4
"""Text that reads like prose or code (an inline kernel) may be this many times the literal cap, held for a person."""
SHORTEST_CARRIER = 64
"""Characters from which a text is looked at for what its letters could carry."""
CASE_SHARE = 0.12
"""Capitals after small letters, of all letters: names in CamelCase stay below."""
FEW_SYMBOLS = 4
SMALL_LETTERS = re.compile(r"[a-z]{32,}")
"""No word is as long; an alphabet is, but in its order."""
WORDS = re.compile(r"[A-Za-z]+")
MANY_WORDS = 24
WORD_SHARE = 0.4
"""Different words of all words: prose of that length has more than half."""
MANY_DIGITS = 4
"""Digits of one name from which it holds a number; `conv2d_3x3` and `float32` have fewer."""
FEW_NUMBERED = 8
DIGITS_OF_A_NUMBER = 3
"""Digits of one text from which it holds a number."""
TEXTS_IN_A_ROW = 64
"""Different texts in one literal or call from which it counts as a table; lists of keywords and instructions are shorter."""
NUMBERS_IN_A_ROW = 64
"""Numbers in one literal from which it counts as a table."""
NUMBERS_SIDE_BY_SIDE = 8
"""Numbers in one literal or call from which 0 and 1 count too; elsewhere they are indices and axes."""
UNPACKERS = re.compile(
    r"^(base64\.|binascii\.|zlib\.decompress|gzip\.decompress|bz2\.decompress|lzma\.decompress|"
    r"bytes\.fromhex|builtins\.bytes\.fromhex|numpy\.frombuffer|numpy\.fromstring|"
    r"torch\.frombuffer|array\.array|struct\.unpack|struct\.iter_unpack|codecs\.decode|builtins\.int\.from_bytes)"
)
LONGEST_HARMLESS_PACKED = 64
"""Characters of a constant that may be unpacked without further ado: a magic number, a checksum."""
PLAIN_COMMENT = 400
"""Characters of one comment that nobody minds."""


class DataKind(StrEnum):
    """Where in a tree data can be carried."""

    TEXT = "text"
    """A string that is no docstring, or a file that is no code."""
    PROSE = "prose"
    """A docstring, a comment or native source: data only when it is packed."""
    NUMBER = "number"
    NAME = "name"
    """A name that the source gives or uses, once for each file."""
    READER = "reader"
    """Docstrings are read by the program, so that prose is text."""


@dataclass(frozen=True, slots=True)
class Datum:
    """One constant of a tree, equal to the same constant elsewhere."""

    kind: DataKind
    content: str
    digits: int = 0
    """Significant digits of a number."""


def check(file: SourceFile) -> Iterator[Finding]:
    """Report literals over the task's cap, dense literals, tables of numbers, and unpacked constants."""
    docstrings = _docstrings(file)
    for node in file.nodes:
        if isinstance(node, ast.Constant) and isinstance(node.value, str | bytes | int):
            text = _as_text(node.value)
            yield from _one_literal(file, node, text, is_docstring=node in docstrings)
        elif isinstance(node, ast.List | ast.Tuple | ast.Set | ast.Dict):
            if not isinstance(file.parents.get(node), ast.List | ast.Tuple | ast.Set | ast.Dict):
                yield from _one_table(file, node, _table_bytes(file, node))
                yield from _table_of_texts(file, node)
        elif isinstance(node, ast.Call):
            yield from _unpacked(file, node)
            yield from _table_of_texts(file, node)
    numbered = {name for name in file.kept(_names) if sum(map(str.isdigit, name)) >= MANY_DIGITS}
    if len(numbered) > FEW_NUMBERED:
        message = f"{len(numbered)} names that hold numbers"
        yield file.finding("embedded_data", Severity.HOLD, 1, message)
    for line, text in file.kept(_comments):
        if len(text) > PLAIN_COMMENT and looks_like_blob(text):
            message = f"a comment of {len(text)} characters of packed data"
            yield file.finding("embedded_data", Severity.BLOCK, line, message)


def data_of(file: SourceFile) -> Counter[Datum]:
    """Every constant and comment of a file, with how often it is there."""
    docstrings = _docstrings(file)
    found: Counter[Datum] = Counter(Datum(DataKind.PROSE, text) for _, text in file.kept(_comments))
    found.update(Datum(DataKind.NAME, name) for name in _names(file))
    for node in file.nodes:
        match node:
            case ast.Attribute(attr="__doc__") | ast.Name(id="__doc__") if _is_read(file, node):
                found[Datum(DataKind.READER, "")] += 1
            case ast.List() | ast.Tuple() | ast.Set() | ast.Call() if repeats := _repeated(node):
                found[Datum(DataKind.NUMBER, ast.unparse(node), repeats)] += 1
            case ast.Constant(value=str() | bytes() as value):
                kind = DataKind.PROSE if node in docstrings else DataKind.TEXT
                found[Datum(kind, _as_text(value))] += 1
            case ast.Constant(value=int() | float() | complex() as number):
                digits = _digits(number)
                if digits == 0 and _numbers_beside(file, node) >= NUMBERS_SIDE_BY_SIDE:
                    digits = 1
                if digits:
                    content = hex(number) if isinstance(number, int) else repr(number)
                    found[Datum(DataKind.NUMBER, content, digits)] += 1
    return found


def added_data(
    before: Counter[Datum], after: Counter[Datum], cap: int
) -> Iterator[tuple[Severity, str]]:
    """What is wrong with all constants that a candidate adds together; moved ones are not added.

    Args:
        before: Constants of the base.
        after: Constants of the candidate.
        cap: The task's cap on one literal, in bytes.
    """
    added = list((after - before).elements())
    digits = sum(each.digits for each in added)
    names = sorted({each.content for each in added if each.kind is DataKind.NAME})
    texts = [each for each in added if each.kind in {DataKind.TEXT, DataKind.PROSE}]
    packed = sum(packed_bytes(each.content) for each in texts)
    packed += packed_bytes(" ".join(t.content for t in texts if not packed_bytes(t.content)))
    packed += packed_bytes(" ".join(names))
    if packed > cap:
        message = f"adds {packed} bytes of packed literals in all, allowed are {cap}"
        yield Severity.BLOCK, message
    if digits > cap:
        severity = Severity.BLOCK if digits > PROSE_ALLOWANCE * cap else Severity.HOLD
        yield severity, f"adds numbers of {digits} digits in all, allowed are {cap}"
    is_prose_read = any(each.kind is DataKind.READER for each in after)
    read = [each.content for each in texts if is_prose_read or each.kind is DataKind.TEXT]
    text = sum(map(_size, read))
    if text > PROSE_ALLOWANCE * cap:
        kinds = "literals, docstrings that are read" if is_prose_read else "literals"
        yield Severity.HOLD, f"adds {text} bytes of text in {kinds} and files that are no code"
    unjudged = sum(_size("".join(IDEOGRAPHS.findall(each))) for each in read)
    if unjudged > cap:
        message = f"adds {unjudged} bytes of text in a script whose density says nothing"
        yield Severity.HOLD, message
    written = sum(_digits_in(each.content) for each in added if each.kind is DataKind.TEXT)
    if digits <= cap < digits + written:
        yield (
            Severity.HOLD,
            f"adds numbers and texts of {digits + written} digits in all, allowed are {cap}",
        )
    if (named := sum(map(_size, names))) > NAMES_ALLOWANCE * cap:
        yield Severity.HOLD, f"adds different names of {named} bytes in all"


def entropy_bits(text: str) -> float:
    """Shannon entropy of the characters, in bits per character."""
    if not text:
        return 0.0
    counts = Counter(text)
    return -sum(n / len(text) * math.log2(n / len(text)) for n in counts.values())


def looks_like_blob(text: str) -> bool:
    """Whether a text is data in disguise: dense, without words, or mostly digits."""
    return packed_bytes(text) > BLOB_SHARE * len(text)


def packed_bytes(text: str) -> int:
    """Characters of a text that are data in disguise; all of them when it is data as a whole."""
    text = IDEOGRAPHS.sub("", text)
    if len(text) < SHORTEST_BLOB:
        return 0
    if _is_packed(text):
        return len(text)
    windows = [text[start : start + WINDOW] for start in range(0, len(text), WINDOW)]
    by_window = sum(len(each) for each in windows if len(each) >= WINDOW / 2 and _is_packed(each))
    by_word = sum(len(word) for word in text.split() if len(word) > LONGEST_WORD)
    return max(by_window, by_word)


def _is_packed(text: str) -> bool:
    bare = "".join(text.split())
    digits = sum(character in "0123456789.,-+e" for character in bare)
    unprintable = sum(not (character.isprintable() or character in "\n\t\r") for character in text)
    has_words = len(text) - len(bare) > len(text) / 25
    return (
        digits > 0.6 * max(len(bare), 1)
        or unprintable > 0.02 * len(text)
        or entropy_bits(bare) > (DENSE_WORDS_BITS if has_words else DENSE_BITS)
    )


def _is_read(file: SourceFile, node: ast.Attribute | ast.Name) -> bool:
    """Whether a docstring becomes a value, more than the help of a program or the docstring of a wrapper."""
    match file.parents.get(node):
        case ast.keyword(arg="description" | "epilog" | "help"):
            return False
        case ast.Assign(targets=[ast.Attribute(attr="__doc__")]):
            return False
    return isinstance(node.ctx, ast.Load)


def _size(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))


def _names(file: SourceFile) -> frozenset[str]:
    """Every name in the source that is not in a text."""
    found: set[str | None] = set()
    for node in file.nodes:
        match node:
            case (
                ast.FunctionDef(name=name)
                | ast.AsyncFunctionDef(name=name)
                | ast.ClassDef(name=name)
            ):
                found.add(name)
            case (
                ast.Name(id=name)
                | ast.Attribute(attr=name)
                | ast.arg(arg=name)
                | ast.keyword(arg=name)
            ):
                found.add(name)
            case ast.alias(name=name, asname=other):
                found.update((name, other))
    return frozenset(name for name in found if name)


def _repeated(node: ast.List | ast.Tuple | ast.Set | ast.Call) -> int:
    """What stands in a row more than once: `[a, b, a, a]` carries a digit each, as numbers would."""
    row = node.args if isinstance(node, ast.Call) else node.elts
    # Names, attributes, calls, None and dots: numbers and texts are counted by themselves.
    names = [ast.dump(each) for each in row if not isinstance(each, ast.Constant) or each.value in (None, ...)]  # fmt: skip
    repeats = len(names) - len(set(names))
    return repeats if len(names) >= NUMBERS_SIDE_BY_SIDE and repeats >= len(names) / 2 else 0


def _digits(number: complex) -> int:
    """Significant digits of a number and its exponent; none for 0 and 1."""
    if isinstance(number, int):
        if abs(number) < 2:
            return 0
        # Python refuses to print integers of thousands of digits.
        return (
            len(str(abs(number)).rstrip("0")) if abs(number) < 10**30 else number.bit_length() // 3
        )
    mantissa, _, exponent = repr(number).strip("()j-").partition("e")
    return len(mantissa.replace(".", "").strip("0")) + len(exponent.strip("-+0"))


def _digits_in(text: str) -> int:
    """Digits of a text that holds a number: of "float32" and "utf-8" none, of what is packed neither, which counts as a whole."""
    count = sum(map(str.isdigit, text))
    return count if count >= DIGITS_OF_A_NUMBER and not packed_bytes(text) else 0


def _numbers_beside(file: SourceFile, node: ast.AST) -> int:
    """Numbers directly in the literal or call that a number stands in."""
    parent = file.parents.get(node)
    if isinstance(parent, ast.UnaryOp):
        parent = file.parents.get(parent)
    if not isinstance(parent, ast.List | ast.Tuple | ast.Set | ast.Dict | ast.Call):
        return 0
    return sum(
        isinstance(each, ast.Constant) and isinstance(each.value, int | float | complex)
        for each in ast.iter_child_nodes(parent)
    )


def _as_text(value: str | bytes | int) -> str:
    if isinstance(value, bytes):
        return value.decode("latin-1")
    if isinstance(value, int):
        # Python refuses to print integers of thousands of digits, so the size is taken from the bits.
        return "0" * (value.bit_length() // 4 + 1)
    return value


def _one_literal(
    file: SourceFile, node: ast.Constant, text: str, *, is_docstring: bool
) -> Iterator[Finding]:
    size = _size(text)
    cap = file.max_literal_bytes
    if size > cap:
        reads_well = not looks_like_blob(text)
        # A kernel may be long: a person reads native source in any case.
        is_small = size <= PROSE_ALLOWANCE * cap or bool(LOOKS_NATIVE.search(text))
        severity = Severity.HOLD if reads_well and (is_small or is_docstring) else Severity.BLOCK
        kind = "text" if reads_well else "packed data"
        yield file.finding(
            "embedded_data",
            severity,
            node,
            f"a literal of {size} bytes of {kind}, allowed are {cap}",
        )
    elif not is_docstring and looks_like_blob(text) and len(text) > 4 * SHORTEST_BLOB:
        yield file.finding(
            "embedded_data",
            Severity.HOLD,
            node,
            f"a literal of {size} bytes that reads like packed data",
        )
    elif not is_docstring and (carried := _carried(text)):
        message = f"a literal of {size} bytes that may carry {carried}"
        yield file.finding("embedded_data", Severity.HOLD, node, message)


def _carried(text: str) -> str | None:
    """What a text could carry in its case, its digits or its few symbols; None when it reads like any other."""
    longest = max((found.group() for found in SMALL_LETTERS.finditer(text)), key=len, default="")
    if longest and list(longest) != sorted(set(longest)):
        return "a run of letters that is no word"
    if len(text) < SHORTEST_CARRIER:
        return None
    words = WORDS.findall(text)
    if len(words) >= MANY_WORDS and len(set(words)) < WORD_SHARE * len(words):
        return "numbers as few words"
    letters = sum(map(str.isalpha, text))
    raised = sum(first.islower() and second.isupper() for first, second in pairwise(text))
    if raised > CASE_SHARE * letters:
        return "bits as upper and lower case"
    if sum(map(str.isdigit, text)) > len(text) / 2:
        return "numbers as text"
    pieces = {text[start : start + 4] for start in range(len(text) - 3)}
    if len(set(text)) <= FEW_SYMBOLS and len(pieces) > 2 * FEW_SYMBOLS:
        return "bits as few symbols"
    return None


def _table_bytes(file: SourceFile, node: ast.AST) -> int:
    """Source bytes of a container when it is a table of numbers; 0 otherwise."""
    numbers = sum(
        isinstance(inner, ast.Constant) and isinstance(inner.value, int | float | complex)
        for inner in ast.walk(node)
    )
    if numbers < NUMBERS_IN_A_ROW:
        return 0
    return len(ast.get_source_segment(file.text, node) or "")


def _one_table(file: SourceFile, node: ast.AST, size: int) -> Iterator[Finding]:
    if size > file.max_literal_bytes:
        message = f"a table of numbers of {size} bytes, allowed are {file.max_literal_bytes}"
        yield file.finding("embedded_data", Severity.BLOCK, node, message)
    elif size:
        yield file.finding(
            "embedded_data",
            Severity.HOLD,
            node,
            f"a table of numbers of {size} bytes in the source",
        )


def _table_of_texts(file: SourceFile, node: ast.AST) -> Iterator[Finding]:
    """Many texts side by side, rows of them included: which stand there, and in which order, can carry anything."""
    texts: set[str | bytes] = set()
    for part in ast.iter_child_nodes(node):
        rows = part.elts if isinstance(part, ast.List | ast.Tuple | ast.Set) else [part]
        texts.update(each.value for each in rows if isinstance(each, ast.Constant) and isinstance(each.value, str | bytes))  # fmt: skip
    if len(texts) > TEXTS_IN_A_ROW:
        message = f"a table of {len(texts)} texts in the source"
        yield file.finding("embedded_data", Severity.HOLD, node, message)


def _unpacked(file: SourceFile, node: ast.Call) -> Iterator[Finding]:
    name = file.name_of(node.func)
    if name is None or not (
        UNPACKERS.match(name) or (name == "builtins.int" and len(node.args) > 1)
    ):
        return
    for argument in node.args:
        size = _constant_size(file, argument)
        if size > LONGEST_HARMLESS_PACKED:
            yield file.finding(
                "packed_literals",
                Severity.BLOCK,
                node,
                f"{name} unpacks {size} characters that travel in the source",
            )
            return


def _constant_size(file: SourceFile, node: ast.AST, seen: set[str] | None = None) -> int:
    """Length of the constant text inside an expression, names of module constants followed, each once."""
    seen = set() if seen is None else seen
    text = file.text_of(node)
    if text is not None:
        return len(text)
    if isinstance(node, ast.Name):
        values = file.assignments.get(node.id, []) if node.id not in seen else []
        seen.add(node.id)
        sizes = [len(text) for value in values if (text := file.text_of(value)) is not None]
        sizes += [
            sum(_constant_size(file, part, seen) for part in value.elts)
            for value in values
            if isinstance(value, ast.List | ast.Tuple)
        ]
        return max(sizes, default=0)
    if isinstance(node, ast.Call):
        inner = [*node.args, *([node.func.value] if isinstance(node.func, ast.Attribute) else [])]
        return max((_constant_size(file, part, seen) for part in inner), default=0)
    return 0


def _comments(file: SourceFile) -> list[tuple[int, str]]:
    """Line and text of every comment."""
    try:
        tokens = list(tokenize.generate_tokens(io.StringIO(file.text).readline))
    except (tokenize.TokenError, SyntaxError):
        return []
    return [
        (token.start[0], token.string.lstrip("#!: "))
        for token in tokens
        if token.type == tokenize.COMMENT
    ]


def _docstrings(file: SourceFile) -> frozenset[ast.AST]:
    return frozenset(
        node.value
        for node in file.nodes
        if isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )
