"""The compiler task's verbs: a fresh dialect and fresh programs for every instance, behaviour compared on hidden inputs."""

import hashlib
import json
import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from harness_kit import Check, Graded, Part, canonical_json, stdlib_random
from harness_kit.frames import Frame
from harness_kit.serving import Meter, Refusal, dispatch
from harness_kit.verbs import InstanceFolder, Request, declared_task

from harness.dialect import Dialect, draw_dialect
from harness.programs import Program, draw_programs
from harness.specification import specification
from harness.vm import BadCode, execute, verify

EXAMPLES = 24
"""Public programs of each class."""
REPEATED_SHARE = 0.1
"""Of the programs are asked for twice, and the same text must give the same bytecode."""
INSTRUCTIONS_PER_TOKEN = 60
STEPS_PER_STEP, SPARE_STEPS = 50, 2_000
"""How many steps the machine may take for one of the reference's, and besides."""
_TOKEN = re.compile(r"\w+|[^\w\s]")


class CompilerHarness:
    """Draws programs, has them compiled, and runs what came back."""

    def describe(self) -> Mapping[str, object]:
        return {
            "measures": "share of hidden programs whose compiled form behaves as the specification says",
            "pattern": "served: the candidate asks for programs and hands in bytecode; inputs stay here",
        }

    def instance(self, request: Request, public: Path, secret: Path) -> None:
        drawing = stdlib_random(request.seed, "dialects")
        dialects = [draw_dialect(drawing) for _ in range(request.integer("dialects"))]
        (public / "dialects.json").write_bytes(canonical_json([asdict(each) for each in dialects]))
        for number, dialect in enumerate(dialects):
            page = specification(dialect, number)
            (public / f"SPEC-{number}.md").write_text(page, encoding="utf-8")
        shown = _drawn(stdlib_random(request.seed, "examples"), dialects, EXAMPLES, EXAMPLES)
        (public / "examples.json").write_bytes(canonical_json(shown))
        hidden = stdlib_random(request.seed, "hidden")
        counts = request.integer("simple"), request.integer("complex")
        (secret / "programs.json").write_bytes(canonical_json(_drawn(hidden, dialects, *counts)))

    def session(self, instance: InstanceFolder) -> "Session":
        stored = json.loads((instance.secret / "programs.json").read_text(encoding="utf-8"))
        order = stdlib_random(instance.request.seed, "order")
        programs = {name: [_program(each) for each in stored[name]] for name in stored}
        budget = declared_task()["budget"]
        assert isinstance(budget, dict)
        return Session(programs, order, Meter(unit=budget["unit"], limit=budget["limit"]))

    def selfcheck(self, request: Request, workspace: Path) -> Sequence[Check]:
        rng = stdlib_random(request.seed, "selfcheck")
        dialects = {draw_dialect(rng) for _ in range(200)}
        programs = draw_programs(rng, draw_dialect(rng), 60, is_complex=True)
        empty = execute(verify(empty_code()), (1,))
        silent = sum(_is_right(each, empty_code()) for each in programs)
        return (
            Check(
                name="dialects_differ",
                is_ok=len(dialects) > 190,
                evidence=f"{len(dialects)} of 200",
            ),
            Check(
                name="every_program_says_something",
                is_ok=silent == 0 and empty.code == 0,
                evidence=f"{silent} of 60 are right when nothing is done",
            ),
        )


def _drawn(
    rng: random.Random, dialects: Sequence[Dialect], simple: int, hard: int
) -> dict[str, list[dict[str, object]]]:
    """Programs of both classes, each dialect having its share of them."""
    found: dict[str, list[dict[str, object]]] = {"simple": [], "complex": []}
    for number, dialect in enumerate(dialects):
        for name, count in (("simple", simple), ("complex", hard)):
            own = count // len(dialects) + (number < count % len(dialects))
            drawn = draw_programs(rng, dialect, own, is_complex=name == "complex")
            found[name] += [asdict(each) | {"dialect": number} for each in drawn]
    return found


def empty_code() -> list[dict[str, object]]:
    """Bytecode that does nothing."""
    return [{"params": 0, "locals": 0, "code": [["push", 0], ["ret"]]}]


@dataclass(kw_only=True)
class _Asked:
    """One text that was handed out, and what came for it."""

    group: str
    program: Program
    dialect: int
    is_repeat: bool
    code: object = None


