"""The format of task.toml: tables in, checked values out, for one track at a time.

Does not: look at files; `loader` and `folder_checks` do.
"""

import re
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace
from enum import StrEnum

from rsi.sandboxes.types import Limits
from rsi.tasks.format.toml_files import Problems, did_you_mean
from rsi.tasks.format.toml_reader import Table, overlaid
from rsi.tasks.guards import BY_NAME
from rsi.tasks.types import (
    NOT_CARRIED_OUT,
    Budget,
    CandidateRules,
    Clock,
    Device,
    Direction,
    GuardRule,
    MeasurePlan,
    Metric,
    MetricKind,
    Origin,
    Pattern,
    Profile,
    QualityRule,
    RepoTests,
)

FILE = "task.toml"
SCHEMA_VERSION = "1.4"
CLAIMS = ("none", "screen", "promote")
BUDGET_UNITS = ("cpu_s", "wall_s")
NOT_METERED = dict.fromkeys(
    ("model_tokens", "trained_tokens", "env_steps", "calls"),
    "nobody could meter it: a candidate runs apart from its harness, and only the host's clocks see the run",
)
"""Units that other formats know, and why a run cannot be held to them."""
NO_CLOCKS = {
    "device_s": "the host has no clock for a device's own seconds; a task that runs on a GPU is timed by wall_s, because "
    "a run holds its GPUs alone for as long as it is measured"
}
"""Words that a task's author may expect to be clocks, and why they are none."""
ONLY_TRACK = "main"
"""Name of the track of a task that declares none."""
DEFAULT_MEMORY_MB, MEBIBYTE = 2048, 1 << 20
DEFAULT_GRADE_WALL_S = 60.0
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackFormat:
    """What task.toml says, for one track."""

    harbor_name: str
    description: str
    environment_name: str
    agent_timeout_s: float | None
    pattern: Pattern
    device: Device
    suite: tuple[str, ...]
    metric: Metric
    candidate: CandidateRules
    candidate_keys: Mapping[str, str]
    """Key path of entry, editable and protected as the author wrote them."""
    profiles: Mapping[str, Profile]
    default_profile: str
    track: str
    track_description: str
    tracks: tuple[str, ...]
    default_track: str
    rows: Mapping[str, str]
    tests: RepoTests | None
    origin: Origin | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Defaults:
    """What a profile uses where it does not say otherwise."""

    cpus: int
    memory_mb: int
    grade_wall_s: float
    budget: Budget | None


def track_names(document: Mapping[str, object]) -> tuple[str, ...]:
    """Tracks that the document declares, or the only one of a task without tracks."""
    rsi = document.get("rsi")
    tracks = rsi.get("track") if isinstance(rsi, dict) else None
    return tuple(tracks) if isinstance(tracks, dict) and tracks else (ONLY_TRACK,)


