"""From a person's wish to a campaign under way: load, check, queue, and see to it that a worker runs."""

import os
import subprocess
import time
from collections.abc import Sequence, Set
from dataclasses import dataclass, replace
from pathlib import Path

from rsi.agent.drivers.versions import in_use, keep, still_voting
from rsi.agent.errors import AgentError
from rsi.agent.llm.base import Model
from rsi.agent.llm.resolve import resolve_model
from rsi.agent.llm.types import Price
from rsi.agent.policy.forecast import expectation, usd_before_start
from rsi.agent.policy.placing import fits
from rsi.agent.policy.settings import (
    CampaignConfigError,
    check_config,
    default_lineage,
    queue_campaign,
)
from rsi.agent.queue.liveness import live_workers, this_worker
from rsi.agent.queue.worker import engine_url, worker_command
from rsi.agent.roles.proposer.prompt import check_scaffold
from rsi.agent.roles.reviewer.signs import rules_of
from rsi.agent.roles.scaffold.loading import load_scaffold, scaffold_from
from rsi.agent.run.engine import EngineClient
from rsi.agent.run.steps.briefing import NO_CRITIC
from rsi.agent.run.steps.models import recorded_replies
from rsi.agent.run.steps.reviewing import RULES_ONLY
from rsi.agent.search.choose import choose_strategy, flag_of
from rsi.agent.store.config import CampaignConfig
from rsi.agent.store.git.lineage import checked_name
from rsi.agent.store.git.server import lineage_server
from rsi.agent.store.home import Home
from rsi.agent.store.ledger import Ledger
from rsi.agent.store.records import CampaignRecord
from rsi.agent.store.tree_blobs import tree_sha256
from rsi.sandboxes.errors import UnknownBackendError
from rsi.sandboxes.machine.ceilings import require_allowed
from rsi.sandboxes.machine.devices import require_gpus
from rsi.sandboxes.select import choose_backend
from rsi.sandboxes.types import FileTree
from rsi.tasks.choices import Device
from rsi.tasks.drivers import REVIEWER_BEFORE, DriverKind
from rsi.tasks.files.trees import read_tree
from rsi.tasks.types import Profile, Task

START_WAIT_S = 30.0
MAX_LOG_BYTES = 10 << 20
"""A longer worker log is put aside before the next worker starts; one such is kept."""

WITHOUT_MODEL = frozenset({NO_CRITIC, RULES_ONLY})
"""Words that stand for no model, each for one role alone."""


