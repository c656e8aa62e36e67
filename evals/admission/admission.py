"""Admit a candidate before anything of it runs: edit policy first, then the rules that read its source.

Does not: run code, or know who wrote it. Invariant: a function of the task and two trees; a BLOCK finding means
not admitted, a HOLD finding means that a person looks before any promotion.
"""

import sys
from collections.abc import Iterator, Mapping, Sequence

from rsi.evals.admission.rules.catalogue import (
    RULES,
    Rule,
    added_conditions,
    check_added_data,
    check_change,
)
from rsi.evals.admission.rules.kernels import defined_in
from rsi.evals.admission.rules.native import NATIVE_SUFFIXES, UNREAD
from rsi.evals.admission.source.parsed import SOURCE, Siblings
from rsi.evals.types import Finding, Severity
from rsi.sandboxes.errors import FileTreeError
from rsi.sandboxes.types import FileEntry, FileTree
from rsi.tasks.files.globs import matches
from rsi.tasks.files.trees import check_path
from rsi.tasks.types import Task

FORBIDDEN_NAMES = frozenset(
    {
        ".gitattributes",
        ".gitmodules",
        ".gitignore",
        "sitecustomize.py",
        "usercustomize.py",
        "conftest.py",
        "pyvenv.cfg",
        "setup.py",
        "pyproject.toml",
    }
)
FORBIDDEN_SUFFIXES = (".pth", ".pyc", ".pyo", ".so", ".pyd", ".dll", ".dylib", ".a", ".o", ".whl", ".egg")  # fmt: skip
SHADOWED = frozenset(sys.stdlib_module_names) | {
    "harness",
    "harness_kit",
    "numpy",
    "rsi",
    "scipy",
    "torch",
    "triton",
}
"""Module names that must keep meaning what they mean outside the candidate."""
_SEVERITY_ORDER = {Severity.BLOCK: 0, Severity.HOLD: 1, Severity.NOTE: 2}


def admit(
    task: Task,
    base_tree: FileTree,
    candidate_tree: FileTree,
    *,
    rules: Mapping[str, Rule] = RULES,
) -> tuple[Finding, ...]:
    """Findings about a candidate's change, worst first.

    Args:
        task: Its candidate rules say what may be edited and how large it may be.
        base_tree: The champion that the candidate was made from.
        candidate_tree: The whole tree of the candidate.
        rules: Rule families that read the source.
    """
    before = {entry.path: entry for entry in base_tree}
    after = {entry.path: entry for entry in candidate_tree}
    changed = [
        entry
        for entry in candidate_tree
        if entry.path not in before or before[entry.path].content != entry.content
    ]
    found = [
        *_path_findings(candidate_tree),
        *_policy_findings(task, before, after),
        *_size_findings(task, before, candidate_tree),
        *_hidden_modules(before, after),
    ]
    first_party = _top_level_names(candidate_tree)
    protected = frozenset(
        entry.path.removesuffix(".py").replace("/", ".")
        for entry in base_tree
        if entry.path.endswith(".py") and matches(entry.path, task.candidate.protected)
    )
    kernels = defined_in(
        entry.content.decode("utf-8", errors="replace")
        for entry in candidate_tree
        if entry.path.endswith(NATIVE_SUFFIXES)
    )
    older, newer = (
        Siblings(
            {entry.path: entry.content for entry in tree},
            first_party,
            task.candidate.max_literal_bytes,
            task.candidate.writable,
            protected,
        )
        for tree in (base_tree, candidate_tree)
    )
    for entry in changed:
        if _is_binary(entry):
            found.append(_finding("policy", Severity.BLOCK, entry.path, "is not UTF-8 text"))
            continue
        base = before.get(entry.path)
        found.extend(
            check_change(
                entry.path,
                base.content if base is not None else None,
                entry.content,
                first_party=first_party,
                max_literal_bytes=task.candidate.max_literal_bytes,
                writable=task.candidate.writable,
                kernels=kernels,
                protected=protected,
                rules=rules,
                siblings=(older, newer),
            )
        )
    if "conditions" in rules:
        # What an unchanged file decides by may come from a changed one.
        same = [path for path in newer.files if path in before and before[path] == after[path]]
        found.extend(each for path in same for each in added_conditions(path, older, newer))
    if "literals" in rules:
        found.extend(_data_findings(task, before, after, changed, first_party))
    if any(each.message == UNREAD for each in found) and _is_native(task):
        found = [each for each in found if each.message != UNREAD]
    return tuple(
        sorted(
            found,
            key=lambda item: (
                _SEVERITY_ORDER[item.severity],
                item.file or "",
                item.line or 0,
                item.rule,
                item.message,
            ),
        )
    )


def _is_native(task: Task) -> bool:
    """Whether the task is to write native code: its own repo has some that may be edited."""
    places = (path.relative_to(task.repo).as_posix() for path in task.repo.rglob("*.*"))
    return any(
        place.endswith(NATIVE_SUFFIXES) and matches(place, task.candidate.editable)
        for place in places
    )


def is_admitted(findings: Sequence[Finding]) -> bool:
    """Whether nothing blocks."""
    return all(finding.severity is not Severity.BLOCK for finding in findings)


