"""What the file that a run left is worth. THE ONE FILE TO FILL IN.

As it stands the grader only makes sure that a run leaves as much as the champion does: it cannot see whether a candidate
learned less. That is enough to find out how fast the code is and to try ideas, and too little to claim anything: keep
`claim = "none"` in task.toml. To make it honest, compute how good the result is:

    predictions   handout.py puts inputs into public/ and their answers into secret/; the run writes predictions.json,
                  and quality_of() compares the two.
    weights       the run saves arrays with numpy.savez; quality_of() reads them with harness_kit.read_npz and computes the
                  loss on a text in secret/ itself. No pickle: unpickling runs the candidate's code in here.

Then give the quality its own name, unit, limit and margin here and in task.toml, set IS_RECOMPUTED, and raise the claim.
"""

from pathlib import Path

from harness_kit import InvalidArtifact, JsonValue, read_json
from harness_kit.artifacts import read_file

ARTIFACT = "metrics.json"
"""The file that a run must leave."""
QUALITY = "artifact_values"
"""The number that must not get worse: `[[rsi.quality]]` in task.toml."""
IS_RECOMPUTED = False
"""Whether quality_of() says how good the result is; False says at the gate that nobody looked."""
MAX_ARTIFACT_BYTES = 16 << 20


def quality_of(artifact: Path, public: Path, secret: Path) -> float:
    """How much the run left: values of a JSON file, else bytes. FILL THIS IN to compute how good it is.

    Raises:
        InvalidArtifact: The run did not leave what it must; its fault, not ours.
    """
    if ARTIFACT.endswith(".json"):
        size = count_values(read_json(artifact, ARTIFACT, max_bytes=MAX_ARTIFACT_BYTES))
    else:
        size = len(read_file(artifact, ARTIFACT, max_bytes=MAX_ARTIFACT_BYTES))
    if size == 0:
        raise InvalidArtifact(f"{ARTIFACT} holds nothing")
    return float(size)


def count_values(value: JsonValue) -> int:
    """Numbers, texts and truth values of a JSON value, at any depth."""
    waiting: list[object] = [value]
    found = 0
    while waiting:
        match waiting.pop():
            case dict() as table:
                waiting.extend(table.values())
            case list() as items:
                waiting.extend(items)
            case None:
                pass
            case _:
                found += 1
    return found
