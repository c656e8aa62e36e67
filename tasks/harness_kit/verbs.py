"""The verbs of a harness: arguments, exit codes and result file in one place.

A harness is an object with four methods; its `__main__.py` ends in `raise SystemExit(run_harness(...))`.
Invariant: exit 0 means that the verb did its work (a bad candidate included); 70 means that we failed.
"""
# ruff: noqa: TID251, TID252 - relative imports, because it also runs outside `rsi`

import argparse
import json
import os
import sys
import tempfile
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol, cast

from .artifacts import InvalidArtifact
from .canonical import canonical_json, folder_files, tree_digest
from .developing import Development, develop
from .driving import Worker
from .results import Check, Graded, result_value, write_result
from .seeds import seed_commitment
from .serving import NEVER_CAME, Session, connected, listening, serve

EXIT_OK = 0
EXIT_HARNESS_ERROR = 70
"""EX_SOFTWARE of sysexits.h."""
TASK_VARIABLE = "RSI_TASK_JSON"
REQUEST_FILE = "request.json"
"""In the secret part: what the instance was made for, so that grading needs no arguments."""
MAX_REASON_CHARACTERS = 1000
"""A reason may quote what a candidate wrote, which is as long as its files and need not be Unicode."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """What an instance is wanted for."""

    profile: str
    purpose: str
    seed: bytes
    track: str
    settings: Mapping[str, object]
    """`[rsi.profile.<name>.settings]` with the track's merged over."""
    limits: Mapping[str, float] = field(default_factory=dict)
    """Limit of each quality rule that has one; empty for an instance that was made before."""

    def integer(self, key: str) -> int:
        """A whole number of the settings.

        Raises:
            KeyError: It is not there.
            TypeError: It is not a whole number.
        """
        value = self.settings[key]
        if isinstance(value, bool) or not isinstance(value, int):
            raise TypeError(f"settings.{key} is {value!r}, expected a whole number")
        return value

    def sizes(self, key: str) -> dict[str, int]:
        """A table of whole numbers of the settings.

        Raises:
            KeyError: It is not there.
            TypeError: It is no such table.
        """
        found = self.settings[key]
        if not isinstance(found, dict) or not all(type(each) is int for each in found.values()):
            raise TypeError(f"settings.{key} is {found!r}, expected a table of whole numbers")
        return found


@dataclass(frozen=True, kw_only=True)
class InstanceFolder:
    """A generated instance on disk."""

    root: Path
    request: Request

    @property
    def public(self) -> Path:
        return self.root / "public"

    @property
    def secret(self) -> Path:
        return self.root / "secret"


class Harness(Protocol):
    """What every task's harness implements."""

    def describe(self) -> Mapping[str, object]:
        """What this harness measures and how, as JSON for people.

        `is_recomputed` is for the machine: whether the quality is computed here, or a run's word is taken.
        """
        ...

    def instance(self, request: Request, public: Path, secret: Path) -> None:
        """Write the candidate's part and the grader's part, from nothing but the request."""
        ...

    def selfcheck(self, request: Request, workspace: Path) -> Sequence[Check]:
        """Checks of the harness's own, beyond those that `run_harness` makes."""
        ...


class ArtifactHarness(Harness, Protocol):
    """What the harness of pattern `artifact` implements besides."""

    def grade(self, instance: InstanceFolder, artifact: Path) -> Graded:
        """Look at what a candidate left in its out folder.

        Raises:
            InvalidArtifact: It is not what the task asked for.
        """
        ...


class ServedHarness(Harness, Protocol):
    """What the harness of pattern `served` implements besides."""

    def session(self, instance: InstanceFolder) -> Session:
        """A fresh conversation with one candidate."""
        ...


class ClockedHarness(Harness, Protocol):
    """What the harness of pattern `clocked_worker` implements besides."""

    def memory(self, instance: InstanceFolder) -> tuple[int, int]:
        """Bytes of inputs and of outputs that the largest call needs."""
        ...

    def drive(self, instance: InstanceFolder, worker: Worker) -> Graded:
        """Give a worker its calls, check every answer, say what it came to.

        Raises:
            InvalidArtifact: An answer is not what the task asked for.
        """
        ...


