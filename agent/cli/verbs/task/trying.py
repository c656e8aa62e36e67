"""`rsi try`: a person's own repo, one command, the first honest number; again in a changed tree, the second one."""

import argparse
import re
import shlex
from dataclasses import replace
from pathlib import Path

from rsi.agent.cli.context import emit, home, note
from rsi.agent.trial.early import WORDS
from rsi.agent.trial.kept import Asked, Kept, trial_of
from rsi.sandboxes.select import choose_backend
from rsi.tasks.errors import NewTaskError
from rsi.tasks.format.loader import BUILT_IN, load_task, profile_of
from rsi.tasks.making.own.grading import FULL

UNITS_S = {"s": 1.0, "sec": 1.0, "min": 60.0, "m": 60.0, "h": 3600.0}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(s|sec|min|m|h)?")
_PLAIN = re.compile(r"[^a-z0-9]+")


def try_(args: argparse.Namespace) -> int:
    """The first number of a repo, or the second; 1 when a change is not supported."""
    folder = Path(args.folder).expanduser().resolve()
    if not folder.is_dir():
        raise NewTaskError(f"{args.folder!r} is no folder; call rsi try in your repo")
    kept = trial_of(home(), folder)
    if args.show:
        return _show(args, _there(kept, folder))
    asked = _asked(args, folder, kept)
    if args.patch is None and not args.full and (kept is None or args.again or asked != kept.asked):
        return _first(args, asked, is_new=kept is not None)
    return _second(args, _there(kept, folder))


def _there(kept: Kept | None, folder: Path) -> Kept:
    if kept is None:
        raise NewTaskError(
            f"{folder} was never tried; first: rsi try \"python train.py --seed {{seed}}\" --quality 'val_loss: ([0-9.]+)'"
        )
    return kept


def _asked(args: argparse.Namespace, folder: Path, kept: Kept | None) -> Asked:
    """What is wanted now: what was typed, else what was typed before."""
    if args.command is None:
        if kept is None:
            raise NewTaskError(
                "say how your repo trains: rsi try \"python train.py --seed {seed}\" --quality 'val_loss: ([0-9.]+)'"
            )
        if (
            args.quality
            or args.eval
            or args.hold_out
            or args.data
            or args.budget
            or args.proxy
            or args.early_stop
        ):
            return _changed(args, kept.asked)
        return kept.asked
    asked = Asked(folder=str(folder), name=_name_of(folder), command=args.command, quality=())
    return _changed(args, asked)


def _changed(args: argparse.Namespace, asked: Asked) -> Asked:
    """The same with what was typed now."""
    budget_s = asked.budget_s if args.budget is None else _seconds(args.budget)
    if budget_s is not None and (args.proxy or asked.proxy):
        raise NewTaskError("--budget says how long a run is, so it has one size; leave --proxy out")
    return replace(
        asked,
        quality=tuple(args.quality) or asked.quality,
        higher=tuple(args.higher) or asked.higher,
        lower=tuple(args.lower) or asked.lower,
        evaluate=args.eval or asked.evaluate,
        hold_out=tuple(args.hold_out) or asked.hold_out,
        data=tuple(args.data) or asked.data,
        editable=tuple(args.editable) or asked.editable,
        exclude=tuple(args.exclude) or asked.exclude,
        budget_s=budget_s,
        margins=tuple(args.margin) or asked.margins,
        added=tuple(args.with_) or asked.added,
        python=args.python or asked.python,
        device=args.device or asked.device,
        cpus=args.cpus or asked.cpus,
        wall_s=args.wall_s or asked.wall_s,
        memory_mb=args.memory_mb or asked.memory_mb,
        commit=args.commit or asked.commit,
        sandbox=args.sandbox,
        proxy=args.proxy or asked.proxy,
        early_stop=args.early_stop or asked.early_stop,
    )


def _first(args: argparse.Namespace, asked: Asked, *, is_new: bool) -> int:
    from rsi.agent.trial.first import first_number

    if is_new:
        note("a new baseline: what was typed differs from before, or --again asks for it")
    kept = first_number(asked, home().create(), note)
    note("")
    emit(args, _facts(kept), [kept.record.line, *(f"next: {each}" for each in kept.record.advice)])
    return 0


def _second(args: argparse.Namespace, kept: Kept) -> int:
    from rsi.agent.trial import second

    task = load_task(kept.root)
    patch = None if args.patch is None else Path(args.patch).expanduser()
    if args.full and FULL not in task.profiles:
        raise NewTaskError(
            "--full measures at the size of the command, and this trial has no other; add --proxy with a smaller one first"
        )
    profile = profile_of(task, FULL if args.full else None)
    champion = second.champion_tree(home(), task) if args.full else None
    tree = second.changed_tree(kept, task, patch, note, champion=champion)
    backend = choose_backend(kept.asked.sandbox).backend
    backend.prepare(task.environment, progress=note)
    found = second.measure_second(kept, task, tree, backend, note, profile=profile)
    score = found.score
    lines = second.blocks(found)
    if found.given_up:
        lines.append(f"{WORDS}{found.given_up}")
    elif score is None:
        lines.append("not measured: a campaign would not admit it")
    else:
        effect = "no effect could be measured" if score.effect is None else score.effect.text
        gain = task.metric.kind.rules.gain
        lines.append(f"{score.verdict.value}: {effect} ({gain} above 1), {score.reason}")
        lines += [f"quality {each.reason}" for each in score.quality]
        lines += [] if score.is_plausible else [f"not plausible: {score.plausibility}"]
        honesty = "" if task.honesty is None else task.honesty.text
        lines.append(f"whose word the quality is: {honesty}")
    if found.is_supported and found.script is not None and not args.full:
        lines.append(
            f"next: through the gate: rsi run {shlex.quote(str(kept.asked.folder))} --model scripted:{found.script} --rounds 1"
        )
    facts = {
        "changed": found.changed,
        "findings": found.findings,
        "score": score,
        "given_up": found.given_up,
        "script": None if found.script is None else str(found.script),
    }
    emit(args, facts, lines)
    return 0 if found.is_supported else 1


def _show(args: argparse.Namespace, kept: Kept) -> int:
    task = load_task(kept.root)
    honesty = "" if task.honesty is None else task.honesty.text
    lines = [
        f"{kept.asked.name}: {kept.asked.command}",
        kept.record.line,
        f"quality: {honesty}",
        f"task: {kept.root}",
        *(f"next: {each}" for each in kept.record.advice),
    ]
    emit(args, _facts(kept), lines)
    return 0


def _facts(kept: Kept) -> dict[str, object]:
    return {
        "name": kept.asked.name,
        "folder": str(kept.root),
        "asked": kept.asked,
        "line": kept.record.line,
        "numbers": dict(kept.record.numbers),
        "next": list(kept.record.advice),
    }


def _name_of(folder: Path) -> str:
    """A task's name made of the folder's; never that of a task that comes with rsi."""
    plain = _PLAIN.sub("_", folder.name.lower()).strip("_") or "repo"
    return f"{plain}_own" if (BUILT_IN / plain / "task.toml").is_file() else plain[:50].strip("_")


def _seconds(words: str) -> float:
    match = _DURATION.fullmatch(words.strip())
    if match is None or float(match[1]) <= 0:
        raise NewTaskError(f"--budget {words!r} is no time; expected such as 5min, 90s or 1h")
    return float(match[1]) * UNITS_S[match[2] or "s"]
