"""Bounds on what a gain may cost elsewhere: memory, wall time, source size, lines added, the repo's own tests.

Does not: measure; values come from the measurements and from the two source trees.
"""

import difflib
import statistics
from collections.abc import Mapping, Sequence

from rsi.evals.errors import EvidenceError
from rsi.evals.types import GuardResult, Measurement, Purpose
from rsi.sandboxes.types import FileTree
from rsi.tasks.guards import BY_NAME, PerRun, PerSource, SourceFacts, ratio_name, tested
from rsi.tasks.types import GuardRule, RepoTests

REPO_TESTS = "repo's own tests"
"""Name of the guard that asks them."""
TESTED_BEFORE = frozenset({Purpose.CONFIRM, Purpose.BASELINE, Purpose.EXTRA})
"""Purposes whose candidate passed the tests on its screen: they are about the same source and take no seed."""


def source_facts(champion: FileTree, candidate: FileTree) -> SourceFacts:
    """Compare two trees by bytes and by lines of the files that differ."""
    before = {entry.path: entry.content for entry in champion}
    after = {entry.path: entry.content for entry in candidate}
    added = removed = 0
    for path in sorted(before.keys() | after.keys()):
        old, new = before.get(path, b""), after.get(path, b"")
        if old != new:
            more, fewer = _changed_lines(old, new)
            added, removed = added + more, removed + fewer
    return SourceFacts(
        champion_bytes=sum(map(len, before.values())),
        candidate_bytes=sum(map(len, after.values())),
        champion_lines=sum(len(content.splitlines()) for content in before.values()),
        lines_added=added,
        lines_removed=removed,
    )


def check_all(
    rules: Sequence[GuardRule],
    tests: RepoTests | None,
    pairs: Sequence[tuple[Measurement, Measurement]],
    source: SourceFacts | None,
    purpose: Purpose,
) -> tuple[GuardResult, ...]:
    """The declared guards and those that hold in every task; the arguments are those of each."""
    return (
        *check_guards(rules, pairs, source),
        *check_harness_guards(pairs),
        *check_repo_tests(tests, pairs, purpose),
        *check_distinct_answers(pairs),
    )


def check_guards(
    rules: Sequence[GuardRule],
    pairs: Sequence[tuple[Measurement, Measurement]],
    source: SourceFacts | None,
) -> tuple[GuardResult, ...]:
    """Apply every guard; one entry for each bound that a rule declares.

    Args:
        rules: Guards of the profile.
        pairs: (champion, candidate) of each valid pair.
        source: Facts about the trees; needed when a rule speaks of source.

    Raises:
        EvidenceError: A rule speaks of source and `source` is None, or its name is unknown.
    """
    results = []
    for rule in rules:
        champion, candidate = _values(rule.name, pairs, source)
        if rule.max_ratio is not None:
            ratio = None if not champion or candidate is None else candidate / champion
            results.append(_result(ratio_name(rule.name), ratio, rule.max_ratio))
        if rule.max_value is not None:
            results.append(_result(rule.name, candidate, rule.max_value))
    return tuple(results)


def check_harness_guards(
    pairs: Sequence[tuple[Measurement, Measurement]],
) -> tuple[GuardResult, ...]:
    """The harness's own checks of the candidate's runs: how many runs failed each; none may."""
    failures: dict[str, int] = {}
    for _, candidate in pairs:
        listed = candidate.result.get("guards")
        for entry in listed if isinstance(listed, (list, tuple)) else ():
            if isinstance(entry, Mapping):
                name = f"harness {entry.get('name')}"
                failures[name] = failures.get(name, 0) + (entry.get("ok") is not True)
    return tuple(_result(name, float(count), 0.0) for name, count in sorted(failures.items()))


def check_repo_tests(
    tests: RepoTests | None,
    pairs: Sequence[tuple[Measurement, Measurement]],
    purpose: Purpose,
) -> tuple[GuardResult, ...]:
    """The repo's own tests on the candidate: how many of their runs failed; none may, and one has to be there by the screen."""
    if tests is None:
        return ()
    seen = [found for _, candidate in pairs if (found := tested(candidate)) is not None]
    if pairs and not seen and purpose in TESTED_BEFORE:
        return ()
    failed = float(sum(each.get("is_passed") is not True for each in seen))
    return (_result(REPO_TESTS, failed if seen else None, 0.0),)


def test_failure(pairs: Sequence[tuple[Measurement, Measurement]]) -> str:
    """What the repo's own tests said last of an error on the candidate; empty when they passed."""
    for _, candidate in pairs:
        found = tested(candidate)
        if found is not None and found.get("is_passed") is not True:
            lines = [line.strip() for line in str(found.get("detail", "")).splitlines()]
            said = [line for line in lines if "Error" in line] or [line for line in lines if line]
            return said[-1] if said else "they failed without a word"
    return ""


def check_distinct_answers(
    pairs: Sequence[tuple[Measurement, Measurement]],
) -> tuple[GuardResult, ...]:
    """A candidate whose answers repeat over instances, where the champion's do not, has not worked for them.

    Speaks only where the harness states a digest of every answer and the champion's all differ.
    """
    champion = [left.result.get("reply_digest") for left, _ in pairs]
    candidate = [right.result.get("reply_digest") for _, right in pairs]
    if len(pairs) < 2 or not all(isinstance(digest, str) for digest in (*champion, *candidate)):
        return ()
    if len(set(champion)) < len(champion):
        return ()
    return (_result("repeated answers", float(len(candidate) - len(set(candidate))), 0.0),)


def _result(name: str, value: float | None, bound: float) -> GuardResult:
    """A value that could not be had keeps no guard: absence is not evidence."""
    is_kept = value is not None and value <= bound
    return GuardResult(name=name, value=value, bound=bound, is_kept=is_kept)


def _values(
    name: str, pairs: Sequence[tuple[Measurement, Measurement]], source: SourceFacts | None
) -> tuple[float | None, float | None]:
    """What a guard compares: the champion's value and the candidate's."""
    guard = BY_NAME.get(name)
    if guard is None:
        raise EvidenceError(f"guard {name!r} is unknown: use one of {', '.join(BY_NAME)}")
    match guard.computed:
        case PerRun(value=value):
            left, right = zip(*pairs, strict=True) if pairs else ((), ())
            return _median([value(run) for run in left]), _median([value(run) for run in right])
        case PerSource(champion=champion, candidate=candidate):
            if source is None:
                raise EvidenceError(
                    f"guard {name!r} compares source trees: pass source=source_facts(champion, candidate)"
                )
            return float(champion(source)), float(candidate(source))


def _median(values: Sequence[float | None]) -> float | None:
    known = [float(value) for value in values if value is not None]
    return statistics.median(known) if known else None


def _changed_lines(old: bytes, new: bytes) -> tuple[int, int]:
    added = removed = 0
    matcher = difflib.SequenceMatcher(None, old.splitlines(), new.splitlines(), autojunk=False)
    for tag, i1, i2, j1, j2 in matcher.get_opcodes():
        if tag != "equal":
            removed += i2 - i1
            added += j2 - j1
    return added, removed
