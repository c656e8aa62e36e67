"""Early stopping by curves gives up what is plainly behind, and nothing that is not."""

import re

import pytest

from rsi.evals.measure.curve_screen import CurveScreen
from rsi.evals.measure.running import Slot
from rsi.evals.types import Arm, Purpose


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def read(line):
    found = re.search(r"loss ([0-9.]+)", line)
    return None if found is None else float(found[1])


def a_slot(arm, pair=0):
    return Slot(arm=arm, purpose=Purpose.SCREEN, pair=pair, position=0, training_seed=1, label="x")


def screened(champion, candidate, *, steps=60, pair=0, **changes):
    """Both arms print a point a second; a run takes 100 of them."""
    clock = Clock()
    usual = {"is_higher_better": False, "margin": 0.05, "run_s": 100.0}
    screen = CurveScreen(read=read, name="loss", clock=clock, **(usual | changes))
    for second in range(steps):
        clock.now = float(second)
        for arm, curve in ((Arm.CHAMPION, champion), (Arm.CANDIDATE, candidate)):
            screen.heard(a_slot(arm, pair), "stdout", f"step loss {curve(second):.4f}\n".encode())
    return screen.behind()


def falling(second, speed=1.0):
    return 4.0 * 0.98 ** (speed * second)


def test_a_curve_that_is_plainly_behind_is_given_up_after_half_of_a_run():
    assert screened(falling, lambda s: falling(s, 0.5), steps=50) is None
    said = screened(falling, lambda s: falling(s, 0.5))
    assert said.startswith("after 55% of a run its loss stood at 2.")
    assert "the champion's at 1." in said


@pytest.mark.parametrize(
    "candidate",
    [
        falling,
        lambda s: falling(s, 1.4),
        lambda s: falling(s) + 0.1,  # within three margins
        lambda s: falling(s) + (0.5 if s < 40 else 0.0),  # behind at first alone
        lambda s: falling(s) + (3.0 if s == 55 else 0.0) / 10,  # one bad batch
    ],
)
def test_a_curve_that_is_not_plainly_behind_goes_on(candidate):
    assert screened(falling, candidate) is None


def test_where_little_is_printed_or_another_pair_runs_nothing_is_said():
    def rare(second):
        return falling(second, 0.2) if second % 30 == 0 else float("nan")

    assert screened(falling, rare) is None
    assert screened(falling, lambda s: falling(s, 0.5), pair=1) is None


def test_of_an_accuracy_more_is_better():
    assert screened(lambda s: s / 100, lambda s: s / 300, is_higher_better=True) is not None
    assert screened(lambda s: s / 300, lambda s: s / 100, is_higher_better=True) is None


def test_what_is_heard_in_pieces_is_read_whole_and_passed_on():
    heard = []

    class Inner:
        def heard(self, slot, stream, chunk):
            heard.append(chunk)

        def ended(self, slot):
            heard.append(b"end")

    screen = CurveScreen(
        read=read, name="loss", is_higher_better=False, margin=1.0, run_s=1.0, inner=Inner()
    )
    slot = a_slot(Arm.CHAMPION)
    for chunk in (b"lo", b"ss 1.", b"5\rloss 2.5", b"\n"):
        screen.heard(slot, "stdout", chunk)
    screen.ended(slot)
    assert [value for _, value in screen._points[Arm.CHAMPION]] == [1.5, 2.5]
    assert heard == [b"lo", b"ss 1.", b"5\rloss 2.5", b"\n", b"end"]
