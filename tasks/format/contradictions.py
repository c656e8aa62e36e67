"""Settings of task.toml that cannot both be meant: each pair is refused at load, so that nothing loads which a run refuses.

Does not: check one table alone; `task_file` does. To add one: a function in `RULES`; a test fails until it has a case.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from rsi.tasks.choices import Clock, Device, Honesty
from rsi.tasks.format.task_file import ChangedQualityTable, ProfileTable, QualityTable, RsiTable
from rsi.tasks.format.toml_files import Place, did_you_mean
from rsi.tasks.guards import BY_NAME
from rsi.tasks.types import COUNTED


@dataclass(frozen=True, slots=True, kw_only=True)
class Contradiction:
    """A setting that does not go with another."""

    place: Place
    """Keys below `[rsi]`."""
    found: str
    expected: str


def contradictions(rsi: RsiTable, track: str) -> Iterator[Contradiction]:
    """Everything that contradicts itself, as one track sees it."""
    for rule in RULES:
        yield from rule(rsi, track)


def _of(*place: str | int, found: str, expected: str) -> Contradiction:
    return Contradiction(place=place, found=found, expected=expected)


def _named_profiles_are_there(rsi: RsiTable, track: str) -> Iterator[Contradiction]:
    names = tuple(rsi.profile)
    if rsi.default_profile not in names:
        yield _unknown("default_profile", rsi.default_profile, names, "profile")
    for name, profile in rsi.profile.items():
        others = sorted(other for other in names if other != name)
        if profile.transfer is not None and profile.transfer not in others:
            found = f"is {profile.transfer!r}"
            expected = f"another profile: {', '.join(others)}"
            yield _of("profile", name, "transfer", found=found, expected=expected)
    for name, overlay in rsi.track.items():
        for profile_name in (each for each in overlay.profile if each not in names):
            expected = f"one of {', '.join(names)}{did_you_mean(profile_name, names)}"
            place = ("track", name, "profile", profile_name)
            yield _of(*place, found="is not a profile", expected=expected)


def _named_tracks_are_there(rsi: RsiTable, track: str) -> Iterator[Contradiction]:
    names = tuple(rsi.track)
    if rsi.default_track is None and names:
        yield _of("default_track", found="is missing", expected="a text")
    elif rsi.default_track is not None and not names:
        found = f"is {rsi.default_track!r}"
        yield _of("default_track", found=found, expected="no such key: the task has no tracks")
    elif rsi.default_track is not None and rsi.default_track not in names:
        yield _unknown("default_track", rsi.default_track, names, "track")
    for number, rule in enumerate(rsi.quality):
        for at, name in enumerate(rule.tracks or ()):
            if name not in (names or (track,)):
                guess = did_you_mean(name, names)
                expected = f"a list of {', '.join(names or (track,))}{guess}"
                place = ("quality", number, "tracks", at)
                yield _of(*place, found=f"is the text {name!r}", expected=expected)


def _each_track_has_a_quality(rsi: RsiTable, track: str) -> Iterator[Contradiction]:
    names = [rule.name for rule in rsi.quality]
    for number, name in enumerate(names):
        if name in names[:number]:
            found = f"is {name!r} a second time"
            yield _of("quality", number, "name", found=found, expected="each quality once")
    if not any(_holds(rule, track) for rule in rsi.quality):
        expected = "at least one quality that must hold"
        yield _of("quality", found=f"is empty on track {track!r}", expected=expected)


def _changed_qualities_are_there(rsi: RsiTable, track: str) -> Iterator[Contradiction]:
    names = tuple(dict.fromkeys(rule.name for rule in rsi.quality))
    for profile_name, profile in rsi.profile.items():
        for name in (each for each in profile.quality if each not in names):
            near = did_you_mean(name, names).removeprefix("; ")
            expected = near or f"one of {', '.join(sorted(names))}"
            place = ("profile", profile_name, "quality", name)
            yield _of(*place, found="is not a known key", expected=expected)


def _the_kind_gets_what_it_asks_for(rsi: RsiTable, track: str) -> Iterator[Contradiction]:
    rules, kind = rsi.metric.kind.rules, f"for the metric kind {rsi.metric.kind.value}"
    for number, rule in enumerate(rsi.quality):
        if rules.needs_margin and rule.margin is None:
            expected = "a number of at least 0"
            yield _of("quality", number, "margin", found="is missing", expected=expected)
    for name, profile in rsi.profile.items():
        for rule in qualities(rsi, track, profile) if rules.needs_limit else ():
            if rule.limit is None:
                place = ("profile", name, "quality", rule.name, "limit")
                expected = f"the target that a run has to reach, {kind}"
                yield _of(*place, found="is missing", expected=expected)
    if rules.needs_budget and rsi.budget is None:
        yield _of("budget", found="is missing", expected=f"a table [rsi.budget], {kind}")


def _only_what_was_held_out_may_claim(rsi: RsiTable, track: str) -> Iterator[Contradiction]:
    if rsi.honesty not in {Honesty.L0, Honesty.L1}:
        return
    for name, profile in rsi.profile.items():
        if profile.claim != "none":
            found = f"is {profile.claim!r} with honesty {rsi.honesty.value}"
            expected = "'none': only a quality on data that no run is given, L2, may claim"
            yield _of("profile", name, "claim", found=found, expected=expected)


def _a_clock_sees_what_the_device_does(rsi: RsiTable, track: str) -> Iterator[Contradiction]:
    if rsi.device is not Device.CPU and rsi.metric.clock is Clock.CPU_S:
        found = f"is 'cpu_s' with the device {rsi.device.value}"
        expected = "'wall_s': CPU seconds do not count what a GPU does"
        yield _of("metric", "clock", found=found, expected=expected)


def _a_linked_run_is_not_timed_by_the_host(rsi: RsiTable, track: str) -> Iterator[Contradiction]:
    if rsi.pattern.rules.is_linked and rsi.metric.clock is not Clock.RESULT:
        found = f"is {rsi.metric.clock.value!r} with the pattern {rsi.pattern.value}"
        expected = "'result': a candidate that waits for its harness is not timed by the host"
        yield _of("metric", "clock", found=found, expected=expected)


def _required_work_is_timed_on_processors(rsi: RsiTable, track: str) -> Iterator[Contradiction]:
    for name, profile in rsi.profile.items():
        if not profile.required_multiply_adds:
            continue
        if rsi.device is not Device.CPU:
            found = f"is {rsi.device.value!r} beside required_multiply_adds"
            expected = "'cpu': the floor of required arithmetic is measured on processors alone"
            yield _of("device", found=found, expected=expected)
        if rsi.metric.clock is Clock.RESULT:
            found = f"is {profile.required_multiply_adds} with the clock result"
            expected = "0: the floor of required arithmetic is a time"
            place = ("profile", name, "required_multiply_adds")
            yield _of(*place, found=found, expected=expected)


def _pairs_run_beside_each_other_on_cpu_time(rsi: RsiTable, track: str) -> Iterator[Contradiction]:
    for name, profile in rsi.profile.items():
        if profile.pairs_at_once > 1 and rsi.metric.clock is not Clock.CPU_S:
            found = f"is {profile.pairs_at_once} with the clock {rsi.metric.clock.value}"
            expected = "1: only CPU seconds are told apart when pairs run beside each other"
            yield _of("profile", name, "pairs_at_once", found=found, expected=expected)


def _guards_on_tests_have_tests(rsi: RsiTable, track: str) -> Iterator[Contradiction]:
    for rule in rsi.guard:
        if BY_NAME[rule.name].needs_tests and rsi.tests is None:
            expected = "a table [rsi.tests] beside it"
            yield _of("guard", found=f"has {rule.name!r}", expected=expected)


def _what_is_counted_is_served(rsi: RsiTable, track: str) -> Iterator[Contradiction]:
    if rsi.budget is not None and rsi.budget.unit in COUNTED and not rsi.pattern.rules.can_count:
        found = f"is {rsi.budget.unit!r} with the pattern {rsi.pattern.value}"
        expected = "cpu_s or wall_s: only a harness that serves each call of a run can count what it spends"
        yield _of("budget", "unit", found=found, expected=expected)


def _a_budget_can_be_spent(rsi: RsiTable, track: str) -> Iterator[Contradiction]:
    for name, profile in rsi.profile.items():
        if profile.budget_limit is not None and rsi.budget is None:
            found, expected = "has nothing to replace", "a table [rsi.budget] beside it"
            yield _of("profile", name, "budget_limit", found=found, expected=expected)
        if rsi.budget is None or rsi.budget.unit != "wall_s":
            continue
        limit, wall_s = profile.budget_limit or rsi.budget.limit, profile.limits.wall_s
        if limit > wall_s:
            own = profile.budget_limit is not None
            place = ("profile", name, "budget_limit") if own else ("budget", "limit")
            found = f"is {limit:g} where a run of profile {name} ends after {wall_s:g} s"
            yield _of(*place, found=found, expected="at most that: more is never spent")


RULES: tuple[Callable[[RsiTable, str], Iterator[Contradiction]], ...] = (
    _named_profiles_are_there,
    _named_tracks_are_there,
    _each_track_has_a_quality,
    _changed_qualities_are_there,
    _the_kind_gets_what_it_asks_for,
    _only_what_was_held_out_may_claim,
    _a_clock_sees_what_the_device_does,
    _a_linked_run_is_not_timed_by_the_host,
    _required_work_is_timed_on_processors,
    _pairs_run_beside_each_other_on_cpu_time,
    _guards_on_tests_have_tests,
    _what_is_counted_is_served,
    _a_budget_can_be_spent,
)


def qualities(rsi: RsiTable, track: str, profile: ProfileTable) -> tuple[QualityTable, ...]:
    """The rules that hold on a track, as a profile changes them."""
    found = []
    for rule in rsi.quality:
        changed = profile.quality.get(rule.name, ChangedQualityTable())
        found.append(rule.model_copy(update=changed.model_dump(exclude_none=True)))
    return tuple(rule for rule in found if _holds(rule, track))


def _holds(rule: QualityTable, track: str) -> bool:
    return rule.tracks is None or track in rule.tracks


def _unknown(key: str, name: str, names: tuple[str, ...], what: str) -> Contradiction:
    expected = f"one of {', '.join(names)}{did_you_mean(name, names)}"
    return _of(key, found=f"is {name!r}, no such {what}", expected=expected)
