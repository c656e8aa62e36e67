"""Verbs that run campaigns: run, worker, follow."""

import argparse
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

from rsi.agent.cli.context import (
    chosen_campaign,
    emit,
    home,
    note,
    open_to_read,
    task_named,
)
from rsi.agent.errors import LedgerUnavailableError
from rsi.agent.policy.controls import default_every, lock_reasons, unearned
from rsi.agent.policy.placing import label_problem
from rsi.agent.policy.settings import DEFAULT_AUDIT_EVERY, CampaignConfigError
from rsi.agent.queue.launching import Launch, ensure_worker, launch
from rsi.agent.queue.standstill import standstills
from rsi.agent.queue.worker import run_worker
from rsi.agent.report.follow import Follower
from rsi.agent.report.tally import tally
from rsi.agent.store.config import Autonomy, CampaignConfig
from rsi.agent.store.home import Home
from rsi.agent.store.ledger import Ledger
from rsi.agent.store.records import CampaignState, CampaignSummary
from rsi.agent.store.round_book import RoundBook
from rsi.agent.store.rounds import case_at_gate
from rsi.agent.store.state import ENDED_STATES
from rsi.tasks.choices import Start
from rsi.tasks.format.loader import load_task, profile_of

DEFAULT_MODEL = "scripted:demo"
FOLLOW_POLL_S = 1.0
"""A look costs 5 to 25 ms of a core that runs are timed on; nobody reads faster."""
STOP_WAIT_S = 20.0
STILL_S = 3.0
"""A campaign that does not go on for so long gets a word to the person."""
OUTAGE_S = 600.0
"""A ledger that is away for longer is not waited for any more."""


def run(args: argparse.Namespace) -> int:
    """Queue a campaign, start a worker if none runs, and follow it."""
    task = load_task(task_named(args.task), track=args.track)
    profile = profile_of(task, args.profile).name
    every = default_every(task.profiles[profile]) if args.controls is None else args.controls
    config = replace(config_from(args, str(task.root)), control_every=every)
    here = home().create()
    with Ledger.open(here) as ledger:
        queued = launch(here, ledger, task, profile=profile, config=config, lineage=args.lineage)
        return see_through(args, here, ledger, queued)


def see_through(args: argparse.Namespace, here: Home, ledger: Ledger, queued: Launch) -> int:
    """Make sure that a worker runs a queued campaign, and follow it unless detached."""
    campaign = queued.campaign
    note(
        f"campaign {campaign.id} on {campaign.task} ({campaign.track}, {campaign.profile}); "
        f"sandbox {queued.sandbox}"
    )
    note(queued.expected)
    note(
        "driven by "
        + ", ".join(
            f"{kind} {digest[:12]}" for kind, digest in campaign.config.driver_digests.items()
        )
    )
    config = campaign.config
    if lacking := unearned(ledger, campaign, config, queued.profile):
        note(
            f"each promotion waits for you until controls have earned policy its word on this task: that {'; that '.join(lacking)} "
            "(--grant-autonomy gives it at once)"
        )
    worker = ensure_worker(here, ledger, config.on)
    if args.detach:
        emit(args, campaign, [f"{campaign.id} queued; `rsi follow {campaign.id}` shows it"])
        return 0
    end_on_sigterm()
    try:
        return follow_to_end(args, ledger, campaign.id)
    except KeyboardInterrupt:
        end_worker(worker)
        note(
            f"stopped following; campaign {campaign.id} is kept and goes on with `rsi worker`"
            if worker is not None
            else f"stopped following; campaign {campaign.id} goes on in its worker"
        )
        raise


def worker(args: argparse.Namespace) -> int:
    """Run queued campaigns until told to stop."""
    here = home()
    if problem := label_problem(args.label):
        raise CampaignConfigError(problem)
    # Nothing can be said afterwards: its end is the process's.
    emit(args, {"home": str(here.root), "concurrency": args.concurrency}, [])
    run_worker(
        here,
        exit_when_idle=args.exit_when_idle,
        concurrency=args.concurrency,
        labels=args.label,
    )
    return 0


