"""A ledger that waits: for room on a disk as long as it takes, for a database that is away for ten minutes, for nothing else."""

import pytest

from rsi.agent.errors import (
    CampaignLostError,
    LedgerConflictError,
    LedgerFullError,
    LedgerUnavailableError,
)
from rsi.agent.store.patience import OUTAGE_S, Patience, patient

AWAY, FULL = LedgerUnavailableError("the server is away"), LedgerFullError("the disk is full")


class Clock:
    """Time that passes by sleeping alone."""

    def __init__(self):
        self.now_s, self.naps = 0.0, []

    def sleep(self, seconds):
        self.naps.append(seconds)
        self.now_s += seconds


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def told():
    return []


@pytest.fixture
def patience(clock, told):
    return Patience(
        on_wait=lambda reason: told.append(reason),
        on_back=lambda reason, waited_s: told.append((reason, waited_s)),
        sleep=clock.sleep,
        clock=lambda: clock.now_s,
    )


def failing(*errors):
    left = list(errors)

    def work():
        if left:
            raise left.pop(0)
        return "done"

    return work


@pytest.mark.parametrize("error", [AWAY, FULL])
def test_what_passes_is_waited_out_and_told_twice(patience, clock, told, error):
    assert patience.call(failing(error, AWAY, FULL, error)) == "done"
    assert told == [str(error), (str(error), clock.now_s)]
    assert len(clock.naps) == 4


def test_what_works_at_once_tells_nobody(patience, clock, told):
    assert patience.call(failing()) == "done"
    assert not told
    assert not clock.naps


@pytest.mark.parametrize("error", [LedgerConflictError("x"), CampaignLostError("x"), KeyError("x")])
def test_what_does_not_pass_is_raised_at_once_and_in_the_middle(patience, clock, error):
    with pytest.raises(type(error)):
        patience.call(failing(error))
    assert not clock.naps
    with pytest.raises(type(error)):
        patience.call(failing(FULL, error))


def test_a_database_that_stays_away_is_given_up_and_a_full_disk_is_not(patience, clock):
    with pytest.raises(LedgerUnavailableError):
        patience.call(failing(*[AWAY] * 10_000))
    assert OUTAGE_S < clock.now_s < OUTAGE_S + 5
    assert patience.call(failing(*[FULL] * 10_000)) == "done"


def test_every_call_of_a_patient_ledger_waits_and_its_fence_holds(started, patience, told):
    class Flaky:
        """A database that is away at every second transaction."""

        def __init__(self, real):
            self._real, self._calls = real, 0

        def __getattr__(self, name):
            if name in {"read", "write"}:
                self._calls += 1
                if self._calls % 2:
                    raise AWAY
            return getattr(self._real, name)

        def guarded(self, guard):
            return Flaky(self._real.guarded(guard))

    waiting = patient(type(started)(Flaky(started._database)), patience)
    epoch = waiting.take_campaign("c1", "w1", after_epoch=0)
    assert waiting.rounds("c1") == started.rounds("c1")
    fenced = waiting.fenced("c1", epoch)
    assert fenced.put_blob(b"x")
    assert len([each for each in told if isinstance(each, tuple)]) == 3
    started.take_campaign("c1", "w2", after_epoch=epoch)
    with pytest.raises(CampaignLostError):
        fenced.put_blob(b"y")