def parse_track(document: Mapping[str, object], track: str, problems: Problems) -> TrackFormat:
    """Read the whole document as one track sees it.

    Args:
        document: Parsed task.toml.
        track: One of `track_names(document)`.
        problems: Receives one sentence for each mistake; the result is only usable when none was added.
    """
    origins: dict[str, str] = {}
    merged = _with_track(document, track, origins)
    top = Table(merged, path="", file=FILE, problems=problems, origins=origins)
    _check_schema_version(top)
    harbor_name, description = _task_table(top.table("task"))
    environment = top.table("environment")
    environment_name = environment.text("docker_image")
    cpus = environment.integer("cpus", minimum=1, default=1)
    memory_mb = environment.integer("memory_mb", minimum=1, default=DEFAULT_MEMORY_MB)
    environment.finish()
    agent = top.table("agent", is_required=False)
    agent_timeout_s = agent.number("timeout_sec", default=None, above=0)
    agent.finish()
    verifier = top.table("verifier", is_required=False)
    verifier.word("environment_mode", ("separate",), "separate")
    grade_wall_s = verifier.number("timeout_sec", default=DEFAULT_GRADE_WALL_S, above=0)
    verifier.finish()
    rsi = top.table("rsi")
    top.finish()
    budget = _budget(rsi.table("budget")) if "budget" in rsi else None
    rsi.skip("budget")
    tests = _tests(rsi.table("tests")) if "tests" in rsi else None
    rsi.skip("tests")
    defaults = _Defaults(cpus=cpus, memory_mb=memory_mb, grade_wall_s=grade_wall_s, budget=budget)
    metric = _metric(rsi.table("metric"))
    quality = _quality_rules(rsi, track, track_names(document), metric.kind)
    guards = _guard_rules(rsi)
    profiles = _profiles(rsi.table("profile"), quality, guards, defaults)
    candidate = rsi.table("candidate")
    tracks = track_names(document)
    found = TrackFormat(
        harbor_name=harbor_name,
        description=description,
        environment_name=environment_name,
        agent_timeout_s=agent_timeout_s,
        pattern=rsi.choice("pattern", Pattern, refused=NOT_CARRIED_OUT),
        device=rsi.choice("device", Device, Device.CPU),
        suite=rsi.texts("suite", default=()),
        metric=metric,
        candidate=_candidate(candidate),
        candidate_keys={key: candidate.key_path(key) for key in ("entry", "editable", "protected")},
        profiles=profiles,
        default_profile=_known_name(rsi, "default_profile", tuple(profiles), "profile"),
        track=track,
        track_description=_track_description(rsi, track),
        tracks=tracks,
        default_track=_default_track(rsi, tracks),
        tests=tests,
        rows=_rows(rsi.table("rows", is_required=False)),
        origin=_origin(rsi),
    )
    has_floor = any(each.required_multiply_adds for each in profiles.values())
    if found.device is not Device.CPU and has_floor:
        rsi.problem(
            "device",
            f"is {found.device.value!r} beside required_multiply_adds",
            "'cpu': the floor of required arithmetic is measured on processors alone",
        )
    _check_kind(rsi, found)
    if found.pattern is Pattern.SERVED and metric.clock is not Clock.RESULT:
        rsi.problem(
            "metric.clock",
            f"is {metric.clock.value!r} with the pattern served",
            "'result': a candidate that waits for its harness is not timed",
        )
    for rule in guards if tests is None else ():
        if BY_NAME[rule.name].needs_tests:
            rsi.problem("guard", f"has {rule.name!r}", "a table [rsi.tests] beside it")
    rsi.finish()
    return found


def _check_kind(rsi: Table, found: TrackFormat) -> None:
    """What the kind of metric asks of every profile."""
    rules, kind = found.metric.kind.rules, f"for the metric kind {found.metric.kind.value}"
    for name, profile in found.profiles.items():
        for quality in profile.quality if rules.needs_limit else ():
            if quality.limit is None:
                key = f"profile.{name}.quality.{quality.name}.limit"
                rsi.problem(key, "is missing", f"the target that a run has to reach, {kind}")
    if rules.needs_budget and any(each.budget is None for each in found.profiles.values()):
        rsi.problem("budget", "is missing", f"a table [rsi.budget], {kind}")


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


def _check_schema_version(top: Table) -> None:
    version = top.text("schema_version")
    if version and version != SCHEMA_VERSION:
        top.problem("schema_version", f"is {version!r}", f"{SCHEMA_VERSION!r}")


def _task_table(task: Table) -> tuple[str, str]:
    name, description = task.text("name"), task.text("description")
    task.finish()
    return name, description


def _metric(table: Table) -> Metric:
    metric = Metric(
        name=table.text("name"),
        kind=table.choice("kind", MetricKind),
        unit=table.text("unit"),
        direction=table.choice("direction", Direction),
        clock=table.choice("clock", Clock, refused=NO_CLOCKS),
        minimum_effect=table.number("minimum_effect", above=0, below=1),
        plausible_ratio=table.number("plausible_ratio", above=1),
    )
    rules, kind = metric.kind.rules, f"the kind {metric.kind.value}"
    if metric.clock not in rules.clocks:
        table.problem("clock", f"is {metric.clock.value!r} with {kind}", _either(rules.clocks))
    if metric.direction is Direction.HIGHER and metric.clock is not Clock.RESULT:
        table.problem(
            "direction",
            f"is 'higher' with the clock {metric.clock.value}",
            "'lower': less time is better",
        )
    elif metric.direction not in rules.directions:
        table.problem(
            "direction", f"is {metric.direction.value!r} with {kind}", _either(rules.directions)
        )
    table.finish()
    return metric


def _either(words: Sequence[StrEnum]) -> str:
    return " or ".join(repr(each.value) for each in words)


