"""Strategies are pure, recover from any crash, spread in parallel, and beat guessing."""

import statistics
from dataclasses import replace

import pytest
from benchmarks.landscape import FLAGS, Landscape, simulate

from rsi.agent.search.bandit import choose_model, records
from rsi.agent.search.choose import StrategyError, choose_strategy, flag_of
from rsi.agent.search.frontier import Pick, draw_for, frontier, pick
from rsi.agent.search.strategies import STRATEGIES
from rsi.agent.search.types import Facts, Node

WORLDS = [Landscape(seed) for seed in range(24)]
ROUNDS = 40


def node(number, parent="base", value=None, **changes):
    commit = f"c{number}" if value is not None else None
    return Node(
        **{
            "round_id": f"r{number}", "number": number, "commit": commit, "parent": parent,
            "value": value, **changes,
        }
    )  # fmt: skip


def facts(*nodes, champion="base", models=()):
    return Facts(baseline="base", champion=champion, nodes=nodes, models=models)


@pytest.fixture(scope="module")
def by_chance():
    return [
        simulate(world, None, rounds=ROUNDS, seed=n).best / world.optimum
        for n, world in enumerate(WORLDS)
    ]


def test_every_strategy_is_among_those_that_are_tried():
    assert {flag.split(":")[0] for flag in FLAGS} == set(STRATEGIES)


@pytest.mark.parametrize("flag", FLAGS)
def test_each_strategy_beats_random_proposal(flag, by_chance):
    strategy = choose_strategy(flag)
    reached = [
        simulate(world, strategy, rounds=ROUNDS, seed=n).best / world.optimum
        for n, world in enumerate(WORLDS)
    ]
    differences = [a - b for a, b in zip(reached, by_chance, strict=True)]
    error = statistics.stdev(differences) / len(differences) ** 0.5
    assert statistics.fmean(differences) > 1.5 * error


@pytest.mark.parametrize("flag", FLAGS)
def test_a_plan_depends_on_the_facts_and_the_seed_alone(flag):
    past = [node(n, value=0.1 * n, island=n % 3, niche=str(n % 2)) for n in range(1, 9)]
    known = facts(*past, champion="c8", models=("a", "b"))
    assert choose_strategy(flag).plan(known, 7) == choose_strategy(flag).plan(known, 7)


@pytest.mark.parametrize("flag", FLAGS)
def test_the_first_round_starts_from_the_baseline(flag):
    assert choose_strategy(flag).plan(facts(), 1).parent == "base"


@pytest.mark.parametrize("flag", FLAGS)
def test_failed_and_open_rounds_are_never_built_on(flag):
    past = [node(1), node(2, is_open=True), node(3, value=-0.5)]
    for seed in range(20):
        assert choose_strategy(flag).plan(facts(*past), seed).parent in ("base", "c3")


def test_best_of_n_starts_the_next_batch_from_the_best_of_the_last():
    strategy = choose_strategy("best_of_n:n=3")
    first = [node(1, value=0.1), node(2, value=0.3)]
    assert strategy.plan(facts(*first), 0).parent == "base"
    batch = [*first, node(3, value=0.2)]
    assert strategy.plan(facts(*batch), 0).parent == "c2"
    assert strategy.plan(facts(*batch, node(4, parent="c2", value=0.9)), 0).parent == "c2"


def test_best_of_n_goes_back_to_the_baseline_when_the_whole_batch_failed():
    strategy = choose_strategy("best_of_n:n=2")
    assert strategy.plan(facts(node(1), node(2, value=-0.2)), 0).parent == "base"


def test_a_spot_whose_children_keep_failing_is_left():
    past = [node(1, value=0.10), node(2, value=0.09)]
    past += [node(n, parent="c1") for n in range(3, 6)]
    assert choose_strategy("tree:pick=argmax").plan(facts(*past), 0).parent == "c2"


def test_rounds_under_way_count_as_visits_so_that_parallel_rounds_spread():
    past = [node(1, value=0.10), node(2, value=0.09), node(3, parent="c1", is_open=True)]
    assert choose_strategy("tree:pick=argmax").plan(facts(*past), 0).parent == "c2"


