"""The first number of a trial: look at a repo, run it once, plan, make its task, compare it with itself.

Nothing is guessed before something ran: limits, pairs, margin and the smallest gain follow from what was seen, and each is
said in a sentence. Does not: change anything in the repo. Invariant: the task in the home is whole, or the one before is.
"""

import posixpath
import re
import secrets
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from rsi.agent.store.home import Home
from rsi.agent.trial import planning
from rsi.agent.trial.kept import Asked, Kept, Record, save, tasks_folder
from rsi.agent.trial.looking import Look, looked_at, variables_of
from rsi.agent.trial.measuring import SelfCompared, compare_with_itself
from rsi.agent.trust.task_trust import smallest_detectable
from rsi.sandboxes.types import FileTree
from rsi.tasks.choices import Clock, Device, Honesty
from rsi.tasks.errors import HarnessError, HarnessTimeoutError, NewTaskError
from rsi.tasks.format.loader import load_task, profile_of
from rsi.tasks.making.new_task import create_task
from rsi.tasks.making.own import gathering
from rsi.tasks.making.own.grading import OwnGrading
from rsi.tasks.making.own.observing import Observed, last_lines
from rsi.tasks.making.own.quality_words import Reading, Source
from rsi.tasks.making.wanted import Wanted
from rsi.tasks.running.check import run_baseline
from rsi.tasks.types import GradeOutcome, Task

Say = Callable[[str], None]
_DATED = re.compile(r"\d{4}-\d\d-\d\d|\d{8,}")
"""In a path: a date or a time, so that no other run writes there."""
DATA_BYTES = 2048
"""A smaller file is a version or a list of names, not data of which a tenth says something."""
_LEFT = (".npz", ".npy", ".safetensors", ".pt", ".pth", ".ckpt", ".json", ".csv")
"""What an evaluation of the person's can be given: weights or predictions, at a place that each run fills."""


def first_number(asked: Asked, here: Home, say: Say) -> Kept:
    """Try a repo; returns what is kept of it.

    Args:
        asked: What was typed.
        here: Where the task goes.
        say: Told each finding as a sentence.

    Raises:
        NewTaskError: A fault of the person's, in one sentence.
        MeasurementError, SandboxError: Ours, or the machine's.
    """
    look, seen = looked_at(asked, say)
    wanted = _wanted(look, seen, say)
    parent = tasks_folder(here)
    parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with TemporaryDirectory(dir=parent, prefix=".try-") as aside:
        draft = create_task(wanted, Path(aside) / "first").task
        quality = _graded_once(draft, look, _left(look, seen), say)
        say("two pairs of the same code, to see the noise:")
        own = compare_with_itself(
            draft, profile_of(draft), look.backend, say, secret=secrets.token_bytes(16)
        )
        values = {name: (*own.quality[name], quality[name]) for name in own.quality}
        wanted, effect, smallest = _settled(wanted, own, values, say)
        made = create_task(wanted, Path(aside) / "second").task
        root = parent / made.name
        shutil.rmtree(root, ignore_errors=True)
        made.root.rename(root)
    task = load_task(root)
    record = Record(
        asked=asked,
        line=_line(task, own, values, smallest),
        advice=tuple(_advice(look, seen, task)),
        numbers={
            "seconds": own.seconds,
            "noise": own.noise.sd,
            "smallest": smallest,
            "minimum_effect": effect,
        },
    )
    kept = Kept(root=root, record=record)
    save(kept)
    return kept


