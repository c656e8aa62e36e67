"""Draws Quill programs: each is made of features, so that every feature is met and a failure can be named."""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from harness.dialect import PRAGMAS, Dialect
from harness.printing import Printer
from harness.semantics import TooLong, Tree, run

MAX_STEPS = 4000
INPUT_SETS = 3
"""Each program is run on so many inputs, and must be right on all."""
INPUTS = 4
OPERATORS = ("*", "/", "%", "+", "-", "&", "^", "|", "<", "<=", ">", ">=", "==", "!=")


@dataclass(frozen=True, kw_only=True)
class Program:
    """One program with what it is to do."""

    source: str
    features: tuple[str, ...]
    inputs: tuple[tuple[int, ...], ...]
    expected: tuple[tuple[tuple[int, ...], int], ...]
    """For each input: what is printed, and the trap code."""
    steps: int
    """What the reference takes at most."""


class Writer:
    """Writes the statements of one program's features."""

    def __init__(self, rng: random.Random, dialect: Dialect) -> None:
        self.rng = rng
        self.dialect = dialect
        self.names = 0
        self.numbers: list[str] = []
        """Variables in sight that hold numbers."""
        self.functions: list[Tree] = []

    def name(self, stem: str) -> str:
        self.names += 1
        return f"{stem}{self.names}"

    def literal(self) -> Tree:
        edge = (1 << (self.dialect.bits - 1)) - 1
        if self.rng.random() < 0.1:
            return ("int", edge - self.rng.randrange(3))
        return ("int", self.rng.randrange(0, 13))

    def number(self, depth: int = 2) -> Tree:
        """An expression that gives a number."""
        roll = self.rng.random()
        if depth <= 0 or roll < 0.25:
            if self.numbers and self.rng.random() < 0.7:
                return ("var", self.rng.choice(self.numbers))
            return self.literal()
        if roll < 0.33:
            return ("neg", self.number(depth - 1))
        left, right = self.number(depth - 1), self.number(depth - 1)
        operator = self.rng.choice(OPERATORS)
        if operator in "/%" and self.rng.random() < 0.8:
            right = ("int", self.rng.choice((2, 3, 5, 7)))
            if self.rng.random() < 0.4:
                right = ("neg", right)
        return ("bin", operator, left, right)

    def small(self, low: int, high: int) -> Tree:
        """A number within bounds, from one that may be any; division rules do not change it."""
        return ("int", self.rng.randrange(low, high + 1))

    def condition(self) -> Tree:
        operator = self.rng.choice(("<", "<=", ">", ">=", "==", "!="))
        if self.rng.random() < 0.25:
            return self.number(1)
        return ("bin", operator, self.number(1), self.number(1))

    def let(self, value: Tree, stem: str = "v") -> tuple[Tree, str]:
        name = self.name(stem)
        return ("let", name, value), name

    def counted(self, times: int, body: Callable[[str], list[Tree]]) -> list[Tree]:
        """A loop that runs so many times."""
        start, name = self.let(("int", 0), "i")
        step = ("set", name, ("bin", "+", ("var", name), ("int", 1)))
        return [start, ("while", ("bin", "<", ("var", name), ("int", times)), [*body(name), step])]


Feature = Callable[[Writer], list[Tree]]


def _arithmetic(w: Writer) -> list[Tree]:
    found = []
    for _ in range(w.rng.randrange(1, 4)):
        statement, name = w.let(w.number(3))
        found += [statement, ("print", ("var", name))]
        w.numbers.append(name)
    return found


def _input(w: Writer) -> list[Tree]:
    statement, name = w.let(("input",))
    w.numbers.append(name)
    return [statement, ("print", w.number(2))]


def _branch(w: Writer) -> list[Tree]:
    then, otherwise = [("print", w.number(1))], [("print", w.number(1))]
    return [("if", w.condition(), then, otherwise if w.rng.random() < 0.7 else [])]


