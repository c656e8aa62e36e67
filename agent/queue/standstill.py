"""Why campaigns that should go on do not: no worker, a worker that cannot write, a full disk; for every screen alike.

Does not: look at what a worker does while it works. Invariant: told from the ledger and this machine alone, so that it can
be told while nothing can be written.
"""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from rsi.agent.policy.placing import fits
from rsi.agent.queue.liveness import is_alive, may_run, serves, stays
from rsi.agent.store.home import Home
from rsi.agent.store.ledger import Ledger
from rsi.agent.store.records import (
    CampaignRecord,
    CampaignState,
    CampaignSummary,
    WorkerRecord,
)
from rsi.agent.store.state import ENDED_STATES

SILENT_S = 20.0
"""A worker beats every 5 s; one that lives and has not for so long cannot write."""
FULL_BYTES = 1 << 20
"""Less free than this is a full disk: the ledger's next page may not fit."""
NO_WORKER = "no worker is running; `rsi worker` starts one"
PAUSED = "every worker that runs is paused; `rsi workers resume NAME` lets one go on, `rsi worker` starts another"
NOBODY = "no worker is running: nobody carries this out before `rsi worker` starts one"
OTHER_CLASS = (
    "it was begun on a machine of class {}, and no worker on such a one is running: start one there (`rsi workers` lists "
    "them), or stop it and queue it anew, for what two classes measure does not compare"
)
UNFIT = (
    "it asks for a machine with {}, and no worker that runs is on such a one: start one there (`rsi workers` lists those "
    "that run), or stop it and queue it anew without"
)
GONE = "its worker is gone; another takes it up within a minute"


@dataclass(frozen=True, slots=True, kw_only=True)
class Standstill:
    """Why one campaign does not go on."""

    word: str
    """"no worker", "parked" or "paused"."""
    reason: str
    """One sentence, with what to do."""


def standstills(
    ledger: Ledger, campaigns: Sequence[CampaignSummary], home: Home | None = None
) -> Mapping[str, Standstill]:
    """Which of these campaigns do not go on, by id, and why.

    Args:
        ledger: Also of another machine.
        campaigns: As the ledger lists them.
        home: Whose disk the ledger is on, when it is here.
    """
    under_way = [each for each in campaigns if each.state not in ENDED_STATES]
    if not under_way:
        return {}
    now = ledger.now()
    alive = {each.id: each for each in ledger.workers() if is_alive(each, now)}
    staying = [each for each in alive.values() if stays(each)]
    found: dict[str, Standstill] = {}
    for each in under_way:
        holder_id = ledger.holder(each.record.id).worker_id
        holder = alive.get(holder_id or "")
        if each.state is CampaignState.QUEUED or holder is None:
            if reason := _unserved(ledger, each.record, staying):
                found[each.record.id] = Standstill(word="no worker", reason=reason)
            elif each.state is not CampaignState.QUEUED and holder_id is not None:
                found[each.record.id] = Standstill(word="no worker", reason=GONE)
        elif now - holder.heartbeat_at > timedelta(seconds=SILENT_S):
            reason = _silent(holder, (now - holder.heartbeat_at).total_seconds(), home)
            found[each.record.id] = Standstill(word="parked", reason=reason)
        elif each.state in {CampaignState.PARKED, CampaignState.PAUSED} and (
            reason := ledger.campaign_events(each.record.id)[-1].reason
        ):
            found[each.record.id] = Standstill(word=each.state.value, reason=reason)
    return found


def _unserved(ledger: Ledger, campaign: CampaignRecord, staying: Sequence[WorkerRecord]) -> str:
    """Why none of these workers may run a campaign; empty when one may."""
    serving = [each for each in staying if serves(each)]
    if not serving:
        return PAUSED if staying else NO_WORKER
    wishes = campaign.config.on
    fitting = [each for each in serving if fits(each, wishes)]
    if not fitting:
        return UNFIT.format(" and ".join(wishes))
    if not any(may_run(ledger, campaign, each) for each in fitting):
        return OTHER_CLASS.format(ledger.machine_class(campaign.id))
    return ""


def state_text(summary: CampaignSummary, still: Standstill | None) -> str:
    """A campaign's state in a list, such as "running, no worker"."""
    if still is None or still.word == summary.state.value:
        return summary.state.value
    return still.word if still.word == "parked" else f"{summary.state.value}, {still.word}"


def _silent(worker: WorkerRecord, silent_s: float, home: Home | None) -> str:
    said = f"its worker ({worker.host}, pid {worker.pid}) lives and could not write for {silent_s:.0f} s"
    if home is not None and home.database_url is None:
        free_bytes = shutil.disk_usage(home.root).free
        if free_bytes < FULL_BYTES:
            return (
                f"{said}: the disk of {str(home.root)!r} is full ({free_bytes} bytes free); free some space, "
                "it goes on by itself"
            )
    return f"{said}; its log says why"
