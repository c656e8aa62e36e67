"""An exception at every call of the store, in every step of a round: nothing is lost, nothing is there twice.

The clean run is recorded once, with a copy of its home before every step. Each case begins at the copy before its step,
fails one call there, before it did anything or after it did everything, and then goes on as a person would: with
`rsi retry`. The end has to be the same as if nothing had happened. Some 750 campaigns are an hour on a busy disk, so
`make test` fails every fifth call, and each that moves git; `make exhaustive` fails them all.
"""

import errno
import shutil
from contextlib import suppress
from dataclasses import dataclass

import pytest
from tests.agent.run import scripted

from rsi.agent.errors import LedgerFullError, LedgerUnavailableError, LineageFullError
from rsi.agent.policy.queueing import broken_step
from rsi.agent.queue.reconciling import reconcile
from rsi.agent.queue.requests import serve_queue_requests
from rsi.agent.store.champion import Standing, look_at_champion
from rsi.agent.store.git import plumbing
from rsi.agent.store.git.lineage import Lineage
from rsi.agent.store.home import Home
from rsi.agent.store.ledger import Ledger
from rsi.agent.store.records import CampaignState, RequestKind, Step, utc_now
from rsi.agent.store.round_book import RoundBook
from rsi.agent.store.sql.database import ledger_url
from rsi.agent.store.state import ENDED_STATES
from rsi.evals.types import Arm, Purpose

PLACES = ("start", "next/1", *(f"0/{step.value}" for step in Step), "over", "audit", "end")
MAX_TRIES = 4
PAIRS = 3
"""Of each purpose, by the profile's plan."""
STRIDE = 5

pytestmark = pytest.mark.slow
at_every_place = pytest.mark.parametrize(
    ("place", "stride"),
    [
        *((place, STRIDE) for place in PLACES),
        *(pytest.param(place, 1, marks=pytest.mark.exhaustive) for place in PLACES),
    ],
)


class Broken(Exception):
    """What no code of ours expects."""


@dataclass
class Recording:
    """A campaign that ran without a fault: copies of its home, and the store's calls by place."""

    campaign_id: str
    copies: dict
    calls: dict


@pytest.fixture(scope="module", autouse=True)
def without_power_cuts():
    """Nobody pulls the plug in these tests, so that nothing has to reach the disk."""
    quick = tuple(each for each in plumbing._SAFE_CONFIG if not each.startswith("core.fsync"))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(plumbing, "_SAFE_CONFIG", (*quick, "core.fsync=none"))
        yield


@pytest.fixture(scope="module")
def recording(tmp_path_factory, without_power_cuts):
    folder = tmp_path_factory.mktemp("clean")
    home, fault = Home(root=folder / "home").create(), scripted.Fault()
    Ledger.open(home).close()
    recorded = Recording(campaign_id="", copies={}, calls={})
    place = ["start"]

    def on_step(name):
        recorded.calls[place[0]] = list(fault.kinds)
        place[0] = place_of(name) or place[0]
        if place_of(name):
            fault.kinds.clear()
            recorded.copies[place[0]] = folder / place[0].replace("/", "-")
            shutil.copytree(home.root, recorded.copies[place[0]])

    with Ledger(scripted.FaultyDatabase(ledger_url(home.ledger_place), fault)) as ledger:
        recorded.campaign_id = scripted.queue(
            ledger, folder / "script.toml", [scripted.idea("02_row_sums_once")]
        )
        fault.is_armed = True
        scripted.run(home, ledger, recorded.campaign_id, fault=fault, on_step=on_step)
        recorded.calls[place[0]] = list(fault.kinds)
        check_end(home, ledger, recorded.campaign_id)
    return recorded


def place_of(name):
    """The place that begins with a durable step; empty where a place goes on."""
    return next((each for each in PLACES if name == each or name.endswith(f"-0001/{each}")), "")


def some_of(cases, place, stride):
    """Every so many of the cases, others at each place, and all that move git."""
    begin = PLACES.index(place) % min(stride, len(cases))
    return [case for at, case in enumerate(cases) if at % stride == begin or "git write" in case]


@at_every_place
def test_an_error_at_any_call_of_the_store_loses_nothing(recording, place, stride, tmp_path):
    every = [
        (number, is_after, kind)
        for number, kind in enumerate(recording.calls[place], start=1)
        for is_after in ((False, True) if kind.endswith("write") else (False,))
    ]
    cases = some_of(every, place, stride)
    assert cases
    for number, is_after, _ in cases:
        root = tmp_path / f"{number}-{is_after}"
        shutil.copytree(recording.copies[place], root)
        try:
            fail_and_mend(recording, Home(root=root), place, number, is_after=is_after)
        except BaseException as error:
            error.add_note(f"call {number} of {place}, {'after' if is_after else 'before'}")
            raise
        shutil.rmtree(root)