def _assignment(w: Writer) -> list[Tree]:
    if not w.numbers:
        return _arithmetic(w)
    name = w.rng.choice(w.numbers)
    return [("set", name, w.number(2)), ("print", ("var", name))]


def _truth(w: Writer) -> list[Tree]:
    inner = w.number(1)
    return [
        ("if", inner, [("print", ("int", 1))], [("print", ("int", 2))]),
        ("print", ("not", w.number(1))),
    ]


def _logic(w: Writer) -> list[Tree]:
    noisy = _noisy(w)
    word, other = w.rng.sample(("and", "or"), 2)
    left = ("call", ("var", noisy), [w.small(-1, 1)])
    right = ("call", ("var", noisy), [w.small(-1, 1)])
    return [("print", (word, left, (other, right, w.condition())))]


def _noisy(w: Writer) -> str:
    """A function that prints what it is given and gives it back: shows what is evaluated, and when."""
    name = w.name("show")
    w.functions.append((name, ["x"], [("print", ("var", "x")), ("return", ("var", "x"))]))
    return name


def _order(w: Writer) -> list[Tree]:
    noisy = _noisy(w)
    calls = [("call", ("var", noisy), [w.literal()]) for _ in range(3)]
    shape = w.rng.randrange(3)
    if shape == 0:
        return [
            (
                "print",
                ("bin", w.rng.choice("+-*"), calls[0], ("bin", w.rng.choice("+-&"), *calls[1:])),
            )
        ]
    items, name = w.let(("list", calls), "xs")
    if shape == 1:
        return [items, ("print", ("get", ("var", name), ("int", w.dialect.index + 1)))]
    adder = w.name("sum")
    body = [("return", ("bin", "-", ("var", "a"), ("bin", "*", ("int", 2), ("var", "b"))))]
    w.functions.append((adder, ["a", "b"], body))
    return [("print", ("call", ("var", adder), calls[:2]))]


def _function(w: Writer) -> list[Tree]:
    name, params = w.name("f"), ["p", "q"]
    kept, w.numbers = w.numbers, list(params)
    body = [("if", w.condition(), [("return", w.number(2))], []), ("return", w.number(2))]
    w.numbers = kept
    w.functions.append((name, params, body))
    return [("print", ("call", ("var", name), [w.number(1), w.number(1)])) for _ in range(2)]


def _recursion(w: Writer) -> list[Tree]:
    name = w.name("rec")
    less = ("call", ("var", name), [("bin", "-", ("var", "n"), ("int", 1))])
    kept, w.numbers = w.numbers, ["n"]
    body = [
        ("if", ("bin", "<=", ("var", "n"), ("int", 0)), [("return", w.literal())], []),
        ("return", ("bin", w.rng.choice("+-*^"), less, w.number(1))),
    ]
    w.numbers = kept
    w.functions.append((name, ["n"], body))
    return [("print", ("call", ("var", name), [w.small(3, 9)]))]


def _loop(w: Writer) -> list[Tree]:
    total, name = w.let(w.literal())

    def body(counter: str) -> list[Tree]:
        kept = list(w.numbers)
        w.numbers += [name, counter]
        inner = [("set", name, w.number(2))]
        if w.rng.random() < 0.5:
            inner.append(("if", w.condition(), [("print", ("var", name))], []))
        w.numbers = kept
        return inner

    return [total, *w.counted(w.rng.randrange(2, 7), body), ("print", ("var", name))]


def _lists(w: Writer) -> list[Tree]:
    size = w.rng.randrange(3, 6)
    items, name = w.let(("list", [w.number(1) for _ in range(size)]), "xs")
    at = ("int", w.dialect.index + w.rng.randrange(size))
    change = ("put", ("var", name), at, w.number(2))

    def body(counter: str) -> list[Tree]:
        place = ("bin", "+", ("var", counter), ("int", w.dialect.index))
        return [("print", ("get", ("var", name), place))]

    return [items, change, ("print", ("len", ("var", name))), *w.counted(size, body)]


