"""Pairs whose candidate works when the champion has left compare nothing; waiting by itself is no crime."""

import threading
from dataclasses import replace

import pytest

from rsi.evals.judge.judging import judge
from rsi.evals.judge.pairing import sort_runs
from rsi.evals.measure.measuring import measure
from rsi.evals.measure.overlap import MAX_PUT_OFF, checked_overlap, put_off_share
from rsi.evals.types import Arm, Outcome, Purpose, Verdict
from rsi.sandboxes.select import choose_backend
from rsi.sandboxes.time_slices import SliceUse
from rsi.sandboxes.types import Environment, FileEntry

BUSY = SliceUse(together_s=4.0, busy_s=3.9, alone_cpu_s=0.0)


def use(together_s, busy_s, alone_cpu_s):
    return SliceUse(together_s=together_s, busy_s=busy_s, alone_cpu_s=alone_cpu_s)


@pytest.mark.parametrize(
    ("own", "cpu_s", "champion"),
    [
        (use(1.9, 1.85, 0.0), 1.9, BUSY),  # an honest gain
        (use(3.9, 1.0, 0.0), 1.0, BUSY),  # sleeps most of the time and ends before the champion
        (use(4.0, 3.9, 4.0), 8.0, BUSY),  # twice as slow as was thought: works alone, never waited
        (use(4.0, 3.5, 0.4), 4.0, BUSY),  # waits a little for a file
        (use(4.0, 2.0, 2.0), 4.1, use(4.0, 2.0, 0.0)),  # others had half of the cores, from both
        (use(4.0, 4.0, 0.0), 8.0, use(4.0, 2.0, 0.0)),  # no longer sleeps, as the champion does
        (use(0.0, 0.0, 1.0), 1.0, use(0.0, 0.0, 0.0)),  # the champion never ran beside it
        (use(0.1, 0.02, 0.03), 0.05, use(0.1, 0.1, 0.0)),  # shorter than a slice
    ],
)
def test_an_honest_arm_puts_nothing_off(own, cpu_s, champion):
    assert put_off_share(champion, own, cpu_s) <= MAX_PUT_OFF


@pytest.mark.parametrize(
    ("own", "cpu_s"),
    [
        (use(4.0, 0.1, 1.9), 2.0),  # all of its work
        (use(4.0, 1.2, 0.8), 2.0),  # two fifths
        (use(2.0, 0.1, 3.8), 4.0),  # two threads at once, when nobody is there any more
        (use(0.3, 0.05, 0.15), 0.2),  # short, but three slices of it
    ],
)
def test_one_that_waits_for_the_other_to_leave_is_seen(own, cpu_s):
    assert put_off_share(BUSY, own, cpu_s) > MAX_PUT_OFF


def pair(run_of, number, own, *, cpu_s=2.0, purpose=Purpose.SCREEN):
    champion = replace(run_of(Arm.CHAMPION, number, 4.0, purpose=purpose), slices=BUSY)
    candidate = replace(run_of(Arm.CANDIDATE, number, cpu_s, purpose=purpose), slices=own)
    return checked_overlap([champion, candidate])


LATE = use(4.0, 0.1, 1.9)
GOOD = use(1.9, 1.9, 0.0)


def test_a_pair_out_of_turn_is_invalid_and_three_are_the_candidates_own_doing(
    task, profile, run_of
):
    one = pair(run_of, 0, LATE)
    assert [run.outcome for run in one] == [Outcome.OK, Outcome.OUT_OF_TURN]
    assert "95% of its work when the champion had ended" in one[1].detail
    sorted_runs = sort_runs(task.metric, one, Purpose.SCREEN)
    assert (sorted_runs.invalid_pairs, sorted_runs.failures) == (1, ())
    two = [*one, *pair(run_of, 1, LATE)]
    assert not judge(task, profile, two, purpose=Purpose.SCREEN).stop
    said = judge(task, profile, [*two, *pair(run_of, 2, LATE)], purpose=Purpose.SCREEN)
    assert (said.stop, said.verdict) == (True, Verdict.INVALID)
    assert said.reason.startswith("out_of_turn in 3 of 3 runs: waited in its own time slices")
    assert said.runs.outcomes == {"out_of_turn": 3}


def test_two_pairs_out_of_turn_are_run_again_and_held_against_nobody(task, profile, run_of):
    runs = [*pair(run_of, 0, LATE), *pair(run_of, 1, LATE)]
    for number in (2, 3, 4):
        runs += pair(run_of, number, GOOD)
    said = judge(task, profile, runs, purpose=Purpose.SCREEN)
    assert said.verdict is Verdict.SUPPORTED
    assert said.runs.invalid_pairs == 2


