"""Several agents of one campaign think at once; what they propose is measured in turn, each on the champion of that moment."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.agent.run import scripted

from rsi.agent.errors import CampaignLostError
from rsi.agent.llm.types import Usage
from rsi.agent.policy.budget import Budget, CallsUnderWay, LedgerBudgetGuard, spent
from rsi.agent.policy.settings import CampaignConfigError
from rsi.agent.report.activity import activity_of
from rsi.agent.report.follow import Follower
from rsi.agent.store.git.lineage import Lineage
from rsi.agent.store.records import CampaignState, ChargeRole, RequestKind, Step, utc_now
from rsi.agent.store.round_book import RoundBook
from rsi.agent.store.steps.facts import Briefed, Committed, Opened, Proposed
from rsi.agent.trust.rescoring import rescore_round
from rsi.agent.types import AgentRole, BudgetExceededError
from rsi.tasks.format.loader import load_task

LOSS, COUNT = "bigram/loss.py", "bigram/count.py"
MARK = b"# faster "


def source(path):
    return (load_task("toy").root / "repo" / path).read_text(encoding="utf-8")


def marked(path, word, *, at_end=False):
    """A file with one more comment, which the script takes for a gain."""
    text, mark = source(path), f"{MARK.decode()}{word}\n"
    return text + mark if at_end else mark + text


def entry(path, content, *, hypothesis, meeting=None, size=0):
    """An agent that writes one file; with a meeting it goes on only once so many are there."""
    turns = []
    if meeting is not None:
        wait = (
            f"mkdir -p {meeting}; touch {meeting}/{hypothesis.split()[-1]}; for i in $(seq 1200); do "
            f"[ $(ls {meeting} | wc -l) -ge {size} ] && exit 0; sleep 0.05; done; exit 3"
        )
        turns.append(f'{{tool = "shell", arguments = {{command = "{wait}"}}}}')
    turns.append(
        f"{{tool = \"write\", arguments = {{path = \"{path}\", content = '''{content}'''}}}}"
    )
    turns.append(
        f'{{tool = "submit", arguments = {{hypothesis = "{hypothesis}", predicted_ratio = 2.5, risk = "none"}}}}'
    )
    return "[[round]]\n" + "\n".join(f"[[round.turn]]\ncalls = [{each}]" for each in turns)


def seconds(files):
    """Each mark in the code makes a run two and a half times as fast."""
    code = b"".join(each.content for path, each in files.items() if path.startswith("code/"))
    return 1.0 * 0.4 ** code.count(MARK)


@pytest.fixture
def three(tmp_path):
    """Two gains that fit together and one that does not fit the first, from agents that meet while they think."""
    meeting = tmp_path / "meeting"
    return [
        entry(LOSS, marked(LOSS, "one"), hypothesis="mark one", meeting=meeting, size=3),
        entry(COUNT, marked(COUNT, "two"), hypothesis="mark two", meeting=meeting, size=3),
        entry(LOSS, marked(LOSS, "three"), hypothesis="mark three", meeting=meeting, size=3),
    ]


def queue(ledger, tmp_path, ideas, **settings):
    return scripted.queue(ledger, tmp_path / "script.toml", ideas, **settings)


def views(ledger, campaign_id):
    return RoundBook(ledger).of_campaign(campaign_id)


@pytest.mark.slow
def test_gains_that_fit_together_are_both_promoted_and_one_that_does_not_says_why(
    home, ledger, tmp_path, three
):
    campaign_id = queue(ledger, tmp_path, three, parallel=3)
    scripted.run(home, ledger, campaign_id, seconds=seconds)
    assert ledger.campaign_summary(campaign_id).state is CampaignState.FINISHED
    first, second, third = views(ledger, campaign_id)
    assert [each.ended_as for each in (first, second, third)] == ["promoted", "promoted", "stale"]
    lineage = Lineage.open(home, "toy", create=False)
    baseline = lineage.baseline()

    # All three began on the baseline; the second was put onto what the first left.
    assert {each.left(Opened).champion_commit for each in (first, second, third)} == {baseline}
    placed = second.left(Committed)
    assert (placed.parent, placed.rebased_from) == (first.commit, baseline)
    assert second.record.champion_commit == first.commit
    assert lineage.champion() == second.commit
    code = {each.path: each.content for each in lineage.tree(second.commit)}
    assert code[LOSS].startswith(MARK + b"one")
    assert code[COUNT].startswith(MARK + b"two")
    assert lineage.commit(second.commit).trailers["Rebased-from"] == baseline
    assert 2.2 < second.effect.estimate < 2.8, "its own gain, not both"
    assert all(each.is_same for each in rescore_round(ledger, second.id, home))

    assert third.commit is None
    assert f"does not fit the champion {second.commit[:12]}: both change {LOSS}" in third.reason
    assert third.report.cost.calls == first.report.cost.calls, "its cost is counted"
    told = [each.left(Briefed).beside for each in (first, second, third)]
    assert all("Up to 3 agents work on this campaign at once" in each for each in told)
    assert "idea 1: its agent has not said yet" in told[1]
    assert "take the third idea" in told[2]
    moves = ledger.promotions("toy")
    assert [each.old_commit for each in moves] == [baseline, first.commit]


@pytest.mark.slow
def test_agents_that_think_alone_are_told_of_nobody(home, ledger, tmp_path):
    alone = queue(ledger, tmp_path, [scripted.idea("01_null")])
    scripted.run(home, ledger, alone)
    assert views(ledger, alone)[0].left(Briefed).beside == ""


class Killed(BaseException):
    """As a kill: nothing of the campaign is written any more."""


@pytest.mark.slow
def test_a_kill_while_agents_think_costs_only_what_was_not_handed_in(home, ledger, tmp_path, three):
    campaign_id = queue(ledger, tmp_path, three, parallel=3)

    def on_step(name):
        if name.endswith("-0001/0/commit"):
            raise Killed

    with pytest.raises(Killed):
        scripted.run(home, ledger, campaign_id, seconds=seconds, on_step=on_step)
    rounds = ledger.rounds(campaign_id)
    proposals = [ledger.step(each.id, Step.PROPOSE) for each in rounds]
    assert all(isinstance(each, Proposed) for each in proposals), "all three were kept"
    paid = [each for each in ledger.charges(campaign_id) if each.role is ChargeRole.PROPOSER]

    scripted.run(home, ledger, campaign_id, seconds=seconds)
    ended = views(ledger, campaign_id)
    assert [each.ended_as for each in ended] == ["promoted", "promoted", "stale"]
    assert [each.left(Proposed) for each in ended] == proposals
    after = [each for each in ledger.charges(campaign_id) if each.role is ChargeRole.PROPOSER]
    assert after == paid, "nothing was paid twice"


@pytest.mark.slow
def test_a_stop_ends_all_agents_and_every_idea_that_was_opened(home, ledger, tmp_path):
    meeting = tmp_path / "meeting"
    ideas = [
        entry(LOSS, marked(LOSS, str(n)), hypothesis=f"mark {n}", meeting=meeting, size=4)
        for n in range(5)
    ]
    campaign_id = queue(ledger, tmp_path, ideas, parallel=3)

    def stop():
        while len(list(meeting.glob("*"))) < 3:
            threading.Event().wait(0.05)
        ledger.add_request(
            RequestKind.STOP, actor="person:ada", at=utc_now(), campaign_id=campaign_id
        )
        (meeting / "stop").touch()

    watcher = threading.Thread(target=stop, daemon=True)
    watcher.start()
    scripted.run(home, ledger, campaign_id, seconds=seconds)
    watcher.join(60)
    assert ledger.campaign_summary(campaign_id).state is CampaignState.STOPPED
    assert [each.ended_as for each in views(ledger, campaign_id)] == ["stopped"] * 3
    assert all(each.report is not None for each in views(ledger, campaign_id))


@pytest.mark.slow
def test_agents_that_were_handed_in_after_another_worker_took_over_write_nothing(
    home, ledger, tmp_path, three
):
    campaign_id = queue(ledger, tmp_path, three, parallel=3)
    epoch = ledger.take_campaign(campaign_id, "one", after_epoch=0)
    fenced = ledger.fenced(campaign_id, epoch)

    def on_step(name):
        if name.endswith("-0001/0/measure"):
            ledger.take_campaign(campaign_id, "two", after_epoch=epoch)

    with pytest.raises(CampaignLostError):
        scripted.run(home, fenced, campaign_id, seconds=seconds, on_step=on_step)
    scripted.run(home, ledger, campaign_id, seconds=seconds)
    assert [each.ended_as for each in views(ledger, campaign_id)] == [
        "promoted",
        "promoted",
        "stale",
    ]


@pytest.mark.slow
def test_a_candidate_whose_champion_moved_while_it_was_measured_is_measured_again(
    home, ledger, tmp_path
):
    """Two campaigns on one lineage: the second promotes while the first one's candidate is reviewed."""
    one = entry(LOSS, marked(LOSS, "one"), hypothesis="mark one")
    two = entry(COUNT, marked(COUNT, "two"), hypothesis="mark two")
    slow = queue(ledger, tmp_path, [one])
    quick = scripted.queue(ledger, tmp_path / "quick.toml", [two])

    def on_step(name):
        if name == f"{slow}-0001/0/decide":
            scripted.run(home, ledger, quick, seconds=seconds)

    scripted.run(home, ledger, slow, seconds=seconds, on_step=on_step)
    (of_quick,), (of_slow,) = views(ledger, quick), views(ledger, slow)
    assert (of_quick.ended_as, of_slow.ended_as) == ("promoted", "promoted")
    assert of_slow.latest.number == 1
    assert of_slow.left(Committed).parent == of_quick.commit
    assert ledger.round(of_slow.id, attempt=0).champion_commit == of_quick.record.champion_commit
    assert len({each.commit for each in of_slow.decisions}) == 2, "each version was decided on"
    before = ledger.step_record(of_slow.id, Step.PROMOTE, 0)
    assert "is put onto it and measured again" in before.fact.reason
    proposer = [each for each in ledger.charges(slow) if each.role is ChargeRole.PROPOSER]
    turns = of_slow.steps[2].fact.turns
    assert len(proposer) == turns, "no model was asked about it again"
    assert Lineage.open(home, "toy", create=False).champion() == of_slow.commit


