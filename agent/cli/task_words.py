"""The words below `rsi task`: list, show, check, rows, instance, new, schema."""

import argparse

from rsi.agent.cli.grammar import Verb, add_sandbox

NEW_EPILOG = """\
example: rsi task new speedy --repo ~/nanolm --entry "python train.py" --editable "src/**" \\
                  --quality val_loss --limit 2.1 --margin 0.02

globs: * and ? stay inside one folder level, ** crosses levels; quote them
"""


def _one(word: argparse.ArgumentParser) -> None:
    word.add_argument("task", help="name of a task, or the folder of yours")
    word.add_argument("--track", help="track of the task")


def _check(word: argparse.ArgumentParser) -> None:
    word.add_argument("task", nargs="?", help="name of a task, or the folder of yours")
    word.add_argument("--track", help="track of the task")
    word.add_argument("--all", action="store_true", help="the smallest profile of every task")
    word.add_argument("--profile", help="size to run (default: the smallest)")
    add_sandbox(word, "backend to run in")
    word.add_argument(
        "--deep",
        action="store_true",
        help="also measure noise, smallest detectable effect and headroom, and run every cheat",
    )
    word.add_argument(
        "--pairs", type=int, default=8, help="pairs of the same code (default: %(default)s)"
    )
    word.add_argument("--write", metavar="FILE", help="with --deep: keep the numbers as JSON")


def _rows(word: argparse.ArgumentParser) -> None:
    word.add_argument(
        "--measure",
        nargs="?",
        const="",
        metavar="TASK",
        help="measure what proves the rows of a task (or of all) against its parent first, and keep it in the task's folder",
    )
    word.add_argument("--profile", help="size to measure (default: the task's)")
    add_sandbox(word, "backend to measure in")


def _instance(word: argparse.ArgumentParser) -> None:
    _one(word)
    word.add_argument("--profile", help="size (default: the smallest)")
    add_sandbox(word, "backend that makes the instance")
    word.add_argument("--out", required=True, metavar="FOLDER", help="an empty folder")
    word.add_argument("--seed", type=int, default=1, help="training seed (default: 1)")


def _new(word: argparse.ArgumentParser) -> None:
    word.epilog, word.formatter_class = NEW_EPILOG, argparse.RawDescriptionHelpFormatter
    word.add_argument("name", metavar="NAME", help="of the task, and of its folder")
    word.add_argument("--repo", required=True, metavar="FOLDER_OR_URL", help="your training repo")
    word.add_argument("--commit", metavar="REV", help="commit, branch or tag (default: HEAD)")
    word.add_argument(
        "--entry",
        required=True,
        metavar="COMMAND",
        help='one training run, such as "python train.py"',
    )
    _several(
        word, "--editable", "files that the agent may change, such as 'src/**'", is_required=True
    )
    _several(word, "--protected", "files that it may not, though --editable names them")
    _several(word, "--exclude", "files to leave out of the copy")
    word.add_argument(
        "--tests", metavar="COMMAND", help="the repo's own tests, which a candidate has to pass"
    )
    word.add_argument(
        "--metric",
        choices=("cpu_s", "wall_s"),
        help="what should shrink: CPU seconds of a run, or wall seconds (default: cpu_s; wall_s on a GPU)",
    )
    word.add_argument(
        "--artifact", metavar="FILE", help="file that a run leaves, to be graded (default: found)"
    )
    word.add_argument(
        "--quality",
        metavar="NAME",
        help="number that must not get worse; a key of a .json artifact",
    )
    word.add_argument(
        "--direction", choices=("lower", "higher"), default="lower", help="what is better"
    )
    word.add_argument("--unit", default="points", help="of the quality (default: %(default)s)")
    word.add_argument("--limit", type=float, metavar="X", help="bound on it in every run")
    word.add_argument(
        "--margin",
        type=float,
        metavar="Y",
        help="how much worse than the champion (default: 1%% of the limit)",
    )
    word.add_argument("--environment", metavar="TAG", help="such as rsi-torch (default: found)")
    word.add_argument(
        "--device", choices=("cpu", "cuda"), default="cpu", help="default: %(default)s"
    )
    word.add_argument("--cpus", type=int, default=1, help="cores of one run (default: %(default)s)")
    word.add_argument("--memory-mb", type=int, help="of one run (default: 2048; 4096 with torch)")
    word.add_argument(
        "--wall-s", type=float, default=300, help="most that a run may take (default: %(default)s)"
    )
    word.add_argument(
        "--out",
        metavar="FOLDER",
        help="where to make the folder NAME (default: the first of $RSI_TASKS, or here)",
    )


def _repeated(word: argparse.ArgumentParser, name: str, text: str, *, metavar: str) -> None:
    """A word that takes one value each time it is given, so that what follows it is not taken for more."""
    dest = "with_" if name == "--with" else name[2:].replace("-", "_")
    word.add_argument(name, dest=dest, action="append", default=[], metavar=metavar, help=text)