def follow(args: argparse.Namespace) -> int:
    """Follow a campaign that is queued or under way."""
    with open_to_read() as ledger:
        return follow_to_end(args, ledger, chosen_campaign(ledger, args.campaign).record.id)


def config_from(args: argparse.Namespace, task_root: str) -> CampaignConfig:
    """The campaign's settings from the command line.

    Raises:
        CampaignConfigError: The seed is no hex number of 32 digits.
    """
    proposers = [from_anywhere(each) for each in args.model or [DEFAULT_MODEL]]
    config = CampaignConfig(
        task_root=task_root,
        rounds=args.rounds,
        proposer=proposers[0],
        parallel=args.parallel,
        other_proposers=tuple(proposers[1:]),
        critic=from_anywhere(args.critic),
        reviewer=from_anywhere(args.reviewer),
        review_votes=args.review_votes,
        autonomy=Autonomy[args.decide.replace("-", "_").upper()],
        is_autonomy_granted=args.grant_autonomy,
        start=Start(args.start),
        backend=args.sandbox,
        on=tuple(args.on),
        strategy=args.strategy or "",
        # The worker's current folder is another one.
        scaffold=None if args.scaffold is None else str(Path(args.scaffold).resolve()),
        budget_usd=args.budget_usd,
        budget_tokens=args.budget_tokens,
        budget_wall_s=None if args.budget_hours is None else args.budget_hours * 3600,
        budget_device_s=None
        if args.budget_device_hours is None
        else args.budget_device_hours * 3600,
        round_budget_usd=args.round_budget_usd,
        is_unknown_price_allowed=args.allow_unknown_price,
        audit_every=DEFAULT_AUDIT_EVERY if args.audit_every is None else args.audit_every,
    )
    if args.seed is None:
        return config
    if len(args.seed) != 32 or not set(args.seed.lower()) <= set("0123456789abcdef"):
        raise CampaignConfigError(f"--seed {args.seed!r} is not a hex number of 32 digits")
    return replace(config, seed=args.seed.lower())


def from_anywhere(spec: str) -> str:
    """A model's name with the file that it plays by its absolute path: the worker's current folder is another one."""
    provider, _, target = spec.partition(":")
    is_file = provider in {"scripted", "replay"} and Path(target).is_file()
    return f"{provider}:{Path(target).resolve()}" if is_file else spec


def follow_to_end(
    args: argparse.Namespace, ledger: Ledger, campaign_id: str, *, is_quiet: bool = False
) -> int:
    """Say on stderr what happens until the campaign is over; unless quiet, print its tally at the end."""
    follower = _Follower(ledger, campaign_id, home())
    while True:
        try:
            state = follower.look()
        except LedgerUnavailableError as error:
            follower.wait_for_ledger(error)
            continue
        if state in ENDED_STATES:
            break
        time.sleep(FOLLOW_POLL_S)
    if not is_quiet:
        found = tally(ledger, campaign_id)
        facts = {"campaign": campaign_id, "state": state.value, "tally": found}
        emit(args, facts, [found.line])
    return 1 if state is CampaignState.FAILED else 0