def _path_findings(tree: FileTree) -> list[Finding]:
    found = []
    folded: dict[str, str] = {}
    for entry in tree:
        try:
            check_path(entry.path)
        except FileTreeError as error:
            found.append(_finding("policy", Severity.BLOCK, entry.path, str(error)))
        if not entry.path.isascii():
            found.append(
                _finding("policy", Severity.BLOCK, entry.path, "a file name with other than ASCII")
            )
        twin = folded.setdefault(entry.path.casefold(), entry.path)
        if twin != entry.path:
            message = f"differs from {twin!r} only in case"
            found.append(_finding("policy", Severity.BLOCK, entry.path, message))
    return found


def _policy_findings(
    task: Task, before: Mapping[str, FileEntry], after: Mapping[str, FileEntry]
) -> list[Finding]:
    rules = task.candidate
    found = []
    for path in sorted(before.keys() | after.keys()):
        old, new = before.get(path), after.get(path)
        if new is not None and old is not None and new == old:
            continue
        if matches(path, rules.protected):
            verb = "removed" if new is None else "added" if old is None else "changed"
            found.append(
                _finding("protected", Severity.BLOCK, path, f"is protected and was {verb}")
            )
        elif not matches(path, rules.editable):
            message = f"is not among the editable files ({', '.join(rules.editable)})"
            found.append(_finding("policy", Severity.BLOCK, path, message))
        if new is not None:
            found.extend(_kind_findings(path, old, new))
    return found


def _kind_findings(path: str, old: FileEntry | None, new: FileEntry) -> list[Finding]:
    found = []
    name = path.rsplit("/", 1)[-1]
    if name in FORBIDDEN_NAMES or name.endswith(FORBIDDEN_SUFFIXES) or "__pycache__" in path:
        message = "this kind of file changes how tools or Python start"
        found.append(_finding("policy", Severity.BLOCK, path, message))
    if new.is_executable and not (old is not None and old.is_executable):
        found.append(_finding("policy", Severity.BLOCK, path, "was made executable"))
    if old is None:
        found.extend(_shadowing(path))
    return found


def _shadowing(path: str) -> list[Finding]:
    parts = path.split("/")
    top = parts[0].removesuffix(".py")
    if top in SHADOWED and (len(parts) > 1 or parts[0].endswith(".py")):
        message = f"takes the place of the module {top!r}"
        return [_finding("shadowing", Severity.BLOCK, path, message)]
    stem = parts[-1].removesuffix(".py")
    if stem == "__init__" and len(parts) > 1:
        stem = parts[-2]
    if stem in {"harness", "harness_kit", "rsi", "torch", "numpy"} and parts[-1].endswith(".py"):
        message = f"bears the name of the module {stem!r}"
        return [_finding("shadowing", Severity.HOLD, path, message)]
    return []


def _hidden_modules(
    before: Mapping[str, FileEntry], after: Mapping[str, FileEntry]
) -> Iterator[Finding]:
    """New packages in whose place a file of the same name stays, which is imported no longer."""
    for path in sorted(after.keys() - before.keys()):
        folder = path.removesuffix("/__init__.py")
        if folder != path and f"{folder}.py" in after:
            message = f"takes the place of {folder}.py, which stays and says something else"
            yield _finding("shadowing", Severity.HOLD, path, message)


def _size_findings(task: Task, before: Mapping[str, FileEntry], tree: FileTree) -> list[Finding]:
    rules = task.candidate
    found = []
    added = [entry.path for entry in tree if entry.path not in before]
    if len(added) > rules.max_files_added:
        message = f"{len(added)} files were added, allowed are {rules.max_files_added}"
        found.append(_finding("policy", Severity.BLOCK, added[0], message))
    size = sum(len(entry.content) for entry in tree)
    if size > rules.max_source_bytes:
        message = f"the source has {size} bytes, allowed are {rules.max_source_bytes}"
        found.append(_finding("policy", Severity.BLOCK, None, message))
    return found


def _data_findings(
    task: Task,
    before: Mapping[str, FileEntry],
    after: Mapping[str, FileEntry],
    changed: Sequence[FileEntry],
    first_party: frozenset[str],
) -> tuple[Finding, ...]:
    """What all changed files carry together; constants that only moved do not count."""
    texts = {entry.path: entry.content for entry in changed if not _is_binary(entry)}
    gone = {
        path: entry.content for path, entry in before.items() if path in texts or path not in after
    }
    return check_added_data(
        gone,
        texts,
        first_party=first_party,
        max_literal_bytes=task.candidate.max_literal_bytes,
    )


def _is_binary(entry: FileEntry) -> bool:
    if b"\x00" in entry.content:
        return True
    try:
        entry.content.decode("utf-8")
    except UnicodeDecodeError:
        return True
    return False


def _top_level_names(tree: FileTree) -> frozenset[str]:
    """Modules and packages that the candidate's own tree provides at its top."""
    names = set()
    for entry in tree:
        parts = entry.path.split("/")
        if len(parts) > 1 or parts[0].endswith(".py"):
            names.add(parts[0].removesuffix(".py"))
    return frozenset(names - SHADOWED)


def _finding(rule: str, severity: Severity, path: str | None, message: str) -> Finding:
    return Finding(
        rule=rule, severity=severity, file=path, line=None, message=message, source=SOURCE
    )
