"""Seeds: derived from one secret, different by purpose, committed to before they are shown.

Invariant: two different sets of labels never give the same seed material, because labels are encoded
unambiguously before they are hashed.
"""

import hashlib
import hmac
import json
import random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy

SEED_BYTES = 32
"""Length of an instance seed: one HMAC-SHA256 output."""


def derive_instance_seed(
    secret: bytes, *, task: str, lineage: str, round_id: str, pair: int, purpose: str
) -> bytes:
    """Seed of the instance that both arms of one pair share.

    Args:
        secret: The campaign's secret, at least 16 bytes; never leaves the host.
        task: Name of the task.
        lineage: Name of the lineage within the task.
        round_id: Round the pair belongs to.
        pair: 0-based number of the pair within its purpose.
        purpose: "dev", "screen", "confirm" and so on; purposes never share seeds.

    Raises:
        ValueError: The secret is too short to be one.
    """
    if len(secret) < 16:
        raise ValueError(f"a campaign secret needs at least 16 bytes, got {len(secret)}")
    labels = json.dumps(["instance", task, lineage, round_id, pair, purpose])
    return hmac.new(secret, labels.encode(), hashlib.sha256).digest()


def derive_subseed(seed: bytes, label: str) -> int:
    """128-bit integer for one use of an instance seed, such as "train" or "hidden"."""
    labels = json.dumps(["subseed", label])
    return int.from_bytes(hmac.new(seed, labels.encode(), hashlib.sha256).digest()[:16], "big")


def seed_commitment(seed: bytes) -> str:
    """Hex sha256 of the seed: stored when the candidate is frozen, the seed itself after."""
    return hashlib.sha256(seed).hexdigest()


def pcg64(seed: bytes, label: str) -> "numpy.random.Generator":
    """Numpy generator for one use of an instance seed; needs numpy in the environment."""
    import numpy

    return numpy.random.Generator(numpy.random.PCG64(derive_subseed(seed, label)))


def stdlib_random(seed: bytes, label: str) -> random.Random:
    """Generator of the standard library for one use of an instance seed."""
    return random.Random(derive_subseed(seed, label))  # noqa: S311 - data generation, not secrecy
