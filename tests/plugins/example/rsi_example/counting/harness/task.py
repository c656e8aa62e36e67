"""What the counting task asks, and how it grades the answers."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from harness_kit import (
    Check,
    Graded,
    InstanceFolder,
    InvalidArtifact,
    Request,
    canonical_json,
    read_json,
    stdlib_random,
)

MAX_ANSWER_BYTES = 100_000


class CountingHarness:
    """Asks for the set bits of random numbers."""

    def describe(self) -> Mapping[str, object]:
        return {"measures": "share of right answers", "artifact": "answers.json"}

    def instance(self, request: Request, public: Path, secret: Path) -> None:
        draw = stdlib_random(request.seed, "numbers")
        numbers = [draw.getrandbits(32) for _ in range(request.integer("questions"))]
        (public / "numbers.json").write_bytes(canonical_json(numbers))
        right = [number.bit_count() for number in numbers]
        (secret / "right.json").write_bytes(canonical_json(right))

    def grade(self, instance: InstanceFolder, artifact: Path) -> Graded:
        right = json.loads((instance.secret / "right.json").read_text(encoding="ascii"))
        answers = read_json(artifact, "answers.json", max_bytes=MAX_ANSWER_BYTES)
        if not isinstance(answers, list) or len(answers) != len(right):
            raise InvalidArtifact(f"answers.json must be a list of {len(right)} answers")
        unanswered = sum(type(answer) is not int for answer in answers)
        share = sum(a == b for a, b in zip(answers, right, strict=True)) / len(right)
        return Graded(metric_value=share, quality={"unanswered": float(unanswered)}, hidden_reads=1)

    def selfcheck(self, request: Request, workspace: Path) -> Sequence[Check]:
        public, secret = workspace / "oracle" / "public", workspace / "oracle" / "secret"
        public.mkdir(parents=True)
        secret.mkdir()
        self.instance(request, public, secret)
        out = workspace / "oracle" / "out"
        out.mkdir()
        (out / "answers.json").write_bytes((secret / "right.json").read_bytes())
        graded = self.grade(InstanceFolder(root=workspace / "oracle", request=request), out)
        share = graded.metric_value
        return (Check(name="right_answers_count", is_ok=share == 1.0, evidence=f"share {share}"),)
