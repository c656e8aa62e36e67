"""The kernels task's verbs: draw calls of five kernels, time the worker on them, compare every answer with the truth."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from harness_kit import Check, Graded, Part, canonical_json, pcg64
from harness_kit.driving import Answer, Repeats, Worker, packed, packed_size, unpacked
from harness_kit.precision import compared, cut_short
from harness_kit.verbs import InstanceFolder, Request

from harness.language_model import Model, greedy
from harness.members import MEMBERS, Array

TIMED_S, MIN_TIMED, MAX_TIMED = 0.3, 3, 12
"""A kernel's timed calls go on until so many seconds are together, so many at least and at most."""


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


class KernelsHarness:
    """Times the worker, and trusts nothing that it did not compare."""

    def describe(self) -> Mapping[str, object]:
        return {
            "measures": "geometric mean over five kernels of the seconds of one call, by the harness's clock",
            "pattern": "clocked_worker: fresh sizes and values for every call, each answer compared with the truth",
        }

    def instance(self, request: Request, public: Path, secret: Path) -> None:
        rng = pcg64(request.seed, "calls")
        sizes = [request.sizes(member.name) for member in MEMBERS]
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
        given = max(packed_size(MEMBERS[call.member].most(call.words)) for call in calls)
        return given, max(packed_size(_out_bytes(call)) for call in calls)

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
    found = []
    for call, inputs, answer in answered:
        parts = unpacked(answer.output, _out_bytes(call))
        given = [np.frombuffer(part, np.uint32) for part in parts]
        truth = MEMBERS[call.member].truth(call.words, inputs)
        found.append(compared(given, truth))
        digest.update(given[0].tobytes()[: truth[0].size * 4])
    return Graded(
        metric_value=repeats.fastest(),
        quality={
            "wrong_answers": float(sum(each.wrong for each in found)),
            "float_error": max(each.relative for each in found),
            "float_largest_error": max(each.largest for each in found),
        },
        parts=[
            Part(name=f"{member.name}, s a call", value=min(times), n=len(times))
            for member in MEMBERS
            if (times := repeats.took[member.name])
        ],
        hidden_reads=1,
        reply_digest=digest.hexdigest(),
    )


def _calls(instance: InstanceFolder) -> list[Call]:
    stored = json.loads((instance.secret / "calls.json").read_text(encoding="utf-8"))
    return [Call(**each) for each in stored]


def _out_bytes(call: Call) -> list[int]:
    return [4 * count for count in MEMBERS[call.member].outputs(call.words)]


def _ask(worker: Worker, call: Call, inputs: Sequence[Array]) -> Answer:
    words = [call.member, *call.words]
    if MEMBERS[call.member].name == "neardup":
        words[3] = inputs[1].size  # the worker is told how many tokens there are, not their mean
    content = packed([each.tobytes() for each in inputs])
    return worker.call(words, content, out_bytes=packed_size(_out_bytes(call)))


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
        seen.append(compared(rounded, truth).relative)
    limit = request.limits["float_error"]
    return Check(
        name="tolerance_lies_between_the_precisions",
        is_ok=bool(10 * seen[0] < limit < seen[1] / 10),
        evidence=f"single {seen[0]:.1e}, limit {limit:.0e}, bfloat16 {seen[1]:.1e}",
    )


def _decoding_is_well_defined(request: Request) -> Check:
    """Weights cut to single precision in another order of sums, or to bfloat16: the first must not change a token."""
    rng, same, cut = pcg64(request.seed, "decoding"), 0, 0
    words = MEMBERS[3].timed(request.sizes("decode"), rng)
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
