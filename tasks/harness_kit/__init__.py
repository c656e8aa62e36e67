"""What every harness needs, in a sandbox where `rsi` is not installed: stdlib, and numpy where asked for.

Does not: import rsi. It runs as `harness_kit` in a sandbox and as `rsi.tasks.harness_kit` on the host,
which is why its own imports are relative.
"""
# ruff: noqa: TID251, TID252 - relative imports, because it also runs outside `rsi`

from .artifacts import ArraySpec, InvalidArtifact, JsonValue, read_json, read_npz
from .canonical import canonical_json, strict_json, tree_digest
from .results import Check, Graded, Part
from .seeds import derive_instance_seed, derive_subseed, pcg64, seed_commitment, stdlib_random
from .verbs import EXIT_HARNESS_ERROR, EXIT_OK, Harness, InstanceFolder, Request, run_harness

__all__ = [
    "EXIT_HARNESS_ERROR",
    "EXIT_OK",
    "ArraySpec",
    "Check",
    "Graded",
    "Harness",
    "InstanceFolder",
    "InvalidArtifact",
    "JsonValue",
    "Part",
    "Request",
    "canonical_json",
    "derive_instance_seed",
    "derive_subseed",
    "pcg64",
    "read_json",
    "read_npz",
    "run_harness",
    "seed_commitment",
    "stdlib_random",
    "strict_json",
    "tree_digest",
]