class Session:
    """One candidate's programs, in an order that says nothing of their class."""

    def __init__(
        self,
        programs: Mapping[str, Sequence[tuple[int, Program]]],
        rng: random.Random,
        meter: Meter,
    ) -> None:
        self._meter = meter
        self._asked = [
            _Asked(group=name, program=program, dialect=dialect, is_repeat=False)
            for name, found in programs.items()
            for dialect, program in found
        ]
        again = rng.sample(self._asked, max(1, round(REPEATED_SHARE * len(self._asked))))
        self._asked += [replace(each, is_repeat=True) for each in again]
        rng.shuffle(self._asked)
        self._handed_out = 0
        self._calls = {"next": self._next, "bytecode": self._bytecode}

    def answer(self, call: str, frame: Frame) -> Frame:
        self._meter.spend(1)
        return dispatch(self._calls, call, frame)

    def _next(self, _: Frame) -> Frame:
        if self._handed_out == len(self._asked):
            return Frame(head={"is_done": True})
        number = self._handed_out
        self._handed_out += 1
        asked = self._asked[number]
        return Frame(
            head={
                "is_done": False,
                "number": number,
                "dialect": asked.dialect,
                "source": asked.program.source,
            }
        )

    def _bytecode(self, frame: Frame) -> Frame:
        number = frame.head.get("number")
        if type(number) is not int or not 0 <= number < self._handed_out:
            raise Refusal(f"no program {str(number)[:20]} was handed out")
        if self._asked[number].code is not None:
            raise Refusal(f"program {number} has its bytecode already")
        self._asked[number].code = frame.head.get("code")
        return Frame(head={})

    def finish(self) -> Graded:
        """Run everything; a program without bytecode is wrong."""
        first = {id(each.program): each for each in self._asked if not each.is_repeat}
        repeats = [each for each in self._asked if each.is_repeat]
        unlike = sum(each.code != first[id(each.program)].code for each in repeats)
        right = {key: _is_right(each.program, each.code) for key, each in first.items()}
        share, parts = {}, []
        for group in ("simple", "complex"):
            members = [each.program for each in first.values() if each.group == group]
            count = sum(right[id(program)] for program in members)
            share[group] = (count + 0.5) / (len(members) + 1)
            parts.append(Part(name=group, value=count / len(members), n=len(members)))
            parts += _by_feature(members, right) if group == "complex" else []
        said = json.dumps([each.code for each in first.values()], sort_keys=True)
        return Graded(
            metric_value=share["complex"],
            quality={"simple_share": share["simple"]},
            parts=parts,
            guards=(
                Check(
                    name="same_text_same_bytecode",
                    is_ok=unlike == 0,
                    evidence=f"{unlike} of {len(repeats)} texts that came twice",
                ),
            ),
            used=self._meter.used,
            hidden_reads=1,
            reply_digest=hashlib.sha256(said.encode()).hexdigest(),
        )


def _by_feature(programs: Sequence[Program], right: Mapping[int, bool]) -> list[Part]:
    names = sorted({feature for program in programs for feature in program.features})
    parts = []
    for name in names:
        having = [program for program in programs if name in program.features]
        parts.append(
            Part(
                name=name,
                value=sum(right[id(each)] for each in having) / len(having),
                n=len(having),
            )
        )
    return parts


def _is_right(program: Program, code: object) -> bool:
    """Whether bytecode does what the program says on all of its inputs."""
    allowed = INSTRUCTIONS_PER_TOKEN * len(_TOKEN.findall(program.source))
    try:
        functions = verify(code, max_instructions=allowed)
    except BadCode:
        return False
    max_steps = STEPS_PER_STEP * program.steps + SPARE_STEPS
    for inputs, (printed, trap) in zip(program.inputs, program.expected, strict=True):
        outcome = execute(functions, inputs, max_steps=max_steps)
        if outcome.printed != printed or outcome.code != trap:
            return False
    return True


def _program(stored: Mapping[str, object]) -> tuple[int, Program]:
    program = Program(
        source=str(stored["source"]),
        features=tuple(stored["features"]),
        inputs=tuple(tuple(each) for each in stored["inputs"]),
        expected=tuple((tuple(printed), code) for printed, code in stored["expected"]),
        steps=int(stored["steps"]),
    )
    return int(stored["dialect"]), program
