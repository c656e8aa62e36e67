"""The words of the command line, and which function each verb is."""

import argparse
from collections.abc import Callable
from keyword import iskeyword

from rsi.agent.cli.task_words import add_task

EPILOG = """\
without a verb rsi opens the cockpit in the terminal; `rsi tui` takes options for it, `rsi web` serves it to a browser.

exit codes: 0 done; 1 the answer is no; 2 wrong words; 3 not found; 4 refused at the gate;
            5 something needed is not available; 6 bad input; 70 internal error; 130 interrupted

environment: RSI_HOME (where data is kept), RSI_CACHE (where environments are kept),
             RSI_DATABASE_URL (PostgreSQL instead of SQLite), RSI_TASKS (folders with your tasks),
             RSI_MAX_LIMITS (what a sandbox may use at most, such as "memory_mb=8192 wall_s=3600"),
             RSI_LEASE_DIR (one folder for the locks of all who measure on this machine),
             RSI_BASE_IMAGE, RSI_PIP_INDEX_URL, RSI_CA_BUNDLE, RSI_WHEEL_DIR (where images come from),
             ANTHROPIC_API_KEY, OPENAI_API_KEY and the keys of other providers
"""

Add = Callable[[argparse.ArgumentParser], None]


def build_parser() -> argparse.ArgumentParser:
    """The whole grammar; cheap, because verbs are named by module and imported when run."""
    parser = argparse.ArgumentParser(
        prog="rsi",
        description="Measured, reviewed, human-gated improvement of small training repos.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action=_PrintVersion, nargs=0, help="print it and exit")
    parser.add_argument("--verbose", action="store_true", help="log what happens to stderr")
    parser.set_defaults(module="rsi.agent.cli.entry", function="no_verb")
    verbs = parser.add_subparsers(title="verbs", metavar="VERB")
    for name, module, text, add in VERBS:
        verb = verbs.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
        function = f"{name}_" if iskeyword(name) else name.replace("-", "_")
        verb.set_defaults(module=f"rsi.agent.cli.verbs.{module}", function=function)
        verb.add_argument("--json", action="store_true", help="print JSON, one document")
        add(verb)
    add_task(verbs)
    _add_images(verbs)
    return parser


class _PrintVersion(argparse.Action):
    """Reads the installed version only when --version asks; the lookup costs start-up time."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from importlib.metadata import version

        parser.exit(message=f"rsi {version('rsi-lab')}\n")


def _run(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("task", help="name of a task, or the folder of yours")
    parser.add_argument("--track", help="track of the task (default: its own default)")
    parser.add_argument("--profile", help="size of the task: smoke, demo, full, ...")
    parser.add_argument("--rounds", type=int, default=8, help="ideas to try (default: %(default)s)")
    parser.add_argument(
        "--model",
        action="append",
        help="who proposes: anthropic:NAME, openai:NAME, litellm:PROVIDER/NAME, scripted:FILE, "
        "replay:ROUND or replay:FILE (ATIF); several are chosen from by gain per dollar (default: scripted:demo)",
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
        choices=("person", "low-risk", "policy"),
        default="person",
        help="who decides at the gate: a person approves each promotion (default); the policy promotes what no "
        "finding speaks against and a person sees the others; or the policy decides alone",
    )
    parser.add_argument(
        "--grant-autonomy",
        action="store_true",
        help="let low-risk or policy decide before controls on this task have earned it",
    )
    parser.add_argument(
        "--sandbox",
        default="auto",
        help="auto, docker, docker+runsc (gVisor), bubblewrap or process",
    )
    parser.add_argument("--lineage", help="whose champion to start from and to move")
    parser.add_argument("--strategy", help="search strategy (default: the scaffold's, else greedy)")
    parser.add_argument("--scaffold", help="folder with prompts, tools and search settings")
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


def _round(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("round", help="id of a round, such as c1120-4f2a-0003")


def _reason(parser: argparse.ArgumentParser) -> None:
    _round(parser)
    parser.add_argument("--reason", default="", help="why, in words")
    parser.add_argument(
        "--commit", help="refuse unless this commit is at the gate; 7 digits of it are enough"
    )
    parser.add_argument(
        "--score", help="refuse unless this score digest is at the gate; 7 digits are enough"
    )


def _campaign_optional(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("campaign", nargs="?", help="id of a campaign (default: the latest)")


def _campaign(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("campaign", help="id of a campaign")


def _worker(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--exit-when-idle", action="store_true", help="end when nothing is queued or under way"
    )
    parser.add_argument("--concurrency", type=int, default=1, help="campaigns at once")


def _nothing(_: argparse.ArgumentParser) -> None:
    """A verb without words of its own."""


def _show(parser: argparse.ArgumentParser) -> None:
    _round(parser)
    parser.add_argument("--diff", action="store_true", help="print only the diff")


def _replay(parser: argparse.ArgumentParser) -> None:
    _round(parser)
    parser.add_argument(
        "--show",
        nargs="?",
        const="proposer",
        choices=("proposer", "critic", "reviewer"),
        metavar="AGENT",
        help="run nothing, print what an agent said and did: proposer (default), critic or reviewer",
    )


def _fork(parser: argparse.ArgumentParser) -> None:
    _round(parser)
    parser.add_argument("--step", type=int, required=True, help="turn after which to go on")
    parser.add_argument(
        "--model", help="another model from here on (default: the one that proposed in that round)"
    )
    parser.add_argument("--say", help="words for the agent at this point")
    parser.add_argument("--detach", action="store_true", help="queue it and return")


def _export(parser: argparse.ArgumentParser) -> None:
    _campaign_optional(parser)
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
    parser.add_argument("file", help="trajectory in Harbor's ATIF, version 1.x")
    parser.add_argument("--out", help="file to write, as `rsi export --format atif` writes it")


def _rollback(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("lineage", help="name of the lineage")
    parser.add_argument(
        "--to", required=True, help="commit to go back to, or a round that made one"
    )
    parser.add_argument("--reason", default="", help="why, in words")


def _report(parser: argparse.ArgumentParser) -> None:
    _campaign_optional(parser)
    parser.add_argument("--out", help="folder for report.html and report.md")


def _what_if(parser: argparse.ArgumentParser) -> None:
    _campaign_optional(parser)
    parser.add_argument(
        "--minimum-effect", type=float, help="smallest gain that counts, 0.02 is 2 %%"
    )
    parser.add_argument("--alpha", type=float, help="one-sided error rate of one stage")
    parser.add_argument(
        "--statistic",
        choices=("sequential", "fixed-n", "keep-if-better"),
        default="sequential",
        help="sequential: as campaigns decide; fixed-n: so many pairs and one look; keep-if-better: one run of "
        "each (default: %(default)s)",
    )
    parser.add_argument(
        "--pairs", type=int, help="pairs of fixed-n (default: the plan's smallest number)"
    )
    parser.add_argument(
        "--reviewer",
        choices=("campaign", "rules", "any-vote", "majority"),
        default="campaign",
        help="campaign: as it was; rules: without any model's word; any-vote, majority: with the stored votes of "
        "the reviewer counted so (default: %(default)s)",
    )
    parser.add_argument(
        "--no-rules", action="store_true", help="without rules, reviewer, plausibility"
    )
    parser.add_argument(
        "--no-quality", action="store_true", help="without quality rules and guards"
    )
    parser.add_argument(
        "--no-confirmation", action="store_true", help="promote on the screen alone"
    )
    parser.add_argument(
        "--all", action="store_true", help="list every round, not only changed ones"
    )


def _reviewer_check(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("tasks", nargs="*", metavar="TASK", help="tasks to take (default: all)")
    parser.add_argument(
        "--model",
        help="model that reviews besides the rules: anthropic:NAME, openai:NAME, litellm:PROVIDER/NAME, "
        "scripted:FILE (default: rules alone)",
    )
    parser.add_argument(
        "--votes", type=int, default=1, help="fresh looks at each patch (default: %(default)s)"
    )
    parser.add_argument("--scaffold", help="folder with the reviewer's prompt")
    parser.add_argument("--budget-usd", type=float, help="dollars that the model may cost")
    parser.add_argument(
        "--allow-unknown-price", action="store_true", help="use a model whose price is not known"
    )


def _remeasured(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--sandbox", help="backend to run in (default: the campaign's)")
    parser.add_argument("--pairs", type=int, help="pairs of each comparison (default: the plan's)")


def _audit(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("lineage", help="name of the lineage")
    parser.add_argument(
        "--leave-one-out",
        action="store_true",
        help="also measure the champion without each promotion",
    )
    parser.add_argument(
        "--transfer",
        action="store_true",
        help="measure at the larger profile that the task names: does the gain hold there?",
    )
    _remeasured(parser)


def _ablate(parser: argparse.ArgumentParser) -> None:
    _round(parser)
    parser.add_argument("--by", choices=("file", "hunk"), default="file", help="size of a part")
    _remeasured(parser)


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
    parser.add_argument("--sandbox", default="auto", help="backend to examine")
    parser.add_argument("--quick", action="store_true", help="leave the conformance checks out")


def _demo(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--decide", choices=("person", "policy"), help="who decides (default: you on a terminal)"
    )
    parser.add_argument("--plain", action="store_true", help="plain progress, no cockpit")
    parser.add_argument(
        "--sandbox",
        default="auto",
        help="auto, docker, docker+runsc (gVisor), bubblewrap or process",
    )
    parser.add_argument("--profile", default="demo", help=argparse.SUPPRESS)
    parser.add_argument("--task", default="lm_training", help=argparse.SUPPRESS)


VERBS: tuple[tuple[str, str, str, Add], ...] = (
    ("run", "running", "queue a campaign, start a worker if none runs, and follow it", _run),
    ("worker", "running", "run queued campaigns until told to stop", _worker),
    ("follow", "running", "follow a campaign that is queued or under way", _campaign_optional),
    ("queue", "reading", "campaigns with their state, and what waits for a decision", _nothing),
    ("rounds", "reading", "rounds of a campaign with verdicts and effects", _campaign_optional),
    ("show", "reading", "everything known about one round", _show),
    ("log", "reading", "the notebook: every idea, its result and lesson", _campaign_optional),
    ("approve", "deciding", "promote the candidate of a round at the gate", _reason),
    ("reject", "deciding", "turn the candidate of a round down", _reason),
    ("revise", "deciding", "send the candidate of a round back with a note", _reason),
    ("rollback", "deciding", "move a lineage's champion back", _rollback),
    ("pause", "steering", "let a campaign finish its step, then wait", _campaign),
    ("resume", "steering", "go on with a paused campaign", _campaign),
    ("stop", "steering", "end a campaign now, keeping everything", _campaign),
    ("message", "steering", "say something to the agent at its next turn", _message),
    ("budget", "steering", "change what a running campaign may use", _budget),
    (
        "retry",
        "steering",
        "let a campaign go on that failed, was stopped or ran out of its budget",
        _campaign,
    ),
    ("sooner", "steering", "let a queued campaign run before the others", _campaign),
    ("later", "steering", "let a queued campaign run after the others", _campaign),
    ("more-pairs", "steering", "measure more pairs of a candidate at the gate", _round),
    (
        "replay",
        "replaying",
        "run the tool calls of a round's proposer again and compare, or --show what was said",
        _replay,
    ),
    ("fork", "replaying", "go on from the middle of a recorded round", _fork),
    ("import", "importing", "check an ATIF file, show its steps, make it one of ours", _import),
    ("export", "exporting", "write trajectories in other tools' formats", _export),
    ("rescore", "replaying", "compute a round's score again from stored samples", _round),
    ("controls", "trusting", "what planted controls say about the evaluator", _campaign_optional),
    (
        "what-if",
        "trusting",
        "decide a campaign again under another rule, from stored samples",
        _what_if,
    ),
    (
        "reviewer-check",
        "trusting",
        "count what a reviewer catches of planted cheats and holds up of honest patches",
        _reviewer_check,
    ),
    ("audit", "trusting", "measure a lineage's champion against its baseline again", _audit),
    ("ablate", "trusting", "measure a candidate without each of its parts", _ablate),
    ("report", "reading", "write a campaign's report as HTML and Markdown", _report),
    ("doctor", "checking", "say whether a campaign may start on this machine", _doctor),
    ("demo", "demonstrating", "a real campaign on the flagship task, live", _demo),
)


def _add_images(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    images = verbs.add_parser("images", help="build, list and prune Docker images of tasks")
    images.set_defaults(module="rsi.agent.cli.verbs.images", function="list_", json=False)
    words = images.add_subparsers(title="words", metavar="WORD")
    for name, text in (
        ("build", "build a task's image, or find it in the cache"),
        ("list", "images that rsi built"),
        ("prune", "remove images that newer ones replaced"),
    ):
        word = words.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
        function = "list_" if name == "list" else name
        word.set_defaults(module="rsi.agent.cli.verbs.images", function=function)
        word.add_argument("--json", action="store_true", help="print JSON, one document")
        if name == "build":
            word.add_argument("task", help="name of a task, or the folder of yours")