def _shared_list(w: Writer) -> list[Tree]:
    items, name = w.let(("list", [w.literal() for _ in range(3)]), "xs")
    alias, other = w.let(("var", name), "ys")
    first = ("int", w.dialect.index)
    return [
        items, alias, ("put", ("var", other), first, w.number(1)),
        ("print", ("get", ("var", name), first)),
    ]  # fmt: skip


def _nested_list(w: Writer) -> list[Tree]:
    rows = [("list", [w.number(1), w.number(1)]) for _ in range(2)]
    items, name = w.let(("list", rows), "grid")
    a, b = (("int", w.dialect.index + w.rng.randrange(2)) for _ in range(2))
    cell = ("get", ("get", ("var", name), a), b)
    return [items, ("put", ("get", ("var", name), a), b, w.number(2)), ("print", cell)]


def _closure(w: Writer) -> list[Tree]:
    base, name = w.let(w.literal())
    body = [("return", ("bin", w.rng.choice("+-*"), ("var", "a"), ("var", name)))]
    made, function = w.let(("fn", ["a"], body), "fun")
    call = ("print", ("call", ("var", function), [w.literal()]))
    return [base, made, call, ("set", name, w.literal()), call]


def _counter(w: Writer) -> list[Tree]:
    """A closure that changes what it captured: by reference it counts, by value it does not."""
    start, name = w.let(w.small(0, 9))
    body = [("set", name, ("bin", "+", ("var", name), ("int", 1))), ("return", ("var", name))]
    made, function = w.let(("fn", [], body), "tick")
    call = ("print", ("call", ("var", function), []))
    return [start, made, call, call, ("print", ("var", name))]


def _maker(w: Writer) -> list[Tree]:
    name = w.name("make")
    inner = ("fn", ["y"], [("return", ("bin", w.rng.choice("+-*&"), ("var", "x"), ("var", "y")))])
    w.functions.append((name, ["x"], [("return", inner)]))
    made, function = w.let(("call", ("var", name), [w.literal()]), "fun")
    both = ("call", ("call", ("var", name), [w.literal()]), [w.literal()])
    return [made, ("print", ("call", ("var", function), [w.number(1)])), ("print", both)]


def _loop_closures(w: Writer) -> list[Tree]:
    items, name = w.let(("list", [("int", 0)] * 3), "funs")

    def body(counter: str) -> list[Tree]:
        own, mine = w.let(("bin", "*", ("var", counter), ("int", 2)))
        function = ("fn", ["a"], [("return", ("bin", "+", ("var", mine), ("var", "a")))])
        place = ("bin", "+", ("var", counter), ("int", w.dialect.index))
        return [own, ("put", ("var", name), place, function)]

    chosen = ("get", ("var", name), ("int", w.dialect.index + w.rng.randrange(3)))
    return [items, *w.counted(3, body), ("print", ("call", chosen, [w.literal()]))]


def _higher(w: Writer) -> list[Tree]:
    name = w.name("twice")
    inner = ("call", ("var", "g"), [("var", "x")])
    w.functions.append((name, ["g", "x"], [("return", ("call", ("var", "g"), [inner]))]))
    function = ("fn", ["z"], [("return", ("bin", w.rng.choice("+-*"), ("var", "z"), w.literal()))])
    return [("print", ("call", ("var", name), [function, w.number(1)]))]


def _matching(w: Writer) -> list[Tree]:
    low = w.rng.randrange(0, 5)
    arms = [
        (("is", low), [("print", ("int", 1))]),
        (("range", low - 1, low + w.rng.randrange(1, 4)), [("print", w.number(1))]),
        (("is", low + 1), [("print", ("int", 3))]),
        (("any",), [("print", w.number(1))]),
    ]
    w.rng.shuffle(arms)
    return w.counted(
        4, lambda counter: [("match", ("bin", "+", ("var", counter), ("int", low - 1)), arms)]
    )


def _no_match(w: Writer) -> list[Tree]:
    arms = [(("is", 1), [("print", ("int", 1))]), (("range", 2, 5), [("print", ("int", 2))])]
    return [("match", ("bin", "%", ("input",), ("int", 7)), arms), ("print", ("int", 9))]


