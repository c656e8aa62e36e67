"""All rules, and how they are applied to the files that a candidate changed.

Does not: decide; findings gate, and the caller does that. Invariant: what the base already did is not held
against a candidate; only findings that its change adds are reported.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from rsi.evals.admission.rules import native
from rsi.evals.admission.rules.answers import (
    conditions,
    literals,
    measured,
    seeds,
    special_cases,
)
from rsi.evals.admission.rules.answers.literals import DataKind, Datum
from rsi.evals.admission.rules.effects import (
    loading,
    patching,
    paths,
    processes,
    reach,
    variables,
    waiting,
    writes,
)
from rsi.evals.admission.rules.wording import WORDING_RULES, check_text
from rsi.evals.admission.source import references
from rsi.evals.admission.source.parsed import (
    PYTHON_SUFFIXES,
    SOURCE,
    Siblings,
    Sighting,
    SourceFile,
    parse_source,
    python_lines,
)
from rsi.evals.types import Finding, Severity

Rule = Callable[[SourceFile], Iterator[Finding]]

RULES: Mapping[str, Rule] = {
    "references": references.check,
    "patching": patching.check,
    "loading": loading.check,
    "processes": processes.check,
    "paths": paths.check,
    "variables": variables.check,
    "literals": literals.check,
    "special_cases": special_cases.check,
    "seeds": seeds.check,
    "native": native.check,
    "writes": writes.check,
    "conditions": conditions.check,
    "waiting": waiting.check,
    "reach": reach.check,
    "measured": measured.check,
}
"""Rule families for Python files, by name; a test switches one off by leaving it out."""


def check_change(
    path: str,
    before: bytes | None,
    after: bytes,
    *,
    first_party: frozenset[str],
    max_literal_bytes: int,
    writable: tuple[str, ...] = (),
    kernels: frozenset[str] = frozenset(),
    protected: frozenset[str] = frozenset(),
    siblings: tuple[Siblings, Siblings],
    rules: Mapping[str, Rule] = RULES,
) -> tuple[Finding, ...]:
    """Findings that a change to one file adds.

    Args:
        path: Path in the candidate's tree.
        before: The base's content; None for a new file.
        after: The candidate's content.
        first_party: Top-level module names of the candidate's own tree.
        max_literal_bytes: The task's cap on one literal.
        writable: Globs of what the task lets a run write in its own folder.
        kernels: Functions that the native files of the candidate's tree define.
        protected: Modules of its tree that it may not change.
        rules: Rule families to apply.
        siblings: The Python files of the base's tree and of the candidate's.
    """
    older, newer = siblings
    reading = _Reading(
        first_party=first_party,
        max_literal_bytes=max_literal_bytes,
        writable=writable,
        kernels=kernels,
        protected=protected,
        rules=rules,
    )
    found = _findings(path, after, reading, newer)
    if before is None:
        return _collapsed(found)
    base = _findings(path, before, reading, older)
    known = Counter(_identity(finding, before) for finding in base)
    fresh = []
    for finding in found:
        identity = _identity(finding, after)
        if known[identity] > 0:
            known[identity] -= 1
        else:
            fresh.append(finding)
    return _collapsed(fresh)


def added_conditions(path: str, older: Siblings, newer: Siblings) -> Iterator[Finding]:
    """What a file that did not change decides by since others did."""
    found = list(conditions.check(newer.files[path]))
    if found and path in older.files:
        known = Counter(conditions.check(older.files[path]))
        yield from _collapsed(list((Counter(found) - known).elements()))


def check_added_data(
    before: Mapping[str, bytes],
    after: Mapping[str, bytes],
    *,
    first_party: frozenset[str],
    max_literal_bytes: int,
) -> tuple[Finding, ...]:
    """Findings about all constants together that a candidate adds, however they are spread over its files.

    Args:
        before: Content by path of the base's files that the candidate changed or removed.
        after: Content by path of the candidate's files that are new or changed.
        first_party: Top-level module names of the candidate's own tree.
        max_literal_bytes: The task's cap on one literal.
    """
    old = _data_of(before, first_party, max_literal_bytes)
    new = _data_of(after, first_party, max_literal_bytes)
    if not new:
        return ()
    known = sum(old.values(), Counter[Datum]())
    added = {
        path: sum(len(each.content) for each in (data - known).elements())
        for path, data in new.items()
    }
    worst = max(added, key=lambda path: (added[path], path))
    return tuple(
        _data_finding(worst, severity, f"the candidate {message}")
        for severity, message in literals.added_data(
            known, sum(new.values(), Counter[Datum]()), max_literal_bytes
        )
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reading:
    """What both versions of a file are read with."""

    first_party: frozenset[str]
    max_literal_bytes: int
    writable: tuple[str, ...]
    kernels: frozenset[str]
    protected: frozenset[str]
    rules: Mapping[str, Rule]


def _findings(path: str, content: bytes, reading: _Reading, siblings: Siblings) -> list[Finding]:
    text = content.decode("utf-8", errors="replace")
    found = list(check_text(path, text))
    if not path.endswith(PYTHON_SUFFIXES):
        if _is_native(path, text):
            found.extend(native.check_native(path, text, own=reading.kernels))
        return [*found, *_data_file(path, text, reading.max_literal_bytes)]
    try:
        file = siblings.files.get(path) or parse_source(
            path,
            content,
            reading.first_party,
            reading.max_literal_bytes,
            reading.writable,
            reading.protected,
        )
        seen: Counter[Finding] = Counter()
        for meaning in file.readings():
            seen |= Counter(each for rule in reading.rules.values() for each in rule(meaning))
        found.extend(seen.elements())
    except SyntaxError as error:
        return [*found, _unreadable(path, error)]
    except RecursionError:
        return [*found, _unreadable(path, SyntaxError("expressions nested too deeply"))]
    return found


def _data_file(path: str, text: str, max_literal_bytes: int) -> Iterator[Finding]:
    """A file that is no Python may configure or hold a kernel, not carry weights."""
    size = len(text.encode())
    if size <= max_literal_bytes:
        return
    if literals.looks_like_blob(text):
        yield _data_finding(
            path, Severity.BLOCK, f"{size} bytes of packed data, allowed are {max_literal_bytes}"
        )
    elif not _is_native(path, text):  # a person reads native source in any case
        yield _data_finding(
            path,
            Severity.HOLD,
            f"{size} bytes of text that is no code, allowed are {max_literal_bytes}",
        )


def _data_of(
    files: Mapping[str, bytes], first_party: frozenset[str], max_literal_bytes: int
) -> dict[str, Counter[Datum]]:
    return {
        path: _data_of_file(path, content, first_party, max_literal_bytes)
        for path, content in files.items()
    }


def _data_of_file(
    path: str, content: bytes, first_party: frozenset[str], max_literal_bytes: int
) -> Counter[Datum]:
    text = content.decode("utf-8", errors="replace")
    if path.endswith(PYTHON_SUFFIXES):
        with suppress(SyntaxError, RecursionError):
            return literals.data_of(parse_source(path, content, first_party, max_literal_bytes))
    return Counter([Datum(DataKind.PROSE if _is_native(path, text) else DataKind.TEXT, text)])


def _is_native(path: str, text: str) -> bool:
    """By what it is called or by what it holds: compilers do not mind the name."""
    return path.lower().endswith(native.NATIVE_SUFFIXES) or bool(native.LOOKS_NATIVE.search(text))


def _data_finding(path: str, severity: Severity, message: str) -> Finding:
    return Finding(
        rule="embedded_data", severity=severity, file=path, line=1, message=message, source=SOURCE
    )


def _unreadable(path: str, error: SyntaxError) -> Finding:
    return Finding(
        rule="unreadable",
        severity=Severity.HOLD,
        file=path,
        line=error.lineno or 1,
        message=f"does not parse as Python ({error.msg}), so nothing about it could be checked",
        source=SOURCE,
    )


def _identity(finding: Finding, content: bytes) -> tuple[str, str, str]:
    """What makes two findings the same although lines moved: the rule and the source that it speaks of.

    That is the whole statement in Python, the whole file where nothing was parsed.
    """
    if isinstance(finding, Sighting):
        return finding.rule, str(finding.severity), finding.evidence
    if finding.rule in WORDING_RULES:
        lines = python_lines(content.decode("utf-8", errors="replace"))
        number = (finding.line or 1) - 1
        line = lines[number].strip() if 0 <= number < len(lines) else ""
        return finding.rule, str(finding.severity), line
    return finding.rule, str(finding.severity), hashlib.sha256(content).hexdigest()


def _collapsed(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """One finding for each sentence in a file, at its first line, saying how many lines more."""
    groups: dict[tuple[str, Severity, str], list[Finding]] = {}
    for finding in sorted(findings, key=lambda item: (item.line or 0, item.rule)):
        groups.setdefault((finding.rule, finding.severity, finding.message), []).append(finding)
    collapsed = []
    for group in groups.values():
        more = len({finding.line for finding in group}) - 1
        text = f"{group[0].message} (and {more} more lines)" if more else group[0].message
        collapsed.append(
            Finding(
                rule=group[0].rule,
                severity=group[0].severity,
                file=group[0].file,
                line=group[0].line,
                message=text,
                source=group[0].source,
            )
        )
    return tuple(collapsed)