def _quality_rules(
    rsi: Table, track: str, tracks: tuple[str, ...], kind: MetricKind
) -> tuple[QualityRule, ...]:
    """The rules of one track; a rule that names no track is for all."""
    rules: list[QualityRule] = []
    own: list[QualityRule] = []
    for table in rsi.tables("quality", minimum=1):
        rule = QualityRule(
            name=table.text("name"),
            unit=table.text("unit"),
            direction=table.choice("direction", Direction),
            limit=table.number("limit", default=None),
            margin=table.number("margin", minimum=0)
            if kind.rules.needs_margin
            else table.number("margin", default=None, minimum=0),
        )
        if rule.name in {earlier.name for earlier in rules}:
            table.problem("name", f"is {rule.name!r} a second time", "each quality once")
        is_own = track in table.texts("tracks", default=tracks, minimum=1, options=tracks)
        table.finish()
        rules.append(rule)
        own.extend([rule] if is_own else [])
    if "quality" in rsi and not own:
        where = f" on track {track!r}" if rules else ""
        rsi.problem("quality", f"is empty{where}", "at least one quality that must hold")
    return tuple(own)


def _guard_rules(rsi: Table) -> tuple[GuardRule, ...]:
    guards: list[GuardRule] = []
    for table in rsi.tables("guard"):
        guard = GuardRule(
            name=table.word("name", tuple(BY_NAME)),
            max_ratio=table.number("max_ratio", default=None, above=0),
            max_value=table.number("max_value", default=None, minimum=0),
        )
        if "max_ratio" not in table and "max_value" not in table:
            table.problem("max_ratio", "is missing", "max_ratio or max_value or both")
        table.finish()
        guards.append(guard)
    return tuple(guards)


def _budget(table: Table) -> Budget:
    unit = table.word("unit", BUDGET_UNITS, refused=NOT_METERED)
    budget = Budget(unit=unit, limit=table.number("limit", above=0))
    table.finish()
    return budget


def _tests(table: Table) -> RepoTests:
    tests = RepoTests(
        entry=table.texts("entry", minimum=1), wall_s=table.number("wall_s", default=None, above=0)
    )
    table.finish()
    return tests


def _candidate(table: Table) -> CandidateRules:
    rules = CandidateRules(
        entry=table.texts("entry", minimum=1),
        editable=table.texts("editable", minimum=1),
        protected=table.texts("protected", default=()),
        max_source_bytes=table.integer("max_source_bytes", minimum=1),
        max_literal_bytes=table.integer("max_literal_bytes", minimum=1),
        max_files_added=table.integer("max_files_added", minimum=0),
        max_output_bytes=table.integer("max_output_mb", minimum=1, default=64) * MEBIBYTE,
        max_output_files=table.integer("max_output_files", minimum=1, default=100),
        writable=table.texts("writable", default=()),
    )
    table.finish()
    return rules


def _profiles(
    table: Table,
    quality: tuple[QualityRule, ...],
    guards: tuple[GuardRule, ...],
    defaults: _Defaults,
) -> dict[str, Profile]:
    names = set(table.keys())
    found = {
        name: _profile(name, names - {name}, table.table(name), quality, guards, defaults)
        for name in table.keys()  # noqa: SIM118 - a Table, not a dict
    }
    if not found:
        table.problem("smoke", "is missing", "at least one profile")
    return found


def _profile(
    name: str,
    others: Set[str],
    table: Table,
    quality: tuple[QualityRule, ...],
    guards: tuple[GuardRule, ...],
    defaults: _Defaults,
) -> Profile:
    limits_table = table.table("limits")
    cpu_count = limits_table.integer("cpus", minimum=1, default=defaults.cpus)
    limits = _limits(limits_table, limits_table.number("wall_s", above=0), defaults)
    grade_table = table.table("grade_limits", is_required=False)
    grade_wall_s = grade_table.number("wall_s", default=defaults.grade_wall_s, above=0)
    grade_table.integer("cpus", minimum=1, default=defaults.cpus)
    grade_limits = _limits(grade_table, grade_wall_s, defaults)
    budget = defaults.budget
    limit = table.number("budget_limit", default=None, above=0)
    if limit is not None and budget is not None:
        budget = replace(budget, limit=limit)
    if limit is not None and budget is None:
        table.problem("budget_limit", "has nothing to replace", "a table [rsi.budget] beside it")
    profile = Profile(
        name=name,
        limits=limits,
        grade_limits=grade_limits,
        plan=_plan(table.table("plan")),
        quality=_adjusted_quality(table.table("quality", is_required=False), quality),
        guards=guards,
        settings=dict(table.raw("settings")),
        claim=table.word("claim", CLAIMS),
        cpu_count=cpu_count,
        required_multiply_adds=table.integer("required_multiply_adds", minimum=0, default=0),
        pairs_at_once=table.integer("pairs_at_once", minimum=1, default=1),
        budget=budget,
        transfer=table.text("transfer", default=None),
    )
    if profile.transfer is not None and profile.transfer not in others:
        table.problem(
            "transfer", f"is {profile.transfer!r}", f"another profile: {', '.join(sorted(others))}"
        )
    table.finish()
    return profile


