"""From the command line's words to a verb, and from any error to a sentence and an exit code."""

import argparse
import importlib
import json
import logging
import os
import sys
from collections.abc import Callable, Sequence

from rsi.agent.cli.grammar import WrongWordsError
from rsi.agent.cli.parser import build_parser
from rsi.agent.safe import safe_text

EXIT_OK = 0
EXIT_NO = 1
"""The answer is no: a check failed, a campaign may not start."""
EXIT_USAGE = 2
EXIT_NOT_FOUND = 3
EXIT_REFUSED = 4
EXIT_UNAVAILABLE = 5
EXIT_BAD_INPUT = 6
EXIT_INTERNAL = 70
EXIT_INTERRUPTED = 130

CODES_BY_ERROR = (
    # The first row that fits decides, so the special ones come first.
    ("rsi.agent.errors", "UnknownRecordError", EXIT_NOT_FOUND),
    ("rsi.agent.errors", "UnknownCommitError", EXIT_NOT_FOUND),
    ("rsi.tasks.errors", "TaskNotFoundError", EXIT_NOT_FOUND),
    ("rsi.agent.policy.gate", "GateError", EXIT_REFUSED),
    ("rsi.agent.errors", "StaleChampionError", EXIT_REFUSED),
    ("rsi.agent.errors", "LedgerValueError", EXIT_BAD_INPUT),
    ("rsi.agent.errors", "LineageNameError", EXIT_BAD_INPUT),
    ("rsi.agent.errors", "LedgerError", EXIT_UNAVAILABLE),
    ("rsi.agent.errors", "LineageServerError", EXIT_UNAVAILABLE),
    ("rsi.agent.errors", "HomeError", EXIT_UNAVAILABLE),
    ("rsi.agent.queue.slurm", "SlurmUnavailableError", EXIT_UNAVAILABLE),
    ("rsi.agent.run.engine", "EngineUnavailableError", EXIT_UNAVAILABLE),
    ("rsi.agent.errors", "AgentError", EXIT_BAD_INPUT),
    ("rsi.agent.llm.errors", "ModelSpecError", EXIT_BAD_INPUT),
    ("rsi.agent.llm.errors", "ModelError", EXIT_UNAVAILABLE),
    ("rsi.agent.search.choose", "StrategyError", EXIT_BAD_INPUT),
    ("rsi.agent.roles.scaffold.loading", "ScaffoldError", EXIT_BAD_INPUT),
    ("rsi.agent.trajectory.recorded", "RecordingError", EXIT_BAD_INPUT),
    ("rsi.tasks.errors", "RepoUnreachableError", EXIT_UNAVAILABLE),
    ("rsi.tasks.errors", "TaskError", EXIT_BAD_INPUT),
    ("rsi.sandboxes.errors", "UnknownBackendError", EXIT_BAD_INPUT),
    ("rsi.sandboxes.errors", "SandboxError", EXIT_UNAVAILABLE),
    ("rsi.evals.errors", "EvidenceError", EXIT_BAD_INPUT),
)


JSON = "--json"
Cockpit = Callable[[str], None]
"""Opens the terminal cockpit on a campaign and returns when the person leaves it."""


class SafeFormatter(logging.Formatter):
    """Log lines, traces included, with nothing active in them: an error's text may be a sandbox's or a provider's."""

    def format(self, record: logging.LogRecord) -> str:
        return safe_text(super().format(record))


def main(argv: Sequence[str] | None = None, *, cockpit: Cockpit | None = None) -> int:
    """Run one verb.

    Args:
        argv: Words after the program's name; those of the process when None.
        cockpit: The cockpit, for verbs that show a campaign live; None where there is no terminal for it.

    Returns:
        The exit code; `rsi --help` lists them.
    """
    parser = build_parser()
    words = sys.argv[1:] if argv is None else argv
    try:
        args = parser.parse_args(words)
    except WrongWordsError as error:
        if JSON not in words:
            error.parser.complain(str(error))
        print_error(error, str(error), EXIT_USAGE)
        return EXIT_USAGE
    args.cockpit = cockpit
    log_to_stderr = logging.StreamHandler(sys.stderr)
    # A person who looks on wants a sentence among sentences; a log wants to know when.
    is_watched = sys.stderr.isatty() and not args.verbose
    line = "rsi: %(message)s" if is_watched else "%(asctime)s %(levelname)s %(message)s"
    log_to_stderr.setFormatter(SafeFormatter(line))
    logging.basicConfig(
        level=logging.INFO if args.verbose else logging.WARNING, handlers=[log_to_stderr]
    )
    try:
        verb = importlib.import_module(args.module)
        code: int = getattr(verb, args.function)(args)
        sys.stdout.flush()
    except KeyboardInterrupt as error:
        print("rsi: interrupted", file=sys.stderr)
        if args.json:
            print_error(error, "interrupted", EXIT_INTERRUPTED)
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # The reader (head, less) left; that is its right. Keep the interpreter's own flush quiet.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_OK
    except Exception as error:  # noqa: BLE001  the one place that turns errors into exit codes
        return _explain(error, is_verbose=args.verbose, is_json=args.json)
    return code


def print_error(error: BaseException, message: str, code: int) -> None:
    """An error as the one JSON document of a verb."""
    said, _, hint = message.partition("; ")
    kind = type(error).__name__
    facts = {"kind": kind, "message": said, "hint": hint, "exit": code}
    print(json.dumps({"error": facts}, indent=2, ensure_ascii=True))


def no_verb(_: argparse.Namespace) -> int:
    """Say what to type when nothing was and there is no terminal to open a cockpit on."""
    print(
        "rsi: no verb; `rsi --help` lists them, `rsi` on a terminal opens the cockpit",
        file=sys.stderr,
    )
    return EXIT_USAGE


def _explain(error: Exception, *, is_verbose: bool, is_json: bool = False) -> int:
    """Say what went wrong in one sentence; the trace of our own faults goes to a file."""
    for module_name, class_name, code in CODES_BY_ERROR:
        module = sys.modules.get(module_name)
        if module is not None and isinstance(error, getattr(module, class_name)):
            if is_verbose:
                logging.getLogger(__name__).info("trace of the error", exc_info=error)
            print(safe_text(f"rsi: {error}"), file=sys.stderr)
            if is_json:
                print_error(error, str(error), code)
            return code
    path = _write_trace(error)
    print(
        safe_text(
            f"rsi: internal error: {type(error).__name__}: {error}\n"
            f"rsi: nothing was lost; the trace is in {path}, please report it"
        ),
        file=sys.stderr,
    )
    if is_json:
        said = f"internal error: {error}; the trace is in {path}, please report it"
        print_error(error, said, EXIT_INTERNAL)
    return EXIT_INTERNAL


def _write_trace(error: Exception) -> str:
    import tempfile
    import traceback

    with tempfile.NamedTemporaryFile(
        "w", prefix="rsi-error-", suffix=".txt", delete=False, encoding="utf-8"
    ) as file:
        file.writelines(safe_text(line) for line in traceback.format_exception(error))
    return file.name
