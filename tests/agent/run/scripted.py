"""A campaign without sandboxes and without the engine: evidence from a script, real ledger, real git, real steps."""

import json
import os
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from rsi.agent.policy.settings import queue_campaign
from rsi.agent.run.campaign import run_campaign
from rsi.agent.run.contexts import open_campaign_context
from rsi.agent.run.steps import audit
from rsi.agent.store.config import Autonomy, CampaignConfig
from rsi.agent.store.events import CampaignEvent
from rsi.agent.store.git.lineage import Lineage
from rsi.agent.store.patience import Patience, patient
from rsi.agent.store.records import CampaignEventKind, utc_now
from rsi.agent.store.sql.database import Database
from rsi.sandboxes.types import (
    Assurance,
    Availability,
    ExecOutcome,
    ExecResult,
    FileEntry,
    SandboxSpec,
)
from rsi.tasks.files.trees import read_tree
from rsi.tasks.format.loader import load_task
from rsi.tasks.harness_kit.canonical import canonical_json, tree_digest
from rsi.tasks.harness_kit.results import Graded, result_value
from rsi.tasks.harness_kit.seeds import seed_commitment
from rsi.tasks.running.check import patched_tree

BASELINE_S, CANDIDATE_S = 1.0, 0.4
NOISE_S = (0.0, 0.01, 0.005)
SEED = "00112233445566778899aabbccddeeff"


@dataclass
class ScriptedBackend:
    """Runs cost what the script says; the harness grades all alike; the agent works in a folder."""

    task: object
    runs: int = 0
    slow: list = field(default_factory=list)
    """Trees that take as long as the baseline: itself, and the task's null patches."""
    seconds: object = None
    """What a run of some files takes, by path; None takes the two times above."""
    name = "scripted"
    assurance = Assurance.NONE

    def __post_init__(self):
        same = [each for each in self.task.solutions if each.expect == "same"]
        self.slow += [read_tree(self.task.repo), *(patched_tree(self.task, each) for each in same)]

    def availability(self):
        return Availability(is_available=True, reason="a script")

    def prepare(self, environment, progress=None):
        return "scripted"

    @contextmanager
    def open(self, spec: SandboxSpec):
        with tempfile.TemporaryDirectory() as folder:
            yield ScriptedSandbox(self, spec, Path(folder))


class ScriptedSandbox:
    backend, assurance = "scripted", Assurance.NONE

    def __init__(self, owner, spec, root):
        self._owner, self._spec, self._root = owner, spec, root
        self._files = {}

    def _host(self, path):
        return self._root / path.removeprefix("/work").lstrip("/")

    def put(self, tree, target="/work"):
        below = target.removeprefix("/work").strip("/")
        for entry in tree:
            self._files[f"{below}/{entry.path}".strip("/")] = entry
        if self._spec.label.endswith("/agent"):
            for entry in tree:
                path = self._host(target) / entry.path
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(entry.content)

    def get(self, source="/work", *, max_bytes, max_files=10_000):
        if self._spec.label.endswith("/agent"):
            top = self._host(source)
            found = [path for path in sorted(top.rglob("*")) if path.is_file()]
            return tuple(
                FileEntry(path=each.relative_to(top).as_posix(), content=each.read_bytes())
                for each in found
            )
        below = source.removeprefix("/work").strip("/") + "/"
        return tuple(
            replace(entry, path=path.removeprefix(below))
            for path, entry in sorted(self._files.items())
            if path.startswith(below)
        )

    def survey(self, source="/work", *, skipped="", max_entries):
        return {}

    def exec(self, argv, *, cwd="/work", stdin=b"", wall_s=None, variables=None, time_slot=None, on_output=None):  # fmt: skip
        try:
            return self._exec(list(argv), cwd, stdin)
        finally:
            if time_slot is not None:
                time_slot.leave()

    def _exec(self, argv, cwd, stdin):
        if self._spec.label.endswith("/agent"):
            argv = [sys.executable if each == "python" else each for each in argv]
            variables = {"PATH": os.environ["PATH"], "HOME": str(self._root)}
            done = subprocess.run(
                argv, cwd=self._host(cwd), input=stdin, capture_output=True, env=variables, check=False
            )  # fmt: skip
            return _result(0.1, done.returncode, done.stdout, done.stderr)
        match argv[:5]:
            case ["python", "-P", "-m", "harness", "instance"]:
                of_pair = {"purpose": argv[8], "seed": argv[10]}
                for name in ("public/train.txt", "secret/request.json"):
                    path = f"instance/{name}"
                    self._files[path] = FileEntry(path=path, content=canonical_json(of_pair))
            case ["python", "-P", "-m", "harness", "grade"]:
                self._grade()
            case ["python", "-P", "-c", _]:
                return _result(0.05)
            case _:
                return self._run()
        return _result(0.05)

    def _run(self):
        is_baseline = any(
            all(self._files[f"code/{each.path}"].content == each.content for each in tree)
            for tree in self._owner.slow
        )
        self._owner.runs += 1
        self._files["io/out/model.json"] = FileEntry(path="io/out/model.json", content=b"{}")
        seconds = BASELINE_S if is_baseline else CANDIDATE_S
        if self._owner.seconds is not None:
            seconds = self._owner.seconds(self._files)
        return _result(seconds + NOISE_S[self._owner.runs % len(NOISE_S)])

    def _grade(self):
        instance = [
            (path.removeprefix("instance/"), entry.content)
            for path, entry in self._files.items()
            if path.startswith("instance/")
        ]
        declared = json.loads(self._spec.variables["RSI_TASK_JSON"])
        of_pair = json.loads(self._files["instance/secret/request.json"].content)
        identity = {
            "harness_sha256": "0" * 64, "profile": declared["profile"], "purpose": of_pair["purpose"],
            "instance_digest": tree_digest(instance),
            "seed_commitment": seed_commitment(bytes.fromhex(of_pair["seed"])),
        }  # fmt: skip
        value = result_value(Graded(quality={"excess_bpb": 0.003}), declared=declared, identity=identity)  # fmt: skip
        self._files["result/result.json"] = FileEntry(
            path="result/result.json", content=canonical_json(value)
        )


