"""How a run is graded: `handout.py` hands out, `quality.py` says what the artifact is worth, this file does the rest."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from harness_kit import Check, Graded, InstanceFolder, InvalidArtifact, Request
from harness_kit.artifacts import read_file

from harness.handout import hand_out
from harness.quality import ARTIFACT, IS_RECOMPUTED, MAX_ARTIFACT_BYTES, QUALITY, quality_of


class OwnHarness:
    """Hands out what a run needs, grades what it left."""

    def describe(self) -> Mapping[str, object]:
        return {"measures": QUALITY, "artifact": ARTIFACT, "is_recomputed": IS_RECOMPUTED}

    def instance(self, request: Request, public: Path, secret: Path) -> None:
        hand_out(request, public, secret)

    def grade(self, instance: InstanceFolder, artifact: Path) -> Graded:
        value = quality_of(artifact, instance.public, instance.secret)
        content = read_file(artifact, ARTIFACT, max_bytes=MAX_ARTIFACT_BYTES)
        return Graded(
            quality={QUALITY: value},
            guards=(
                Check(
                    name=f"source_of_{QUALITY}",
                    is_ok=True,
                    evidence="computed by harness/quality.py"
                    if IS_RECOMPUTED
                    else f"taken from {ARTIFACT} as the run left it; nothing was recomputed",
                ),
            ),
            reply_digest=hashlib.sha256(content).hexdigest(),
        )

    def selfcheck(self, request: Request, workspace: Path) -> Sequence[Check]:
        """Nothing and nonsense must be refused as a candidate's fault, not end as ours."""
        root = workspace / "refused"
        public, secret, out = root / "public", root / "secret", root / "out"
        for folder in (public, secret, out):
            folder.mkdir(parents=True)
        self.instance(request, public, secret)
        instance = InstanceFolder(root=root, request=request)
        nothing = _is_refused(self, instance, out)
        (out / ARTIFACT).write_bytes(b"")
        empty = _is_refused(self, instance, out)
        return (
            Check(name="refuses_nothing", is_ok=nothing, evidence=f"a run without {ARTIFACT}"),
            Check(name="refuses_an_empty_file", is_ok=empty, evidence=f"{ARTIFACT} without bytes"),
        )


def _is_refused(harness: OwnHarness, instance: InstanceFolder, out: Path) -> bool:
    try:
        harness.grade(instance, out)
    except InvalidArtifact:
        return True
    return False