def test_islands_take_turns_keep_apart_and_migrate_round_the_ring():
    strategy = choose_strategy("archive:islands=2,migrate_every=3")
    past, parents = [], []
    for number in range(1, 9):
        plan = strategy.plan(facts(*past), 5)
        assert plan.island == (number - 1) % 2
        parents.append(plan)
        past.append(node(number, parent=plan.parent, value=0.1 * number, island=plan.island))
    islands = {f"c{n.number}": n.island for n in past} | {"base": None}
    for number, plan in enumerate(parents, start=1):
        is_migration = number in (5, 6)
        assert ("migration" in plan.reason) == is_migration
        if plan.parent != "base":
            assert (islands[plan.parent] != plan.island) == is_migration


def test_an_archive_keeps_the_best_of_each_niche_and_shows_the_neighbours_idea():
    past = [
        node(1, value=0.5, island=0, niche="loader"),
        node(2, value=0.9, island=1, niche="optimizer"),
        node(3, value=0.4, island=0, niche="loader"),
        node(4, value=0.1, island=1, niche="loss"),
    ]
    strategy = choose_strategy("archive:islands=2")
    plans = [strategy.plan(facts(*past), seed) for seed in range(30)]
    assert {plan.parent for plan in plans} <= {"base", "c1"}
    assert all("r2" in plan.inspirations for plan in plans)


def drawn(past, *, seeds=400):
    strategy = choose_strategy("open_ended")
    parents = [strategy.plan(facts(*past), seed).parent for seed in range(seeds)]
    return {each: parents.count(each) / seeds for each in {"base", "c1", "c2", "c3"}}


def test_an_open_ended_search_draws_the_better_parent_more_often_and_leaves_none_out():
    shares = drawn([node(1, value=0.3), node(2, value=0.1), node(3, value=-0.1)])
    assert shares["c1"] > shares["c2"] > shares["c3"] > 0


def test_an_open_ended_search_draws_a_parent_less_often_for_each_child_it_has():
    past = [node(1, value=0.2), node(2, value=0.2)]
    even = drawn(past)
    assert abs(even["c1"] - even["c2"]) < 0.12
    children = [node(n, parent="c1") for n in (3, 4, 5)]
    fewer = drawn([*past, *children])
    assert fewer["c2"] > 2 * fewer["c1"] > 0, "its children failed, and it is still a parent"


def test_an_open_ended_search_draws_from_what_earlier_campaigns_left():
    strategy = choose_strategy("open_ended")
    assert strategy.reads_archive
    assert not choose_strategy("greedy").reads_archive
    old = [
        replace(node(1, value=0.3), round_id="old1", commit="old1"),
        replace(node(2, value=0.1), round_id="old2", commit="old2"),
    ]
    own = node(1, parent="old1", value=0.4)
    shown = replace(facts(own, champion="old1"), archive=tuple(old))
    plans = [strategy.plan(shown, seed) for seed in range(200)]
    assert {each.parent for each in plans} == {"base", "old1", "old2", "c1"}
    assert plans[0].reason.endswith("of 4 in the archive")
    assert any("old1" in each.inspirations for each in plans)
    visits = {each.commit: each.visits for each in frontier(shown)}
    assert visits == {"base": 2, "old1": 1, "old2": 0, "c1": 0}, "children of all campaigns count"


@pytest.mark.parametrize("flag", FLAGS)
def test_a_later_campaign_starts_from_the_champion_that_it_finds(flag):
    strategy = choose_strategy(flag)
    assert strategy.plan(facts(champion="old"), 3).parent == "old"
    past = [node(1, parent="old"), node(2, parent="old", value=-0.2)]
    for seed in range(20):
        assert strategy.plan(facts(*past, champion="old"), seed).parent in ("old", "c2")


def test_a_champion_that_another_campaign_moved_is_built_on():
    past = [node(1, value=0.3), node(2, value=0.1)]
    spots = frontier(facts(*past, champion="foreign"))
    assert [spot.commit for spot in spots] == ["foreign", "c1", "c2", "base"]