def end_on_sigterm() -> None:
    """Let SIGTERM end a follower the way Ctrl-C does, so that its worker is not left behind."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)


def end_worker(worker: subprocess.Popen[bytes] | None) -> None:
    """End a worker that this process started; what it did is in the ledger."""
    if worker is None or worker.poll() is not None:
        return
    worker.terminate()
    try:
        worker.wait(STOP_WAIT_S)
    except subprocess.TimeoutExpired:
        worker.kill()
        worker.wait()


class _Follower:
    """Says on stderr what is new about one campaign, what waits for a person, and why nothing goes on."""

    def __init__(
        self, ledger: Ledger, campaign_id: str, here: Home, *, patience_s: float = STILL_S
    ) -> None:
        self._ledger, self._campaign_id, self._home = ledger, campaign_id, here
        self._follower = Follower(ledger, campaign_id)
        self._status = _StatusLine(is_shown=sys.stderr.isatty())
        self._cursor = self._told = self._still = ""
        self._still_since, self._is_still_said = time.monotonic(), False
        self._away_since: float | None = None
        self._patience_s = patience_s
        self._at_gate_since: float | None = None
        """Since when policy has let a candidate wait that it may decide about."""

    def look(self) -> CampaignState:
        """Say what is new; returns the campaign's state."""
        summary = self._ledger.campaign_summary(self._campaign_id)
        if self._away_since is not None:
            self._say(f"the ledger answers again after {time.monotonic() - self._away_since:.0f} s")
            self._away_since = None
        now = self._ledger.cursor()
        if now != self._cursor:
            for line in self._follower.news():
                self._say(line)
            self._cursor = now
            self._tell_waiting()
        elif self._at_gate_since is not None:
            self._tell_waiting()
        if summary.state in ENDED_STATES:
            self._status.clear()
        else:
            self._tell_standstill(summary)
            if self._status.is_shown:
                self._status.show(self._follower.now())
        return summary.state

    def wait_for_ledger(self, error: LedgerUnavailableError) -> None:
        """Sleep a little while the ledger is away; its coming back is said.

        Raises:
            LedgerUnavailableError: It has been away for too long.
        """
        if self._away_since is None:
            self._away_since = time.monotonic()
            self._say(f"waiting for the ledger: {error}")
        if time.monotonic() - self._away_since > OUTAGE_S:
            raise error
        self._status.show("waiting for the ledger")
        time.sleep(1.0)

    def _say(self, line: str) -> None:
        self._status.clear()
        note(line)

    def _tell_standstill(self, summary: CampaignSummary) -> None:
        """Once for each reason, when it has lasted for a moment; a worker may be just starting."""
        found = standstills(self._ledger, [summary], self._home).get(self._campaign_id)
        reason = "" if found is None else found.reason.partition(" for ")[0]
        if reason != self._still:
            self._still, self._still_since = reason, time.monotonic()
            self._is_still_said = False
        elif (
            found is not None
            and not self._is_still_said
            and time.monotonic() - self._still_since > STILL_S
        ):
            self._is_still_said = True
            self._say(f"{self._campaign_id}  {found.word}: {found.reason}")

    def _is_overdue(self) -> bool:
        """Whether policy has had its moment: its level may have fallen, or what holds the candidate needs a person."""
        now = time.monotonic()
        self._at_gate_since = self._at_gate_since or now
        return now - self._at_gate_since >= self._patience_s

    def _tell_waiting(self) -> None:
        """Say once what waits for a person's decision, and how to give it."""
        ledger = self._ledger
        config = ledger.campaign(self._campaign_id).config
        for line in RoundBook(ledger).of_campaign(self._campaign_id)[-1:]:
            round_id = line.record.id
            case = case_at_gate(ledger.steps(round_id), ledger.decisions(round_id))
            if case is None or round_id == self._told:
                self._at_gate_since = None
                continue
            if config.autonomy == Autonomy.POLICY and not case.unearned and not self._is_overdue():
                continue  # as a rule policy decides in a moment
            self._at_gate_since = None
            if config.autonomy > Autonomy.PERSON:
                for each in lock_reasons(ledger, ledger.campaign(self._campaign_id)):
                    self._say(f"policy may not decide here now: {each}")
            if case.unearned:
                self._say(
                    f"policy may not decide here yet; it lacks that {'; that '.join(case.unearned)}"
                )
            for each in case.alike:
                self._say(f"round {round_id} resembles what failed before: {each}")
            self._say(
                f"round {round_id} waits for your decision: `rsi show {round_id}`, then "
                f"`rsi approve {round_id}` or `rsi reject {round_id} --reason TEXT`; "
                "`rsi` opens the cockpit"
            )
            self._told = round_id


class _StatusLine:
    """One line that is written over, on a terminal only."""

    def __init__(self, *, is_shown: bool) -> None:
        self.is_shown = is_shown
        self._text = ""
        self._since = time.monotonic()

    def show(self, text: str) -> None:
        if not self.is_shown:
            return
        if text != self._text:
            self._text, self._since = text, time.monotonic()
        if text:
            elapsed = time.monotonic() - self._since
            print(f"\r\x1b[K… {text}, {elapsed:.0f} s", end="", file=sys.stderr, flush=True)

    def clear(self) -> None:
        if self.is_shown:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
