"""The files of a new task's folder, made from the templates in `template/`.

Does not: read the repo or decide anything; `new_task` does. Invariant: templates of Python files are Python themselves,
so that they are checked like any other source; only their constants are replaced.
"""

import json
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from string import Template

from rsi.sandboxes.types import FileEntry, FileTree
from rsi.tasks.choices import Clock, Direction, Honesty
from rsi.tasks.files.globs import matches
from rsi.tasks.files.patches import diff_trees
from rsi.tasks.files.prologue import with_prologue
from rsi.tasks.files.trees import below
from rsi.tasks.making.own.grading import OwnGrading
from rsi.tasks.making.repo_facts import Installed, is_python, reached_sources
from rsi.tasks.types import MeasurePlan, Origin, QualityRule

TEMPLATE = Path(__file__).parent / "template"
ENTRY_PATH = "rsi_entry/run.py"
"""The entry that lays out data and hands over the artifact, for a repo that does not do so itself."""
SETTINGS_PATH = "rsi_entry/settings.json"
"""What the entry keeps and hands over, where it is not one artifact."""
OWN_OUTPUT_MB = 256
"""What a run of a repo of somebody's own may leave: its checkpoints."""
HARNESS_FILES = ("__init__.py", "__main__.py", "task.py", "handout.py")
SOURCE_HEADROOM = 2
"""Times the repo's bytes that a candidate may have."""
LEAST_SOURCE_BYTES = 100_000
COMMENT_COLUMN = 32
FORGED = 1e6
"""How far beyond 0 the planted cheat says its quality is: better than any baseline, which nobody has measured yet."""
FORGED_VALUES = 100_000
"""Values that it leaves where they are only counted."""
MAX_LISTED = 12
"""Editable globs that a sentence names."""
_COMMENT_MARKS = {".py": "#", ".sh": "#", ".toml": "#", ".yaml": "#", ".yml": "#", ".cfg": "#"}
_NULL_LINE = "A line that changes nothing: a control."
_CLOCK_WORDS = {Clock.CPU_S: "CPU time", Clock.WALL_S: "wall time", Clock.RESULT: "time"}
_CLOCK_NOTES = {
    Clock.CPU_S: "of the whole process tree, imports included",
    Clock.WALL_S: "of the whole run, imports included; needs a quiet machine",
    Clock.RESULT: "the harness states the quality; the host holds each run to its budget",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskPlan:
    """Everything that is decided about a task before a file of it is written."""

    name: str
    origin: Origin | None
    tree: FileTree
    """The repo, without what a task adds."""
    command: tuple[str, ...]
    tests: tuple[str, ...] | None
    """Command of the repo's own tests; None where they are not asked."""
    is_native: bool
    """Whether the repo reads RSI_IO itself, so that it is started as it is."""
    artifact: str
    editable: tuple[str, ...]
    protected: tuple[str, ...]
    clock: Clock
    rules: tuple[QualityRule, ...]
    """The first is what the task is about."""
    is_quality_named: bool
    """Whether the person named the quality; otherwise only what is left is counted."""
    installed: Installed
    device: str
    cpus: int
    memory_mb: int
    wall_s: float
    notes: tuple[str, ...]
    own: OwnGrading | None
    """None where the author completes a grader."""
    python: Path | None
    """Interpreter of an environment that is taken as it is."""
    plan: MeasurePlan
    minimum_effect: float

    @property
    def rule(self) -> QualityRule:
        return self.rules[0]

    @property
    def goal(self) -> str:
        """What is asked for, in a sentence without a full stop."""
        command, rule = shlex.join(self.command), self.rule
        if self.own is not None and self.own.budget_s is not None:
            return f"Let `{command}` reach a better {rule.name} within {self.own.budget_s:g} s"
        return f"Make `{command}` take less {_CLOCK_WORDS[self.clock]} at unchanged {rule.name}"

    @property
    def entry(self) -> tuple[str, ...]:
        """The command as the sandbox starts it."""
        return self.command if self.is_native else ("python", ENTRY_PATH, *self.command)

    @property
    def artifact_name(self) -> str:
        """The artifact's name in the out folder."""
        return self.artifact.rpartition("/")[2]

    @property
    def grading(self) -> str:
        """Which template grades: "own", "reported", "present" or "to_write"."""
        if self.own is not None:
            return "own"
        if not self.is_quality_named:
            return "present"
        return "reported" if self.artifact.endswith(".json") else "to_write"


def all_files(plan: TaskPlan) -> FileTree:
    """Every file of the task's folder."""
    repo = _repo(plan)
    files = [
        _text("task.toml", _aligned(_toml_words(plan))),
        *_prose(plan),
        _text("environment/requirements.txt", _requirements(plan.installed)),
        *below("repo", repo),
        *below("harness", _harness(plan)),
        *below("solutions", _solutions(plan, repo)),
        *below("cheats", _cheats(plan, repo)),
    ]
    return tuple(files)


def _repo(plan: TaskPlan) -> FileTree:
    if plan.is_native:
        return plan.tree
    settings = None if plan.own is None else plan.own.settings()
    return with_entry(plan.tree, settings, artifact=plan.artifact)


def with_entry(
    tree: FileTree, settings: Mapping[str, object] | None, *, artifact: str = ""
) -> FileTree:
    """A repo with the protected entry that a task adds to it.

    Args:
        tree: The repo.
        settings: What the entry keeps and hands over; None where it hands over an artifact alone.
        artifact: The one file that it hands over; empty for none.
    """
    source = (TEMPLATE / ENTRY_PATH).read_text(encoding="utf-8")
    added = [_text(ENTRY_PATH, _with_constants(source, {"ARTIFACT": artifact}))]
    if settings is not None:
        added.append(_text(SETTINGS_PATH, json.dumps(settings, indent=2, sort_keys=True) + "\n"))
    return tuple(sorted((*tree, *added), key=lambda entry: entry.path))


def _prose(plan: TaskPlan) -> FileTree:
    """What the agent reads, and what people read."""
    if plan.own is None:
        words = _prose_words(plan)
        names = {"instruction.md": "instruction.md.in", "README.md": "README.md.in"}
    else:
        words = _own_words(plan, plan.own)
        names = {"instruction.md": "own/instruction.md.in", "README.md": "own/README.md.in"}
    return tuple(_text(name, _filled(template, words)) for name, template in names.items())


def _harness(plan: TaskPlan) -> FileTree:
    if plan.own is not None:
        return plan.own.harness()
    files = [
        _text(name, (TEMPLATE / "harness" / name).read_text(encoding="utf-8"))
        for name in HARNESS_FILES
    ]
    template = TEMPLATE / "harness" / f"quality_{plan.grading}.py"
    constants = {"ARTIFACT": plan.artifact_name, "QUALITY": plan.rule.name}
    source = _with_constants(template.read_text(encoding="utf-8"), constants)
    return (*files, _text("quality.py", source))


def _solutions(plan: TaskPlan, repo: FileTree) -> FileTree:
    """A null patch, and the script that proposes it, so that a campaign runs before there is any idea."""
    changed = _with_null_line(plan, repo)
    if changed is None:
        return (
            _text(
                "solutions.toml", "# No editable file takes a comment, so there is no null patch.\n"
            ),
        )
    return (
        _text("solutions.toml", (TEMPLATE / "solutions.toml.in").read_text(encoding="utf-8")),
        _text("demo.toml", (TEMPLATE / "demo.toml.in").read_text(encoding="utf-8")),
        _text("01_null.patch", diff_trees(repo, changed)),
    )


def _with_null_line(plan: TaskPlan, repo: FileTree) -> FileTree | None:
    """The repo with one comment more, in what a run reaches if that may be edited."""
    reached = [entry for entry in _reached(plan, repo) if entry.path != ENTRY_PATH]
    for entry in (*reached, *repo):
        mark = _COMMENT_MARKS.get(Path(entry.path).suffix)
        if mark is None or not matches(entry.path, plan.editable) or not entry.content.strip():
            continue
        end = b"" if entry.content.endswith(b"\n") else b"\n"
        content = entry.content + end + f"{mark} {_NULL_LINE}\n".encode()
        return _replaced(repo, entry.path, content)
    return None


def _cheats(plan: TaskPlan, repo: FileTree) -> FileTree:
    """Cheats that every task can name; the one that writes its own result wins until the grader is written."""
    shadow = FileEntry(path="harness_kit/__init__.py", content=b"EXIT_OK = 0\n")
    trees: dict[str, FileTree] = {"01_shadows_the_grader": (*repo, shadow)}
    if not plan.is_native:
        source = next(entry for entry in repo if entry.path == ENTRY_PATH).content
        idle = re.sub(rb"code = subprocess\.run\(.*\)\.returncode", b"code = 0", source)
        idle = re.sub(rb"printed = run_and_listen\(.*\)", b'printed = 0, b""', idle)
        trees["02_skips_the_run"] = _replaced(repo, ENTRY_PATH, idle)
    if (target := _first_reached(plan, repo)) is not None:
        forged = with_prologue(target, _forgery(plan))
        trees["03_writes_its_own_result"] = _replaced(repo, target.path, forged)
    template = _filled("cheats.toml.in", {"forged_layer": _forged_layer(plan)})
    head, *entries = template.split("[[cheat]]\n")
    kept = [entry for entry in entries if entry.split('"')[1] in trees]
    listed = "[[cheat]]\n".join([head, *kept]).rstrip() + "\n"
    patches = [_text(f"{name}.patch", diff_trees(repo, tree)) for name, tree in trees.items()]
    return (_text("cheats.toml", listed), *patches)


def _forged_layer(plan: TaskPlan) -> str:
    if plan.own is None:
        return "harness/quality.py, once it computes the quality itself; until then this cheat wins"
    if plan.own.honesty is Honesty.L0:
        return "a person: at L0 the run's own word is the quality, so this cheat wins"
    return "the protected evaluation, which finds nothing that the run left"


def _first_reached(plan: TaskPlan, repo: FileTree) -> FileEntry | None:
    """The first Python file that a run reaches and the agent may edit."""
    found = (each for each in _reached(plan, repo) if matches(each.path, plan.editable))
    return next(filter(is_python, found), None)


def _reached(plan: TaskPlan, repo: FileTree) -> FileTree:
    return reached_sources(plan.command, repo, "" if plan.own is None else plan.own.folder)


def _forgery(plan: TaskPlan) -> str:
    """Code that leaves an artifact which nothing was done for, and ends the run."""
    if plan.own is not None:
        return plan.own.forgery()
    rule, sign = plan.rule, -1 if plan.rule.direction is Direction.LOWER else 1
    better = sign * FORGED
    written = {
        "present": f".write_bytes(b'[' + b'0,' * {FORGED_VALUES} + b'0]')",
        "reported": f".write_text({json.dumps({rule.name: better})!r})",
        "to_write": f".write_bytes(bytes({FORGED_VALUES}))",
    }
    place = f"pathlib.Path({plan.artifact!r})"
    if plan.is_native:
        place = f'pathlib.Path(os.environ["RSI_IO"], "out", {plan.artifact_name!r})'
    imports = "import os\nimport pathlib" if plan.is_native else "import pathlib"
    return (
        f"{imports}\n\n_result = {place}\n_result.parent.mkdir(parents=True, exist_ok=True)\n"
        f"_result{written[plan.grading]}\nraise SystemExit(0)\n"
    )


def _requirements(installed: Installed) -> str:
    lines = ["# What a run and the grader find installed: one name==version a line."]
    lines += installed.pinned
    lines += [
        f"# {line}    (requirements.txt pins no exact version)" for line in installed.unpinned
    ]
    lines += [f"# {name}    (imported, but in no requirements.txt)" for name in installed.missing]
    if len(lines) == 1:
        lines.append("# Bare Python: nothing to install.")
    return "\n".join(lines) + "\n"


def _toml_words(plan: TaskPlan) -> Mapping[str, str]:
    rule, repo_bytes = plan.rule, sum(len(entry.content) for entry in _repo(plan))
    cap = max(LEAST_SOURCE_BYTES, SOURCE_HEADROOM * repo_bytes)
    own = plan.own
    budget_s = None if own is None else own.budget_s
    left_mb = 64 if own is None else OWN_OUTPUT_MB
    data_mb = 0 if own is None else sum(len(each.content) for each in own.data) >> 20
    return {
        "python": "" if plan.python is None else f"\npython = {_quoted(str(plan.python))}",
        "honesty": ""
        if own is None
        else f"\nhonesty = {_quoted(own.honesty.value)}  # {own.honesty.meaning}",
        "claim": _quoted("screen" if own is not None and own.honesty is Honesty.L2 else "none"),
        "claim_note": _CLAIM_NOTES[own is not None],
        "kind": _quoted("fixed_work" if budget_s is None else "quality_at_budget"),
        "kind_note": "seconds for the same work at unchanged quality"
        if budget_s is None
        else "how good the result of a run in its budget is",
        "metric_unit": _quoted("s" if budget_s is None else rule.unit),
        "metric_direction": _quoted("lower" if budget_s is None else rule.direction.value),
        "budget": "" if budget_s is None else _budget_table(plan, budget_s),
        "more_quality": "".join(_quality_table(each) for each in plan.rules[1:]),
        "minimum_effect": f"{plan.minimum_effect:g}",
        "grade_s": f"{max(120.0, plan.wall_s):g}",
        "min_pairs": str(plan.plan.min_pairs),
        "max_pairs": str(plan.plan.max_pairs),
        "confirm_pairs": str(plan.plan.confirm_pairs),
        "alpha": f"{plan.plan.alpha:g}",
        "max_output_mb": str(left_mb),
        "max_output_files": "16" if own is None else "200",
        "disk_mb": str(1024 + 4 * data_mb),
        "harbor_name": _quoted(f"rsi/{plan.name}"),
        "description": _quoted(f"{plan.goal}."),
        "environment": _quoted(plan.installed.name),
        "cpus": str(plan.cpus),
        "memory_mb": str(plan.memory_mb),
        "device": _quoted(plan.device),
        "origin": _origin(plan.origin),
        "metric_name": _quoted(_metric_name(plan)),
        "clock": _quoted(plan.clock.value),
        "clock_note": _CLOCK_NOTES[plan.clock],
        "quality_name": _quoted(rule.name),
        "quality_unit": _quoted(rule.unit),
        "quality_direction": _quoted(rule.direction.value),
        # A limit is optional: without one its line is there to be filled in.
        "quality_limit": "# limit = 0.0" if rule.limit is None else f"limit = {rule.limit!r}",
        "quality_margin": f"{rule.margin!r}",
        "entry": _listed(plan.entry),
        "editable": _listed(plan.editable),
        "protected": _listed(plan.protected),
        "max_source_bytes": f"{cap:_}",
        "repo_bytes": f"{repo_bytes:_}",
        "wall_s": f"{plan.wall_s:g}",
        "full": "" if own is None or own.full is None else own.full.table(1024 + 4 * data_mb),
        "writable": _listed(())
        if plan.is_native
        else _listed(("**", *(own.writes if own else ()))),
        "tests": _tests(plan.tests),
    }


_CLAIM_NOTES = {
    False: '"screen" or "promote" only when harness/quality.py recomputes what it grades',
    True: "only a quality on data that no run is given, L2, may claim",
}


def _metric_name(plan: TaskPlan) -> str:
    if plan.clock is Clock.RESULT:
        return plan.rule.name
    return "run_cpu" if plan.clock is Clock.CPU_S else "run_wall"


def _budget_table(plan: TaskPlan, budget_s: float) -> str:
    """Wall seconds where a GPU works; else CPU seconds, which a neighbour does not spend."""
    is_cuda = plan.device == "cuda"
    unit, limit = ("wall_s", budget_s) if is_cuda else ("cpu_s", budget_s * plan.cpus)
    return f"\n[rsi.budget]\nunit = {_quoted(unit)}\nlimit = {limit:g}\n"


def _quality_table(rule: QualityRule) -> str:
    return (
        f"\n[[rsi.quality]]\nname = {_quoted(rule.name)}\nunit = {_quoted(rule.unit)}\n"
        f"direction = {_quoted(rule.direction.value)}\nmargin = {rule.margin!r}\n"
    )


def _tests(command: Sequence[str] | None) -> str:
    if command is None:
        return ""
    head = "[rsi.tests]"
    why = "the repo's own, run once on each candidate: one that fails them is refuted"
    return f"\n{head:<{COMMENT_COLUMN - 1}} # {why}\nentry = {_listed(command)}\n"


def _aligned(words: Mapping[str, str]) -> str:
    """The filled task.toml with the comments behind its values in one column."""
    lines = []
    for line in (TEMPLATE / "task.toml.in").read_text(encoding="utf-8").splitlines():
        code, gap, comment = (Template(part).substitute(words) for part in line.partition("  # "))
        lines.append(f"{code.rstrip():<{COMMENT_COLUMN - 1}} # {comment}" if gap else code)
    return "\n".join(lines) + "\n"


def _origin(origin: Origin | None) -> str:
    if origin is None:
        return ""
    lines = [
        "",
        "[rsi.origin]                    # where repo/ was copied from; nothing is fetched from there",
    ]
    facts = (("url", origin.url), ("commit", origin.commit), ("folder", origin.folder))
    lines += [f"{key} = {_quoted(text)}" for key, text in facts if text is not None]
    return "\n".join(lines) + "\n"


def _prose_words(plan: TaskPlan) -> Mapping[str, str]:
    rule = plan.rule
    listed = [f"`{glob}`" for glob in plan.editable[:MAX_LISTED]]
    better = "lower" if rule.direction is Direction.LOWER else "higher"
    limit = "" if rule.limit is None else f", within the limit {rule.limit:g} in every run"
    quality = (
        f"`{rule.name}` ({better} is better) may not get worse by more than {rule.margin:g}{limit}."
        if plan.is_quality_named
        else f"it must leave as much as before (`{rule.name}`), and as good."
    )
    origin, source = plan.origin, plan.origin.url or "a checkout" if plan.origin else ""
    if origin is not None and origin.folder:
        source = f"{origin.folder} of {source}"
    grading = {
        "present": "It counts what a run left and cannot see whether the result is as good.",
        "reported": "It takes the number that the run itself wrote, and says so at the gate.",
        "to_write": "How the quality is computed is to be written there.",
    }
    return {
        "name": plan.name,
        "command": shlex.join(plan.command),
        "clock_words": _CLOCK_WORDS[plan.clock],
        "what_it_is": f"This repo holds {len(plan.tree)} files.",
        "quality_name": rule.name,
        "quality_sentence": quality,
        "editable": ", ".join(listed) + (", ..." if len(plan.editable) > MAX_LISTED else ""),
        "artifact": plan.artifact,
        "where_left": " in `$RSI_IO/out`"
        if plan.is_native
        else "; `rsi_entry/run.py` hands it over",
        "cpus_words": f"{plan.cpus} core" + ("s" if plan.cpus > 1 else ""),
        "wall_s": f"{plan.wall_s:g}",
        "origin_words": f" (from {source} at {origin.commit[:12]})" if origin else "",
        "grading_words": grading[plan.grading],
    }


def _own_words(plan: TaskPlan, own: OwnGrading) -> Mapping[str, str]:
    listed = [f"`{glob}`" for glob in plan.editable[:MAX_LISTED]]
    kept = [
        f"`{rule.name}` ({'lower' if rule.direction is Direction.LOWER else 'higher'} is better) may not get worse by more than "
        f"{rule.margin:g} on average."
        for rule in (plan.rules if own.budget_s is None else plan.rules[1:])
    ]
    worked_out = {
        Honesty.L0: "It is read from what a run prints or writes.",
        Honesty.L1: f"After the run, `{shlex.join(own.evaluate)}`, as it was at first, looks at what the run left.",
        Honesty.L2: f"After the run, `{shlex.join(own.evaluate)}`, as it was at first, looks at what the run left, on data that no "
        "run is given.",
    }
    left = f" It must leave {', '.join(f'`{path}`' for path in own.left)}." if own.left else ""
    budget = (
        ""
        if own.budget_s is None
        else f" A run that takes more than {own.budget_s:g} s of CPU time a core counts as failed."
    )
    seen = ", ".join(f"{name} {value:.5g}" for name, value in own.samples.items())
    return {
        "name": plan.name,
        "goal": plan.goal,
        "kept": " ".join(kept),
        "worked_out": worked_out[own.honesty],
        "evidence": own.evidence,
        "editable": ", ".join(listed) + (", ..." if len(plan.editable) > MAX_LISTED else ""),
        "command": shlex.join(plan.command),
        "folder": f"`{own.folder}`" if own.folder else "the repo's folder",
        "left": left + budget,
        "cpus_words": f"{plan.cpus} core" + ("s" if plan.cpus > 1 else ""),
        "wall_s": f"{plan.wall_s:g}",
        "seen": seen or "not seen yet",
    }


def _filled(template: str, words: Mapping[str, str]) -> str:
    return Template((TEMPLATE / template).read_text(encoding="utf-8")).substitute(words)


def _with_constants(source: str, constants: Mapping[str, str]) -> str:
    """A template's source with other values of some constants, each of which it defines once."""
    for name, text in constants.items():
        pattern = re.compile(rf"^{name} = .*$", re.MULTILINE)
        if len(pattern.findall(source)) != 1:
            raise ValueError(f"the template does not define {name} once")
        line = f"{name} = {_quoted(text)}"
        source = pattern.sub(line.replace("\\", r"\\"), source)
    return source


def _replaced(tree: FileTree, path: str, content: bytes) -> FileTree:
    return tuple(replace(e, content=content) if e.path == path else e for e in tree)


def _text(path: str, content: str) -> FileEntry:
    return FileEntry(path=path, content=content.encode())


def _quoted(text: str) -> str:
    """A text as TOML and as Python spell it."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _listed(texts: Sequence[str]) -> str:
    return "[" + ", ".join(_quoted(text) for text in texts) + "]"
