"""A home of its own for every test, one cache of environments for all, and short ways to run campaigns."""

import hashlib
import itertools
import os
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from tests.backends import quickest_backend

from rsi.agent.policy.gate import decide
from rsi.agent.queue.launching import launch
from rsi.agent.store.config import Autonomy, CampaignConfig
from rsi.agent.store.home import Home
from rsi.agent.store.ledger import Ledger
from rsi.agent.store.records import CampaignState
from rsi.agent.store.rounds import case_at_gate
from rsi.tasks.format.loader import load_task

SEED = "00112233445566778899aabbccddeeff"
WORKER = Path(__file__).parent / "worker_with_fault.py"


@pytest.fixture(scope="session")
def backend_name():
    """The quickest sandbox with walls here; `test_backends.py` runs a campaign on each."""
    return quickest_backend()


@pytest.fixture(scope="session")
def cache(tmp_path_factory):
    """A cache of its own: the lock that keeps timing exclusive must not wait for other work here."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def home(tmp_path, monkeypatch, cache):
    monkeypatch.setenv("RSI_CACHE", str(cache))
    monkeypatch.setenv("RSI_HOME", str(tmp_path / "home"))
    for name in ("RSI_DATABASE_URL", "RSI_LINEAGES_URL"):
        monkeypatch.delenv(name, raising=False)
    return Home.find().create()


@pytest.fixture(autouse=True)
def fixed_ids(request, monkeypatch):
    """Fresh instances follow from the seed and the campaign's name: with both fixed, a test draws the same ones each time.

    What a clock says still differs from run to run; what a run's quality is does not.
    """
    names = (
        "c0101-" + hashlib.sha256(f"{request.node.nodeid}:{number}".encode()).hexdigest()[:4]
        for number in itertools.count()
    )
    monkeypatch.setattr("rsi.agent.policy.settings.new_campaign_id", lambda at: next(names))


@pytest.fixture
def ledger(home):
    with Ledger.open(home) as opened:
        yield opened


@pytest.fixture
def queue(home, ledger, backend_name, tmp_path):
    """Queue a scripted campaign on the toy task; returns its id."""
    numbers = itertools.count()

    def go(
        entries,
        *,
        autonomy=Autonomy.POLICY,
        task="toy",
        profile="smoke",
        lineage=None,
        **settings,
    ):
        script = tmp_path / f"script{next(numbers) or ''}.toml"
        script.write_text("\n".join(entries), encoding="utf-8")
        loaded = load_task(task)
        config = CampaignConfig(
            task_root=str(loaded.root),
            rounds=len(entries),
            proposer=f"scripted:{script}",
            autonomy=autonomy,
            backend=backend_name,
            seed=SEED,
            # Tests share their machine; how small the error rate is kept is shown by simulation elsewhere.
            campaign_alpha=0.05,
        )
        launched = launch(
            home,
            ledger,
            loaded,
            profile=profile,
            config=replace(config, **settings),
            lineage=lineage,
        )
        return launched.campaign.id

    return go


@pytest.fixture
def work(home):
    """Run a worker to the end of the queue in a process of its own; returns its exit status."""

    def go(fault="", timeout_s=240):
        done = subprocess.run(
            [sys.executable, "-P", str(WORKER), fault],
            env=os.environ | {"RSI_HOME": str(home.root)},
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
        return done.returncode, done.stderr

    return go


@pytest.fixture
def start_worker(home, tmp_path):
    """A worker in the background, ended when the block is left and not before: tests ask things of it while it is idle."""

    @contextmanager
    def go():
        process = subprocess.Popen(
            [sys.executable, "-P", str(WORKER), "", "stays"],
            env=os.environ | {"RSI_HOME": str(home.root)},
            stdout=subprocess.DEVNULL,
            stderr=(tmp_path / "worker.log").open("ab"),
        )
        try:
            yield process
        finally:
            process.terminate()
            process.wait(30)

    return go


@pytest.fixture
def idea():
    """Writes one entry of a script."""

    def go(*patches, predicted=1.5):
        listed = ", ".join(f'"{each}"' for each in patches)
        return (
            f'[[round]]\npatch = [{listed}]\nhypothesis = "try {patches[-1]}"\n'
            f'predicted_ratio = {float(predicted)}\nrisk = "none"\n'
        )

    return go


@pytest.fixture
def until(ledger):
    """Waits for a fact in the ledger; fails with what there is after five minutes."""

    def go(claim, timeout_s=300.0):
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            if (found := claim()) is not None:
                return found
            time.sleep(0.1)
        raise AssertionError([summary.state for summary in ledger.campaigns()])

    return go


@pytest.fixture
def gate(ledger, until):
    """Waits for a case at the gate and speaks about it."""
    return Gate(ledger, until)


class Gate:
    def __init__(self, ledger, until):
        self._ledger = ledger
        self._until = until

    def case(self, campaign_id, attempt=0):
        def look():
            cases = map(self.case_of, self._ledger.rounds(campaign_id))
            return next((case for case in cases if case and case.attempt == attempt), None)

        return self._until(look)

    def case_of(self, record):
        """The case of one round, if it waits."""
        return case_at_gate(self._ledger.steps(record.id), self._ledger.decisions(record.id))

    def say(self, case, action, reason=""):
        return decide(
            self._ledger,
            case.round_id,
            action,
            actor="person:ada",
            reason=reason,
            commit=case.commit,
            score_digest=case.score_digest,
        )

    def wait_for_end(self, campaign_id, states=(CampaignState.FINISHED, CampaignState.STOPPED)):
        def look():
            state = self._ledger.campaign_summary(campaign_id).state
            return state if state in states else None

        return self._until(look)
