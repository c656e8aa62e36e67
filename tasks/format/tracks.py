"""task.toml as one track sees it: the track's overlays merged in, checked, as the values that the rest of rsi uses.

Does not: look at other files; `folder_checks` does. Imported where a task is loaded, since its checks need pydantic.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from rsi.sandboxes.types import Environment, Limits
from rsi.tasks.format.contradictions import contradictions, qualities
from rsi.tasks.format.tables import Table, checked, despite_unknown_keys
from rsi.tasks.format.task_file import (
    MEBIBYTE,
    CandidateTable,
    GradeLimitsTable,
    LimitsTable,
    ProfileTable,
    TaskFile,
    TestsTable,
)
from rsi.tasks.format.toml_files import FILE, Problems, asks, key_path
from rsi.tasks.types import (
    Budget,
    CandidateRules,
    Cheat,
    GuardRule,
    MeasurePlan,
    Metric,
    Origin,
    Profile,
    QualityRule,
    RepoTests,
    Solution,
    Task,
)

ONLY_TRACK = "main"
"""Name of the track of a task that declares none."""
TableT = TypeVar("TableT", bound=Table)
ValueT = TypeVar("ValueT")


@dataclass(frozen=True, slots=True, kw_only=True)
class Files:
    """What task.toml says about files of the repo; there also when something else in it is wrong."""

    candidate: CandidateTable
    tests: TestsTable | None
    candidate_keys: Mapping[str, str]
    """Key paths of the candidate's keys as the author wrote them."""


def track_names(document: Mapping[str, object]) -> tuple[str, ...]:
    """Tracks that the document declares, or the only one of a task without tracks."""
    rsi = document.get("rsi")
    tracks = rsi.get("track") if isinstance(rsi, dict) else None
    return tuple(tracks) if isinstance(tracks, dict) and tracks else (ONLY_TRACK,)


def read_track(
    document: Mapping[str, object], track: str, problems: Problems
) -> tuple[TaskFile | None, Files | None]:
    """Read the whole document as one track sees it.

    Args:
        document: Parsed task.toml.
        track: One of `track_names(document)`.
        problems: Receives one sentence for each mistake; with any the first value is None.
    """
    origins: dict[str, str] = {}
    merged = _with_track(document, track, origins)
    found = checked(TaskFile, merged, FILE, problems, origins)
    readable = found or despite_unknown_keys(TaskFile, merged)
    against = [] if readable is None else list(contradictions(readable.rsi, track))
    for each in against:
        path = key_path(("rsi", *each.place), origins)
        problems.add(FILE, f"{path} {each.found}, {asks(each.expected)}")
    return (None if against else found), _files(merged, origins)


def _files(document: Mapping[str, object], origins: Mapping[str, str]) -> Files | None:
    rsi = document.get("rsi")
    tables = rsi if isinstance(rsi, dict) else {}
    candidate = _part(CandidateTable, tables.get("candidate"))
    if candidate is None:
        return None
    keys = {
        key: key_path(("rsi", "candidate", key), origins) for key in CandidateTable.model_fields
    }
    return Files(
        candidate=candidate, tests=_part(TestsTable, tables.get("tests")), candidate_keys=keys
    )


def _part(model: type[TableT], values: object) -> TableT | None:
    return checked(model, values, FILE, Problems()) if isinstance(values, dict) else None


def default_track(found: TaskFile) -> str:
    """The track that is taken where none is named."""
    return found.rsi.default_track or ONLY_TRACK


def interpreter_of(found: TaskFile) -> Path | None:
    """Interpreter of the environment that the task takes as it is; None where one is built."""
    named = found.environment.python
    return None if named is None else Path(named)


def task_of(
    found: TaskFile,
    track: str,
    *,
    name: str,
    root: Path,
    base: Path | None,
    digest: str,
    environment: Environment,
    solutions: Sequence[Solution],
    cheats: Sequence[Cheat],
) -> Task:
    """The task as one track sees it.

    Args:
        found: What `read_track` found for the track.
        track: One of the task's.
        name: Of the task.
        root: The task's folder.
        base: The folder of the task that it is a variant of; None where it is none.
        digest: Of the folder.
        environment: Where its runs take place.
        solutions: Of all tracks.
        cheats: Of all tracks.
    """
    rsi = found.rsi
    return Task(
        name=name,
        description=found.task.description,
        root=root,
        base=base,
        digest=digest,
        pattern=rsi.pattern,
        track=track,
        tracks=tuple(rsi.track) or (ONLY_TRACK,),
        metric=_value(Metric, rsi.metric),
        device=rsi.device,
        environment=environment,
        candidate=_candidate(rsi.candidate),
        profiles={name: _profile(name, each, found, track) for name, each in rsi.profile.items()},
        default_profile=rsi.default_profile,
        solutions=tuple(each for each in solutions if track in each.tracks),
        cheats=tuple(each for each in cheats if track in each.tracks),
        rows=rsi.rows,
        tests=None if rsi.tests is None else _value(RepoTests, rsi.tests),
        track_description=rsi.track[track].description if track in rsi.track else "",
        trains=rsi.trains or "",
        suite=rsi.suite,
        agent_timeout_s=found.agent.timeout_sec,
        origin=None if rsi.origin is None else _value(Origin, rsi.origin),
        honesty=rsi.honesty,
    )


