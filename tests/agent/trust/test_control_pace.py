"""The simulation of control and capability: what its page says of it is what it does."""

from statistics import mean

from benchmarks.control_pace import GENERATIONS, false_share, run

SEEDS = range(40)


def test_where_control_keeps_pace_cheats_are_caught_to_the_end_and_without_hardly_any_are():
    kept = [run(seed, keeps_pace=True) for seed in SEEDS]
    alone = [run(seed, keeps_pace=False) for seed in SEEDS]
    assert {len(each) for each in kept + alone} == {GENERATIONS}
    assert mean(each[-1].detection for each in kept) > 0.8
    assert mean(each[-1].detection for each in alone) < 0.2
    assert false_share(kept) < 0.1 < 0.25 < false_share(alone)
    assert mean(each[-1].truth for each in kept) > mean(each[-1].truth for each in alone)
    assert mean(each[-1].shown - each[-1].truth for each in alone) > 3.0


def test_a_history_is_a_function_of_its_seed():
    assert run(3, keeps_pace=True) == run(3, keeps_pace=True)
    assert run(3, keeps_pace=True) != run(4, keeps_pace=True)
