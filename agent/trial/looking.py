"""Look at a repo before its task is made: its files, its environment, and one run that is watched.

Does not: make a task, or change anything in the repo. Invariant: every fault of the person's is one sentence.
"""

import os
import shlex
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from rsi.agent.trial.diagnosis import lacks_project, missing_words, notes_of, why_failed
from rsi.agent.trial.early import require_a_curve
from rsi.agent.trial.kept import Asked
from rsi.sandboxes.machine.devices import find_gpus
from rsi.sandboxes.machine.leases import machine_lock
from rsi.sandboxes.select import choose_backend
from rsi.sandboxes.types import Backend, Environment, Limits
from rsi.tasks.errors import NewTaskError
from rsi.tasks.making.own import gathering
from rsi.tasks.making.own.command_words import Command, read_command
from rsi.tasks.making.own.gathering import OwnRepo
from rsi.tasks.making.own.grading import OwnGrading
from rsi.tasks.making.own.observing import Observed, last_lines, observe, roomy
from rsi.tasks.making.own.quality_words import Reading, read_qualities
from rsi.tasks.making.own.resolving import Chosen, choose
from rsi.tasks.making.repo_copy import size_words
from rsi.tasks.making.repo_facts import check_command, command_paths
from rsi.tasks.making.task_files import with_entry

Say = Callable[[str], None]
WATCH_EVERY_S = 5.0
MOST_ADDED = 5
"""Well-known packages that are added by and by to a repo that names none."""
SHORTEST_S = 0.5
"""CPU seconds below which a run is mostly start-up."""
FIRST_MEMORY_BYTES = 8 << 30
"""Of the run that is watched; the machine's own ceilings bind besides."""
FIRST_OUTPUT_BYTES = 4 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """Everything that is known before the task is made."""

    asked: Asked
    repo: OwnRepo
    command: Command
    """What is run and measured: the smaller size where there are two."""
    full: Command | None
    """The run as it is, where a smaller size was given beside it."""
    readings: tuple[Reading, ...]
    evaluate: Command | None
    chosen: Chosen
    environment: Environment
    backend: Backend
    gpus: tuple[str, ...]


def looked_at(asked: Asked, say: Say) -> tuple[Look, Observed]:
    """What is known after one watched run; a well-known package that it lacks is added, and it runs again."""
    added, said = list(asked.added), list[str]()

    def say_first(text: str) -> None:
        said.append(text)
        say(text)

    look = _look(asked, say_first)
    seen = _watched(look, say)
    while (project := lacks_project(seen, Path(asked.folder))) and project not in added:
        if asked.python is not None or len(added) - len(asked.added) >= MOST_ADDED:
            break
        added.append(project)
        say(f"note: the run needs {project}, which no file of the repo names: it is added")
        look = _look(
            replace(asked, added=tuple(added)), lambda text: None if text in said else say(text)
        )
        seen = _watched(look, say)
    _require_ended(look, seen, say)
    return look, seen


def _look(asked: Asked, say: Say) -> Look:
    folder = Path(asked.folder)
    full = None if asked.proxy is None else read_command(asked.command, option="the command")
    command = (
        read_command(asked.command, option="the command")
        if asked.proxy is None
        else read_command(asked.proxy, option="--proxy")
    )
    evaluate = None if asked.evaluate is None else read_command(asked.evaluate, option="--eval")
    readings = read_qualities(asked.quality, higher=asked.higher, lower=asked.lower)
    if not readings:
        raise NewTaskError(
            "nothing says how good a run is; add --quality 'val_loss: ([0-9.]+)', a pattern of what it prints"
        )
    if asked.early_stop:
        require_a_curve(readings)
    if asked.margins and len(asked.margins) != len(readings):
        raise NewTaskError(
            f"--margin is given {len(asked.margins)} times for {len(readings)} qualities; give one for each"
        )
    repo = gathering.gather(
        folder, exclude=asked.exclude, data=asked.data, hold_out=asked.hold_out, commit=asked.commit
    )
    origin = repo.copy.origin
    n_bytes = sum(len(each.content) for each in repo.copy.tree)
    at = f", commit {origin.commit[:12]}" if origin else ""
    say(f"repo {asked.name}: {len(repo.copy.tree)} tracked files, {size_words(n_bytes)}{at}")
    for note in (
        *command.notes,
        *(evaluate.notes if evaluate else ()),
        *repo.copy.notes,
        *repo.notes,
    ):
        say(f"note: {note}")
    for size in (command, *([full] if full else [])):
        _require_there(size, repo, folder, option="the command")
    if evaluate is not None:
        _require_there(evaluate, repo, folder, option="--eval")
    if repo.held_out and evaluate is None:
        raise NewTaskError(
            '--hold-out needs somebody who looks at it: add --eval "python eval.py ckpt.pt"'
        )
    if not any("{seed}" in word for word in command.words):
        say(
            "note: the command has no {seed}, so only what the code draws itself differs between runs"
        )
    for each in readings:
        if not each.is_direction_said:
            better = each.direction.value
            other = "lower" if better == "higher" else "higher"
            say(
                f"quality {each.name}: {better} is better, by its name (--{other} {each.name} says otherwise)"
            )
    chosen = choose(
        [command, *([evaluate] if evaluate else [])],
        repo.copy.tree,
        task=asked.name,
        folder=folder,
        python=None if asked.python is None else Path(asked.python).expanduser(),
        added=asked.added,
        variables=os.environ,
        progress=say,
    )
    for note in chosen.notes:
        say(f"note: {note}")
    backend = choose_backend(asked.sandbox).backend
    environment = Environment(
        name=chosen.installed.name, requirements=chosen.installed.pinned, python=chosen.python
    )
    started = time.monotonic()
    backend.prepare(environment, progress=say)
    took = time.monotonic() - started
    pins = chosen.installed.pinned
    listed = ", ".join(pins[:6]) + (f" and {len(pins) - 6} more" if len(pins) > 6 else "")
    say(
        f"environment: {listed or 'bare Python'} in {backend.name}{f', made in {took:.0f} s' if took > 2 else ''}"
    )
    gpus = _gpus(asked)
    return Look(
        asked=asked, repo=repo, chosen=chosen, command=command, full=full, readings=readings,
        evaluate=evaluate, environment=environment, backend=backend, gpus=gpus,
    )  # fmt: skip


