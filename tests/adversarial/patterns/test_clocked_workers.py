"""Red team on the clocked pattern: what code inside a worker can do to the socket, the shared memory and the clock.

Each attack is put into a kernel and built and run for real, with admission out of the way; each ends in the outcome that is named.
"""

import shutil
from dataclasses import replace

import pytest

from rsi.evals.admission.admission import admit
from rsi.evals.types import Severity
from rsi.sandboxes.bubblewrap.backend import BubblewrapBackend
from rsi.sandboxes.types import ExecOutcome, FileEntry
from rsi.tasks.files.trees import read_tree
from rsi.tasks.format.loader import load_task
from rsi.tasks.running.runner import grade, grade_of_failed_run, make_instance, run_candidate
from rsi.tasks.types import GradeOutcome

pytestmark = pytest.mark.slow
KERNEL = "void qmm(int m, int n, int k, const int8_t *a, const int8_t *b, int32_t *c) {\n"
MAX_WALL_S = 12.0
OPENING = """
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>
/* The descriptor of the connection, found without a path to it. */
static int link_of(void) {
    for (int file = 3; file < 64; file++) {
        int kind;
        socklen_t size = sizeof kind;
        if (getsockopt(file, SOL_SOCKET, SO_TYPE, &kind, &size) == 0) return file;
    }
    exit(71);
}
static long raw(long number, long one, long two) {
    long result;
    __asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(one), "S"(two) : "rcx", "r11", "memory");
    return result;
}
"""
"""What the attacks share; descriptors 3 and up are the connection and the two pieces of memory."""


@pytest.fixture(scope="module")
def task():
    return load_task("kernels")


def with_lines(base: tuple[FileEntry, ...], lines: str) -> tuple[FileEntry, ...]:
    """The starting kernels with an attack at the beginning of one."""
    attack = f"{OPENING}{KERNEL}{lines}\n".encode()
    return tuple(
        replace(each, content=each.content.replace(KERNEL.encode(), attack))
        if each.path == "src/qmm.c"
        else each
        for each in base
    )


@pytest.fixture(scope="module")
def attacked(task):
    """How a run ends whose first kernel begins with these lines: its outcome, and why."""
    backend = BubblewrapBackend()
    if not backend.availability().is_available or shutil.which("gcc") is None:
        pytest.skip("needs bubblewrap and gcc")
    smoke = task.profiles["smoke"]
    profile = replace(smoke, limits=replace(smoke.limits, wall_s=MAX_WALL_S))
    instance = make_instance(task, profile, "screen", bytes(range(32)), backend)

    def go(lines: str) -> tuple[GradeOutcome, str]:
        tree = with_lines(read_tree(task.repo), lines)
        done = run_candidate(task, profile, tree, instance, 1, backend, "red team")
        if done.output is None:
            said = done.execution.stderr.decode("utf-8", "replace")
            return grade_of_failed_run(done), f"{done.output_problem} {said}"
        assert done.execution.outcome is ExecOutcome.OK
        found = grade(task, profile, instance, done.output, backend, "red team")
        return found.outcome, found.reason or str(found.quality_values)

    return go


EARLY = "int64_t done = 0; static int calls; if (calls++ == 0) write(link_of(), &done, 8);"
NOTHING = "memset(c, 0, 4 * (size_t)m * n); return;"
"""A wrong answer, at once."""


@pytest.mark.parametrize(
    ("lines", "outcome", "words"),
    [
        # Says that it is done before it is: what it has is not the answer, the harness leaves, and its next word kills it.
        (EARLY, GradeOutcome.CRASHED, ""),
        # Fills the connection with words that nobody asked for.
        ("static char noise[1 << 20]; memset(noise, 1, sizeof noise); send(link_of(), noise, sizeof noise, MSG_DONTWAIT | MSG_NOSIGNAL);",
         GradeOutcome.CRASHED, ""),
        # Seven bytes of eight, and then nothing: its own time limit ends it.
        ("write(link_of(), c, 7); for (;;) pause();", GradeOutcome.TIMEOUT, ""),
        # Reads the next call itself, before it was sent.
        ("char word[8]; read(link_of(), word, 8);", GradeOutcome.TIMEOUT, ""),
        # Leaves in good order in the middle of a call.
        ("_exit(0);", GradeOutcome.INVALID_OUTPUT, "the worker ended in call"),
        ("shutdown(link_of(), SHUT_RDWR);", GradeOutcome.CRASHED, ""),
    ],
)  # fmt: skip
def test_words_out_of_turn_end_the_run(attacked, lines, outcome, words):
    found, said = attacked(lines)
    assert (found, words in said) == (outcome, True), said


@pytest.mark.parametrize(
    "attempt",
    [
        "ftruncate(file, 0) == 0",
        "ftruncate(file, 1L << 40) == 0",
        "mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0) != MAP_FAILED && file == reading",
        "mprotect((void *)((uintptr_t)a & ~4095UL), 4096, PROT_READ | PROT_WRITE) == 0",
    ],
)
def test_shared_memory_can_be_made_neither_larger_nor_smaller_nor_the_inputs_written(
    attacked, attempt
):
    """An attempt that succeeds ends the worker with a word of its own; all of them fail, and the run is an ordinary one."""
    lines = (
        f"int reading = link_of() + 1;\n    for (int file = reading; file <= reading + 1; file++)\n"
        f"        if ({attempt}) exit(99);"
    )
    found, said = attacked(lines)
    assert found is GradeOutcome.OK, said
    assert "'wrong_answers': 0.0" in said


def test_an_attempt_that_succeeds_would_be_seen(attacked):
    found, said = attacked("if (getpid() > 0) exit(99);")
    assert found is GradeOutcome.CRASHED
    assert "crashed" in said


def test_a_child_made_without_the_library_is_shown_to_a_person(task):
    """Number 57 is fork: no symbol of the worker tells of it. Children share the one core of the run, so they slow their own
    parent; the source shows them, and it is held."""
    base = read_tree(task.repo)
    tree = with_lines(base, "if (raw(57, 0, 0) == 0) for (;;) ;")
    new = [each for each in admit(task, base, tree) if "assembly" in each.message]
    assert {each.severity for each in new} == {Severity.HOLD}
    assert {each.file for each in new} == {"src/qmm.c"}


def test_what_a_child_writes_after_the_answer_changes_nothing(attacked):
    """The parent answers nothing and lets a child fill the outputs: they were copied when it answered."""
    late = f"if (raw(57, 0, 0) == 0) {{ usleep(20000); memset(c, 0, 4); _exit(0); }}\n    {NOTHING}"
    found, said = attacked(late)
    assert found is GradeOutcome.OK, said
    assert "'wrong_answers': 0.0" not in said
