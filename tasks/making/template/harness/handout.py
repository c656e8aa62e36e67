"""What each pair of runs gets: by default a seed, which the code may read or not."""

from pathlib import Path

from harness_kit import Request, canonical_json, derive_subseed

SEED_LIMIT = 2**31
"""Seeds stay below it, so that any library takes them."""


def hand_out(request: Request, public: Path, secret: Path) -> None:
    """Write what a run may read into `public`, and what only the grader may read into `secret`.

    Both arms of a pair get the same files and every pair gets new ones, so draw them from `request.seed`
    (harness_kit.pcg64, harness_kit.stdlib_random). The files of `public` take their places in the run's folder before it
    starts: public/data/train.txt becomes data/train.txt. The task's own files are in repo/, beside harness/.
    """
    seed = derive_subseed(request.seed, "public") % SEED_LIMIT
    (public / "rsi_instance.json").write_bytes(canonical_json({"seed": seed}))
