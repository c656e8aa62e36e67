"""Lexical features of a patch, and a reviewer's rules that weigh them: a linear classifier over tokens, written as data.

A reviewer is data, so nothing of it is executed: each rule names features, all of which the lexer below can make, and how
much doubt they raise. Reading takes time linear in the text, and a rule brings no pattern of its own.
Does not: know labels, run code, or follow what a name stands for.
Invariant: the doubt about a patch is a function of the rules and of the set of its statements.
"""

import itertools
import math
import re
import tomllib
import unicodedata
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import NamedTuple

MAX_RULES_BYTES = 60_000
MAX_SIGNS = 200
MAX_WORDS = 3_000
MAX_WORD_CHARS = 80
MAX_DOUBT = 10.0
MAX_TEXT_CHARS = 400_000
"""Of one file; that there is more is a feature by itself."""
MAX_STATEMENT_LINES = 40
SEVERAL_NUMBERS, MANY_NUMBERS = 12, 64
LONG_STRING = 200
KINDS = frozenset({"import", "name", "call", "attribute", "sets", "defines", "says", "if", "shape"})
"""What a feature is about: the word before its colon."""

_REST = r"""
    |(?P<number>\d[\w.]*+)
    |(?P<name>[^\W\d]\w*+)
    |(?P<end>\n)
    |(?P<operator>[-+*/%&|^@]=|[=!<>]=|->|<<|>>|[^\w\s])"""
# What is never closed ends with the text, so that nothing is read twice.
_PYTHON = re.compile(
    r"""(?P<comment>\#[^\n]*+)
    |(?P<string>[A-Za-z]{0,2}(?:\'{3}(?:[^'\\]|\\.|'(?!''))*+(?:\'{3})?|"{3}(?:[^"\\]|\\.|"(?!""))*+(?:"{3})?
        |'(?:[^'\\\n]|\\.)*+'?|"(?:[^"\\\n]|\\.)*+"?))"""
    + _REST,
    re.VERBOSE | re.DOTALL,
)
_OTHER = re.compile(
    r"""(?P<comment>\#[^\n]*+|//[^\n]*+|/\*(?:[^*]|\*(?!/))*+(?:\*/)?)
    |(?P<string>'(?:[^'\\\n]|\\.)*+'?|"(?:[^"\\\n]|\\.)*+"?)"""
    + _REST,
    re.VERBOSE | re.DOTALL,
)
_WORD = re.compile(r"[A-Za-z_]{2,40}")
_PACKED = re.compile(r"[A-Za-z0-9+/=_-]{40,}")
_ABSOLUTE = re.compile(r"(?:/|~/)[A-Za-z]")
_DIRECTIVE = re.compile(r"\#\s*(include|define|pragma)\b[ <\"]*([^\s>\"]*)")
_SETTING = frozenset({"=", "+=", "-=", "*=", "/=", "|=", "&=", "@="})
_BRANCH = frozenset({"if", "elif", "while", "assert"})
_SMALL = frozenset({"0", "1", "2", "3"})


Features = frozenset[str]
"""What one statement is like, as words such as "call:open"."""


