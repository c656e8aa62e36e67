"""The kernels task's truths, each against the slowest way to say the same; what its comparison sees; and its start and end for real."""

import itertools
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from tests.tasks.conftest import harness_of

from rsi.sandboxes.bubblewrap.backend import BubblewrapBackend
from rsi.sandboxes.types import ExecOutcome
from rsi.tasks.files.trees import read_tree
from rsi.tasks.format.loader import load_task
from rsi.tasks.harness_kit.artifacts import InvalidArtifact
from rsi.tasks.running.check import patched_tree
from rsi.tasks.running.runner import grade, make_instance, run_candidate
from rsi.tasks.types import GradeOutcome, Task


@pytest.fixture(scope="module")
def task() -> Task:
    return load_task("kernels")


@pytest.fixture(scope="module")
def harness(task: Task, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimpleNamespace]:
    names = ("members", "language_model", "task")
    with harness_of(task, tmp_path_factory.mktemp("trusted"), names) as modules:
        yield modules


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(5))


def test_a_product_is_the_sum_of_products_also_at_the_ends_of_the_range(harness, rng):
    member = harness.members.Product()
    for words in ((3, 5, 130), (1, 1, 1)):
        inputs = member.inputs(words, rng)
        left, right = (each.tolist() for each in inputs)
        slow = [
            [sum(left[i][p] * right[p][j] for p in range(words[2])) for j in range(words[1])]
            for i in range(words[0])
        ]
        assert member.truth(words, inputs)[0].tolist() == slow


def test_near_duplicates_are_those_of_a_comparison_of_every_pair(harness, rng):
    member = harness.members.NearDuplicates()
    met = 0
    for percent in (1, 50, 100):
        words = (40, percent, 12)
        starts, tokens = member.inputs(words, rng)
        sets = [
            {tuple(tokens[at : at + 3].tolist()) for at in range(begin, end - 2)}
            for begin, end in itertools.pairwise(starts.tolist())
        ]
        pairs = [
            (i, j)
            for i, j in itertools.combinations(range(40), 2)
            if sets[i] | sets[j]
            and 100 * len(sets[i] & sets[j]) >= percent * len(sets[i] | sets[j])
        ]
        found = member.truth(words, (starts, tokens))[0].tolist()
        assert found == [len(pairs), *itertools.chain.from_iterable(pairs)]
        met += len(pairs)
    assert met


def test_decoding_with_kept_keys_says_what_the_whole_text_says_each_time(harness, rng):
    model = harness.language_model.Model(vocabulary=31, length=9, width=12, layers=2, heads=3)
    weights = model.drawn(rng)
    prompts = rng.integers(0, 31, (3, 4), np.int32)
    tokens, gaps = harness.language_model.greedy(model, weights, prompts, 5)
    text = prompts
    for step in range(5):
        again, _ = harness.language_model.greedy(model, weights, text, 1)
        assert again[:, 0].tolist() == tokens[:, step].tolist()
        text = np.concatenate([text, again.astype(np.int32)], axis=1)
    assert (gaps > 0).all()


def test_prompts_are_such_that_one_answer_is_right_and_little_decides_it(harness, rng):
    member = harness.members.Decoding()
    words = member._words(128, 48, 2, 4, 2, 12, 20)
    weights, prompts = member.inputs(words, rng)
    model = harness.language_model.Model.of(words)
    _, gaps = harness.language_model.greedy(model, weights, prompts, 20)
    assert (gaps >= harness.language_model.GAP).all()
    assert gaps.max() < 30 * harness.language_model.GAP


@pytest.mark.parametrize("number", range(5))
def test_inputs_and_answers_fit_what_is_shared(harness, rng, number):
    member = harness.members.MEMBERS[number]
    for _ in range(20):
        words = member.odd(rng)
        inputs = member.inputs(words, rng)
        assert all(a.nbytes <= b for a, b in zip(inputs, member.most(words), strict=True))
        truth = member.truth(words, inputs)
        assert all(a.size <= b for a, b in zip(truth, member.outputs(words), strict=True))


def test_one_wrong_number_a_lost_bit_and_a_missing_number_are_all_seen(harness):
    found = harness.task.compared
    truth = [np.array([3, 4], np.int32), np.array([1.0, 2.0])]
    right = [np.array([3, 4, -1], np.int32), np.array([1.0, 2.0], np.float32)]
    assert (found(right, truth).wrong, found(right, truth).relative) == (0, 0.0)
    assert found([np.array([3, 5, -1], np.int32), right[1]], truth).wrong == 1
    assert found([right[0], np.array([1.0, 2.01], np.float32)], truth).relative > 1e-3
    for number in (np.nan, np.inf):
        with pytest.raises(InvalidArtifactOf(harness)):
            found([right[0], np.array([number, 2.0], np.float32)], truth)


def InvalidArtifactOf(harness: SimpleNamespace) -> type[Exception]:
    """The kit is imported twice here: as the harness's and as ours."""
    kind: type[Exception] = sys.modules[harness.task.compared.__module__].InvalidArtifact
    assert kind.__name__ == InvalidArtifact.__name__
    return kind


@pytest.mark.slow
@pytest.mark.parametrize("solution", [None, "05_lists_of_owners"])
def test_the_start_and_the_strongest_solution_are_right_on_every_call(task, solution):
    backend, profile = BubblewrapBackend(), task.profiles["smoke"]
    if not backend.availability().is_available or shutil.which("gcc") is None:
        pytest.skip("needs bubblewrap and gcc")
    tree = read_tree(task.repo)
    if solution is not None:
        tree = patched_tree(task, next(each for each in task.solutions if each.name == solution))
    instance = make_instance(task, profile, "screen", bytes(range(32)), backend)
    done = run_candidate(task, profile, tree, instance, 1, backend, "test", cpus=None)
    assert done.execution.outcome is ExecOutcome.OK
    assert done.output is not None
    graded = grade(task, profile, instance, done.output, backend, "test")
    assert graded.outcome is GradeOutcome.OK
    assert all(reading.is_ok for reading in graded.quality)
    assert graded.quality_values["wrong_answers"] == 0.0


def test_the_worker_lies_beside_what_it_is_told(task):
    header = (Path(task.repo) / "worker" / "kernels.h").read_text()
    for name in ("qmm", "attn", "xent", "decode", "neardup"):
        assert f"void {name}(" in header
        assert (Path(task.repo) / "src" / f"{name}.c").is_file()