class WorkerStartError(AgentError):
    """A worker was started and ended at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """A campaign in the queue."""

    campaign: CampaignRecord
    profile: Profile
    sandbox: str
    """The backend that will run it, and why it was chosen."""
    expected: str
    """One line: what it will probably cost and take."""


def launch(
    home: Home,
    ledger: Ledger,
    task: Task,
    *,
    profile: str,
    config: CampaignConfig,
    lineage: str | None = None,
) -> Launch:
    """Check everything that can be checked before anything is written, then queue.

    Args:
        home: Where ledger and engine are.
        ledger: The open ledger.
        task: The loaded task in its track.
        profile: Size of the task.
        config: Settings.
        lineage: Whose champion; None takes the one of this task, track and profile.

    Raises:
        CampaignConfigError: A setting cannot work, such as an unknown model or backend.
        LineageNameError: The lineage's name cannot be a folder's.
        ScaffoldError: The scaffold cannot be read, or names a tool or limit that does not exist.
        BackendUnavailableError: The sandbox cannot run here; the message says how to get one.
        LineageServerError: The server that lineages are shared through cannot be used.
        LimitTooHighError: The profile asks for more than the operator of this machine allows.
    """
    check_config(config, task, profile)
    name = checked_name(lineage or default_lineage(task, profile, config.start), "lineage")
    config, drivers = _driven(ledger, config)
    choose_strategy(config.strategy)
    if (server := lineage_server(home, name)) is not None:
        server.refs()
    if task.device is Device.CUDA:
        require_gpus()
    size = task.profiles[profile]
    for limits in (size.limits, size.grade_limits):
        require_allowed(limits)
    try:
        choice = choose_backend(config.backend)
    except UnknownBackendError as error:
        raise CampaignConfigError(str(error)) from error
    proposers = (config.proposer, *config.other_proposers)
    _require_roles(config)
    models = {
        spec: resolve_model(
            spec,
            task=task,
            allow_unknown_price=config.is_unknown_price_allowed,
            recorded=lambda round_id: recorded_replies(ledger, round_id),
        )
        for spec in (*proposers, config.critic, config.reviewer)
        if spec not in WITHOUT_MODEL
    }
    for tree in drivers:
        keep(ledger, tree)
    client = EngineClient(engine_url(home))  # before anything is written: it may not be reachable
    try:
        record = queue_campaign(
            ledger,
            task,
            profile=profile,
            lineage=name,
            config=config,
        )
        client.queue(record.id)
    finally:
        client.close()
    price = _dearest([model for spec, model in models.items() if spec in proposers])
    return Launch(
        campaign=record,
        profile=size,
        sandbox=choice.reason,
        expected=expectation(ledger, record, price),
    )


def ensure_worker(
    home: Home, ledger: Ledger, wishes: Sequence[str] = ()
) -> subprocess.Popen[bytes] | None:
    """Start a worker unless one lives; None when one was there, or when this machine is not what is asked for.

    A worker started here ends by itself when nothing is left that it may do; it outlives this process and its terminal.

    Args:
        home: Where ledger and engine are.
        ledger: The open ledger.
        wishes: What the campaign asks of a machine.

    Raises:
        WorkerStartError: It ended at once; the message holds the end of its log.
    """
    alive = live_workers(ledger)
    if any(fits(each, wishes) for each in alive):
        return None
    if not fits(this_worker(ledger.now()), wishes):
        return None
    path = home.logs / "worker.log"
    if path.exists() and path.stat().st_size > MAX_LOG_BYTES:
        path.replace(path.with_suffix(".log.1"))
    with path.open("ab") as log:
        log_start = log.tell()
        process = subprocess.Popen(
            worker_command(),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd="/",
            env=os.environ | {"RSI_HOME": str(home.root)},
            start_new_session=True,
        )
    try:
        _wait_until_it_lives(ledger, process, path, log_start, {each.id for each in alive})
    except BaseException:
        process.terminate()  # nobody but us knows of it yet
        raise
    return process


def _wait_until_it_lives(
    ledger: Ledger, process: subprocess.Popen[bytes], path: Path, log_start: int, before: Set[str]
) -> None:
    deadline = time.monotonic() + START_WAIT_S
    while all(each.id in before for each in live_workers(ledger)):
        if process.poll() is not None or time.monotonic() > deadline:
            raise WorkerStartError(f"the worker ended at once: {_tail(path, log_start)}")
        time.sleep(0.1)


def _driven(ledger: Ledger, config: CampaignConfig) -> tuple[CampaignConfig, tuple[FileTree, ...]]:
    """The settings with what drives the campaign named, and the files that have to be kept for that.

    A fork keeps what drove the campaign that it comes from.
    """
    if config.driver_digests:
        return config, ()
    if config.scaffold is None:
        tree = in_use(ledger, DriverKind.SCAFFOLD)
        scaffold = scaffold_from(tree)
    else:
        scaffold = load_scaffold(Path(config.scaffold))
        tree = read_tree(Path(config.scaffold))
    check_scaffold(scaffold)
    strategy = config.strategy or flag_of(scaffold.search)
    reviewers = {
        DriverKind.REVIEWER.value: in_use(ledger, DriverKind.REVIEWER),
        REVIEWER_BEFORE: still_voting(ledger, DriverKind.REVIEWER),
    }
    drivers = {DriverKind.SCAFFOLD.value: tree}
    for name, files in reviewers.items():
        if files is not None:
            rules_of(files)
            drivers[name] = files
    digests = {name: tree_sha256(files) for name, files in drivers.items()}
    return replace(config, strategy=strategy, driver_digests=digests), tuple(drivers.values())


def _require_roles(config: CampaignConfig) -> None:
    """Refuse a word for "no model" in a role that has another one, or none."""
    for spec in (config.proposer, *config.other_proposers):
        if spec in WITHOUT_MODEL:
            raise CampaignConfigError(
                f"the proposer is {spec!r}; a campaign needs a model that proposes, such as scripted:lm_training"
            )
    if config.critic == RULES_ONLY:
        raise CampaignConfigError(
            f"the critic is {RULES_ONLY!r}; give a model, or {NO_CRITIC!r} for no critic"
        )
    if config.reviewer == NO_CRITIC:
        raise CampaignConfigError(
            f"the reviewer is {NO_CRITIC!r}; give a model, or {RULES_ONLY!r} for the rules alone, which always review"
        )


def _dearest(proposers: Sequence[Model]) -> Price | None:
    """The price that costs most in a typical round; None when one of them is unknown."""
    usd_by_price = {each.price: usd_before_start(each.price, rounds=1) for each in proposers}
    known = {price: usd for price, usd in usd_by_price.items() if usd is not None}
    if not known or len(known) < len(usd_by_price):
        return None
    return max(known, key=lambda price: known[price])


def _tail(path: Path, start: int) -> str:
    with path.open("rb") as log:
        log.seek(start)
        lines = log.read().decode("utf-8", "replace").strip().splitlines()
    return lines[-1] if lines else f"it said nothing; see {path}"