def test_what_a_champion_puts_off_is_not_held_against_a_candidate(run_of):
    champion = replace(run_of(Arm.CHAMPION, 0, 2.0), slices=LATE)
    candidate = replace(run_of(Arm.CANDIDATE, 0, 2.0), slices=GOOD)
    assert [run.outcome for run in checked_overlap([champion, candidate])] == [Outcome.OK] * 2


def test_runs_without_slices_are_left_as_they_are(run_of):
    pair_ = [run_of(Arm.CHAMPION, 0, 4.0), run_of(Arm.CANDIDATE, 0, 2.0)]
    assert checked_overlap(pair_) == pair_


# --- for real --------------------------------------------------------------------------

ALONE = """
def wait_until_alone(pause):
    import time
    steady = 0
    while steady < 400:  # longer than any slice
        before = time.monotonic()
        pause(0.002)
        steady = steady + 1 if time.monotonic() - before < 0.015 else 0
"""
WAITS = {
    "event": "import threading\nwait_until_alone(threading.Event().wait)\n",
    "select": "import select\nwait_until_alone(lambda s: select.select([], [], [], s))\n",
    "queue": (
        "import queue\n"
        "def pause(seconds):\n"
        "    try:\n"
        "        queue.Queue().get(timeout=seconds)\n"
        "    except queue.Empty:\n"
        "        pass\n"
        "wait_until_alone(pause)\n"
    ),
    "lock": "import threading\nheld = threading.Lock()\nheld.acquire()\n"
    "wait_until_alone(lambda s: held.acquire(timeout=s))\n",
    "asyncio": "import asyncio\nwait_until_alone(lambda s: asyncio.run(asyncio.sleep(s)))\n",
}
HONEST = {
    "sleeps a little": "import time\ntime.sleep(0.15)\n",
    "waits for a process": "import subprocess, sys\nsubprocess.run([sys.executable, '-c', 'sum(range(10**6))'])\n",
    "waits for threads": (
        "from concurrent.futures import ThreadPoolExecutor\n"
        "with ThreadPoolExecutor(2) as pool:\n"
        "    list(pool.map(sum, [range(10**6)] * 2))\n"
    ),
}


@pytest.fixture
def pairs_for_real(tmp_path):
    """Measures the toy task's baseline against itself with more lines before its fit, in time slices."""
    from rsi.tasks.files.trees import read_tree
    from rsi.tasks.format.loader import load_task

    def go(backend_name, lines):
        task = load_task("toy")
        backend = choose_backend(backend_name).backend
        backend.prepare(Environment(name="rsi-python"))
        base = read_tree(task.repo)
        changed = tuple(
            FileEntry(path=each.path, content=(ALONE + lines).encode() + each.content)
            if each.path == "bigram/fit.py"
            else each
            for each in base
        )
        profile = task.profiles["large"]  # runs of more than a second
        plan = replace(profile.plan, min_pairs=3, max_pairs=3, confirm_pairs=3)
        return measure(
            task, replace(profile, plan=plan), backend, base, changed, purpose=Purpose.EXTRA,
            campaign_secret=b"0123456789abcdef", lineage="overlap", round_id="overlap", cache=tmp_path,
        )  # fmt: skip

    return go


# The ways differ inside the candidate alone, so that one of them stands for all while somebody waits for the tests.
ELSEWHERE = [
    pytest.param("bubblewrap", way, marks=pytest.mark.exhaustive)
    for way in WAITS
    if way != "asyncio"
]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("backend_name", "way"), [("bubblewrap", "asyncio"), ("process", "event"), *ELSEWHERE]
)
def test_every_way_to_wait_idly_ends_out_of_turn(pairs_for_real, backend_name, way):
    runs = pairs_for_real(backend_name, WAITS[way])
    candidates = [run for run in runs if run.arm is Arm.CANDIDATE]
    assert [run.outcome for run in candidates] == [Outcome.OUT_OF_TURN] * 3, [
        run.slices for run in runs
    ]


@pytest.mark.slow
@pytest.mark.parametrize("kind", HONEST)
@pytest.mark.parametrize("hogs", [pytest.param(0, marks=pytest.mark.exhaustive), 3])
def test_honest_waiting_passes_on_a_loaded_machine_too(pairs_for_real, kind, hogs):
    stop = threading.Event()

    def burn():
        while not stop.is_set():
            sum(range(10_000))

    import multiprocessing

    processes = [multiprocessing.Process(target=burn, daemon=True) for _ in range(hogs)]
    for each in processes:
        each.start()
    try:
        runs = pairs_for_real("bubblewrap", HONEST[kind])
    finally:
        for each in processes:
            each.kill()
            each.join()
    outcomes = [run.outcome for run in runs if run.arm is Arm.CANDIDATE]
    assert outcomes == [Outcome.OK] * 3, [run.slices for run in runs]
