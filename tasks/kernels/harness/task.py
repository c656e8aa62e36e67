"""The kernels task's verbs: draw calls of five kernels, time the worker on them, compare every answer with the truth."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from harness_kit import Check, Graded, InvalidArtifact, Part, canonical_json, pcg64
from harness_kit.driving import Answer, Repeats, Worker
from harness_kit.precision import cut_short, largest_error, relative_error
from harness_kit.verbs import InstanceFolder, Request

from harness.language_model import Model, greedy
from harness.members import MEMBERS, Array

TIMED_S, MIN_TIMED, MAX_TIMED = 0.3, 3, 12
"""A kernel's timed calls go on until so many seconds are together, so many at least and at most."""
BOUNDARY = 64
"""Bytes; every array begins at a multiple of it."""


@dataclass(frozen=True, kw_only=True)
class Call:
    """One kernel on one set of inputs."""

    member: int
    words: Sequence[int]
    seed: int
    is_timed: bool

    def inputs(self) -> list[Array]:
        """Its values, always the same."""
        drawing = np.random.Generator(np.random.PCG64(self.seed))
        return MEMBERS[self.member].inputs(self.words, drawing)


@dataclass(frozen=True, kw_only=True)
class Found:
    """How an answer compares with the truth."""

    wrong: int
    """1 when a whole number of it is not the right one."""
    relative: float
    """Of the worst output: L2 norm of the error over that of the truth."""
    largest: float
    """Of the worst output: largest error over the largest value."""


class KernelsHarness:
    """Times the worker, and trusts nothing that it did not compare."""

    def describe(self) -> Mapping[str, object]:
        return {
            "measures": "geometric mean over five kernels of the seconds of one call, by the harness's clock",
            "pattern": "clocked_worker: fresh sizes and values for every call, each answer compared with the truth",
        }

    def instance(self, request: Request, public: Path, secret: Path) -> None:
        rng = pcg64(request.seed, "calls")
        sizes = [_sizes(request, member.name) for member in MEMBERS]
        calls = []
        for number, member in enumerate(MEMBERS):
            timed = member.timed(sizes[number], rng)
            shapes = [(timed, True)] * MAX_TIMED
            shapes += [(member.odd(rng), False) for _ in range(request.integer("odd_shapes"))]
            for words, is_timed in shapes:
                seed = int(rng.integers(1 << 62))
                calls.append(Call(member=number, words=words, seed=seed, is_timed=is_timed))
        shown = {member.name: each for member, each in zip(MEMBERS, sizes, strict=True)}
        (public / "sizes.json").write_bytes(canonical_json(shown))
        (secret / "calls.json").write_bytes(canonical_json([asdict(call) for call in calls]))

    def memory(self, instance: InstanceFolder) -> tuple[int, int]:
        calls = _calls(instance)
        given = max(
            sum(_padded(size) for size in MEMBERS[call.member].most(call.words)) for call in calls
        )
        return given, max(_out_bytes(call) for call in calls)

    def drive(self, instance: InstanceFolder, worker: Worker) -> Graded:
        calls = _calls(instance)
        pcg64(instance.request.seed, "order").shuffle(calls)  # type: ignore[arg-type]
        answered: list[tuple[Call, Sequence[Array], Answer]] = []
        repeats = Repeats(at_least=MIN_TIMED, until_s=TIMED_S)
        for call in calls:
            name = MEMBERS[call.member].name
            if call.is_timed and not repeats.is_wanted(name):
                continue
            inputs = call.inputs()
            answer = _ask(worker, call, inputs)
            answered.append((call, inputs, answer))
            if call.is_timed:
                repeats.took[name].append(answer.wall_s)
        return _judged(answered, repeats)

    def selfcheck(self, request: Request, workspace: Path) -> Sequence[Check]:
        return (
            _gradients_are_differences(request),
            _tolerance_lies_between_the_precisions(request),
            _decoding_is_well_defined(request),
        )


def _judged(answered: Sequence[tuple[Call, Sequence[Array], Answer]], repeats: Repeats) -> Graded:
    """Compare everything, after the last call, so that the worker waits for nobody."""
    digest = hashlib.sha256()
    compared = []
    for call, inputs, answer in answered:
        given = _parts(call, answer.output)
        truth = MEMBERS[call.member].truth(call.words, inputs)
        compared.append(found(given, truth))
        digest.update(given[0].tobytes()[: truth[0].size * 4])
    return Graded(
        metric_value=repeats.fastest(),
        quality={
            "wrong_answers": float(sum(each.wrong for each in compared)),
            "float_error": max(each.relative for each in compared),
            "float_largest_error": max(each.largest for each in compared),
        },
        parts=[
            Part(name=f"{member.name}, s a call", value=min(times), n=len(times))
            for member in MEMBERS
            if (times := repeats.took[member.name])
        ],
        hidden_reads=1,
        reply_digest=digest.hexdigest(),
    )