def _wanted(look: Look, seen: Observed, say: Say) -> Wanted:
    """The task as it follows from the first run; margins are open until noise was seen."""
    asked, repo = look.asked, look.repo
    samples, quoted = _said_values(look, seen)
    left = _left(look, seen)
    own = OwnGrading(
        readings=look.readings,
        margins=_open_margins(look, samples),
        evaluate=() if look.evaluate is None else look.evaluate.words,
        evaluate_folder="" if look.evaluate is None else look.evaluate.folder,
        folder=look.command.folder,
        full=None if look.full is None else planning.full_size(look.full, asked.wall_s),
        left=left,
        data=repo.data,
        held_out=repo.held_out,
        writes=tuple(each.path for each in seen.written if each.path.endswith(".pth")),
        budget_s=asked.budget_s,
        is_margin_given=bool(asked.margins),
        roots=repo.roots,
        variables=variables_of(look),
        samples=samples,
        quoted=quoted,
    )
    ended = seen.execution
    if asked.budget_s is not None and ended.wall_s > asked.budget_s:
        raise NewTaskError(
            f"a run takes {ended.wall_s:.0f} s, more than --budget {asked.budget_s:g} s; give it less work or more budget"
        )
    longest = max(ended.wall_s, asked.budget_s or 0.0)
    sizes = planning.sizes_of(
        longest, ended.max_rss_bytes, sum(each.n_bytes for each in seen.written)
    )
    for sentence in planning.plan_sentences(
        longest, sizes, has_full=look.full is not None, stops_early=asked.early_stop
    ):
        say(sentence)
    is_cuda = asked.device == "cuda" or (asked.device is None and seen.used_cuda)
    editable = asked.editable or gathering.editable_of(seen, repo)
    say(f"editable: {', '.join(editable[:8])}{' ...' if len(editable) > 8 else ''}")
    return Wanted(
        name=asked.name,
        repo=asked.folder,
        entry=look.command.words,
        editable=editable,
        protected=gathering.protected_of(look.evaluate, seen, repo),
        clock=Clock.RESULT
        if asked.budget_s is not None
        else Clock.WALL_S
        if is_cuda
        else Clock.CPU_S,
        device="cuda" if is_cuda else "cpu",
        cpus=asked.cpus,
        memory_mb=asked.memory_mb or sizes.memory_mb,
        wall_s=sizes.wall_s,
        copy=repo.copy,
        own=own,
        chosen=look.chosen,
        plan=sizes.plan,
    )


def _open_margins(look: Look, samples: Mapping[str, float]) -> dict[str, float]:
    """The person's, or so wide that no noise is taken for a loss before it was seen."""
    names = [each.name for each in look.readings]
    if look.asked.margins:
        return dict(zip(names, look.asked.margins, strict=True))
    return {name: abs(samples.get(name, 1.0)) or 1.0 for name in names}


def _said_values(look: Look, seen: Observed) -> tuple[dict[str, float], dict[str, str]]:
    """Numbers that the run printed, and the words around them; at L0 each has to be there."""
    samples, quoted = dict[str, float](), dict[str, str]()
    for each in look.readings:
        found = _last_said(each, seen.printed) if each.source is Source.PATTERN else None
        if found is not None:
            samples[each.name], quoted[each.name] = found
        elif look.evaluate is None and each.source is Source.PATTERN:
            lines = last_lines(seen.printed, most=3)
            raise NewTaskError(
                f"no line that the run printed has {each.pattern!r}; its last lines: {' / '.join(lines) or 'none'}; change "
                "--quality to the words before the number"
            )
        elif (
            look.evaluate is None
            and each.source is Source.FILE
            and each.file not in {one.path for one in seen.written}
        ):
            named = ", ".join(one.path for one in seen.written[:5]) or "none"
            raise NewTaskError(f"--quality names the file {each.file!r}, and the run wrote {named}")
    return samples, quoted


def _last_said(reading: Reading, printed: str) -> tuple[float, str] | None:
    for line in reversed(re.split(r"[\r\n]+", printed)):
        matches = list(re.finditer(reading.pattern, line[:2000]))
        if matches:
            try:
                return float(matches[-1][1].rstrip(".,;%")), matches[-1][0]
            except ValueError:
                return None
    return None


def _left(look: Look, seen: Observed) -> tuple[str, ...]:
    """The files of a run that the grader gets: those that the evaluation names, else all that it wrote."""
    files = [each.file for each in look.readings if each.source is Source.FILE]
    if look.evaluate is None:
        return tuple(files)
    written = [each.path for each in seen.written]
    if not written:
        raise NewTaskError(
            "the run wrote no file, so --eval has nothing to look at; let it save what it learned, such as ckpt.pt"
        )
    words = [
        posixpath.normpath(posixpath.join(look.evaluate.folder, part))
        for word in look.evaluate.words
        for part in (word, word.rpartition("=")[2])
        if part
    ]
    named = [path for path in written if any(path == w or path.startswith(f"{w}/") for w in words)]
    return tuple(named or written)