def _trap(w: Writer) -> list[Tree]:
    return [
        ("if", w.condition(), [("trap", w.rng.randrange(100, 120))], []),
        ("print", w.literal()),
    ]


def _zero(w: Writer) -> list[Tree]:
    rest = ("bin", "&", ("input",), ("int", 1))
    return [("print", ("bin", w.rng.choice("/%"), w.number(1), rest))]


def _bounds(w: Writer) -> list[Tree]:
    items, name = w.let(("list", [w.literal() for _ in range(2)]), "xs")
    at = ("bin", "&", ("input",), ("int", 3))
    return [items, ("print", ("get", ("var", name), at)), ("print", ("int", 4))]


def _shadow(w: Writer) -> list[Tree]:
    outer, name = w.let(w.literal())
    inner = [("let", name, w.number(1)), ("print", ("var", name)), ("set", name, w.literal())]
    return [outer, ("if", w.condition(), inner, []), ("print", ("var", name))]


SIMPLE: Mapping[str, Feature] = {
    "arithmetic": _arithmetic, "input": _input, "branch": _branch, "assignment": _assignment,
}  # fmt: skip
COMPLEX: Mapping[str, Feature] = {
    "truth": _truth, "logic": _logic, "order": _order, "function": _function,
    "recursion": _recursion, "loop": _loop, "lists": _lists, "shared_list": _shared_list,
    "nested_list": _nested_list, "closure": _closure, "counter": _counter, "maker": _maker,
    "loop_closures": _loop_closures, "higher": _higher, "matching": _matching,
    "no_match": _no_match, "trap": _trap, "zero": _zero, "bounds": _bounds, "shadow": _shadow,
}  # fmt: skip


def draw_program(rng: random.Random, dialect: Dialect, features: Sequence[str]) -> Program:
    """A program with these features, drawn again until it ends in reasonable time."""
    while True:
        pragmas: dict[str, object] = {}
        if any(feature in COMPLEX for feature in features):
            chosen = rng.sample(sorted(PRAGMAS), rng.choice((0, 0, 1, 2)))
            pragmas = {name: rng.choice(PRAGMAS[name]) for name in chosen}
        own = dialect.with_pragmas(pragmas)
        writer = Writer(rng, own)
        table = {**SIMPLE, **COMPLEX}
        block = [statement for feature in features for statement in table[feature](writer)]
        tree = (pragmas, writer.functions, block)
        edge = 1 << (own.bits - 1)
        inputs = tuple(
            tuple(
                rng.choice((rng.randrange(-9, 10), rng.randrange(-edge, edge)))
                for _ in range(INPUTS)
            )
            for _ in range(INPUT_SETS)
        )
        try:
            outcomes = [run(tree, dialect, each, max_steps=MAX_STEPS) for each in inputs]
        except TooLong:
            continue
        if not any(each.printed for each in outcomes):
            continue
        return Program(
            source=Printer(own, rng).program(tree),
            features=tuple(features),
            inputs=inputs,
            expected=tuple((tuple(each.printed), each.code) for each in outcomes),
            steps=max(each.steps for each in outcomes),
        )


def draw_programs(
    rng: random.Random, dialect: Dialect, count: int, *, is_complex: bool
) -> list[Program]:
    """So many programs of one class; over them every feature of the class comes equally often."""
    if not is_complex:
        names = sorted(SIMPLE)
        return [
            draw_program(rng, dialect, ["input", *rng.choices(names, k=rng.randrange(1, 4))])
            for _ in range(count)
        ]
    names = sorted(COMPLEX)
    rng.shuffle(names)
    programs = []
    for number in range(count):
        others = rng.sample([*COMPLEX, *SIMPLE], rng.choice((0, 1, 2)))
        features = [names[number % len(names)], *others]
        programs.append(draw_program(rng, dialect, ["input", *features]))
    return programs