PASSING = {
    False: (LedgerUnavailableError("the server is away"), LedgerFullError("its disk is full")),
    True: (LineageFullError("git's disk is full"), OSError(errno.ENOSPC, "No space left")),
}
"""What the ledger says, and what git says."""


@at_every_place
def test_what_passes_by_itself_is_waited_out_at_any_call_of_the_store(
    recording, place, stride, tmp_path
):
    for number, kind in some_of(list(enumerate(recording.calls[place], start=1)), place, stride):
        fault, error = scripted.Fault(), PASSING[kind.startswith("git")][number % 2]
        root = tmp_path / f"{number}"
        shutil.copytree(recording.copies[place], root)
        home = Home(root=root)
        fault.arm(number, error, is_after=kind.endswith("write"))
        on_step = arming(fault, place)
        with Ledger(scripted.FaultyDatabase(ledger_url(home.ledger_place), fault)) as ledger:
            try:
                scripted.run(home, ledger, recording.campaign_id, fault=fault, on_step=on_step)
                fault.is_armed = False
                check_end(home, ledger, recording.campaign_id)
                (record,) = ledger.rounds(recording.campaign_id)
                assert not ledger.reopenings(record.id), "nobody had to ask"
            except BaseException as broken:
                broken.add_note(f"{error!r} at call {number} ({kind}) of {place}")
                raise
        shutil.rmtree(root)


def arming(fault, place):
    """Lets the fault loose from the beginning of a place to the beginning of the next."""

    def on_step(name):
        fault.is_armed = place_of(name) == place or (fault.is_armed and not place_of(name))

    return on_step


def fail_and_mend(recording, home, place, number, *, is_after):
    fault, campaign_id = scripted.Fault(), recording.campaign_id
    fault.arm(number, Broken("out of the blue"), is_after=is_after)
    on_step = arming(fault, place)
    with Ledger(scripted.FaultyDatabase(ledger_url(home.ledger_place), fault)) as ledger:
        with suppress(Broken):
            scripted.run(home, ledger, campaign_id, fault=fault, on_step=on_step)
        fault.is_armed = False
        for _ in range(MAX_TRIES):
            if ask_for_more(ledger, campaign_id):
                break
            scripted.run(home, ledger, campaign_id)
        # An audit that failed on our side is named in the campaign's end and not made again by itself.
        check_end(home, ledger, campaign_id, may_lack_audit=place == "audit")


class NoEngine:
    """An engine that forgot everything; whatever is queued is run by the test."""

    def under_way(self):
        return frozenset()

    def requeue(self, campaign_id, sooner=0):
        pass


def ask_for_more(ledger, campaign_id):
    """What a worker and a person do about a campaign that broke; True when there is nothing left to ask for."""
    reconcile(ledger, NoEngine())
    state = ledger.campaign_summary(campaign_id).state
    if state is CampaignState.QUEUED:
        return False
    assert state in ENDED_STATES
    broken = [each.id for each in ledger.rounds(campaign_id) if broken_step(ledger, each.id)]
    if state is not CampaignState.FAILED and not broken:
        return True
    for round_id in broken or [None]:
        ledger.add_request(
            RequestKind.RETRY, actor="person:ada", at=utc_now(), campaign_id=campaign_id, round_id=round_id
        )  # fmt: skip
        serve_queue_requests(ledger, NoEngine(), "worker")
    asked = ledger.requests(unhandled_only=False, campaign_id=campaign_id)
    assert all(each.handled.outcome == "done" for each in asked), asked
    return False


def check_end(
    home: Home, ledger: Ledger, campaign_id: str, *, may_lack_audit: bool = False
) -> None:
    """What is true of the clean run has to be true of every other."""
    lineage = Lineage.open(home, "toy", create=False)
    assert look_at_champion(ledger, lineage).standing is Standing.AGREED
    assert ledger.verify_chain().is_intact
    assert not ledger.storage_problems()
    assert ledger.campaign_summary(campaign_id).state is CampaignState.FINISHED
    (line,) = RoundBook(ledger).of_campaign(campaign_id)
    assert line.ended_as == "promoted"
    assert lineage.champion() != lineage.baseline()
    assert len(ledger.promotions()) == 1
    assert len(ledger.decisions()) == 1
    steps = ledger.steps(line.record.id)
    assert [each.step for each in steps] == list(Step)
    assert all(each.outcome != "harness_error" for each in steps)
    for purpose in (Purpose.SCREEN, Purpose.CONFIRM, Purpose.AUDIT):
        runs = [(each.pair, each.arm) for each in ledger.measurements(line.record.id, purpose)]
        assert len(runs) == len(set(runs))
        is_whole = len(runs) == PAIRS * len(Arm)
        assert is_whole or (may_lack_audit and purpose is Purpose.AUDIT)
    charges = [each.id for each in ledger.charges(campaign_id)]
    assert len(charges) == len(set(charges))