def _result(cpu_s, code=0, stdout=b"", stderr=b""):
    outcome = ExecOutcome.OK if code == 0 else ExecOutcome.CRASHED
    return ExecResult(
        outcome=outcome, exit_code=code, stdout=stdout, stderr=stderr, is_truncated=False, wall_s=cpu_s,
        cpu_s=cpu_s, cpu_source="rusage", max_rss_bytes=1 << 20,
    )  # fmt: skip


class Memory:
    """Remembers finished steps as the engine does, and tells an observer where a campaign is."""

    def __init__(self, on_step=lambda name: None):
        self._words, self._on_step = {}, on_step

    def step(self, name, work):
        if name not in self._words:
            self._on_step(name)
            self._words[name] = work()
        return self._words[name]

    def wait(self, topic):
        raise AssertionError(f"nobody wakes a campaign that waits on {topic}")


class Fault:
    """Fails one call of the store, before it does anything or after it did everything."""

    def __init__(self):
        self.at, self.error, self.is_after = None, None, False
        self.is_armed = False
        self.kinds = []
        """"read", "write", "git read" or "git write", for every call so far."""

    def arm(self, at, error, *, is_after):
        self.at, self.error, self.is_after = at, error, is_after

    @contextmanager
    def around(self, kind):
        is_hit = False
        if self.is_armed:
            self.kinds.append(kind)
            is_hit = len(self.kinds) == self.at
        if is_hit and not self.is_after:
            raise self.error
        yield
        if is_hit and self.is_after:
            raise self.error


class FaultyDatabase(Database):
    """A ledger's database whose n-th transaction fails."""

    def __init__(self, url, fault):
        super().__init__(url)
        self._fault = fault

    def _prepare_sqlite(self, connection, mode):
        super()._prepare_sqlite(connection, mode)
        connection.execute("PRAGMA synchronous=OFF")  # its tests are of errors, not of power cuts

    @contextmanager
    def read(self):
        with self._fault.around("read"), super().read() as connection:
            yield connection

    @contextmanager
    def write(self, *tables):
        with self._fault.around("write"), super().write(*tables) as connection:
            yield connection


CHANGES = {"import_baseline", "commit_candidate", "move_champion"}


class FaultyLineage(Lineage):
    """A lineage whose n-th call fails."""

    __slots__ = ("fault",)

    def __getattribute__(self, name):
        found = super().__getattribute__(name)
        if name.startswith("_") or not callable(found):
            return found
        fault = super().__getattribute__("fault")

        def faulty(*args, **kwargs):
            with fault.around("git write" if name in CHANGES else "git read"):
                return found(*args, **kwargs)

        return faulty


def faulty_lineage(lineage, fault):
    made = FaultyLineage(name=lineage.name, git_dir=lineage.git_dir)
    object.__setattr__(made, "fault", fault)
    return made


def queue(ledger, script, ideas, **settings):
    """Queue a scripted campaign on the toy task whose policy decides; returns its id."""
    task = load_task("toy")
    script.write_text("\n".join(ideas), encoding="utf-8")
    config = CampaignConfig(
        task_root=str(task.root), rounds=len(ideas), proposer=f"scripted:{script}", autonomy=Autonomy.POLICY,
        seed=SEED, campaign_alpha=0.05, **settings,
    )  # fmt: skip
    return queue_campaign(ledger, task, profile="smoke", lineage="toy", config=config).id


def begun(ledger, script):
    """The id of a queued campaign that a worker has begun."""
    made = queue(ledger, script, [idea("01_null")])
    ledger.add_campaign_event(
        CampaignEvent(campaign_id=made, kind=CampaignEventKind.STARTED, at=utc_now())
    )
    return made


def run(home, ledger, campaign_id, *, fault=None, on_step=lambda name: None, seconds=None):
    """Run a campaign to its end, or to the fault's."""
    backend = ScriptedBackend(load_task("toy"), seconds=seconds)

    # As a worker has it, but nobody waits for real.
    waiting = patient(ledger, Patience(sleep=lambda _: None))

    def opened(home, ledger, record):
        context = open_campaign_context(home, ledger, record, backend=backend)
        # Pinned, so that nobody looks for the quietest cores.
        limits = replace(context.profile.limits, cpus=(0,))
        context = replace(context, profile=replace(context.profile, limits=limits))
        if fault is None:
            return context
        return replace(context, lineage=faulty_lineage(context.lineage, fault))

    with pytest.MonkeyPatch.context() as patched:
        # Sessions of an audit lie apart by a share of the campaign's age, and these homes are as old as the recording.
        patched.setattr(audit, "GAP_SHARE", 0.0)
        # What a script says took so long waits for nobody who times something for real on this machine.
        patched.setenv("RSI_LEASE_DIR", str(home.root))
        run_campaign(
            home, waiting, campaign_id, Memory(on_step), open_context=opened, sleep=lambda _: None
        )


def idea(patch, predicted=2.5):
    return (
        f'[[round]]\npatch = ["{patch}"]\nhypothesis = "try {patch}"\n'
        f'predicted_ratio = {predicted}\nrisk = "none"\n'
    )