@pytest.mark.slow
def test_a_change_that_the_champion_has_already_is_stale(home, ledger, tmp_path):
    same = entry(LOSS, marked(LOSS, "one"), hypothesis="mark one")
    campaign_id = queue(ledger, tmp_path, [same, same], parallel=2)
    scripted.run(home, ledger, campaign_id, seconds=seconds)
    first, second = views(ledger, campaign_id)
    assert (first.ended_as, second.ended_as) == ("promoted", "stale")
    assert f"the champion {first.commit[:12]} has this change already" in second.reason


def guard(ledger, campaign_id, round_id, calls, tokens=100):
    return LedgerBudgetGuard(
        ledger=ledger,
        campaign_id=campaign_id,
        round_id=round_id,
        campaign_budget=lambda: Budget(tokens=tokens),
        calls=calls,
    )


def reserve(guard, tokens):
    return guard.reserve(role=AgentRole.PROPOSER, model="x", upper_bound_usd=None, tokens=tokens)


def test_a_call_that_only_others_keep_away_waits_for_them_and_no_limit_is_passed(ledger, tmp_path):
    campaign_id = queue(ledger, tmp_path, [scripted.idea("01_null")])
    calls, done = CallsUnderWay(), threading.Event()
    one, two = (guard(ledger, campaign_id, f"r{n}", calls) for n in (1, 2))
    first, found = reserve(one, 80), []

    def second():
        found.append(reserve(two, 80))
        done.set()

    thread = threading.Thread(target=second, daemon=True)
    thread.start()
    assert not done.wait(0.3), "80 and 80 are not 100"
    one.settle(first, usage=Usage(output_tokens=10), usd=None)
    assert done.wait(60)
    assert spent(ledger.charges(campaign_id)).tokens == 90
    thread.join(60)

    # What the first really used leaves no room for 95, whoever ends.
    two.settle(found[0], usage=Usage(output_tokens=5), usd=None)
    with pytest.raises(BudgetExceededError):
        reserve(one, 95)
    assert one.refused is not None
    assert spent(ledger.charges(campaign_id)).tokens == 15


