"""What the file that a run left is worth. THE ONE FILE TO FILL IN: until then nothing can be graded.

predictions   handout.py puts inputs into public/ and their answers into secret/; the run writes its predictions, and
              quality_of() compares the two.
weights       the run saves arrays with numpy.savez; quality_of() reads them with harness_kit.read_npz and computes the
              loss on a text in secret/ itself. No pickle: unpickling runs the candidate's code in here.
"""

from pathlib import Path

from harness_kit import InvalidArtifact
from harness_kit.artifacts import read_file

ARTIFACT = "model.npz"
"""The file that a run must leave."""
QUALITY = "val_loss"
"""The number that must not get worse: `[[rsi.quality]]` in task.toml."""
IS_RECOMPUTED = True
"""Whether quality_of() computes the number itself; False says at the gate that a run's word was taken."""
MAX_ARTIFACT_BYTES = 64 << 20


def quality_of(artifact: Path, public: Path, secret: Path) -> float:
    """The quality of one run, from the files that it left in `artifact`. FILL THIS IN.

    Raises:
        InvalidArtifact: The run did not leave what it must; its fault, not ours.
    """
    if not read_file(artifact, ARTIFACT, max_bytes=MAX_ARTIFACT_BYTES):
        raise InvalidArtifact(f"{ARTIFACT} is empty")
    raise NotImplementedError(
        f"harness/quality.py does not say yet how {QUALITY} is computed from {ARTIFACT}"
    )
