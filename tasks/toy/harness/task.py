"""What the toy task generates, and how it grades a bigram model."""

import hashlib
import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path

from harness_kit import (
    Check,
    Graded,
    InstanceFolder,
    InvalidArtifact,
    JsonValue,
    Request,
    canonical_json,
    read_json,
    stdlib_random,
)

from harness.source import draw_source, draw_text, loss_of_source

MAX_MODEL_BYTES = 100_000
ORACLE_SLACK_BPB = 0.02
"""How far below the source's own loss chance can take a model on a short held-out text."""
MIN_SMOOTHING = 1e-9
"""Below it a share could round to zero, which has no logarithm."""
KEYS = {"letters", "counts", "smoothing"}


class ToyHarness:
    """Generates a source with two texts; grades the loss on the second."""

    def describe(self) -> Mapping[str, object]:
        return {
            "measures": "held-out bits per byte of a smoothed bigram model above the source's own",
            "artifact": "model.json",
            "is_recomputed": True,
        }

    def instance(self, request: Request, public: Path, secret: Path) -> None:
        source = draw_source(stdlib_random(request.seed, "source"), request.integer("letters"))
        train = draw_text(
            stdlib_random(request.seed, "train"), source, request.integer("train_bytes")
        )
        heldout = draw_text(
            stdlib_random(request.seed, "heldout"), source, request.integer("heldout_bytes")
        )
        # The opening of a text lists the letters in random order, which is not the source's doing.
        heldout = heldout[len(source) :]
        (public / "train.txt").write_text(train, encoding="ascii")
        (secret / "heldout.txt").write_text(heldout, encoding="ascii")
        (secret / "source.json").write_bytes(canonical_json(source))

    def grade(self, instance: InstanceFolder, artifact: Path) -> Graded:
        heldout = (instance.secret / "heldout.txt").read_text(encoding="ascii")
        source = json.loads((instance.secret / "source.json").read_text(encoding="ascii"))
        n_train = (instance.public / "train.txt").stat().st_size
        model = checked_model(
            read_json(artifact, "model.json", max_bytes=MAX_MODEL_BYTES), set(source), n_train
        )
        floor = loss_of_source(source, heldout)
        try:
            excess = loss_of_model(model, heldout) - floor
        except (
            ArithmeticError,
            ValueError,
        ) as error:  # its numbers are the candidate's, never ours
            raise InvalidArtifact(f"the model cannot be scored: {error}") from None
        return Graded(
            quality={"excess_bpb": excess},
            guards=(
                Check(
                    name="beats_oracle",
                    is_ok=excess > -ORACLE_SLACK_BPB,
                    evidence=f"{excess:+.4f} bits per byte against the source's own {floor:.4f}",
                ),
            ),
            hidden_reads=1,
            reply_digest=hashlib.sha256(canonical_json(model)).hexdigest(),
        )

    def selfcheck(self, request: Request, workspace: Path) -> Sequence[Check]:
        public, secret = workspace / "oracle" / "public", workspace / "oracle" / "secret"
        public.mkdir(parents=True)
        secret.mkdir()
        self.instance(request, public, secret)
        train = (public / "train.txt").read_text(encoding="ascii")
        counted = Counter(pairwise(train))
        letters = sorted(set(train))
        rows = [[counted[(a, b)] for b in letters] for a in letters]
        out = workspace / "oracle" / "out"
        out.mkdir()
        model = {"letters": "".join(letters), "counts": rows, "smoothing": 0.5}
        (out / "model.json").write_bytes(canonical_json(model))
        graded = self.grade(InstanceFolder(root=workspace / "oracle", request=request), out)
        excess = graded.quality["excess_bpb"]
        return (
            Check(
                name="plain_counting_is_near_the_bound",
                is_ok=-ORACLE_SLACK_BPB < excess < 0.05,
                evidence=f"{excess:+.4f} bits per byte",
            ),
        )


def checked_model(value: JsonValue, letters: set[str], n_train: int) -> dict[str, object]:
    """The artifact, or why it is not a model of this text.

    Raises:
        InvalidArtifact: Wrong keys, letters, shapes, kinds or ranges.
    """
    if not isinstance(value, dict) or set(value) != KEYS:
        raise InvalidArtifact(f"model.json must have exactly the keys {', '.join(sorted(KEYS))}")
    found, counts, smoothing = value["letters"], value["counts"], value["smoothing"]
    if not isinstance(found, str) or len(found) != len(letters) or set(found) != letters:
        raise InvalidArtifact("letters must name each letter of the text once")
    if isinstance(smoothing, bool) or not isinstance(smoothing, int | float):
        raise InvalidArtifact("smoothing must be a number")
    if not MIN_SMOOTHING <= smoothing <= 100:
        raise InvalidArtifact(f"smoothing must lie from {MIN_SMOOTHING} to 100")
    if not isinstance(counts, list) or len(counts) != len(found):
        raise InvalidArtifact(f"counts must have {len(found)} rows")
    for row in counts:
        if not isinstance(row, list) or len(row) != len(found):
            raise InvalidArtifact(f"each row of counts must have {len(found)} entries")
        if not all(type(n) is int and 0 <= n <= n_train for n in row):
            raise InvalidArtifact("counts must be whole numbers from 0 to the length of the text")
    return value


def loss_of_model(model: Mapping[str, object], text: str) -> float:
    """Mean bits per letter of the text under a checked model."""
    letters, smoothing = str(model["letters"]), model["smoothing"]
    bits = {}
    for first, row in zip(letters, model["counts"], strict=True):
        row_sum = sum(row) + smoothing * len(letters)
        for second, count in zip(letters, row, strict=True):
            bits[first + second] = -math.log2((count + smoothing) / row_sum)
    pairs = Counter(first + second for first, second in pairwise(text))
    return sum(n * bits[pair] for pair, n in pairs.items()) / sum(pairs.values())