def run_harness(
    harness: ArtifactHarness | ServedHarness | ClockedHarness, argv: Sequence[str] | None = None
) -> int:
    """Run one verb and return the exit code.

    Args:
        harness: The task's harness.
        argv: Arguments without the program; None takes the command line's.
    """
    arguments = _parser().parse_args(argv)
    try:
        match arguments.verb:
            case "describe":
                sys.stdout.buffer.write(canonical_json(harness.describe()))
            case "instance":
                seed = bytes.fromhex(arguments.seed)
                request = _request(arguments.profile, arguments.purpose, seed)
                _make_instance(harness, request, arguments.out)
            case "selfcheck":
                _selfcheck(harness, arguments.profile)
            case "develop":
                _develop(harness, arguments)
            case verb:
                _measure(harness, verb, arguments)
    except Exception:  # noqa: BLE001 - the exit code is the contract: whatever failed here is ours
        traceback.print_exc()
        return EXIT_HARNESS_ERROR
    return EXIT_OK


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -P -m harness")
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("describe")
    instance = verbs.add_parser("instance")
    instance.add_argument("--profile", required=True)
    instance.add_argument("--purpose", required=True)
    instance.add_argument("--seed", required=True)
    instance.add_argument("--out", type=Path, required=True)
    for verb, each in MEASURING.items():
        measuring = verbs.add_parser(verb)
        measuring.add_argument("--instance", type=Path, required=True)
        measuring.add_argument(each.option, type=Path, required=True, dest="at", help=each.help)
        measuring.add_argument("--result", type=Path, required=True)
    developing = verbs.add_parser("develop")
    developing.add_argument("--instance", type=Path, required=True)
    developing.add_argument("--link", type=Path, required=True, help=_LINK[1])
    developing.add_argument("--result", type=Path, required=True, help="counts the calls")
    selfcheck = verbs.add_parser("selfcheck")
    selfcheck.add_argument("--profile", required=True)
    return parser


def declared_task() -> dict[str, object]:
    """The parts of the loaded task that a harness may know, from RSI_TASK_JSON.

    Raises:
        KeyError: The variable is not set.
        TypeError: It is not a JSON object.
    """
    declared = json.loads(os.environ[TASK_VARIABLE])
    if not isinstance(declared, dict):
        raise TypeError(f"{TASK_VARIABLE} is not a JSON object")
    return declared


def _request(profile: str, purpose: str, seed: bytes) -> Request:
    declared = declared_task()
    if declared["profile"] != profile:
        raise ValueError(f"--profile {profile} but {TASK_VARIABLE} is about {declared['profile']}")
    settings, rules = declared["settings"], declared["quality"]
    if not isinstance(settings, dict) or not isinstance(rules, list):
        raise TypeError(f"{TASK_VARIABLE}: settings is not a table, or quality no list")
    return Request(
        profile=profile,
        purpose=purpose,
        seed=seed,
        track=str(declared["track"]),
        settings=settings,
        limits={rule["name"]: rule["limit"] for rule in rules if rule["limit"] is not None},
    )


def _make_instance(harness: Harness, request: Request, out: Path) -> None:
    public, secret = out / "public", out / "secret"
    public.mkdir(parents=True)
    secret.mkdir(parents=True)
    harness.instance(request, public, secret)
    stored = {
        "profile": request.profile,
        "purpose": request.purpose,
        "seed": request.seed.hex(),
        "settings": dict(request.settings),
        "track": request.track,
    }
    (secret / REQUEST_FILE).write_bytes(canonical_json(stored))


def _measure(harness: object, verb: str, arguments: argparse.Namespace) -> None:
    measuring = MEASURING[verb]
    _require(harness, verb, measuring.methods)
    instance = _opened(arguments.instance)
    graded = measuring.run(harness, instance, arguments.at)
    write_result(arguments.result, _reading(instance, graded))


def _require(harness: object, verb: str, methods: Sequence[str]) -> None:
    if lacking := [name for name in methods if not hasattr(harness, name)]:
        raise TypeError(
            f"this harness has no method {' and no method '.join(f'`{each}`' for each in lacking)}, "
            f"so its task is not of a pattern whose verb is {verb!r}"
        )


def _develop(harness: object, arguments: argparse.Namespace) -> None:
    """Serve runs on a development instance until the host has enough of it; no score is made of any."""
    _require(harness, "develop", MEASURING["serve"].methods)
    served = cast("ServedHarness", harness)
    instance = _opened(arguments.instance)
    if instance.request.purpose != "dev":
        raise ValueError(f"an instance for {instance.request.purpose!r} is not to develop on")
    development = Development(
        begin=lambda: served.session(instance),
        reading=lambda graded: _reading(instance, graded),
        calls_file=arguments.result,
    )
    with listening(arguments.link) as listener:
        develop(listener, development)


def _grade(harness: ArtifactHarness, instance: InstanceFolder, artifact: Path) -> Graded:
    try:
        return harness.grade(instance, artifact)
    except InvalidArtifact as problem:
        return Graded(outcome="invalid_output", reason=str(problem))


