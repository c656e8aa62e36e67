"""The words of the command line, and which function each verb is."""

import argparse

from rsi.agent.cli.driver_words import DRIVER_WORDS, agenda_words
from rsi.agent.cli.grammar import (
    Verb,
    WordParser,
    add_campaign_optional,
    add_round,
    add_sandbox,
    add_verbs,
    model_names,
    strategy_names,
)
from rsi.agent.cli.help.tables import environment_lines, exit_codes_line
from rsi.agent.cli.help.words import help_words
from rsi.agent.cli.task_words import TASK_WORDS, try_words
from rsi.agent.cli.trust_words import (
    ablate_words,
    audit_words,
    controls_words,
    reviewer_check_words,
    what_if_words,
)
from rsi.agent.cli.worker_words import WORKER_WORDS, label_words
from rsi.agent.store.config import MAX_PARALLEL

EPILOG = f"""\
without a verb rsi opens the cockpit in the terminal; `rsi tui` takes options for it, `rsi web` serves it to a browser.
`rsi help` lists topics, such as `rsi help getting-started`.

{exit_codes_line()}

{environment_lines()}
"""


def build_parser() -> argparse.ArgumentParser:
    """The whole grammar; cheap, because a verb's words are added when it is chosen and its module is imported when it runs."""
    parser = WordParser(
        prog="rsi",
        description="Measured, reviewed, human-gated improvement of small training repos.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action=_PrintVersion, nargs=0, help="print it and exit")
    parser.add_argument("--verbose", action="store_true", help="log what happens to stderr")
    parser.set_defaults(module="rsi.agent.cli.entry", function="no_verb", json=False)
    add_verbs(parser, VERBS, title="verbs", metavar="VERB")
    return parser


class _PrintVersion(argparse.Action):
    """Reads the installed version only when --version asks; the lookup costs start-up time."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from importlib.metadata import version

        parser.exit(message=f"rsi {version('rsi-lab')}\n")


def _run(parser: argparse.ArgumentParser) -> None:
    from rsi.tasks.choices import Start

    _task(parser)
    parser.add_argument("--track", help="track of the task (default: its own default)")
    parser.add_argument("--profile", help="size of the task: smoke, demo, full, ...")
    parser.add_argument("--rounds", type=int, default=8, help="ideas to try (default: %(default)s)")
    parser.add_argument(
        "--model",
        action="append",
        help=f"who proposes: {model_names()}; several are chosen from by gain per dollar (default: scripted:demo)",
    )
    parser.add_argument("--critic", default="none", help="model that objects before measuring")
    parser.add_argument("--reviewer", default="rules", help="model that reviews besides the rules")
    parser.add_argument(
        "--review-votes",
        type=int,
        default=1,
        help="how often it reviews each candidate, with a fresh context; a disagreement is shown",
    )
    parser.add_argument(
        "--decide",
        choices=("each-run", "person", "low-risk", "policy"),
        default="person",
        help="who decides: a person lets each candidate be measured, by `rsi resume`, and approves each promotion; a person "
        "approves each promotion (default); the policy promotes what no finding speaks against and a person sees the "
        "others; or the policy decides alone",
    )
    parser.add_argument(
        "--grant-autonomy",
        action="store_true",
        help="let low-risk or policy decide before controls on this task have earned it",
    )
    add_sandbox(parser, "where untrusted code runs")
    parser.add_argument(
        "--on",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="only on a machine like this, such as gpu=h100, cpu=avx512, label=lab or class=1a2b3c4d; several must all hold",
    )
    parser.add_argument("--lineage", help="whose champion to start from and to move")
    parser.add_argument(
        "--start",
        choices=[each.value for each in Start],
        default=Start.EASY.value,
        help="what a new lineage begins from; "
        + "; ".join(f"{each.value}: {each.meaning}" for each in Start),
    )
    parser.add_argument(
        "--strategy",
        help=f"search strategy: {strategy_names()}, with settings after a colon (default: the scaffold's, else the first)",
    )
    parser.add_argument(
        "--scaffold",
        help="folder with prompts, tools and search settings (default: the scaffold in use, `rsi scaffold list`)",
    )
    parser.add_argument(
        "--parallel",
        type=int,
        default=1,
        metavar="N",
        help=f"agents that think at once, each about an idea of its own, at most {MAX_PARALLEL}; what they propose is measured "
        "one after the other (default: 1)",
    )
    parser.add_argument("--budget-usd", type=float, help="dollars that the models may cost")
    parser.add_argument("--budget-tokens", type=int, help="tokens that the models may use")
    parser.add_argument("--budget-hours", type=float, help="wall hours of the campaign")
    parser.add_argument(
        "--budget-device-hours", type=float, help="hours of timed runs, the agent's own included"
    )
    parser.add_argument(
        "--round-budget-usd", type=float, help="dollars that the models may cost in one round"
    )
    parser.add_argument(
        "--allow-unknown-price", action="store_true", help="use models whose price is not known"
    )
    parser.add_argument(
        "--controls",
        type=int,
        metavar="N",
        help="plant controls (a null patch, a known gain and loss, a cheat) before the first idea and after "
        "every N ideas; 0 for none (default: 10, and none in profiles that claim nothing)",
    )
    parser.add_argument(
        "--audit-every",
        type=int,
        metavar="K",
        help="measure the champion against the original baseline, with fresh seeds, after every K promotions; "
        "0 for once at the end (default: 5)",
    )
    parser.add_argument("--seed", help="master seed, 32 hex digits (default: drawn)")
    parser.add_argument(
        "--detach", action="store_true", help="queue it and return; a worker runs it"
    )


def _task(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("task", help="name of a task, or the folder of yours")


def _reason(parser: argparse.ArgumentParser) -> None:
    add_round(parser)
    parser.add_argument("--reason", default="", help="why, in words")
    parser.add_argument(
        "--commit", help="refuse unless this commit is at the gate; 7 digits of it are enough"
    )
    parser.add_argument(
        "--score", help="refuse unless this score digest is at the gate; 7 digits are enough"
    )


def _rounds(parser: argparse.ArgumentParser) -> None:
    add_campaign_optional(parser)
    parser.add_argument(
        "--only",
        default="",
        metavar="WORDS",
        help="only rounds whose idea, ending, reason or lesson has these words, such as 'quality'; !word the others",
    )


def _campaign(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("campaign", help="id of a campaign")


def _retry(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "target",
        metavar="CAMPAIGN_OR_ROUND",
        help="id of a campaign that ended, or of a round of it that failed on our side (harness_error)",
    )


def _worker(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--exit-when-idle", action="store_true", help="end when nothing is queued or under way"
    )
    parser.add_argument(
        "--concurrency",
        type=int,
        default=1,
        help="campaigns that work at once; those that wait for a person do not count",
    )
    label_words(parser)


def _show(parser: argparse.ArgumentParser) -> None:
    add_round(parser)
    parser.add_argument("--diff", action="store_true", help="print only the diff")


def _replay(parser: argparse.ArgumentParser) -> None:
    add_round(parser)
    parser.add_argument(
        "--show",
        nargs="?",
        const="proposer",
        choices=("proposer", "critic", "reviewer"),
        metavar="AGENT",
        help="run nothing, print what an agent said and did: proposer (default), critic or reviewer",
    )


def _fork(parser: argparse.ArgumentParser) -> None:
    add_round(parser)
    parser.add_argument("--step", type=int, required=True, help="turn after which to go on")
    parser.add_argument(
        "--model", help="another model from here on (default: the one that proposed in that round)"
    )
    parser.add_argument("--say", help="words for the agent at this point")
    parser.add_argument("--detach", action="store_true", help="queue it and return")


def _export(parser: argparse.ArgumentParser) -> None:
    add_campaign_optional(parser)
    parser.add_argument(
        "--format",
        choices=("atif", "sft", "inspect"),
        required=True,
        help="atif: one Harbor trajectory a round; sft: chat JSON lines of accepted rounds; inspect: "
        "one log that `inspect view` opens",
    )
    parser.add_argument("--out", required=True, help="folder (atif) or file to write")
    parser.add_argument("--with-rejected", action="store_true", help="sft: rejected rounds too")

    parser.add_argument(
        "--all-agents",
        action="store_true",
        help="atif and inspect: critic, reviewer and earlier attempts too, each a trajectory",
    )


def _import(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "file", help="trajectory in Harbor's ATIF 1.x, an Inspect log, or a run of mini-swe-agent"
    )
    parser.add_argument(
        "--sample", help="which sample of an Inspect log with several; ID/2 is its second epoch"
    )
    parser.add_argument("--out", help="file to write, as `rsi export --format atif` writes it")


def _rollback(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("lineage", help="name of the lineage")
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--to", help="commit to go back to, or a round that made one")
    where.add_argument(
        "--unseen",
        action="store_true",
        help="take back at once every promotion since the last one that a person saw",
    )
    parser.add_argument("--reason", default="", help="why, in words")


def _report(parser: argparse.ArgumentParser) -> None:
    add_campaign_optional(parser)
    parser.add_argument("--out", help="folder for report.html and report.md")


def _message(parser: argparse.ArgumentParser) -> None:
    _campaign(parser)
    parser.add_argument("text", help="what to say to the agent at its next turn")


def _budget(parser: argparse.ArgumentParser) -> None:
    _campaign(parser)
    parser.add_argument("--usd", type=float, help="dollars that the models may cost in all")
    parser.add_argument("--tokens", type=int, help="tokens that the models may use in all")
    parser.add_argument("--hours", type=float, help="wall hours of the campaign, pauses excluded")
    parser.add_argument("--device-hours", type=float, help="hours of timed runs in all")


def _doctor(parser: argparse.ArgumentParser) -> None:
    add_sandbox(parser, "backend to examine")
    parser.add_argument("--quick", action="store_true", help="leave the conformance checks out")
    parser.add_argument(
        "--models",
        nargs="*",
        metavar="MODEL",
        help="ask these models for one token each; without names those of campaigns that are not over",
    )


def _completion(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "shell",
        choices=("bash", "zsh", "fish", "next"),
        help="whose script to print; source it in the shell's own start-up file. next: what the scripts ask",
    )
    parser.add_argument(
        "words", nargs="*", help="after `next --`: the words so far, the unfinished one last"
    )


def _demo(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--decide", choices=("person", "policy"), help="who decides (default: you on a terminal)"
    )
    parser.add_argument("--plain", action="store_true", help="plain progress, no cockpit")
    add_sandbox(parser, "where untrusted code runs")
    parser.add_argument("--profile", default="demo", help=argparse.SUPPRESS)
    parser.add_argument("--task", default="lm_training", help=argparse.SUPPRESS)


def _backup(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", help="the backup's file")


def _days(word: str) -> float:
    try:
        days = float(word)
    except ValueError:
        days = 0.0
    if not days >= 1:
        raise argparse.ArgumentTypeError(
            f"{word}: a number of days, at least 1, for what is younger may be in use"
        )
    return days


def _prune(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--older-than",
        type=_days,
        default=30.0,
        metavar="DAYS",
        help="what nothing asked for in so long (default: 30)",
    )
    parser.add_argument(
        "--yes", action="store_true", help="do it; without, what could go is listed alone"
    )


VERBS: tuple[Verb, ...] = (
    Verb(
        "try",
        "task.trying",
        "your own repo, one command: the first honest number; again after a change: the second",
        try_words,
    ),
    Verb("run", "running", "queue a campaign, start a worker if none runs, and follow it", _run),
    Verb("worker", "running", "run queued campaigns until told to stop", _worker),
    Verb(
        "workers",
        "operating.workers",
        "who serves the queue: on what machine, doing what, since when; pause, resume, drain one",
        words=WORKER_WORDS,
    ),
    Verb(
        "follow", "running", "follow a campaign that is queued or under way", add_campaign_optional
    ),
    Verb("queue", "reading", "campaigns with their state, and what waits for a decision"),
    Verb("rounds", "reading", "rounds of a campaign with verdicts, reasons and effects", _rounds),
    Verb("show", "reading", "everything known about one round", _show),
    Verb(
        "log", "reading", "the notebook: every idea, its result and lesson", add_campaign_optional
    ),
    Verb("approve", "deciding", "promote the candidate of a round at the gate", _reason),
    Verb("reject", "deciding", "turn the candidate of a round down", _reason),
    Verb("revise", "deciding", "send the candidate of a round back with a note", _reason),
    Verb("rollback", "deciding", "move a lineage's champion back", _rollback),
    Verb("pause", "steering", "let a campaign finish its step, then wait", _campaign),
    Verb("resume", "steering", "go on with a paused campaign", _campaign),
    Verb("stop", "steering", "end a campaign now, keeping everything", _campaign),
    Verb("message", "steering", "say something to the agent at its next turn", _message),
    Verb("budget", "steering", "change what a running campaign may use", _budget),
    Verb(
        "retry",
        "steering",
        "let a campaign go on that failed, was stopped or ran out of its budget; or run one round again",
        _retry,
    ),
    Verb("sooner", "steering", "let a queued campaign run before the others", _campaign),
    Verb("later", "steering", "let a queued campaign run after the others", _campaign),
    Verb("more-pairs", "steering", "measure more pairs of a candidate at the gate", add_round),
    Verb(
        "replay",
        "replaying",
        "run the tool calls of a round's proposer again and compare, or --show what was said",
        _replay,
    ),
    Verb("fork", "replaying", "go on from the middle of a recorded round", _fork),
    Verb(
        "import",
        "importing",
        "check another program's trajectory, show its steps, make it one of ours",
        _import,
    ),
    Verb("export", "exporting", "write trajectories in other tools' formats", _export),
    Verb("rescore", "replaying", "compute a round's score again from stored samples", add_round),
    Verb(
        "controls",
        "trusting",
        "what planted controls say about the evaluator",
        controls_words,
    ),
    Verb(
        "what-if",
        "trusting",
        "decide a campaign again under another rule, from stored samples",
        what_if_words,
    ),
    Verb(
        "reviewer-check",
        "trusting",
        "count what a reviewer catches of planted cheats and holds up of honest patches",
        reviewer_check_words,
    ),
    Verb(
        "audit", "trusting", "measure a lineage's champion against its baseline again", audit_words
    ),
    Verb("ablate", "trusting", "measure a candidate without each of its parts", ablate_words),
    Verb(
        "agenda",
        "operating.agenda",
        "which campaign to run next, by expected gain per dollar",
        agenda_words,
    ),
    Verb("horizon", "horizon", "the length of task that each model finishes half of the time"),
    Verb("report", "reading", "write a campaign's report as HTML and Markdown", _report),
    Verb("doctor", "checking", "say whether a campaign may start on this machine", _doctor),
    Verb("backup", "operating.keeping", "write ledger, queue and lineages to one file", _backup),
    Verb("restore", "operating.keeping", "make an empty home of a backup", _backup),
    Verb(
        "prune",
        "operating.pruning",
        "list what takes room and can be made again, or let it go",
        _prune,
    ),
    Verb("demo", "demonstrating", "a real campaign on the flagship task, live", _demo),
    Verb(
        "scaffold",
        "drivers",
        "versions of what drives the models: list, tree, show, use, roll back, compare",
        lambda parser: parser.set_defaults(kind="scaffold"),
        words=DRIVER_WORDS,
    ),
    Verb(
        "reviewer",
        "drivers",
        "versions of the rules that review candidates: list, tree, show, use, roll back, compare",
        lambda parser: parser.set_defaults(kind="reviewer"),
        words=DRIVER_WORDS,
    ),
    Verb("task", "task.tasks", "list, show, check and make tasks", words=TASK_WORDS),
    Verb(
        "help",
        "describing",
        "a topic at length, such as `rsi help gate`; without one lists them",
        lambda parser: help_words(parser, VERBS),
    ),
    Verb("completion", "describing", "print a script that completes words in a shell", _completion),
    Verb(
        "images",
        "images",
        "build, list and prune Docker images of tasks",
        words=(
            Verb("list", "images", "images that rsi built"),
            Verb("build", "images", "build a task's image, or find it in the cache", _task),
            Verb("prune", "images", "remove images that newer ones replaced"),
        ),
    ),
)
