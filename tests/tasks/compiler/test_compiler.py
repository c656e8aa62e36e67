"""The compiler task's oracle: an interpreter without a parser and a compiler without an interpreter agree."""

import importlib
import itertools
import json
import random
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace

import pytest
from tests.tasks.conftest import harness_of, importing

from rsi.tasks.files.trees import read_tree, write_tree
from rsi.tasks.format.loader import load_task
from rsi.tasks.running.check import patched_tree
from rsi.tasks.types import Task

PARTS = ("dialect", "semantics", "printing", "programs", "vm", "specification")


@pytest.fixture(scope="module")
def task() -> Task:
    return load_task("compiler")


@pytest.fixture(scope="module")
def harness(task: Task, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimpleNamespace]:
    with harness_of(task, tmp_path_factory.mktemp("trusted"), PARTS) as modules:
        yield modules


def compiler_of(task: Task, solution: str | None, folder: Path):
    """`compile_program` of the starting repo, or of a solution."""
    tree = read_tree(task.repo)
    if solution is not None:
        chosen = next(each for each in task.solutions if each.name == solution)
        tree = patched_tree(task, chosen)
    write_tree(tree, folder)
    with importing(folder, "quill"):
        return importlib.import_module("quill").compile_program


def shares(
    harness: SimpleNamespace, compile_program, *, dialects: int, each: int
) -> dict[bool, float]:
    """Share of complex (True) and simple programs that are right on all inputs."""
    right, total = {True: 0, False: 0}, {True: 0, False: 0}
    for seed in range(dialects):
        rng = random.Random(seed)
        dialect = harness.dialect.draw_dialect(rng)
        plain = json.loads(json.dumps(asdict(dialect)))
        for is_complex in (True, False):
            for program in harness.programs.draw_programs(
                rng, dialect, each, is_complex=is_complex
            ):
                total[is_complex] += 1
                right[is_complex] += is_right(harness, program, plain, compile_program)
    return {key: right[key] / total[key] for key in total}


def is_right(harness: SimpleNamespace, program, dialect: dict, compile_program) -> bool:
    try:
        code = json.loads(json.dumps(compile_program(program.source, dialect)))
        functions = harness.vm.verify(code)
    except (ValueError, RecursionError):
        return False
    outcomes = [harness.vm.execute(functions, inputs) for inputs in program.inputs]
    return [(each.printed, each.code) for each in outcomes] == list(program.expected)


def test_the_ladder_climbs(task: Task, harness: SimpleNamespace, tmp_path: Path):
    names = [None, "01_functions", "02_lists_match_traps", "03_truth_and_logic", "04_complete"]
    found = [
        shares(harness, compiler_of(task, name, tmp_path / str(at)), dialects=8, each=20)
        for at, name in enumerate(names)
    ]
    complex_shares = [each[True] for each in found]
    assert complex_shares == sorted(complex_shares)
    assert all(b > 1.2 * a for a, b in itertools.pairwise(complex_shares))
    assert found[0][True] < 0.05
    assert found[-1] == {True: 1.0, False: 1.0}


@pytest.mark.slow
def test_interpreter_and_reference_compiler_agree_on_ten_thousand_programs(
    task: Task, harness: SimpleNamespace, tmp_path: Path
):
    compile_program = compiler_of(task, "04_complete", tmp_path)
    assert shares(harness, compile_program, dialects=250, each=20) == {True: 1.0, False: 1.0}


def test_the_start_gets_something_right_and_not_much(
    task: Task, harness: SimpleNamespace, tmp_path: Path
):
    found = shares(harness, compiler_of(task, None, tmp_path), dialects=8, each=20)
    assert 0.05 < found[False] < 0.6


@pytest.mark.parametrize(
    "code",
    [
        [], {}, None, "ret", [[]], [{"params": 0, "locals": 0, "code": []}],
        [{"params": 1, "locals": 1, "code": [["ret"]]}],
        [{"params": 0, "locals": 0, "code": [["load", 0], ["ret"]]}],
        [{"params": 0, "locals": 0, "code": [["jump", 7]]}],
        [{"params": 0, "locals": 0, "code": [["jump", True]]}],
        [{"params": 0, "locals": 0, "code": [["push", 1.5], ["ret"]]}],
        [{"params": 0, "locals": 0, "code": [["push", 1 << 200], ["ret"]]}],
        [{"params": 0, "locals": 0, "code": [["closure", 5, 0], ["ret"]]}],
        [{"params": 0, "locals": 0, "code": [["system", 1], ["ret"]]}],
        [{"params": 0, "locals": 0, "code": [["push", 1]]}],
        [{"params": 0, "locals": 0, "code": [["push", 1], ["ret"]], "more": 1}],
    ],
)  # fmt: skip
def test_bytecode_that_breaks_a_rule_is_refused(harness: SimpleNamespace, code: object):
    with pytest.raises(harness.vm.BadCode):
        harness.vm.verify(code)


def test_random_bytecode_ends_within_the_limits(harness: SimpleNamespace):
    rng, vm = random.Random(5), harness.vm
    operations = [*vm.NO_ARGUMENT, *vm.WITH_ARGUMENT]
    faults = ends = 0
    for _ in range(3000):
        code = []
        for _ in range(rng.randrange(1, 30)):
            op = rng.choice(operations)
            numbers = {"closure": [rng.randrange(2), rng.randrange(3)]}.get(op, [rng.randrange(40)])
            code.append([op, *numbers] if op in vm.WITH_ARGUMENT else [op])
        body = {"params": 0, "locals": 4, "code": [*code, ["ret"]]}
        inner = {"params": 1, "locals": 2, "code": [["load", 0], ["up", 0], ["add"], ["ret"]]}
        try:
            functions = vm.verify([body, inner])
        except vm.BadCode:
            continue
        outcome = vm.execute(functions, (1, -2, 3), max_steps=2000)
        faults, ends = faults + (outcome.code is None), ends + (outcome.code is not None)
    assert faults > 20
    assert ends > 20


def test_the_specification_names_every_choice(harness: SimpleNamespace):
    pages = {
        harness.specification.specification(harness.dialect.draw_dialect(random.Random(n)), 0)
        for n in range(30)
    }
    assert len(pages) == 30
    everything = "\n".join(pages)
    for word in (
        "rounds towards zero",
        "rounds down",
        "never negative",
        "right to left",
        "copies of",
        "themselves",
    ):
        assert word in everything