def _value(kind: type[ValueT], table: Table) -> ValueT:
    """A value whose fields are the table's keys."""
    return kind(**dict(table))


def _candidate(table: CandidateTable) -> CandidateRules:
    values = dict(table)
    return CandidateRules(max_output_bytes=values.pop("max_output_mb") * MEBIBYTE, **values)


def _profile(name: str, table: ProfileTable, found: TaskFile, track: str) -> Profile:
    rsi = found.rsi
    wall_s = table.grade_limits.wall_s or found.verifier.timeout_sec
    budget = None if rsi.budget is None else _value(Budget, rsi.budget)
    if budget is not None and table.budget_limit is not None:
        budget = replace(budget, limit=table.budget_limit)
    return Profile(
        name=name,
        limits=_limits(table.limits, table.limits.wall_s, found),
        grade_limits=_limits(table.grade_limits, wall_s, found),
        plan=_value(MeasurePlan, table.plan),
        quality=tuple(
            QualityRule(**rule.model_dump(exclude={"tracks"}))
            for rule in qualities(rsi, track, table)
        ),
        guards=tuple(_value(GuardRule, rule) for rule in rsi.guard),
        settings=table.settings,
        claim=table.claim,
        cpu_count=table.limits.cpus or found.environment.cpus,
        required_multiply_adds=table.required_multiply_adds,
        pairs_at_once=table.pairs_at_once,
        spare_cpu_s=table.spare_cpu_s,
        budget=budget,
        transfer=table.transfer,
        honesty=rsi.honesty,
    )


def _limits(table: LimitsTable | GradeLimitsTable, wall_s: float, found: TaskFile) -> Limits:
    return Limits(
        wall_s=wall_s,
        memory_bytes=(table.memory_mb or found.environment.memory_mb) * MEBIBYTE,
        disk_bytes=table.disk_mb * MEBIBYTE,
        pids=table.pids,
    )


def _with_track(
    document: Mapping[str, object], track: str, origins: dict[str, str]
) -> dict[str, object]:
    """The document with one track's overlays merged in; wrong types are left for the reader to report."""
    merged = dict(document)
    rsi = merged.get("rsi")
    if not isinstance(rsi, dict):
        return merged
    rsi = merged["rsi"] = dict(rsi)
    tracks = rsi.get("track")
    overlay = tracks.get(track) if isinstance(tracks, dict) else None
    if not isinstance(overlay, dict):
        return merged
    at = f"rsi.track.{track}"
    candidate = overlay.get("candidate")
    if isinstance(candidate, dict) and isinstance(rsi.get("candidate"), dict):
        rsi["candidate"] = overlaid(
            rsi["candidate"], candidate, origins, at="rsi.candidate", overlay_at=f"{at}.candidate"
        )
    profiles = rsi.get("profile")
    if not isinstance(profiles, dict):
        return merged
    for_all = {key: overlay[key] for key in ("settings", "quality") if key in overlay}
    own = overlay.get("profile")
    rsi["profile"] = {}
    for name, profile in profiles.items():
        below = profile
        if isinstance(below, dict):
            here = f"rsi.profile.{name}"
            below = overlaid(below, for_all, origins, at=here, overlay_at=at)
            if isinstance(own, dict) and isinstance(own.get(name), dict):
                below = overlaid(
                    below, own[name], origins, at=here, overlay_at=f"{at}.profile.{name}"
                )
        rsi["profile"][name] = below
    return merged


def overlaid(
    base: Mapping[str, object],
    overlay: Mapping[str, object],
    origins: dict[str, str],
    *,
    at: str,
    overlay_at: str,
) -> dict[str, object]:
    """`base` with `overlay` merged over it, tables deeply.

    Args:
        base: Table that is read at key path `at`.
        overlay: Table written at key path `overlay_at`.
        origins: Filled with merged key path -> written key path, so that messages name what was written.
        at: Key path of the base.
        overlay_at: Key path of the overlay.
    """
    merged = dict(base)
    for key, value in overlay.items():
        target, source = f"{at}.{key}", f"{overlay_at}.{key}"
        present = merged.get(key)
        if isinstance(value, dict):
            below = present if isinstance(present, dict) else {}
            merged[key] = overlaid(below, value, origins, at=target, overlay_at=source)
            if not isinstance(present, dict):
                origins[target] = source
        else:
            merged[key] = value
            origins[target] = source
    return merged