def _several(
    word: argparse.ArgumentParser,
    name: str,
    text: str,
    *,
    is_required: bool = False,
) -> None:
    word.add_argument(
        name,
        action="extend",
        nargs="+",
        default=None if is_required else [],
        required=is_required,
        metavar="GLOB",
        help=text,
    )


TRY_EPILOG = """\
examples, in your repo:
  rsi try "python train.py --seed {seed}" --quality 'val_loss: ([0-9.]+)'
  rsi try "python train.py --seed {seed}" --quality val_loss --eval "python eval.py ckpt.pt" --hold-out "10% of names.txt"
  rsi try "python train.py" --quality val_acc --budget 5min --data data/
  rsi try "python train.py --steps 90000" --proxy "python train.py --steps 500" --quality val_loss
  rsi try                        # after a change: the second number
  rsi try --patch my.diff        # the same for a patch

a quality is a pattern of what is printed with the number in brackets, a plain name (that word before a number), json:KEY (a
printed line of JSON), or FILE.json:KEY; NAME= before it names it. The first one is what --budget improves.
"""


def try_words(word: argparse.ArgumentParser) -> None:
    """The words of `rsi try`."""
    word.epilog, word.formatter_class = TRY_EPILOG, argparse.RawDescriptionHelpFormatter
    word.add_argument(
        "command", nargs="?", metavar="COMMAND", help="one training run; {seed} becomes a seed"
    )
    word.add_argument("--folder", default=".", help="your repo (default: here)")
    _repeated(word, "--quality", "what says how good a run is", metavar="WORDS")
    _repeated(word, "--higher", "qualities of which more is better", metavar="NAME")
    _repeated(word, "--lower", "qualities of which less is better", metavar="NAME")
    word.add_argument(
        "--eval",
        metavar="COMMAND",
        help="a script of the repo that looks at what a run left: honesty L1",
    )
    _repeated(
        word,
        "--hold-out",
        "data that no run is given, for --eval alone: FILE or '10%% of FILE': honesty L2",
        metavar="WORDS",
    )
    _repeated(word, "--data", "files that git does not track and runs need", metavar="PATH")
    word.add_argument(
        "--budget",
        metavar="TIME",
        help="improve the first quality within this time a run, such as 5min",
    )
    word.add_argument(
        "--proxy",
        metavar="COMMAND",
        help="a smaller size of the same run (fewer steps), on which ideas are searched; --full measures what wins there",
    )
    word.add_argument(
        "--full",
        action="store_true",
        help="measure a change, or the champion of a campaign, once at the full size",
    )
    word.add_argument(
        "--early-stop",
        action="store_true",
        help="give a change up in its first run when the curve of the first quality is plainly behind",
    )
    word.add_argument("--patch", metavar="FILE", help="measure this patch against the baseline")
    word.add_argument("--show", action="store_true", help="the numbers so far, and what to do next")
    word.add_argument(
        "--again", action="store_true", help="make a new baseline of the tree as it is"
    )
    word.add_argument(
        "--commit", metavar="REV", help="baseline from a commit (default: the working tree)"
    )
    _several(word, "--editable", "files that may be changed (default: what a run was seen to load)")
    _several(word, "--exclude", "files to leave out")
    word.add_argument(
        "--margin", type=float, action="append", default=[], metavar="Y",
        help="how much worse a quality may be on average, once for each (default: from its spread over seeds)",
    )  # fmt: skip
    _repeated(word, "--with", "packages besides those that the repo names", metavar="REQUIREMENT")
    word.add_argument(
        "--python", metavar="PATH", help="interpreter of an environment to use as it is"
    )
    word.add_argument("--device", choices=("cpu", "cuda"), help="default: what the first run used")
    word.add_argument("--cpus", type=int, help="cores of one run (default: 1)")
    word.add_argument("--memory-mb", type=int, help="of one run (default: from the first run)")
    word.add_argument(
        "--wall-s", type=float, help="most that the first run may take (default: 1800)"
    )
    add_sandbox(word, "where it runs")


TASK_WORDS = (
    Verb("list", "task.tasks", "catalogue of tasks: what each asks, costs, and can gain"),
    Verb("show", "task.tasks", "one task: metric, rules, profiles, solutions, cheats", _one),
    Verb("check", "task.tasks", "load a task, run its baseline, apply its patches", _check),
    Verb("rows", "task.rows", "which rows of the suite are covered, and what was measured", _rows),
    Verb(
        "instance",
        "task.by_hand",
        "write what a run needs into a folder, to repeat a measurement by hand",
        _instance,
    ),
    Verb(
        "new",
        "task.new_task",
        "make a task of your own training repo: copies it, writes a grader, says what to do next",
        _new,
    ),
    Verb("schema", "task.schema", "print the JSON schema of task.toml, for editors"),
)