def found(given: Sequence[Array], truth: Sequence[Array]) -> Found:
    """Compare the outputs of one call; what is given may be longer, where the truth says how much of it counts.

    Raises:
        InvalidArtifact: Something in it is not a number.
    """
    wrong, relative, largest = 0, 0.0, 0.0
    for answer, true in zip(given, truth, strict=True):
        if true.dtype == np.int32:
            same = np.array_equal(answer.view(np.int32)[: true.size], true.reshape(-1))
            wrong = max(wrong, int(not same))
            continue
        values, right = answer.view(np.float32).astype(np.float64), true.reshape(-1)
        if not np.isfinite(values).all():
            count = int((~np.isfinite(values)).sum())
            raise InvalidArtifact(f"{count} of {values.size} outputs are not numbers")
        relative = max(relative, relative_error(values, right))
        largest = max(largest, largest_error(values, right))
    return Found(wrong=wrong, relative=relative, largest=largest)


def _sizes(request: Request, name: str) -> dict[str, int]:
    sizes = request.settings[name]
    if not isinstance(sizes, dict):
        raise TypeError(f"settings.{name} is not a table of sizes")
    return {key: int(value) for key, value in sizes.items()}


def _calls(instance: InstanceFolder) -> list[Call]:
    stored = json.loads((instance.secret / "calls.json").read_text(encoding="utf-8"))
    return [Call(**each) for each in stored]


def _padded(size: int) -> int:
    return -(-size // BOUNDARY) * BOUNDARY


def _out_bytes(call: Call) -> int:
    return sum(_padded(4 * count) for count in MEMBERS[call.member].outputs(call.words))


def _ask(worker: Worker, call: Call, inputs: Sequence[Array]) -> Answer:
    content = b"".join(each.tobytes().ljust(_padded(each.nbytes), b"\0") for each in inputs)
    words = [call.member, *call.words]
    if MEMBERS[call.member].name == "neardup":
        words[3] = inputs[1].size  # the worker is told how many tokens there are, not their mean
    answer = worker.call(words, content, out_bytes=_out_bytes(call))
    if answer.status != 0:
        raise InvalidArtifact(f"the worker answered {answer.status}")
    return answer


def _parts(call: Call, output: bytes) -> list[Array]:
    """The outputs one by one, as words of 32 bits."""
    parts, at = [], 0
    for count in MEMBERS[call.member].outputs(call.words):
        parts.append(np.frombuffer(output, np.uint32, count, at))
        at += _padded(4 * count)
    return parts


def _gradients_are_differences(request: Request) -> Check:
    """The true gradients of attention and cross-entropy against finite differences of what they are gradients of."""
    rng, step, worst = pcg64(request.seed, "differences"), 1e-5, 0.0
    for number, words, weighed in ((1, (2, 5, 4), 3), (2, (4, 6, 7), None)):
        member = MEMBERS[number]
        inputs = [
            each.astype(np.float64) if each.dtype == np.float32 else each
            for each in member.inputs(words, rng)
        ]
        gradients = member.truth(words, inputs)[1:]
        for place, gradient in enumerate(gradients):
            for at in rng.choice(gradient.size, min(6, gradient.size), replace=False):
                ends = []
                for sign in (1, -1):
                    moved = [each.copy() for each in inputs]
                    moved[place].reshape(-1)[at] += sign * step
                    value = member.truth(words, moved)[0]
                    ends.append((value * inputs[weighed]).sum() if weighed else value.mean())
                difference = (ends[0] - ends[1]) / (2 * step)
                worst = max(worst, abs(difference - gradient.reshape(-1)[at]))
    return Check(name="reference_gradients", is_ok=bool(worst < 1e-6), evidence=f"worst {worst:.1e}")  # fmt: skip


def _tolerance_lies_between_the_precisions(request: Request) -> Check:
    """Rounding the truth to single precision must pass by far, and to bfloat16 must not."""
    rng = pcg64(request.seed, "precisions")
    words = (2, 33, 12)
    truth = MEMBERS[1].truth(words, MEMBERS[1].inputs(words, rng))
    seen = []
    for bits in (0, 16):
        rounded = [cut_short(each.reshape(-1), dropped_bits=bits) for each in truth]
        seen.append(found(rounded, truth).relative)
    limit = request.limits["float_error"]
    return Check(
        name="tolerance_lies_between_the_precisions",
        is_ok=bool(10 * seen[0] < limit < seen[1] / 10),
        evidence=f"single {seen[0]:.1e}, limit {limit:.0e}, bfloat16 {seen[1]:.1e}",
    )


def _decoding_is_well_defined(request: Request) -> Check:
    """Weights cut to single precision in another order of sums, or to bfloat16: the first must not change a token."""
    rng, same, cut = pcg64(request.seed, "decoding"), 0, 0
    words = MEMBERS[3].timed(_sizes(request, "decode"), rng)
    model, tries = Model.of(words), 3
    for _ in range(tries):
        weights, prompts = MEMBERS[3].inputs(words, rng)
        right, _ = greedy(model, weights, prompts, words[7])
        noisy = weights * (1 + 1e-6 * rng.standard_normal(weights.size))
        same += bool((greedy(model, noisy, prompts, words[7])[0] == right).all())
        short = cut_short(weights, dropped_bits=16)
        cut += bool((greedy(model, short, prompts, words[7])[0] == right).all())
    return Check(
        name="decoding_is_well_defined",
        is_ok=same == tries and cut < tries,
        evidence=f"tokens stay in {same} of {tries} with noise of 1e-6, in {cut} with bfloat16",
    )
