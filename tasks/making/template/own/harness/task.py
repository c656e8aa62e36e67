"""Grades a repo by numbers that it prints or writes: the run's own, or those of its protected evaluation.

At L0 the numbers are what the run said. At L1 the repo's own evaluation, as it was when the task was made, runs here on
what the run left. At L2 it does so on data that no run is given.
Invariant: at L1 and L2 no number comes from anything that a candidate wrote or printed.
"""

import hashlib
import json
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from harness_kit import Check, Graded, InstanceFolder, InvalidArtifact, Request
from harness_kit.canonical import canonical_json
from harness_kit.seeds import derive_subseed

from harness.evaluating import evaluate
from harness.left_files import check_left
from harness.numbers_read import read_numbers
from harness.splitting import judged_rows, split_rows

PRINTED = "printed.txt"
"""What the run printed, as the protected entry kept it."""
LEFT = "left"
"""Folder of the files that the run left, under their paths in the repo."""
FRESH = frozenset({"confirm", "baseline", "promote", "audit"})
"""Purposes that are judged on rows which no search has looked at."""
SEED_LIMIT = 2**31
"""Seeds stay below it, so that any library takes them."""


class OwnRepo:
    """Hands out a repo's data and grades what a run left.

    Args:
        folder: The harness's own, with grading.json, data/ and held_out/.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._rules = json.loads((folder / "grading.json").read_text(encoding="utf-8"))

    @property
    def _is_evaluated(self) -> bool:
        return bool(self._rules["evaluate"])

    def describe(self) -> Mapping[str, object]:
        return {
            "measures": [each["name"] for each in self._rules["qualities"]],
            "honesty": self._rules["honesty"],
            "is_recomputed": self._is_evaluated,
        }

    def instance(self, request: Request, public: Path, secret: Path) -> None:
        seed = derive_subseed(request.seed, "public") % SEED_LIMIT
        (public / "rsi_instance.json").write_bytes(
            canonical_json({"seed": seed, "size": request.profile})
        )
        data = self._folder / "data"
        if data.is_dir():
            shutil.copytree(data, public, dirs_exist_ok=True)
        (secret / "held_out").mkdir()
        for each in self._rules["held_out"]:
            source = self._folder / "held_out" / each["path"]
            hidden = secret / "held_out" / each["path"]
            hidden.parent.mkdir(parents=True, exist_ok=True)
            if each["share"] is None:
                shutil.copyfile(source, hidden)
                continue
            kept, apart = split_rows(source, each["share"], each["key"])
            is_fresh = request.purpose in FRESH
            hidden.write_bytes(judged_rows(source, apart, each["key"], is_fresh=is_fresh))
            shown = public / each["path"]
            shown.parent.mkdir(parents=True, exist_ok=True)
            shown.write_bytes(kept)

    def grade(self, instance: InstanceFolder, artifact: Path) -> Graded:
        qualities = self._rules["qualities"]
        left = artifact / LEFT
        check_left(left)
        if self._is_evaluated:
            with tempfile.TemporaryDirectory(prefix="rsi-evaluation-") as name:
                printed = evaluate(
                    self._rules,
                    Path(name),
                    repo=self._folder.parent / "repo",
                    public=instance.public,
                    held_out=instance.secret / "held_out",
                    left=left,
                )
                values = read_numbers(qualities, printed, Path(name))
        else:
            values = read_numbers(qualities, _printed(artifact), left)
        metric = self._rules["metric"]
        return Graded(
            quality=values,
            metric_value=None if metric is None else values[metric],
            guards=(Check(name="honesty", is_ok=True, evidence=self._rules["evidence"]),),
            hidden_reads=len(self._rules["held_out"]),
            reply_digest=_digest(artifact),
        )

    def selfcheck(self, request: Request, workspace: Path) -> Sequence[Check]:
        """A run that left nothing must be refused as a candidate's fault, not end as ours."""
        root = workspace / "refused"
        public, secret, out = root / "public", root / "secret", root / "out"
        for folder in (public, secret, out):
            folder.mkdir(parents=True)
        self.instance(request, public, secret)
        is_refused = False
        try:
            self.grade(InstanceFolder(root=root, request=request), out)
        except InvalidArtifact:
            is_refused = True
        return (
            Check(name="refuses_nothing", is_ok=is_refused, evidence="a run that left nothing"),
        )


def _printed(artifact: Path) -> str:
    path = artifact / PRINTED
    return path.read_bytes().decode("utf-8", "replace") if path.is_file() else ""


def _digest(artifact: Path) -> str:
    found = hashlib.sha256()
    for path in sorted(each for each in artifact.rglob("*") if each.is_file()):
        found.update(path.relative_to(artifact).as_posix().encode() + b"\0" + path.read_bytes())
    return found.hexdigest()
