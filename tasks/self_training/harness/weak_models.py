"""The two weak models that the task starts from, and the recipe that makes them.

    PYTHONPATH=tasks/self_training python -m harness.weak_models [a] [b]

Each reads texts of flawed people (`problems`) and becomes as flawed as they are. Weights are stored in half precision.
"""

import hashlib
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from harness import model, problems
from harness.problems import KINDS, LENGTH, LEVELS, MARK_AT, SYMBOLS

NAMES = ("a", "b")
STEPS, BATCH, RATE = 2500, 192, 3e-3
WITH_VERDICT, WITH_TRACE = 0.2, 0.1
"""Shares of the texts in which an answer follows a verdict on an earlier one, or what an interpreter let pass of it."""
PROMPT_PULL = np.float32(0.1)
"""How much a token of a problem counts beside one of an answer: enough to learn to write problems."""


def load(name: str) -> model.Weights:
    """A weak model's weights."""
    with np.load(path(name), allow_pickle=False) as stored:
        return {key: stored[key].astype(np.float32) for key in stored.files}


def path(name: str) -> Path:
    """Where they lie."""
    return Path(__file__).with_name(f"weak_{name}.npz")


def trained(seed: int, steps: int = STEPS, told: bool = False) -> model.Weights:
    """The recipe."""
    rng = np.random.Generator(np.random.PCG64(seed))
    weights = model.initial(rng, len(SYMBOLS), LENGTH)
    adam = model.Adam(weights=weights)
    for step in range(steps):
        rate = RATE * min(1.0, (step + 1) / 100) * (1 - 0.95 * step / steps)
        gradients: model.Weights = {}
        n_verdict, n_trace = int(WITH_VERDICT * BATCH), int(WITH_TRACE * BATCH)
        total = np.float32(0)
        for mark, count in ((">", BATCH - n_verdict - n_trace), ("!", n_verdict), ("?", n_trace)):
            rows, first, pull = _texts(rng, mark, count)
            found, log_p = model.gradient(weights, rows, first, pull)
            total -= np.float32((log_p * pull).sum())
            gradients = {key: gradients.get(key, 0) + value for key, value in found.items()}
        adam.step(gradients, rate)
        if told and step % 250 == 0:
            print(step, round(float(total), 4), flush=True)
    return weights


def _texts(
    rng: np.random.Generator, mark: str, count: int
) -> tuple[problems.Tokens, int, model.Floats]:
    """Rows, the place of their first column, and how much each token counts."""
    kinds = rng.integers(0, len(KINDS) - (mark != ">"), count)
    drawn = problems.draw(rng, kinds, rng.choice(LEVELS, count, p=(0.15, 0.25, 0.3, 0.3)))
    usual = problems.usual_right_share(drawn)
    first = problems.demonstrated(rng, drawn, usual)
    if mark == ">":
        rows, place = problems.bare_rows(drawn, first), MARK_AT
    else:
        # Who is told so was wrong.
        wrong = problems.demonstrated(rng, drawn, np.zeros(count))
        later = problems.demonstrated(rng, drawn, np.full(count, problems.RIGHT_AFTER[mark]))
        context = wrong if mark == "!" else problems.right_prefix(drawn, wrong)
        rows, place = problems.rows_with_context(context, mark, drawn, later), 0
    pull = np.zeros((count, rows.shape[1] - 1), dtype=np.float32)
    pull[:, -problems.ANSWER :] = rows[:, -problems.ANSWER :] != problems.PAD
    if mark == ">":
        pull[:, : problems.PROBLEM] = PROMPT_PULL
    return rows, place, pull / BATCH


def main(names: Sequence[str]) -> None:
    """Make those that are named, or both, and say their checksums."""
    for name in names or NAMES:
        seed = NAMES.index(name)
        weights = trained(seed, told=True)
        # Uncompressed and in order, so that the same weights are the same bytes.
        np.savez(path(name), **{key: weights[key].astype(np.float16) for key in sorted(weights)})
        print(name, hashlib.sha256(path(name).read_bytes()).hexdigest(), file=sys.stderr)


if __name__ == "__main__":
    main(sys.argv[1:])