def _require_there(command: Command, repo: OwnRepo, folder: Path, *, option: str) -> None:
    """Refuse a command whose script no run would have."""
    tracked = {each.path for each in repo.copy.tree}
    roots = tuple(filter(None, repo.roots))
    wanted = command_paths(command.words, command.folder, roots)
    here = [path for path in wanted if (folder / path).is_file()]
    if here and not tracked & set(wanted):
        raise NewTaskError(
            f"{option} starts {here[0]!r}, which is here and git does not know: git add {here[0]}"
        )
    check_command(command.words, repo.copy.tree, option=option, folder=command.folder, roots=roots)


def _gpus(asked: Asked) -> tuple[str, ...]:
    if asked.device == "cpu":
        return ()
    found = find_gpus()
    if asked.device == "cuda" and not found:
        raise NewTaskError(
            "--device cuda, and no NVIDIA GPU is here; leave it out, or try on a machine with one"
        )
    return (found[0].uuid,) if found else ()


def _watched(look: Look, say: Say) -> Observed:
    """One run that is watched."""
    asked, copy = look.asked, look.repo.copy
    draft = OwnGrading(
        readings=look.readings,
        margins={},
        roots=look.repo.roots,
        variables=variables_of(look),
        folder=look.command.folder,
    )
    settings = draft.settings() | {"keeps_output": True, "left": []}
    limits = Limits(
        wall_s=asked.wall_s,
        memory_bytes=FIRST_MEMORY_BYTES if asked.memory_mb is None else asked.memory_mb << 20,
        output_bytes=FIRST_OUTPUT_BYTES,
    )
    say(f"first run, watched: {shlex.join(look.command.words)}")
    with machine_lock(what=f"the first run of {asked.name}"):
        return observe(
            with_entry(copy.tree, settings),
            look.repo.shown,
            ("python", "rsi_entry/run.py", *look.command.words),
            environment=look.environment,
            limits=roomy(limits, look.repo.shown),
            backend=look.backend,
            seed=1,
            threads=asked.cpus,
            gpus=look.gpus,
            on_output=_Watcher(say).heard,
        )


def _require_ended(look: Look, seen: Observed, say: Say) -> None:
    """Say what was seen of a run that ended well; any other is the person's fault, in one sentence."""
    asked, copy = look.asked, look.repo.copy
    tracked = {each.path for each in (*copy.tree, *look.repo.shown)}
    folder = Path(asked.folder)
    if not seen.is_ok:
        for line in last_lines(seen.printed):
            say(f"  | {line}")
        if lost := [each.path for each in look.repo.held_out if each.path in seen.missed]:
            raise NewTaskError(
                f"the run itself reads {lost[0]!r}, so it cannot be held out whole; hold out a part: --hold-out '20% of {lost[0]}'"
            )
        raise NewTaskError(why_failed(seen, folder, tracked, wall_s=asked.wall_s))
    _say_seen(seen, folder, tracked, say)


def _say_seen(seen: Observed, folder: Path, tracked: set[str], say: Say) -> None:
    ended = seen.execution
    memory = "" if ended.max_rss_bytes is None else f", {size_words(ended.max_rss_bytes)} of memory"
    say(
        f"  it took {ended.wall_s:.1f} s ({ended.cpu_s:.1f} CPU s){memory}, on {'a GPU' if seen.used_cuda else 'processors'}"
    )
    if ended.cpu_s < SHORTEST_S and not seen.used_cuda:
        say("note: that is mostly the start of Python: a run with more work shows smaller gains")
    if seen.written:
        first = ", ".join(f"{each.path} ({size_words(each.n_bytes)})" for each in seen.written[:3])
        more = f" and {len(seen.written) - 3} more" if len(seen.written) > 3 else ""
        say(f"  it wrote {first}{more}")
    if said := missing_words(seen, folder, tracked):
        say(f"note: {said}")
    for note in notes_of(seen):
        say(f"note: {note}")


class _Watcher:
    """Passes on the newest line that a run printed, now and then."""

    def __init__(self, say: Say) -> None:
        self._say, self._since = say, time.monotonic()
        self._told = self._since

    def heard(self, _: str, chunk: bytes) -> None:
        now = time.monotonic()
        lines = last_lines(chunk.decode("utf-8", "replace"), most=1)
        if now - self._told >= WATCH_EVERY_S and lines:
            self._told = now
            self._say(f"  {now - self._since:.0f} s: {lines[0][:160]}")


def variables_of(look: Look) -> dict[str, str]:
    """What keeps trackers quiet without a network, and what the person set before the command."""
    quiet = {
        "WANDB_MODE": "disabled", "WANDB_SILENT": "true", "HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1",
        "TRANSFORMERS_OFFLINE": "1", "MPLBACKEND": "Agg",
    }  # fmt: skip
    return quiet | dict(look.command.variables)