def _graded_once(task: Task, look: Look, left: Sequence[str], say: Say) -> Mapping[str, float]:
    """A second seed, through the task itself: does it end well, and is its result another one?"""
    say("a second seed, run and graded as every later run:")
    try:
        done = run_baseline(
            task,
            profile_of(task),
            look.backend,
            look.gpus if task.device is not Device.CPU else (),
            number=1,
        )
    except HarnessTimeoutError as error:
        if look.evaluate is None:
            raise NewTaskError(f"the grader failed: {error}") from error
        raise NewTaskError(
            f"--eval {' '.join(look.evaluate.words)!r} did not end within {profile_of(task).grade_limits.wall_s:g} s on what a run "
            "left; call it by hand there: it may train on instead of stopping, or look at more than it needs to"
        ) from error
    except HarnessError as error:
        raise NewTaskError(f"the grader failed: {error}") from error
    ended = done.run.execution
    if done.graded is None:
        lines = last_lines((ended.stdout + ended.stderr).decode("utf-8", "replace"), most=2)
        raise NewTaskError(
            f"a second run ended differently: {done.run.output_problem}; {' / '.join(lines)}"
        )
    if done.graded.outcome is not GradeOutcome.OK:
        what = "--eval" if look.evaluate else "--quality"
        dated = next((path for path in left if _DATED.search(path)), None)
        hint = (
            f"; the first run left {dated!r}, a path of its own: let every run write to the same one, as Hydra does with "
            "hydra.run.dir=out"
            if dated
            else ""
        )
        raise NewTaskError(f"{what}: {done.graded.reason}{hint}")
    values = done.graded.quality_values
    say(
        f"  {ended.wall_s:.1f} s, "
        + ", ".join(f"{name} {value:.5g}" for name, value in values.items())
    )
    return values


def _settled(
    wanted: Wanted, own: SelfCompared, values: Mapping[str, Sequence[float]], say: Say
) -> tuple[Wanted, float, float]:
    """The task with its margins and its smallest gain, as the noise says."""
    grading = wanted.own
    assert grading is not None  # noqa: S101 - `_wanted` made it
    margins = dict(grading.margins)
    if not grading.is_margin_given:
        margins = {name: planning.margin_of(seen) for name, seen in values.items()}
    sd = own.noise.sd
    if grading.budget_s is not None:
        first = values[grading.readings[0].name]
        if any(value <= 0 for value in first):
            raise NewTaskError(
                f"{grading.readings[0].name} is {first[0]:g}: a gain is a ratio, which needs numbers above 0; print it so that it is"
            )
        sd = max(sd, planning.quality_sd(first))
    effect = planning.minimum_effect_of(sd)
    smallest = smallest_detectable(sd, wanted.plan, effect)
    for name, seen in values.items():
        if len(set(seen)) == 1 and seen[0] % 1:
            say(
                f"note: {name} is the same for every seed, so a change could bring its result along; let the code use {{seed}}"
            )
        whose = (
            "your --margin"
            if grading.is_margin_given
            else f"from its spread over {len(seen)} seeds"
        )
        say(f"margin: {name} may be {margins[name]:g} worse on average ({whose})")
    settled = replace(
        wanted, own=replace(grading, margins=margins, samples={**grading.samples, **{n: v[-1] for n, v in values.items()}}),
        minimum_effect=effect,
    )  # fmt: skip
    return settled, effect, smallest


def _line(
    task: Task, own: SelfCompared, values: Mapping[str, Sequence[float]], smallest: float
) -> str:
    clock = "CPU s" if task.metric.clock is Clock.CPU_S else "s"
    honesty = task.honesty or Honesty.L0
    return (
        f"baseline {own.seconds:.3g} {clock}, itself again {own.noise.bias.text}, {planning.value_words(values)}; smallest visible "
        f"gain {smallest:.1%}; quality {honesty.text}"
    )


def data_file(there: FileTree, opened: Sequence[str]) -> str:
    """The largest file of rows that a run read; empty where it read none that is worth a part."""
    sizes = {each.path: len(each.content) for each in there}
    rows = [
        path
        for path in opened
        if path.endswith((".txt", ".csv", ".tsv", ".jsonl", ".bin", ".npy"))
        and sizes.get(path, 0) >= DATA_BYTES
    ]
    return max(rows, key=lambda path: sizes[path], default="")


def _advice(look: Look, seen: Observed, task: Task) -> list[str]:
    """What to do for the next level, and then."""
    told = []
    if task.honesty is Honesty.L0:
        lasting = (each.path for each in seen.written if not _DATED.search(each.path))
        left = next((path for path in lasting if path.endswith(_LEFT)), "ckpt.pt")
        told.append(
            f'L1: add --eval "python eval.py {left}": a script of the repo that loads what the run left and prints the quality'
        )
    if task.honesty is not Honesty.L2:
        there = (*look.repo.copy.tree, *look.repo.copy.data, *look.repo.data)
        path = data_file(there, seen.opened) or "FILE"
        told.append(
            f"L2: add --hold-out '10% of {path}' besides: rows that no run is given, on which --eval then looks"
        )
    if look.full is not None:
        told.append(
            "what wins at the smaller size may be nothing at the full one: `rsi try --full` measures the change (or a campaign's "
            "champion) there"
        )
    told += [
        "change a file and call `rsi try` again, or `rsi try --patch my.diff`: that is the second number",
        f"`rsi task check {task.name} --deep` says what this level sees and what it cannot; `rsi run . --model anthropic:NAME` "
        "lets a model try",
    ]
    return told
