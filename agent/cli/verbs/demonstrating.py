"""`rsi demo`: a real campaign on the flagship task, without key, GPU or Docker.

The patches are the task's own reference solutions and cheats, played by the scripted model through the same
loop as any model's; nothing about their results is known beforehand.
"""

import argparse
import secrets
import sys
import time
from pathlib import Path

from rsi.agent.cli.context import emit, home, note, table
from rsi.agent.cli.verbs.reading import show_interval
from rsi.agent.cli.verbs.running import end_on_sigterm, end_worker, follow_to_end
from rsi.agent.llm.scripted.script import load_script
from rsi.agent.queue.launching import Launch, ensure_worker, launch
from rsi.agent.report.files import write_report
from rsi.agent.report.tally import tally
from rsi.agent.store.config import Autonomy, CampaignConfig
from rsi.agent.store.home import Home
from rsi.agent.store.ledger import Ledger
from rsi.agent.store.round_book import RoundBook
from rsi.agent.store.state import ENDED_STATES
from rsi.sandboxes.errors import BackendUnavailableError, EnvironmentBuildError
from rsi.sandboxes.select import QUICKEST_FIRST, choose_backend
from rsi.sandboxes.types import Backend
from rsi.tasks.format.loader import load_task, profile_of
from rsi.tasks.types import Task

SCRIPT = "demo"


def demo(args: argparse.Namespace) -> int:
    """Run the demo's campaign to its end and print what came of it."""
    task = load_task(args.task)
    profile = profile_of(task, args.profile).name
    is_shown = args.cockpit is not None and not args.plain and not args.json
    decide = args.decide or ("person" if is_shown else "policy")
    backend = _prepared_backend(args.sandbox, task)
    here = home().create()
    started_s = time.monotonic()
    with Ledger.open(here) as ledger:
        queued = _queue(here, ledger, task, profile, backend.name, decide)
        campaign_id = queued.campaign.id
        note(
            f"campaign {campaign_id} on {task.name} ({task.track}, {profile}); sandbox {queued.sandbox}"
        )
        note(queued.expected)
        worker = ensure_worker(here, ledger)
        end_on_sigterm()
        try:
            if is_shown:
                args.cockpit(campaign_id)
                _leave_cockpit(ledger, campaign_id)
            code = follow_to_end(args, ledger, campaign_id, is_quiet=True)
        except KeyboardInterrupt:
            end_worker(worker)
            note(f"interrupted; campaign {campaign_id} is kept and goes on with `rsi worker`")
            raise
        report = write_report(here, ledger, campaign_id)
        _print_end(args, ledger, campaign_id, report, time.monotonic() - started_s)
    return code


def _prepared_backend(name: str, task: Task) -> Backend:
    """The named sandbox with the task's environment; for "auto" the quickest with walls that can be made ready here.

    Raises:
        SandboxError: The named one, or none, can be used.
    """
    note(f"preparing the environment {task.environment.name} (once; it is kept in the cache)")
    if name != "auto":
        backend = choose_backend(name).backend
        backend.prepare(task.environment, progress=note)
        return backend
    # Its minutes are promised, and an engine's image and containers take more of them than bubblewrap's folder.
    for each in QUICKEST_FIRST:
        try:
            backend = choose_backend(each).backend
            backend.prepare(task.environment, progress=note)
        except (BackendUnavailableError, EnvironmentBuildError) as error:
            note(f"not {each}: {error}")
        else:
            return backend
    note(
        "NO ISOLATION: no sandbox can run here. The demo goes on without one because it runs only patches "
        "that ship with rsi; a campaign of yours will not. Install bubblewrap (Debian, Ubuntu, Fedora: the "
        "package bubblewrap) or start a Docker engine to get real walls"
    )
    backend = choose_backend("process").backend
    backend.prepare(task.environment, progress=note)
    return backend


def _queue(
    here: Home, ledger: Ledger, task: Task, profile: str, backend: str, decide: str
) -> Launch:
    config = CampaignConfig(
        task_root=str(task.root),
        rounds=len(load_script(SCRIPT, task).rounds),
        proposer=f"scripted:{SCRIPT}",
        autonomy=Autonomy.PERSON if decide == "person" else Autonomy.POLICY,
        # A newcomer's home has no controls behind it; the script's own cheats and null patch show the gate at work.
        is_autonomy_granted=True,
        backend=backend,
        # A handful of rounds on a machine that may be crowded: the profile claims a screen, not a promotion.
        campaign_alpha=0.05,
    )
    # A lineage of its own: every demo starts from the baseline and never moves a champion of yours.
    lineage = f"demo-{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(2)}"
    return launch(here, ledger, task, profile=profile, config=config, lineage=lineage)


def _leave_cockpit(ledger: Ledger, campaign_id: str) -> None:
    if ledger.campaign_summary(campaign_id).state not in ENDED_STATES:
        note(
            f"the cockpit is closed; campaign {campaign_id} goes on, its lines follow here "
            "(Ctrl-C stops it, `rsi` opens the cockpit again)"
        )


def _print_end(
    args: argparse.Namespace, ledger: Ledger, campaign_id: str, report: Path, wall_s: float
) -> None:
    """Leaderboard, report and the tally as the very last line."""
    ranked = sorted(
        RoundBook(ledger).of_campaign(campaign_id),
        key=lambda each: each.effect.estimate if each.effect is not None else 0.0,
        reverse=True,
    )
    rows = [
        (
            str(each.record.number),
            show_interval(each.effect) or "-",
            each.ended_as + (" (planted cheat)" if each.is_planted_cheat else ""),
            each.hypothesis[:72],
        )
        for each in ranked
    ]
    found = tally(ledger, campaign_id)
    emit(
        args,
        {
            "campaign": campaign_id,
            "report": str(report),
            "wall_s": wall_s,
            "rounds": ranked,
            "tally": found,
        },
        [
            "",
            *table(("round", f"{found.word} over its champion", "ended as", "idea"), rows),
            f"\nreport: {report}",
            f"the campaign took {wall_s:.0f} s; `rsi rounds {campaign_id}` lists it again, `rsi` opens it",
            found.line,
        ],
    )
    sys.stdout.flush()