def test_the_frontier_has_the_root_and_is_sorted():
    spots = frontier(facts(node(1, value=-0.1), node(2, value=0.2)))
    assert [spot.commit for spot in spots] == ["c2", "base", "c1"]


@pytest.mark.parametrize("how", list(Pick))
def test_each_way_of_picking_prefers_the_better_spot(how):
    spots = frontier(facts(*(node(n, value=0.1 * n) for n in range(1, 6))))
    picked = [pick(spots, how, draw_for(1, n, "t")).value for n in range(400)]
    assert statistics.fmean(picked) > statistics.fmean(spot.value for spot in spots)
    if how is Pick.TOP_K:
        assert set(picked) == {spot.value for spot in spots[:3]}
    if how is Pick.EPSILON_GREEDY:
        assert 0.75 < picked.count(spots[0].value) / 400 < 0.93


def test_the_bandit_tries_each_model_then_prefers_gain_per_dollar():
    models = ("dear", "cheap")
    assert choose_model(facts(models=models), 0) == "dear"
    assert choose_model(facts(node(1, model="dear"), models=models), 0) == "cheap"
    past = []
    for n in range(1, 31):
        is_dear = n % 2
        past.append(
            node(
                n, value=0.1, gain=0.05, model="dear" if is_dear else "cheap",
                cost_usd=1.0 if is_dear else 0.1,
            )
        )  # fmt: skip
    known = facts(*past, models=models)
    chosen = [choose_model(known, seed) for seed in range(50)]
    assert chosen.count("cheap") > 45
    shown = {record.model: record.gain / record.usd for record in records(past, models)}
    assert shown["cheap"] == pytest.approx(0.5)
    assert shown["dear"] == pytest.approx(0.05)


def test_the_bandit_comes_back_to_a_model_that_failed_by_bad_luck():
    past = [node(1, model="a", gain=-0.1, cost_usd=0.1)]
    past += [node(n, value=0.1, gain=0.01, model="b", cost_usd=0.1) for n in range(2, 8)]
    chosen = {choose_model(facts(*past, models=("a", "b")), seed) for seed in range(60)}
    assert chosen == {"a", "b"}


def test_the_bandit_reaches_more_per_dollar_than_the_dear_model_alone():
    def per_dollar(models):
        done = [
            simulate(world, choose_strategy("greedy"), rounds=ROUNDS, seed=n, models=models)
            for n, world in enumerate(WORLDS)
        ]
        return sum(c.best for c in done) / sum(c.usd for c in done)

    assert per_dollar(("quick", "careful")) > 2 * per_dollar(("careful",))


@pytest.mark.parametrize(
    ("flag", "problem"),
    [
        ("hill", "no strategy 'hill'; there are greedy"),
        ("tree:colour=red", "no setting 'colour'; tree has pick"),
        ("tree:pick=best", "one of argmax"),
        ("best_of_n:n=0", "at least 1"),
        ("best_of_n:n=x", "n='x'"),
        ("tree:temperature=0", "above 0"),
        ("open_ended:temperature=-1", "above 0"),
        ("tree:pick=epsilon_greedy,epsilon=2", "between 0 and 1"),
        ("greedy:n=2", "greedy has none"),
    ],
)
def test_a_mistake_in_the_flag_is_named(flag, problem):
    with pytest.raises(StrategyError, match=problem):
        choose_strategy(flag)


@pytest.mark.parametrize("flag", FLAGS)
def test_a_strategys_name_makes_it_again(flag):
    assert choose_strategy(choose_strategy(flag).name) == choose_strategy(flag)


def test_a_scaffolds_search_table_is_a_flag():
    assert flag_of({}) == "greedy"
    assert flag_of({"strategy": "tree", "pick": "top_k", "k": 3}) == "tree:pick=top_k,k=3"
    with pytest.raises(StrategyError, match="no setting 'islands'"):
        flag_of({"strategy": "tree", "islands": 3})