class RulesError(ValueError):
    """A reviewer's rules cannot be used; the message says what to change."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sign:
    """One rule: features that raise doubt."""

    name: str
    any_of: frozenset[str]
    """One of them has to be there; empty where `all_of` says everything."""
    all_of: frozenset[str]
    """All of them have to be there."""
    unless: frozenset[str]
    """None of them may be there."""
    doubt: float
    """How much is added; below 0 it is taken away."""

    def is_seen(self, line: Set[str]) -> bool:
        """Whether a line with these features bears the sign."""
        return (
            (not self.any_of or not self.any_of.isdisjoint(line))
            and self.all_of <= line
            and self.unless.isdisjoint(line)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewRules:
    """A reviewer: its signs and its policy."""

    signs: tuple[Sign, ...]
    hold_at: float
    """Doubt from which a person looks."""
    strongest: int
    """So many of the strongest signs count together; what takes doubt away always counts."""

    def doubts(self, lines: Set[Features]) -> dict[str, float]:
        """Doubt by the name of the sign that raises it, or takes it away."""
        return {
            each.name: each.doubt
            for each in self.signs
            if any(each.is_seen(line) for line in lines)
        }

    def doubt(self, lines: Set[Features]) -> float:
        """How much doubt there is about a patch of these lines."""
        found = sorted(self.doubts(lines).values(), reverse=True)
        counted = [each for each in found if each > 0][: self.strongest]
        return math.fsum([*counted, *(each for each in found if each < 0)])

    def holds(self, lines: Set[Features]) -> bool:
        """Whether a person should look at a patch of these lines."""
        return self.doubt(lines) >= self.hold_at


def read_rules(text: bytes) -> ReviewRules:
    """Rules and policy of a reviewer's signs.toml.

    Raises:
        RulesError: Too long, no TOML, an unknown key, or a feature that the lexer cannot make.
    """
    if len(text) > MAX_RULES_BYTES:
        raise RulesError(
            f"signs.toml has {len(text)} bytes, more than the {MAX_RULES_BYTES} allowed"
        )
    try:
        table = tomllib.loads(text.decode("utf-8"))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise RulesError(f"signs.toml cannot be read: {error}") from None
    _only(table, "signs.toml", {"policy", "sign"})
    policy, signs = table.get("policy"), table.get("sign", [])
    if not isinstance(policy, dict) or not isinstance(signs, list) or len(signs) > MAX_SIGNS:
        raise RulesError(f"signs.toml needs a table [policy] and at most {MAX_SIGNS} of [[sign]]")
    _only(policy, "[policy]", {"hold_at", "strongest"})
    return ReviewRules(
        signs=tuple(_sign(each) for each in signs),
        hold_at=_number(policy.get("hold_at"), "hold_at", 0.01, MAX_DOUBT),
        strongest=int(_number(policy.get("strongest", 1), "strongest", 1, MAX_SIGNS)),
    )


def _sign(table: object) -> Sign:
    if not isinstance(table, dict):
        raise RulesError("each [[sign]] is a table")
    _only(table, "[[sign]]", {"name", "any", "all", "unless", "doubt"})
    name = table.get("name")
    if not isinstance(name, str) or not 0 < len(name) <= MAX_WORD_CHARS:
        raise RulesError(f"a sign's name is a text of at most {MAX_WORD_CHARS} characters")
    any_of, all_of, unless = (
        _features_named(table.get(key, []), f"{key} of sign {name!r}")
        for key in ("any", "all", "unless")
    )
    if not any_of and not all_of:
        raise RulesError(f"sign {name!r} names no feature in any or all")
    doubt = _number(table.get("doubt"), f"doubt of sign {name!r}", -MAX_DOUBT, MAX_DOUBT)
    return Sign(name=name, any_of=any_of, all_of=all_of, unless=unless, doubt=doubt)


def _features_named(value: object, place: str) -> frozenset[str]:
    words = _words(value, place)
    for each in sorted(words):
        if each.partition(":")[0] not in KINDS or not each.partition(":")[2]:
            raise RulesError(
                f"{place} has {each!r}; a feature is one of {', '.join(sorted(KINDS))}, a colon and a word"
            )
    return words


def _words(value: object, place: str) -> frozenset[str]:
    if (
        not isinstance(value, list)
        or len(value) > MAX_WORDS
        or not all(isinstance(each, str) and 0 < len(each) <= MAX_WORD_CHARS for each in value)
    ):
        raise RulesError(f"{place} is a list of at most {MAX_WORDS} words")
    return frozenset(value)


def _only(table: Mapping[str, object], place: str, known: Set[str]) -> None:
    if unknown := sorted(set(table) - known):
        raise RulesError(
            f"{place} has {', '.join(unknown)}; it may have {', '.join(sorted(known))}"
        )


def _number(value: object, name: str, low: float, high: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise RulesError(f"{name} is {value!r:.40}; it must be a number from {low:g} to {high:g}")
    return float(value)


class _Token(NamedTuple):
    kind: str
    text: str


def lines_of(files: Mapping[str, str]) -> frozenset[Features]:
    """Features of every statement of texts by path, such as "call:open" and "says:reviewer".

    A statement goes on while a bracket is open. What holds for a file, such as "shape:many_numbers", is in each of them.
    """
    return frozenset(each for path, text in files.items() for each in _lines(path, text))


def added_lines(before: Mapping[str, str], after: Mapping[str, str]) -> frozenset[Features]:
    """Statements that the changed files have now and did not have before."""
    changed = {path: text for path, text in after.items() if before.get(path) != text}
    known = {path: before[path] for path in changed.keys() & before.keys()}
    return lines_of(changed) - lines_of(known)


def _lines(path: str, raw: str) -> Iterator[Features]:
    cut = raw[:MAX_TEXT_CHARS]
    text = unicodedata.normalize("NFKC", cut)
    whole: set[str] = set()
    if len(raw) > MAX_TEXT_CHARS:
        whole.add("shape:long_file")
    if text != cut:
        whole.add("shape:odd_letters")
    statements = list(_statements(path, text))
    numbers = sum(each.kind == "number" for tokens in statements for each in tokens)
    if numbers >= SEVERAL_NUMBERS:
        whole.add("shape:many_numbers" if numbers >= MANY_NUMBERS else "shape:several_numbers")
    imported = frozenset(each for tokens in statements for each in _bound_by_import(tokens))
    for tokens in statements:
        if found := {*_of_line(tokens, imported)}:
            yield frozenset(found | whole)


def _statements(path: str, text: str) -> Iterator[list[_Token]]:
    line: list[_Token] = []
    depth = lines = 0
    for found in (_PYTHON if path.endswith(".py") else _OTHER).finditer(text):
        token = _Token(str(found.lastgroup), found[0])
        if token.kind != "end":
            line.append(token)
            depth += (token.text in {"(", "["}) - (token.text in {")", "]"})
            continue
        lines += 1
        if depth <= 0 or lines > MAX_STATEMENT_LINES:
            yield line
            line, depth, lines = [], 0, 0
    yield line


def _of_line(line: Sequence[_Token], imported: Set[str]) -> Iterator[str]:
    for token in line:
        if token.kind == "string":
            yield from _of_string(token.text)
        elif directive := _DIRECTIVE.match(token.text):
            yield f"import:{directive[2]}" if directive[1] == "include" else f"name:{directive[1]}"
        elif token.kind == "comment":
            yield from _said(token.text)
    line = [each for each in line if each.kind != "comment"]
    if line and line[0].text in {"import", "from"}:
        yield from _of_import(line)
        return
    texts = ["", "", *(each.text for each in line), ""]
    branch = next((at for at, each in enumerate(line) if each.text in _BRANCH), None)
    for at, token in enumerate(line):
        if token.kind == "name":
            older, before, after = texts[at], texts[at + 1], texts[at + 3]
            yield from _of_name(token.text, older, before, after, imported)
            if branch is not None and at > branch:
                yield f"if:{token.text}"
    if branch is not None:
        yield from _of_condition(line[branch + 1 :])


def _of_name(name: str, older: str, before: str, after: str, imported: Set[str]) -> Iterator[str]:
    """Features of one name between its neighbours on the line."""
    if before in {"def", "class"}:
        yield f"defines:{name}"
    elif before in {".", "->"}:
        yield f"attribute:{name}"
        if after in _SETTING:
            yield f"sets:{name}"
            if older in imported:
                yield "shape:sets_on_import"
            elif older[:1].isupper():
                yield "shape:sets_on_class"
    else:
        yield f"name:{name}"
        if after == "(":
            yield f"call:{name}"
            if name in imported:
                yield f"attribute:{name}"
    if name.startswith("__") and name.endswith("__") and before not in {"def", "."}:
        yield "shape:special_name"


def _of_string(text: str) -> Iterator[str]:
    body = text.lstrip("rRbBuUfF").strip("'\"")
    yield from _said(body)
    if _ABSOLUTE.match(body):
        yield "shape:absolute_path"
    if body == ".." or "../" in body:
        yield "shape:parent_path"
    if body.count("\\x") + body.count("\\u") > 1:
        yield "shape:escaped_string"
    if len(body) >= LONG_STRING and "\n" not in body:
        yield "shape:long_string"
    if _PACKED.search(body):
        yield "shape:packed_string"


def _said(text: str) -> Iterator[str]:
    return (f"says:{each.lower()}" for each in _WORD.findall(text))


def _of_condition(rest: Sequence[_Token]) -> Iterator[str]:
    """What is asked in a branch, by its shape."""
    for token, beside in itertools.pairwise(rest):
        if token.text in {"==", "!=", "in", "is"}:
            if beside.kind == "number" and beside.text not in _SMALL:
                yield "shape:if_equals_number"
            if beside.kind == "string":
                yield "shape:if_equals_text"
            if beside.text in {"{", "(", "["}:
                yield "shape:if_among"
        if token.text in {"%", "&"}:
            yield "shape:if_remainder"


def _of_import(line: Sequence[_Token]) -> Iterator[str]:
    words = [each.text for each in line]
    if words[0] == "from":
        at = words.index("import") if "import" in words else len(words)
        module = "".join(words[1:at])
        if module.startswith("."):
            return
        yield from (f"import:{each}" for each in {module, module.partition(".")[0]} if each)
        before = ["", *words[at + 1 :]]
        for older, word in itertools.pairwise(before):
            if older != "as" and word != "as" and word.isidentifier():
                yield f"attribute:{word}"
        return
    for each in " ".join(words[1:]).replace(" . ", ".").split(" , "):
        module = each.partition(" as ")[0].strip()
        yield from (f"import:{name}" for name in {module, module.partition(".")[0]} if name)


def _bound_by_import(line: Sequence[_Token]) -> Iterator[str]:
    """Names that an import binds."""
    if not line or line[0].text not in {"import", "from"}:
        return
    words = [each.text for each in line]
    if words[0] == "from":
        words = words[words.index("import") :] if "import" in words else []
    for each in " ".join(words[1:]).replace(" . ", ".").split(","):
        name = each.strip(" ()")
        yield name.rpartition(" as ")[2].partition(".")[0].strip()
