"""The C trainer's verbs: draw shapes, weights and tokens, time calls of the worker, compare each with double precision."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from harness_kit import Check, Graded, Part, canonical_json, pcg64
from harness_kit.driving import Answer, Repeats, Worker
from harness_kit.precision import cut_short, finite, largest_error, relative_error
from harness_kit.verbs import InstanceFolder, Request

from harness.reference import Shape, Training, initial, split, train

TIMED_S, MIN_TIMED, MAX_TIMED = 0.8, 3, 12
"""A timed size is called until so many seconds are together, so many times at least and at most."""
CHECK_STEPS = 3
PRIMES = (11, 29, 53, 67, 101, 131, 197)


@dataclass(frozen=True, kw_only=True)
class Call:
    """One training that the worker is asked for."""

    shape: Shape
    steps: int
    seed: int
    is_timed: bool


@dataclass(frozen=True, kw_only=True)
class Errors:
    """How far an answer is from double precision: the worst over tensors."""

    gradient: float
    gradient_largest: float
    logits: float
    loss: float
    update: float


class TrainingHarness:
    """Times the worker, and trusts nothing that it did not compare."""

    def describe(self) -> Mapping[str, object]:
        return {
            "measures": "wall seconds of one training step of the worker, by the harness's clock",
            "pattern": "clocked_worker: fresh weights and tokens for every call, each checked against double precision",
        }

    def instance(self, request: Request, public: Path, secret: Path) -> None:
        rng = pcg64(request.seed, "calls")
        timed = [Shape(**request.sizes(name)) for name in str(request.settings["timed"]).split()]
        calls = [
            Call(
                shape=shape,
                steps=request.integer("steps"),
                seed=int(rng.integers(1 << 62)),
                is_timed=True,
            )
            for shape in timed
            for _ in range(MAX_TIMED)
        ]
        calls += [
            Call(
                shape=_odd_shape(rng),
                steps=CHECK_STEPS,
                seed=int(rng.integers(1 << 62)),
                is_timed=False,
            )
            for _ in range(request.integer("odd_shapes"))
        ]
        shown = {"timed": [asdict(shape) for shape in timed], "steps": request.integer("steps")}
        (public / "sizes.json").write_bytes(canonical_json(shown))
        (secret / "calls.json").write_bytes(canonical_json([asdict(call) for call in calls]))

    def memory(self, instance: InstanceFolder) -> tuple[int, int]:
        sizes = [_bytes(call) for call in _calls(instance)]
        return max(size[0] for size in sizes), max(size[1] for size in sizes)

    def drive(self, instance: InstanceFolder, worker: Worker) -> Graded:
        rng = pcg64(instance.request.seed, "order")
        answered: list[tuple[Call, Answer]] = []
        repeats = Repeats(at_least=MIN_TIMED, until_s=TIMED_S)
        calls = _calls(instance)
        rng.shuffle(calls)  # type: ignore[arg-type]
        for call in calls:
            if call.is_timed and not repeats.is_wanted(call.shape):
                continue
            answer = _ask(worker, call)
            answered.append((call, answer))
            if call.is_timed:
                repeats.took[call.shape].append(answer.wall_s)
        return _judged(answered, repeats)

    def selfcheck(self, request: Request, workspace: Path) -> Sequence[Check]:
        return (_gradients_are_differences(request), _single_precision_passes(request))


def _judged(answered: Sequence[tuple[Call, Answer]], repeats: Repeats) -> Graded:
    """Compare everything, after the last call, so that the worker waits for nobody."""
    worst = Errors(gradient=0.0, gradient_largest=0.0, logits=0.0, loss=0.0, update=0.0)
    digest = hashlib.sha256()
    steps = next(call.steps for call, _ in answered if call.is_timed)
    for call, answer in answered:
        found = _errors(call, answer.output)
        worst = Errors(
            **{name: max(value, getattr(worst, name)) for name, value in asdict(found).items()}
        )
        digest.update(answer.output[: 4 * call.steps])
    parts = [
        Part(name=f"{shape}, s a step", value=min(times) / steps, n=len(times))
        for shape, times in repeats.took.items()
    ]
    return Graded(
        metric_value=repeats.fastest() / steps,
        quality={
            "gradient_error": worst.gradient,
            "gradient_largest_error": worst.gradient_largest,
            "logit_error": worst.logits,
            "loss_error": worst.loss,
            "update_error": worst.update,
        },
        parts=parts,
        hidden_reads=1,
        reply_digest=digest.hexdigest(),
    )


def _odd_shape(rng: np.random.Generator) -> Shape:
    """Sizes that fit no tile: primes, odd lengths, heads of 4 to 24, batches around the number of threads."""
    heads = int(rng.choice((1, 2, 3, 5, 6)))
    return Shape(
        vocabulary=int(rng.choice(PRIMES)),
        length=int(rng.choice((1, 2, 17, 33, 49))),
        width=heads * int(rng.choice((4, 8, 12, 20, 24))),
        layers=int(rng.integers(1, 4)),
        heads=heads,
        batch=int(rng.choice((1, 2, 3, 5))),
    )


def _calls(instance: InstanceFolder) -> list[Call]:
    stored = json.loads((instance.secret / "calls.json").read_text(encoding="utf-8"))
    return [Call(**(each | {"shape": Shape(**each["shape"])})) for each in stored]


def _bytes(call: Call) -> tuple[int, int]:
    """Of a call's inputs and of its outputs."""
    shape = call.shape
    tokens = call.steps * shape.batch * (shape.length + 1)
    outputs = call.steps + shape.tokens * shape.vocabulary + 2 * shape.parameters
    return 4 * (shape.parameters + tokens), 4 * outputs


