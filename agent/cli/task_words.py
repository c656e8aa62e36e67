"""The words below `rsi task`: list, show, check, instance, new."""

import argparse

NEW_EPILOG = """\
example: rsi task new speedy --repo ~/nanolm --entry "python train.py" --editable "src/**" \\
                  --quality val_loss --limit 2.1 --margin 0.02

globs: * and ? stay inside one folder level, ** crosses levels; quote them
"""


def add_task(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `task` and its words to the verbs."""
    task = verbs.add_parser("task", help="list, show, check and make tasks", description="Tasks.")
    task.set_defaults(module="rsi.agent.cli.verbs.task.tasks", function="list_", json=False)
    words = task.add_subparsers(title="words", metavar="WORD")
    for name, text in (
        ("list", "tasks that are known here"),
        ("show", "one task: metric, rules, profiles, solutions, cheats"),
        ("check", "load a task, run its baseline, apply its patches"),
        ("instance", "write what a run needs into a folder, to repeat a measurement by hand"),
    ):
        word = words.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
        word.set_defaults(
            module="rsi.agent.cli.verbs.task.by_hand"
            if name == "instance"
            else "rsi.agent.cli.verbs.task.tasks",
            function="list_" if name == "list" else name,
        )
        word.add_argument("--json", action="store_true", help="print JSON, one document")
        if name != "list":
            word.add_argument("task", help="name of a task, or the folder of yours")
            word.add_argument("--track", help="track of the task")
        if name == "instance":
            word.add_argument("--profile", help="size (default: the smallest)")
            word.add_argument("--sandbox", default="auto", help="backend that makes the instance")
            word.add_argument("--out", required=True, metavar="FOLDER", help="an empty folder")
            word.add_argument("--seed", type=int, default=1, help="training seed (default: 1)")
        if name == "check":
            word.add_argument("--profile", help="size to run (default: the smallest)")
            word.add_argument("--sandbox", default="auto", help="backend to run in")
            word.add_argument(
                "--deep",
                action="store_true",
                help="also measure noise, smallest detectable effect and headroom, and run every cheat",
            )
            word.add_argument(
                "--pairs", type=int, default=8, help="pairs of the same code (default: %(default)s)"
            )
            word.add_argument(
                "--write", metavar="FILE", help="with --deep: keep the numbers as JSON"
            )
    _add_new(words)


def _add_new(words: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    text = "make a task of your own training repo"
    word = words.add_parser(
        "new",
        help=text,
        description=f"{text[0].upper()}{text[1:]}: copies it, writes a grader, says what to do next.",
        epilog=NEW_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    word.set_defaults(module="rsi.agent.cli.verbs.task.new_task", function="new")
    word.add_argument("--json", action="store_true", help="print JSON, one document")
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
        default="cpu_s",
        help="what should shrink: CPU seconds of a run, or wall seconds (default: %(default)s)",
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


def _several(
    word: argparse.ArgumentParser, name: str, text: str, *, is_required: bool = False
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