def _limits(table: Table, wall_s: float, defaults: _Defaults) -> Limits:
    plain = Limits(wall_s=wall_s, memory_bytes=defaults.memory_mb * MEBIBYTE)
    memory_mb = table.integer("memory_mb", minimum=1, default=defaults.memory_mb)
    disk_mb = table.integer("disk_mb", minimum=1, default=plain.disk_bytes // MEBIBYTE)
    pids = table.integer("pids", minimum=1, default=plain.pids)
    table.finish()
    return replace(
        plain, memory_bytes=memory_mb * MEBIBYTE, disk_bytes=disk_mb * MEBIBYTE, pids=pids
    )


def _plan(table: Table) -> MeasurePlan:
    plan = MeasurePlan(
        min_pairs=table.integer("min_pairs", minimum=1),
        max_pairs=table.integer("max_pairs", minimum=2),
        confirm_pairs=table.integer("confirm_pairs", minimum=1),
        alpha=table.number("alpha", above=0, below=0.5),
    )
    if plan.max_pairs < plan.min_pairs:
        table.problem("max_pairs", f"is {plan.max_pairs}", f"at least min_pairs, {plan.min_pairs}")
    table.finish()
    return plan


def _adjusted_quality(table: Table, quality: tuple[QualityRule, ...]) -> tuple[QualityRule, ...]:
    adjusted = []
    for rule in quality:
        changes = table.table(rule.name, is_required=False)
        adjusted.append(
            replace(
                rule,
                limit=changes.number("limit", default=None) if "limit" in changes else rule.limit,
                margin=changes.number("margin", minimum=0) if "margin" in changes else rule.margin,
            )
        )
        changes.skip("limit", "margin")
        changes.finish()
    table.finish()
    return tuple(adjusted)


def _rows(table: Table) -> dict[str, str]:
    return {name: table.text(name) for name in table.keys()}  # noqa: SIM118 - a Table


def _origin(rsi: Table) -> Origin | None:
    """Where the repo came from; a record for people, so only its form is checked."""
    if "origin" not in rsi:
        return None
    table = rsi.table("origin")
    origin = Origin(
        url=table.text("url", None),
        commit=table.text("commit"),
        folder=table.text("folder", None),
    )
    if origin.commit and not _COMMIT.fullmatch(origin.commit):
        table.problem("commit", f"is {origin.commit!r}", "the 40 or 64 hex digits of a commit")
    table.finish()
    return origin


def _track_description(rsi: Table, track: str) -> str:
    tracks = rsi.table("track", is_required=False)
    if track not in tracks:
        return ""
    own = tracks.table(track)
    description = own.text("description")
    own.skip("settings", "quality", "candidate", "profile")
    _check_overlay(own, tuple(rsi.table("profile", is_required=False).keys()))
    own.finish()
    return description


def _check_overlay(own: Table, profiles: tuple[str, ...]) -> None:
    """Wrong kinds and unknown profiles, which merging leaves out and so cannot report."""
    for key in ("settings", "quality", "candidate", "profile"):
        own.table(key, is_required=False)
    overlays = own.table("profile", is_required=False)
    for name in overlays.keys():  # noqa: SIM118 - a Table
        overlays.table(name)
        if name not in profiles:
            guess = did_you_mean(name, profiles)
            overlays.problem(name, "is not a profile", f"one of {', '.join(profiles)}{guess}")


def _default_track(rsi: Table, tracks: tuple[str, ...]) -> str:
    if tracks == (ONLY_TRACK,) and "default_track" not in rsi:
        return ONLY_TRACK
    return _known_name(rsi, "default_track", tracks, "track")


def _known_name(table: Table, key: str, names: tuple[str, ...], what: str) -> str:
    name = table.text(key)
    if name and name not in names:
        guess = did_you_mean(name, names)
        table.problem(key, f"is {name!r}, no such {what}", f"one of {', '.join(names)}{guess}")
    return name
