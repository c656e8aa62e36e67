"""A git server that fails at any call, before it did anything or after it did everything: no promotion is lost or doubled.

The git that the campaign finds on its path is a script of ours, which fails as the network does and is git otherwise.
"""

import os
import random
import shutil

import pytest
from tests.agent.run import scripted
from tests.agent.run.test_faults import check_end

from rsi.agent.errors import LineageServerError
from rsi.agent.run import parking
from rsi.agent.run.campaign import run_campaign
from rsi.agent.store.git.lineage import Lineage
from rsi.agent.store.home import Home
from rsi.agent.store.ledger import Ledger
from rsi.agent.store.records import CampaignEventKind, CampaignState, RequestKind, utc_now

pytestmark = pytest.mark.slow

SCRIPT = """#!/bin/sh
for each in "$@"; do
  case $each in
    push|fetch|ls-remote)
      echo "$each" >> "{place}/calls"
      fate=$(sed -n "$(wc -l < "{place}/calls")p" "{place}/fates")
      case $fate in
        before) echo "ssh: connect to host x port 22: Connection refused" >&2; exit 128;;
        after) "{git}" "$@" > "{place}/unheard" 2>&1
               echo "fatal: the remote end hung up unexpectedly" >&2; exit 128;;
      esac
      break;;
  esac
done
exec "{git}" "$@"
"""


@pytest.fixture
def shared(tmp_path):
    folder = tmp_path / "srv"
    folder.mkdir()
    return Home(root=tmp_path / "home", lineages_url=folder.as_uri()).create()


@pytest.fixture
def fated(tmp_path, monkeypatch):
    """Puts the script on the path, with what becomes of each call of the server."""

    def go(fates):
        place = tmp_path / "bin"
        place.mkdir()
        script = place / "git"
        script.write_text(SCRIPT.format(place=place, git=shutil.which("git")), encoding="utf-8")
        script.chmod(0o755)
        (place / "calls").touch()
        (place / "fates").write_text("\n".join(fates) + "\n", encoding="utf-8")
        monkeypatch.setenv("PATH", f"{place}{os.pathsep}{os.environ['PATH']}")
        return place / "calls"

    return go


def run_one(home, tmp_path):
    """One campaign with one promotion; how it stands afterwards is checked."""
    with Ledger.open(home) as ledger:
        campaign_id = scripted.queue(
            ledger, tmp_path / "script.toml", [scripted.idea("02_row_sums_once")]
        )
        scripted.run(home, ledger, campaign_id)
        return campaign_id, ledger.campaign_events(campaign_id)


def check(home, campaign_id):
    with Ledger.open(home) as ledger:
        check_end(home, ledger, campaign_id)
        assert not ledger.reopenings(ledger.rounds(campaign_id)[0].id), "nobody had to ask"
        champion = ledger.moves("toy").champion
    # Whoever comes from elsewhere finds the same.
    other = Home(root=home.root.with_name("other"), lineages_url=home.lineages_url).create()
    assert Lineage.open(other, "toy", create=False).champion() == champion


@pytest.mark.parametrize(
    "seed", [1, 2, *(pytest.param(seed, marks=pytest.mark.exhaustive) for seed in range(3, 13))]
)
def test_a_server_that_fails_now_and_then_costs_nothing(shared, fated, tmp_path, seed):
    drawn = random.Random(seed)
    fates = [drawn.choice(["ok", "ok", "ok", "before", "after"]) for _ in range(2000)]
    calls = fated(fates)
    campaign_id, events = run_one(shared, tmp_path)
    failed = fates[: len(calls.read_text(encoding="utf-8").splitlines())]
    assert {"before", "after"} <= set(failed)
    assert any(each.kind is CampaignEventKind.PARKED for each in events)
    (calls.parent / "fates").write_text("", encoding="utf-8")
    check(shared, campaign_id)


@pytest.mark.exhaustive
@pytest.mark.parametrize("fate", ["before", "after"])
def test_a_failure_of_any_one_call_costs_nothing(shared, fated, tmp_path, fate):
    calls, at, made = fated(["ok"]), 0, 1
    while at < made:
        (calls.parent / "fates").write_text("ok\n" * at + fate + "\n", encoding="utf-8")
        calls.write_text("", encoding="utf-8")
        root = tmp_path / f"{at}"
        (root / "srv").mkdir(parents=True)
        home = Home(root=root / "home", lineages_url=(root / "srv").as_uri()).create()
        campaign_id, _ = run_one(home, root)
        made = len(calls.read_text(encoding="utf-8").splitlines())
        (calls.parent / "fates").write_text("", encoding="utf-8")
        check(home, campaign_id)
        at += 1
    assert at >= 9, "opening, baseline, champion, round, candidate and promotion all ask the server"


def test_a_campaign_that_waits_for_its_server_ends_when_a_person_stops_it(shared, tmp_path):
    (tmp_path / "srv").rmdir()
    slept = []

    def sleep(seconds):
        slept.append(seconds)
        if len(slept) == 3:
            ledger.add_request(
                RequestKind.STOP, actor="person:ada", at=utc_now(), campaign_id=campaign_id
            )

    with Ledger.open(shared) as ledger:
        campaign_id = scripted.queue(ledger, tmp_path / "script.toml", [scripted.idea("01_null")])
        run_campaign(shared, ledger, campaign_id, scripted.Memory(), sleep=sleep)
        last = ledger.campaign_events(campaign_id)[-1]
        assert last.kind is CampaignEventKind.FAILED
        assert "make or mount the folder" in last.reason
        assert not ledger.charges()
    assert len(slept) == 3


def test_a_lasting_refusal_parks_the_campaign_with_its_reason_until_a_person_stops_it(
    shared, tmp_path
):
    folder = tmp_path / "srv"
    folder.rmdir()
    folder.write_text("no folder", encoding="utf-8")
    slept = []

    def sleep(seconds):
        slept.append(seconds)
        if len(slept) == 8:
            ledger.add_request(
                RequestKind.STOP, actor="person:ada", at=utc_now(), campaign_id=campaign_id
            )

    with Ledger.open(shared) as ledger:
        campaign_id = scripted.queue(ledger, tmp_path / "script.toml", [scripted.idea("01_null")])
        waiting = parking.ParkingDurable(
            durable=scripted.Memory(), home=shared, ledger=ledger, campaign_id=campaign_id, sleep=sleep
        )  # fmt: skip
        with pytest.raises(LineageServerError):
            waiting.through(lambda: Lineage.open(shared, "toy").synchronize())
        (parked,) = ledger.campaign_events(campaign_id)[-1:]
        assert parked.kind is CampaignEventKind.PARKED
        assert "make or mount the folder" in parked.reason
        assert ledger.campaign_summary(campaign_id).state is CampaignState.PARKED
        kinds = [each.kind for each in ledger.campaign_events(campaign_id)]
        assert kinds.count(CampaignEventKind.PARKED) == 1, "said once, not at every look"
    assert slept == [2, 4, 8, 16, 30, 30, 30, 30], "a server is left alone for longer each time"