def _serve(harness: ServedHarness, instance: InstanceFolder, folder: Path) -> Graded:
    session = harness.session(instance)
    with connected(folder) as link:
        return NEVER_CAME if link is None else serve(link, session)


def _drive(harness: ClockedHarness, instance: InstanceFolder, folder: Path) -> Graded:
    in_bytes, out_bytes = harness.memory(instance)
    graded, clocked_s = NEVER_CAME, None
    with connected(folder) as link:
        if link is not None:
            clocked_s = 0.0
            try:
                worker = Worker(link, in_bytes=in_bytes, out_bytes=out_bytes)
                graded = harness.drive(instance, worker)
                clocked_s = worker.clocked_s
            except InvalidArtifact as problem:
                graded = Graded(outcome="invalid_output", reason=str(problem))
    return replace(graded, clocked_s=clocked_s)


@dataclass(frozen=True, kw_only=True)
class Measuring:
    """A verb that measures one candidate: the verb of a wiring pattern."""

    methods: tuple[str, ...]
    """What a harness must have for it."""
    option: str
    """Names the folder at which the candidate is met."""
    help: str
    run: Callable[[Any, InstanceFolder, Path], Graded]
    """Takes the harness, the instance and that folder."""


_LINK = "--link", "folder of the socket"
MEASURING: Mapping[str, Measuring] = {
    "grade": Measuring(
        methods=("grade",), option="--artifact", help="what the candidate left", run=_grade
    ),
    "serve": Measuring(methods=("session",), option=_LINK[0], help=_LINK[1], run=_serve),
    "drive": Measuring(methods=("memory", "drive"), option=_LINK[0], help=_LINK[1], run=_drive),
}
"""By verb, as `PatternRules.verb` names it."""


def _opened(root: Path) -> InstanceFolder:
    stored = json.loads((root / "secret" / REQUEST_FILE).read_text(encoding="utf-8"))
    seed = bytes.fromhex(stored["seed"])
    return InstanceFolder(root=root, request=_request(stored["profile"], stored["purpose"], seed))


def _reading(instance: InstanceFolder, graded: Graded) -> dict[str, object]:
    """What the result file says of a run."""
    request = instance.request
    identity = {
        "harness_sha256": harness_digest(),
        "profile": request.profile,
        "purpose": request.purpose,
        "instance_digest": instance_digest(instance.root),
        "seed_commitment": seed_commitment(request.seed),
    }
    graded = replace(graded, reason=_reportable(graded.reason))
    return result_value(graded, declared=declared_task(), identity=identity)


def _reportable(reason: str) -> str:
    """A reason that a result file can hold, whatever it quotes."""
    plain = reason.encode("utf-8", "backslashreplace").decode()
    is_long = len(plain) > MAX_REASON_CHARACTERS
    return f"{plain[:MAX_REASON_CHARACTERS]} ..." if is_long else plain


def instance_digest(root: Path) -> str:
    """sha256 over both parts of an instance folder."""
    return tree_digest(
        [*folder_files(root / "public", "public/"), *folder_files(root / "secret", "secret/")]
    )


def harness_digest() -> str:
    """sha256 over the kit and the harness that lies beside it."""
    kit = Path(__file__).resolve().parent
    harness = kit.parent / "harness"
    return tree_digest([*folder_files(kit, "harness_kit/"), *folder_files(harness, "harness/")])


def _selfcheck(harness: Harness, profile: str) -> None:
    with tempfile.TemporaryDirectory(prefix="rsi-selfcheck-") as name:
        workspace = Path(name)
        first, second = bytes([1] * 32), bytes([2] * 32)
        digests = []
        for number, seed in enumerate((first, first, second)):
            root = workspace / f"instance{number}"
            _make_instance(harness, _request(profile, "dev", seed), root)
            # Holds the seed, so with it every instance would be another one.
            (root / "secret" / REQUEST_FILE).unlink()
            digests.append(instance_digest(root))
        checks = [
            Check(
                name="generator_is_deterministic",
                is_ok=digests[0] == digests[1],
                evidence=f"same seed: {digests[0][:12]} and {digests[1][:12]}",
            ),
            Check(
                name="generator_follows_the_seed",
                is_ok=digests[0] != digests[2],
                evidence=f"other seed: {digests[0][:12]} and {digests[2][:12]}",
            ),
            *harness.selfcheck(_request(profile, "dev", first), workspace),
        ]
    report = [{"name": c.name, "ok": c.is_ok, "evidence": c.evidence} for c in checks]
    sys.stdout.buffer.write(canonical_json({"checks": report}))
