"""kill -9 of the worker at every step of a round: the campaign ends as if nothing had happened."""

import signal
import time
from contextlib import suppress
from pathlib import Path

import pytest

from rsi.agent.store.records import CampaignState, Step
from rsi.agent.store.round_book import RoundBook
from rsi.evals.types import Purpose

PLACES = [f"{step.value}:{when}" for step in Step for when in ("before", "after")]

pytestmark = pytest.mark.slow


def test_a_campaign_survives_a_kill_before_and_after_each_of_the_twelve_steps(
    ledger, queue, work, idea
):
    entries = [idea("02_row_sums_once", predicted=2.5)]
    campaign_id = queue(entries)
    for place in PLACES:
        status, log = work(place)
        assert status == -signal.SIGKILL, (place, log)
        assert ledger.verify_chain().is_intact
    status, log = work()
    assert status == 0, log

    assert ledger.campaign_summary(campaign_id).state is CampaignState.FINISHED
    (line,) = RoundBook(ledger).of_campaign(campaign_id)
    assert line.ended_as == "promoted"
    steps = ledger.steps(line.record.id)
    assert [each.step for each in steps] == list(Step)
    assert len(ledger.promotions()) == 1
    assert len(ledger.decisions()) == 1
    assert ledger.verify_chain().is_intact
    assert not ledger.storage_problems()
    for purpose in (Purpose.SCREEN, Purpose.CONFIRM, Purpose.AUDIT):
        runs = [(each.pair, each.arm) for each in ledger.measurements(line.record.id, purpose)]
        assert len(runs) == len(set(runs))
        assert {pair for pair, _ in runs} == set(range(len(runs) // 2))
    charges = [each.id for each in ledger.charges(campaign_id)]
    assert len(charges) == len(set(charges))


def test_a_kill_in_the_middle_of_measuring_repeats_only_the_run_in_flight(
    ledger, queue, idea, start_worker, until, work
):
    # More than one idea, so that there is a run in flight whenever this process gets to look.
    ideas = [idea("02_row_sums_once", predicted=2.5), idea("01_null"), idea("01_null")]
    campaign_id = queue(ideas)

    def in_flight():
        rounds = ledger.rounds(campaign_id)
        runs = ledger.measurements(rounds[-1].id) if rounds else ()
        sandboxes = descendants(process.pid)
        return (rounds[-1].id, runs, sandboxes) if runs and sandboxes else None

    with start_worker() as process:
        round_id, before, sandboxes = until(in_flight)
        process.kill()
        deadline = time.monotonic() + 2.0
        while left := [pid for pid in sandboxes if is_running(pid)]:
            assert time.monotonic() < deadline, f"alive 2 s after the worker's death: {left}"
            time.sleep(0.05)
    status, log = work()
    assert status == 0, log
    assert ledger.measurements(round_id)[: len(before)] == before
    assert RoundBook(ledger).of_campaign(campaign_id)[0].ended_as == "promoted"


def descendants(pid: int) -> list[int]:
    """Every process below a process, however deep."""
    parents = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with suppress(OSError):
                parents[int(folder.name)] = int(_fields(folder)[1])
    found, frontier = [], [pid]
    while frontier:
        frontier = [child for child, parent in parents.items() if parent in frontier]
        found += frontier
    return found


def is_running(pid: int) -> bool:
    """Whether a process exists and is more than a zombie."""
    with suppress(OSError):
        return _fields(Path(f"/proc/{pid}"))[0] != "Z"
    return False


def _fields(folder: Path) -> list[str]:
    """State, parent and so on: what follows the name, which may hold anything."""
    return (folder / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()
