"""The words below `rsi workers`: list, pause, resume, up, drain."""

import argparse

from rsi.agent.cli.grammar import Verb


def label_words(parser: argparse.ArgumentParser) -> None:
    """What a worker is called."""
    parser.add_argument(
        "--label",
        action="append",
        default=[],
        metavar="NAME",
        help="a name that campaigns may ask for, `rsi run --on label=NAME`; several may be given",
    )


def _named(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "name", help="HOST-PID of a worker, or a host or label for all of that name"
    )


def _up(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--slurm", action="store_true", required=True, help="as jobs of Slurm")
    parser.add_argument("--count", type=_whole, default=1, help="jobs (default: %(default)s)")
    parser.add_argument("--partition", metavar="P", help="where (default: the cluster's own)")
    parser.add_argument("--gpus", type=_whole, default=0, help="GPUs for each (default: none)")
    parser.add_argument("--cpus", type=_whole, default=1, help="cores for each (default: 1)")
    parser.add_argument(
        "--time",
        type=_minutes,
        default=240,
        metavar="TIME",
        help="wall time, such as 90m or 4h (default: 4h); campaigns are handed on before it is up",
    )
    label_words(parser)


def _whole(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 10_000:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 1 to 10000")
    return int(text)


def _minutes(text: str) -> int:
    number, unit = text[:-1], text[-1:]
    if unit not in {"m", "h", "d"} or not number.isdecimal() or not 1 <= int(number) <= 10_000:
        raise argparse.ArgumentTypeError(f"{text!r} is no time; give such as 90m, 4h or 2d")
    return int(number) * {"m": 1, "h": 60, "d": 1440}[unit]


WORKER_WORDS: tuple[Verb, ...] = (
    Verb("list", "operating.workers", "who is there: on what machine, doing what, since when"),
    Verb(
        "pause",
        "operating.workers",
        "let it take nothing new and hand on what it runs",
        _named,
    ),
    Verb("resume", "operating.workers", "let a paused one go on", _named),
    Verb("up", "operating.workers", "start some as jobs of a Slurm cluster", _up),
    Verb("drain", "operating.workers", "let it hand on what it runs, and end", _named),
)