def _inputs(call: Call) -> tuple[np.ndarray, np.ndarray]:
    """Weights and tokens of a call; some tokens are rare, so that leaving their rows out shows."""
    rng = np.random.Generator(np.random.PCG64(call.seed))
    shape = call.shape
    start = initial(shape, rng)
    ranks = np.arange(1, shape.vocabulary + 1, dtype=float)
    shares = rng.permutation(1 / ranks)
    size = (call.steps, shape.batch, shape.length + 1)
    tokens = rng.choice(shape.vocabulary, size=size, p=shares / shares.sum())
    return start, tokens.astype(np.int32)


def _ask(worker: Worker, call: Call) -> Answer:
    start, tokens = _inputs(call)
    shape = call.shape
    words = (
        shape.vocabulary,
        shape.length,
        shape.width,
        shape.layers,
        shape.heads,
        shape.batch,
        call.steps,
        start.size,
    )
    return worker.call(words, start.tobytes() + tokens.tobytes(), out_bytes=_bytes(call)[1])


def _errors(call: Call, output: bytes) -> Errors:
    start, tokens = _inputs(call)
    shape = call.shape
    values = finite(np.frombuffer(output, np.float32))
    ends = np.cumsum([call.steps, shape.tokens * shape.vocabulary, shape.parameters])
    losses, logits, gradients, parameters = np.split(values, ends)
    return _distance(
        shape, train(shape, start, tokens), losses, logits, gradients, parameters, start
    )


def _distance(
    shape: Shape, truth: Training, losses: np.ndarray, logits: np.ndarray, gradients: np.ndarray,
    parameters: np.ndarray, start: np.ndarray,
) -> Errors:  # fmt: skip
    own, true = split(shape, gradients), split(shape, truth.gradients)
    change = truth.parameters - start
    return Errors(
        gradient=max(relative_error(own[name], true[name]) for name in true),
        gradient_largest=max(largest_error(own[name], true[name]) for name in true),
        logits=relative_error(logits, truth.logits.reshape(-1)),
        loss=relative_error(losses, np.array(truth.losses)),
        update=relative_error(parameters - start, change),
    )


def _gradients_are_differences(request: Request) -> Check:
    """The reference's gradients against finite differences of its loss."""
    rng = pcg64(request.seed, "differences")
    shape = Shape(vocabulary=11, length=5, width=8, layers=2, heads=2, batch=2)
    start = initial(shape, rng).astype(np.float64)
    tokens = rng.integers(0, shape.vocabulary, (1, shape.batch, shape.length + 1))
    gradient = train(shape, start, tokens).gradients
    worst, step = 0.0, 1e-5
    for at in rng.choice(shape.parameters, 60, replace=False):
        moved = np.zeros_like(start)
        moved[at] = step
        up = train(shape, start + moved, tokens).losses[0]
        down = train(shape, start - moved, tokens).losses[0]
        worst = max(
            worst, abs((up - down) / (2 * step) - gradient[at]) / max(1e-3, abs(gradient[at]))
        )
    return Check(
        name="reference_gradients", is_ok=bool(worst < 1e-4), evidence=f"worst of 60: {worst:.1e}"
    )


def _single_precision_passes(request: Request) -> Check:
    """Rounding to single precision must pass by far, and to bfloat16 must not."""
    shape = Shape(vocabulary=53, length=17, width=24, layers=1, heads=3, batch=2)
    call = Call(shape=shape, steps=2, seed=3, is_timed=False)
    start, tokens = _inputs(call)
    truth = train(shape, start, tokens)
    found = []
    for bits in (0, 16):
        rounded = [
            cut_short(np.asarray(each).reshape(-1), dropped_bits=bits).astype(np.float64)
            for each in (truth.losses, truth.logits, truth.gradients, truth.parameters)
        ]
        found.append(_distance(shape, truth, *rounded, start).gradient)
    return Check(
        name="tolerance_lies_between_the_precisions",
        is_ok=bool(found[0] < 1e-6 < 1e-3 < found[1]),
        evidence=f"single {found[0]:.1e}, bfloat16 {found[1]:.1e}",
    )
