"""Commands in several sandboxes that run in turns: one at a time, whole trees, each on its own clock."""

import itertools
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest
from tests.sandboxes.conftest import BARE

from rsi.sandboxes.errors import SandboxBrokenError, TimeSlicesAbandonedError
from rsi.sandboxes.time_slices import (
    COARSE_SLICE_S,
    FINE_SLICE_S,
    FIRST_SLICE_S,
    GROWTH,
    MAX_SLICE_FACTOR,
    MIN_SLICE_S,
    TimeSlices,
)
from rsi.sandboxes.types import ExecOutcome, Limits, SandboxSpec

pytestmark = pytest.mark.slow

STAMPS = """
import json, os, sys, time
seconds = float(sys.argv[1])
family = [os.fork() for _ in range(2)]
if 0 in family:
    os.setsid()
stamps, end = [], time.process_time() + seconds
last = start = time.monotonic()
while time.process_time() < end:
    now = time.monotonic()
    if now - last > 0.001:
        stamps.append((start, last))
        start = now
    last = now
stamps.append((start, last))
if 0 not in family:
    for pid in family:
        os.waitpid(pid, 0)
    print(json.dumps(stamps))
"""
"""Four processes, two of them in sessions of their own, burn CPU; the first prints when it could run."""


def spec(wall_s=20.0):
    limits = Limits(wall_s=wall_s, memory_bytes=256 << 20, pids=32, cpus=(0,))
    return SandboxSpec(environment=BARE, limits=limits, label="turns")


def run_all(backend, turns, *commands, wall_s=20.0):
    """Run each command in a sandbox and a time slot of its own; the results, or the errors."""

    def go(time_slot, argv):
        try:
            with backend.open(spec(wall_s)) as sandbox:
                result = sandbox.exec(argv, time_slot=time_slot)
                time_slot.wait_for_others()
                return result
        except (TimeSlicesAbandonedError, SandboxBrokenError) as error:
            return error
        finally:
            time_slot.leave()

    with turns, ThreadPoolExecutor() as pool:
        return list(pool.map(go, turns.time_slots, commands))


def burn(seconds):
    return ("python", "-c", STAMPS, str(seconds))


def test_only_one_command_runs_at_a_time_and_every_process_of_it_stops(backend):
    results = run_all(backend, TimeSlices(), burn(0.2), burn(0.2))
    slices = sorted(
        (start, end, arm)
        for arm, result in enumerate(results)
        for start, end in json.loads(result.stdout)
    )
    assert [each.outcome for each in results] == [ExecOutcome.OK, ExecOutcome.OK]
    handovers = sum(arm != other for (_, _, arm), (_, _, other) in itertools.pairwise(slices))
    assert handovers >= 3
    overlaps = [
        end - following
        for (_, end, arm), (following, _, other) in itertools.pairwise(slices)
        if arm != other and end > following
    ]
    assert overlaps == []


def test_time_of_the_others_is_not_counted(backend):
    started = time.monotonic()
    long, short = run_all(backend, TimeSlices((3.0, 1.0)), burn(0.3), burn(0.1))
    assert long.wall_s + short.wall_s < time.monotonic() - started
    assert long.cpu_s > 1.8 * short.cpu_s


def test_the_wall_limit_counts_the_own_turns_alone(backend):
    endless, finite = run_all(
        backend, TimeSlices(), ("python", "-c", "while True: pass"), burn(0.03), wall_s=3.0
    )
    assert endless.outcome is ExecOutcome.TIMEOUT
    assert 2.9 < endless.wall_s < 6.0
    assert finite.outcome is ExecOutcome.OK


def test_one_that_cannot_start_leaves_the_others_their_turns(backend):
    missing, other = run_all(backend, TimeSlices(), ("no-such-program",), burn(0.05))
    assert missing.exit_code == 127
    assert other.outcome is ExecOutcome.OK


def test_abandoned_turns_end_every_command_at_once(bubblewrap):
    turns = TimeSlices()
    threading.Timer(0.5, turns.abandon).start()
    started = time.monotonic()
    endless = ("python", "-c", "while True: pass")
    results = run_all(bubblewrap, turns, endless, endless)
    assert [type(each) for each in results] == [TimeSlicesAbandonedError, TimeSlicesAbandonedError]
    assert time.monotonic() - started < 15


def test_a_decisive_failure_ends_the_others_and_another_failure_does_not():
    for failing, expected in ((1, True), (0, False)):
        with TimeSlices(decisive=1) as turns:
            turns.time_slots[failing].fail()
            assert turns.is_abandoned is expected


def test_nobody_has_a_turn_before_all_are_there_and_the_turn_goes_around():
    with TimeSlices((None, None, None), first=1) as turns:
        first, second, third = turns.time_slots
        first.arrive()
        second.arrive()
        assert not any(time_slot.has_turn for time_slot in turns.time_slots)
        third.leave()
        assert second.has_turn
        second.pass_on()
        assert first.has_turn
        first.leave()
        assert second.has_turn
        assert second.is_alone
        second.leave()
        assert not any(time_slot.has_turn for time_slot in turns.time_slots)


@pytest.mark.parametrize(
    ("needs_s", "slices_s"),
    [
        ((None, None), (FIRST_SLICE_S, FIRST_SLICE_S)),
        ((4.0, None), (FIRST_SLICE_S, FIRST_SLICE_S)),
        ((20.0, 10.0), (2 * FINE_SLICE_S, FINE_SLICE_S)),
        ((0.5, 1.0), (0.05, 0.1)),
        ((0.1, 0.01), (MAX_SLICE_FACTOR * MIN_SLICE_S, MIN_SLICE_S)),
    ],
)
def test_slices_follow_what_the_commands_need_up_to_a_bound(needs_s, slices_s):
    with TimeSlices(needs_s) as turns:
        assert [time_slot.slice_s(0.0) for time_slot in turns.time_slots] == pytest.approx(slices_s)


def test_a_sandbox_serves_again_after_its_turns(backend):
    with ExitStack() as stack:
        boxes = [stack.enter_context(backend.open(spec())) for _ in range(2)]
        turns = stack.enter_context(TimeSlices())
        with ThreadPoolExecutor() as pool:
            list(
                pool.map(
                    lambda box, time_slot: box.exec(burn(0.1), time_slot=time_slot),
                    boxes,
                    turns.time_slots,
                )
            )
        assert [box.exec(("echo", "again")).stdout for box in boxes] == [b"again\n"] * 2


def test_slices_of_commands_that_nobody_knows_grow_with_what_they_have_run():
    with TimeSlices(max_slice_s=COARSE_SLICE_S) as turns:
        time_slot, _ = turns.time_slots
        assert time_slot.slice_s(0.0) == time_slot.slice_s(0.1) == FIRST_SLICE_S
        assert time_slot.slice_s(1.0) == pytest.approx(GROWTH)
        assert time_slot.slice_s(100.0) == COARSE_SLICE_S


def test_coarse_slices_are_a_tenth_of_the_shorter_command():
    with TimeSlices((2.0, 5.0), max_slice_s=COARSE_SLICE_S) as turns:
        assert [time_slot.slice_s(0.0) for time_slot in turns.time_slots] == pytest.approx(
            (0.2, 0.5)
        )
