"""What the file that a run left is worth. THE ONE FILE TO FILL IN.

As it stands the grader believes the number that the run itself wrote: a candidate that writes a better number than it earned
is not noticed here. That is enough to find out how fast the code is and to try ideas, and too little to claim anything:
keep `claim = "none"` in task.toml. To make it honest, let the run leave what can be checked instead of a number:

    predictions   handout.py puts inputs into public/ and their answers into secret/; the run writes predictions.json,
                  and quality_of() compares the two.
    weights       the run saves arrays with numpy.savez; quality_of() reads them with harness_kit.read_npz and computes the
                  loss on a text in secret/ itself. No pickle: unpickling runs the candidate's code in here.

Then set IS_RECOMPUTED, and raise the claim.
"""

from pathlib import Path

from harness_kit import InvalidArtifact, read_json

ARTIFACT = "metrics.json"
"""The file that a run must leave."""
QUALITY = "val_loss"
"""The number that must not get worse: `[[rsi.quality]]` in task.toml, and the key in ARTIFACT."""
IS_RECOMPUTED = False
"""Whether quality_of() computes the number itself; False says at the gate that a run's word was taken."""
MAX_ARTIFACT_BYTES = 16 << 20


def quality_of(artifact: Path, public: Path, secret: Path) -> float:
    """The quality of one run, from the files that it left in `artifact`. FILL THIS IN to compute it.

    Raises:
        InvalidArtifact: The run did not leave what it must; its fault, not ours.
    """
    report = read_json(artifact, ARTIFACT, max_bytes=MAX_ARTIFACT_BYTES)
    value = report.get(QUALITY) if isinstance(report, dict) else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidArtifact(f"{ARTIFACT} has no number {QUALITY!r} at its top level")
    try:
        return float(value)
    except OverflowError:
        raise InvalidArtifact(f"{ARTIFACT}: {QUALITY!r} is too large for a number") from None