def test_many_agents_never_pass_the_limit_together(ledger, tmp_path):
    campaign_id = queue(ledger, tmp_path, [scripted.idea("01_null")])
    calls, most = CallsUnderWay(), []

    def agent(number):
        mine = guard(ledger, campaign_id, f"r{number}", calls)
        for _ in range(4):
            held = reserve(mine, 40)
            most.append(spent(ledger.charges(campaign_id)).tokens)
            mine.settle(held, usage=Usage(output_tokens=3), usd=None)

    with ThreadPoolExecutor(4) as threads:
        for each in [threads.submit(agent, number) for number in range(4)]:
            each.result(60)
    # A reservation that did not fit is written before it is checked, and taken back at once: it was never a call.
    assert spent(ledger.charges(campaign_id)).tokens == 4 * 4 * 3
    assert len(most) == 16


@pytest.mark.slow
def test_a_follower_hears_what_agents_do_ahead(home, ledger, tmp_path, three):
    campaign_id = queue(ledger, tmp_path, three, parallel=3)
    heard = []

    def on_step(name):
        if name.endswith("-0001/0/critique"):
            heard.append(activity_of(ledger, campaign_id))

    scripted.run(home, ledger, campaign_id, seconds=seconds, on_step=on_step)
    (found,) = heard
    assert found.what.startswith("round 1 critique")
    words = found.behind.split(", ")
    assert sum(int(each.split()[0]) for each in words) == 2, found.behind
    assert found.behind in found.text
    lines = list(Follower(ledger, campaign_id).news())
    assert any("put onto the champion" in each for each in lines)
    assert any("stale" in each and "does not fit the champion" in each for each in lines)


@pytest.mark.parametrize("count", [0, -1, 9])
def test_only_so_many_agents_as_there_may_be(ledger, tmp_path, count):
    with pytest.raises(CampaignConfigError, match=f"parallel is {count}; 1 to 8 agents"):
        queue(ledger, tmp_path, [scripted.idea("01_null")], parallel=count)
