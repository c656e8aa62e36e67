"""Two versions of a driver measured against each other on fresh instances of the task that improves them.

Every comparison draws a seed of its own, so that no version was ever tried on what it is compared on.
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace

from rsi.evals.measure.measuring import compare
from rsi.evals.types import Interval, Measurement, Score
from rsi.sandboxes.select import select_backend
from rsi.sandboxes.types import FileTree
from rsi.tasks.drivers import DriverKind
from rsi.tasks.files.trees import read_tree
from rsi.tasks.format.loader import load_task


@dataclass(frozen=True, slots=True, kw_only=True)
class DriverComparison:
    """How much better one version is than another."""

    kind: DriverKind
    reference: str
    """Digest of the version that the ratio is against."""
    subject: str
    profile: str
    metric: str
    assurance: str
    """What the numbers rest on, as the task's name of its metric says: "simulated" where nothing real ran."""
    score: Score

    @property
    def effect(self) -> Interval | None:
        """Subject over reference; None when they could not be compared."""
        return self.score.effect


def compare_versions(
    kind: DriverKind,
    reference: tuple[str, FileTree],
    subject: tuple[str, FileTree],
    *,
    backend: str,
    pairs: int | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> DriverComparison:
    """Measure two versions, each given by its digest and its files.

    Raises:
        TaskError, SandboxError, MeasurementError: As the parts raise them.
    """
    task = load_task(kind)
    profile = task.profiles[task.default_profile]
    if pairs is not None:
        plan = replace(profile.plan, min_pairs=pairs, max_pairs=pairs, confirm_pairs=pairs)
        profile = replace(profile, plan=plan)
    chosen = select_backend(backend)
    chosen.prepare(task.environment, progress=progress)
    repo = read_tree(task.repo)

    def whole(files: FileTree) -> FileTree:
        rest = tuple(each for each in repo if not each.path.startswith(f"{kind}/"))
        return rest + tuple(replace(each, path=f"{kind}/{each.path}") for each in files)

    def tell(run: Measurement) -> None:
        progress(f"pair {run.pair + 1}, {run.arm.value} {run.outcome.value}")

    found = compare(
        task,
        profile,
        chosen,
        whole(reference[1]),
        whole(subject[1]),
        campaign_secret=secrets.token_bytes(16),
        lineage=kind.lineage,
        round_id=f"compare-{secrets.token_hex(4)}",
        on_measurement=tell,
    )
    return DriverComparison(
        kind=kind,
        reference=reference[0],
        subject=subject[0],
        profile=profile.name,
        metric=task.metric.name,
        assurance="simulated" if kind is DriverKind.SCAFFOLD else "measured offline",
        score=found.score,
    )
